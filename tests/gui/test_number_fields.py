"""Numbers are typed with a comma or a point, in every country, and mean the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PyQt6.QtCore import QLocale, Qt
from PyQt6.QtWidgets import QDoubleSpinBox
from pytestqt.qtbot import QtBot

from app.gui.main_window import MainWindow


@pytest.fixture(params=["C", "de_DE", "fr_FR", "ar_EG"])
def country(request: pytest.FixtureRequest) -> Iterator[str]:
    """What the computer is set to before the window is made."""
    before = QLocale()
    QLocale.setDefault(QLocale(request.param))
    yield request.param
    QLocale.setDefault(before)


@pytest.mark.parametrize("typed", ["57.5", "57,5"])
def test_comma_and_point_are_the_same_in_every_country(
    country: str, idle_window: MainWindow, qtbot: QtBot, typed: str
) -> None:
    field = idle_window.findChild(QDoubleSpinBox, "baseline_mm")
    assert field is not None
    field.selectAll()
    qtbot.keyClicks(field, typed)
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert field.value() == 57.5
    assert field.cleanText().startswith("57.5")
    assert idle_window.baseline.geometry.baseline_mm == 57.5
