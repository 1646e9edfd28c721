"""White balance, free running, and which camera is which."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PyQt6.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QLabel, QPushButton
from pytestqt.qtbot import QtBot

from app.gui.camera_dialog import CameraDialog
from app.gui.camera_rig import CameraRig, open_rig
from app.gui.main_window import MainWindow, WindowOptions
from app.gui.messages import Messages
from app.session import RigSetup, State
from app.settings import Settings
from drivers import Role
from drivers.spinnaker_emulator import VirtualRig, install


def field(window: MainWindow, name: str) -> QDoubleSpinBox:
    found = window.findChild(QDoubleSpinBox, f"{name}_field")
    assert found is not None
    return found


def test_white_balance_is_set_undone_and_leaves_the_other_camera(window: MainWindow, qtbot: QtBot) -> None:
    red, other = field(window, "lsr_BalanceRatioRed"), field(window, "hsr_BalanceRatioRed")
    start = red.value(), other.value()
    red.setValue(1.5)

    def balance() -> float:
        settings = window.controller.settings
        return settings.lsr.red_balance if settings is not None else 0.0

    qtbot.waitUntil(lambda: balance() == pytest.approx(1.5, abs=0.01), timeout=10000)
    assert other.value() == start[1]
    window.undo.undo()
    qtbot.waitUntil(lambda: balance() == pytest.approx(start[0], abs=0.01), timeout=10000)
    assert red.value() == pytest.approx(start[0], abs=0.01)


def test_camera_finds_its_white_balance(window: MainWindow, qtbot: QtBot) -> None:
    red = field(window, "lsr_BalanceRatioRed")
    red.setValue(3.0)
    button = window.findChild(QPushButton, "lsr_balance")
    assert button is not None
    button.click()
    qtbot.waitUntil(lambda: abs(red.value() - 3.0) > 0.3, timeout=15000)
    settings = window.controller.settings
    assert settings is not None
    assert red.value() == pytest.approx(settings.lsr.red_balance, abs=0.01)


def test_free_running_cameras_have_rates_of_their_own(window: MainWindow, qtbot: QtBot) -> None:
    rate, free = field(window, "hsr_AcquisitionFrameRate"), window.findChild(QCheckBox, "free_run")
    assert free is not None
    assert not rate.isEnabled()
    with qtbot.waitSignal(window.controller.configured, timeout=10000):
        free.click()
    qtbot.waitUntil(lambda: window.controller.state is State.LIVE, timeout=10000)
    assert rate.isEnabled()
    rate.setValue(20.0)

    def hz() -> float:
        settings = window.controller.settings
        return settings.fps(Role.HSR) if settings is not None else 0.0

    qtbot.waitUntil(lambda: hz() == pytest.approx(20.0, abs=0.1), timeout=10000)
    before = window.controller.numbers(Role.HSR).received
    qtbot.waitUntil(lambda: window.controller.numbers(Role.HSR).received > before + 3, timeout=10000)
    window.actions_table["record"].trigger()
    qtbot.waitUntil(lambda: any("free-running" in m.text for m in window.messages.log), timeout=10000)
    with qtbot.waitSignal(window.controller.configured, timeout=10000):
        free.click()
    qtbot.waitUntil(lambda: not rate.isEnabled(), timeout=10000)
    assert hz() == 15.0


@pytest.fixture
def plugged() -> Iterator[VirtualRig]:
    """Two cameras that Spinnaker sees."""
    rig = install()
    yield rig
    rig.uninstall()


def test_unknown_cameras_are_asked_about_once(qtbot: QtBot, tmp_path: Path, plugged: VirtualRig) -> None:
    setup = RigSetup(hsr_size=(96, 80), lsr_size=(48, 40), serials=("1", "2"))

    def factory(chosen: tuple[str, str] | None) -> CameraRig:
        return open_rig(replace(setup, serials=chosen or setup.serials))

    options = WindowOptions(
        factory,
        tmp_path / "takes",
        tmp_path / "window.log",
        Settings(serials=("1", "2")),
        tmp_path / "settings.json",
    )
    window = MainWindow(options, Messages())
    qtbot.addWidget(window)
    window.show()
    qtbot.waitUntil(lambda: window.findChild(CameraDialog) is not None, timeout=15000)
    dialog = window.findChild(CameraDialog)
    assert dialog is not None
    assert any("1 and 2" in label.text() for label in dialog.findChildren(QLabel))
    hsr, lsr = (dialog.findChild(QComboBox, f"camera_{role}") for role in Role)
    assert hsr is not None
    assert lsr is not None
    serials = plugged.serials
    hsr.setCurrentIndex(hsr.findData(serials[Role.LSR]))
    lsr.setCurrentIndex(lsr.findData(serials[Role.LSR]))
    assert not dialog.go.isEnabled()
    hsr.setCurrentIndex(hsr.findData(serials[Role.HSR]))
    dialog.go.click()
    qtbot.waitUntil(lambda: window.controller.state is State.LIVE, timeout=15000)
    assert serials[Role.HSR] in window.panes[Role.HSR].title
    assert serials[Role.LSR] in window.panes[Role.LSR].title
    window.close()
