"""Recording from the window, and what happens when things go wrong meanwhile."""

from __future__ import annotations

import pytest
from PyQt6.QtWidgets import QLabel, QLineEdit, QMessageBox
from pytestqt.qtbot import QtBot

from app.gui.main_window import MainWindow
from app.gui.recording import name_problem, next_name
from app.session import State
from drivers import Role, Take


def record(window: MainWindow, qtbot: QtBot, frames: int = 20) -> None:
    window.actions_table["record"].trigger()
    qtbot.waitUntil(lambda: window.controller.state is State.RECORDING, timeout=10000)
    start = window.controller.numbers(Role.LSR).received
    qtbot.waitUntil(lambda: window.controller.numbers(Role.LSR).received - start > frames, timeout=10000)


def test_take_is_recorded_while_live(window: MainWindow, qtbot: QtBot) -> None:
    name = window.findChild(QLineEdit, "take_name")
    assert name is not None
    name.setText("ball_007")
    window.recording_panel.notes.setPlainText("red ball")
    record(window, qtbot)
    assert not name.isEnabled()
    with qtbot.waitSignal(window.recording.finished, timeout=15000):
        window.actions_table["record"].trigger()
    assert window.controller.state is State.LIVE
    assert name.text() == "ball_008"
    assert window.recording_panel.card.isVisible()
    with Take.open(window.recording.folder / "ball_007") as take:
        assert take.metadata.simulated
        assert take.metadata.notes == "red ball"
        assert take.lsr.info.frame_count > 20
        assert not take.recovered


def test_last_seconds_are_saved(window: MainWindow, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: window.controller.numbers(Role.LSR).received > 40, timeout=10000)
    with qtbot.waitSignal(window.recording.finished, timeout=15000):
        window.actions_table["save_past"].trigger()
    with Take.open(window.recording.folder / "take_001") as take:
        assert take.lsr.info.frame_count >= 40


def test_bad_take_name_is_refused_with_a_reason(window: MainWindow, qtbot: QtBot) -> None:
    name = window.findChild(QLineEdit, "take_name")
    assert name is not None
    name.setText("a/b")
    assert window.recording_panel.problem.isVisible()
    window.actions_table["record"].trigger()
    text = window.findChild(QLabel, "message_text")
    assert text is not None
    assert "name" in window.messages.log[-1].text
    assert not (window.recording.folder / "a").exists()


def test_existing_take_is_never_overwritten(window: MainWindow, qtbot: QtBot) -> None:
    (window.recording.folder / "take_001").mkdir(parents=True)
    window.actions_table["record"].trigger()
    qtbot.waitUntil(lambda: any("exists" in m.text for m in window.messages.log), timeout=10000)
    assert window.controller.state is State.LIVE


def test_closing_while_recording_asks(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [QMessageBox.StandardButton.Cancel, QMessageBox.StandardButton.Yes]
    monkeypatch.setattr(QMessageBox, "question", lambda *_: answers.pop(0))
    record(window, qtbot)
    window.close()
    assert window.isVisible()
    assert window.controller.state is State.RECORDING
    window.close()
    assert not window.isVisible()
    with Take.open(window.recording.folder / "take_001") as take:
        assert not take.recovered


@pytest.mark.parametrize(
    ("name", "following"), [("take_001", "take_002"), ("take_099", "take_100"), ("ball", "ball_002")]
)
def test_names_count_on(name: str, following: str) -> None:
    assert next_name(name) == following


@pytest.mark.parametrize("name", ["", " ", "a/b", "con:", "x?", "end.", " a"])
def test_names_that_no_disk_takes(name: str) -> None:
    assert name_problem(name)
