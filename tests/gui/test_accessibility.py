"""What a screen reader says: every widget of the window that takes input has a name."""

from __future__ import annotations

from pathlib import Path

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import (
    QAbstractButton,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QDialog,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QScrollBar,
    QTextEdit,
    QWidget,
)
from pytestqt.qtbot import QtBot

from app.gui.export_dialog import ExportDialog, Part
from app.gui.main_window import MainWindow
from app.gui.take_library import read_entry
from app.gui.tasks import Tasks

INTERACTIVE = (
    QAbstractButton,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QTextEdit,
)


def nameless(top: QWidget) -> list[str]:
    """Interactive widgets inside that have neither a name, a text of their own nor a label."""
    labelled = {label.buddy() for label in top.findChildren(QLabel)}
    return [
        f"{type(widget).__name__} {widget.objectName()} in {type(widget.parent()).__name__}"
        for widget in top.findChildren(QWidget)
        if isinstance(widget, INTERACTIVE)
        and not isinstance(widget, QScrollBar)
        and widget.focusPolicy() is not Qt.FocusPolicy.NoFocus
        and not widget.objectName().startswith("qt_")
        and not widget.accessibleName()
        and not (isinstance(widget, QAbstractButton) and widget.text())
        and widget not in labelled
    ]


def test_every_widget_of_the_window_has_a_name(idle_window: MainWindow) -> None:
    assert nameless(idle_window) == []


@pytest.mark.parametrize("action", ["import", "calibrate"])
def test_every_widget_of_a_dialog_has_a_name(idle_window: MainWindow, action: str) -> None:
    idle_window.actions_table[action].trigger()
    assert nameless(idle_window) == []
    for dialog in idle_window.findChildren(QDialog):
        dialog.close()


def test_every_widget_of_the_export_dialog_has_a_name(takes: Path, qtbot: QtBot) -> None:
    tasks = Tasks(lambda error: pytest.fail(str(error)))
    dialog = ExportDialog(read_entry(takes / "marbles"), 120.0, Part(), tasks, fused=True)
    qtbot.addWidget(dialog)
    assert nameless(dialog) == []
    dialog.reject()
    tasks.close()
