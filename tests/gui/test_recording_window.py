"""Recording from the window, and what happens when things go wrong meanwhile."""

from __future__ import annotations

import os
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QInputDialog, QLabel, QLineEdit, QMessageBox, QToolButton
from pytestqt.qtbot import QtBot

from app.errors import OutputError
from app.gui.main_window import MainWindow
from app.gui.messages import Severity
from app.gui.recording import name_problem
from app.gui.requests import TakeRequest, next_name
from app.session import Session, State
from app.session.take_notes import NOTES_FILE, TakeNote, add_note, read_notes
from drivers import Frame, Role, Take, TakeWriter, is_take


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


def test_record_button_stops_only_when_it_is_held(window: MainWindow, qtbot: QtBot) -> None:
    button = window.findChild(QToolButton, "button_action_record")
    assert button is not None
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.controller.state is State.RECORDING, timeout=10000)
    assert button.text() == "Stop recording"
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert "hold" in window.messages.log[-1].text
    assert window.controller.state is State.RECORDING
    with qtbot.waitSignal(window.recording.finished, timeout=15000):
        qtbot.mousePress(button, Qt.MouseButton.LeftButton)
    qtbot.mouseRelease(button, Qt.MouseButton.LeftButton)
    qtbot.wait(100)
    assert window.controller.state is State.LIVE


def test_a_refused_take_leaves_the_buttons_as_they_were(window: MainWindow, qtbot: QtBot) -> None:
    name = window.findChild(QLineEdit, "take_name")
    button = window.findChild(QToolButton, "button_action_record")
    assert name is not None
    assert button is not None
    name.setText("a/b")
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    window.actions_table["arm"].trigger()
    assert sum("a name must not" in m.text for m in window.messages.log) == 2
    name.setText("x" * 300)
    window.actions_table["arm"].trigger()
    qtbot.waitUntil(lambda: "too long" in window.messages.log[-1].text, timeout=10000)
    qtbot.waitUntil(lambda: window.controller.state is State.LIVE, timeout=10000)
    assert not window.actions_table["record"].isChecked()
    assert not window.actions_table["arm"].isChecked()
    assert button.property("on") == "false"
    name.setText("good")
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.controller.state is State.RECORDING, timeout=10000)
    assert window.actions_table["record"].isChecked()


def test_armed_take_begins_with_the_first_pulse(window: MainWindow, qtbot: QtBot) -> None:
    window.actions_table["arm"].trigger()
    qtbot.waitUntil(lambda: window.controller.state is State.ARMED, timeout=10000)
    assert window.panes[Role.HSR].state_chip.text() == "ARMED"
    qtbot.waitUntil(lambda: window.status.take.text() == "ARMED take_001", timeout=5000)
    assert window.controller.numbers(Role.LSR).received == 0
    record(window, qtbot)
    with qtbot.waitSignal(window.recording.finished, timeout=15000):
        window.actions_table["record"].trigger()
    with Take.open(window.recording.folder / "take_001") as take:
        assert [take.stream(role).read(0).frame_id for role in Role] == [0, 0]
    qtbot.waitUntil(lambda: window.controller.state is State.LIVE, timeout=10000)
    window.actions_table["arm"].trigger()
    qtbot.waitUntil(lambda: window.controller.state is State.ARMED, timeout=10000)
    with qtbot.waitSignal(window.recording.finished, timeout=15000):
        window.actions_table["arm"].trigger()
    assert "no frames" in window.messages.log[-1].text
    qtbot.waitUntil(lambda: window.controller.state is State.LIVE, timeout=10000)


def test_take_that_cannot_be_armed_leaves_the_picture_live(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = type(shutil.disk_usage(window.recording.folder.parent))(10**12, 10**12, 0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    window.actions_table["arm"].trigger()
    qtbot.waitUntil(lambda: any("free space" in m.text for m in window.messages.log), timeout=10000)
    received = window.controller.numbers(Role.LSR).received
    qtbot.waitUntil(lambda: window.controller.numbers(Role.LSR).received != received, timeout=10000)
    assert window.controller.state is State.LIVE
    assert not is_take(window.recording.folder / "take_001")


def test_keys_that_follow_each_other_fast_arm_and_begin_one_take(window: MainWindow, qtbot: QtBot) -> None:
    """The second key comes before the window has been told that the take is armed."""
    window.actions_table["arm"].trigger()
    window.actions_table["record"].trigger()
    qtbot.waitUntil(lambda: window.controller.state is State.RECORDING, timeout=10000)
    qtbot.waitUntil(lambda: window.controller.numbers(Role.LSR).received > 20, timeout=10000)
    with qtbot.waitSignal(window.recording.finished, timeout=15000):
        window.actions_table["record"].trigger()
    qtbot.waitUntil(lambda: window.controller.state is State.LIVE, timeout=10000)
    assert [path.name for path in window.recording.folder.iterdir()] == ["take_001"]
    assert not window.messages.count(Severity.ERROR)


def test_keys_that_are_held_act_once(window: MainWindow) -> None:
    """Qt repeats a held key; only steps of exposure and gain are meant to go on."""
    table = window.actions_table
    assert not any(table[key].autoRepeat() for key in ("record", "arm", "save_past", "live", "snapshot"))
    assert table["exposure_up"].autoRepeat()


def test_armed_take_that_ended_by_itself_is_told_at_once(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.actions_table["arm"].trigger()
    qtbot.waitUntil(lambda: window.controller.state is State.ARMED, timeout=10000)
    full = type(shutil.disk_usage(window.recording.folder))(10**12, 10**12, 0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    qtbot.waitUntil(lambda: window.controller.state is State.LIVE, timeout=15000)
    assert any("is not kept" in m.text and "free space" in m.text for m in window.messages.log)


@pytest.mark.parametrize("stops", [False, True], ids=["behind", "stopped"])
def test_quitting_waits_for_a_slow_disk(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, stops: bool
) -> None:
    append, goes_on, asked = TakeWriter.append, threading.Event(), []

    def slow(writer: TakeWriter, frame: Frame) -> None:
        goes_on.wait(0.0 if not stops else None)
        time.sleep(0.03)
        append(writer, frame)

    def question(_: object, title: str, __: str) -> bool:
        asked.append(title)
        if title != "A take is being recorded":
            goes_on.set()
            return False
        return True

    monkeypatch.setattr("app.gui.controller.CLOSING_S", 0.4)
    monkeypatch.setattr("app.gui.main_window.confirmed", question)
    monkeypatch.setattr(TakeWriter, "append", slow)
    record(window, qtbot, frames=60)
    if not stops:
        goes_on.set()
    window.close()
    with Take.open(window.recording.folder / "take_001") as take:
        assert not take.recovered
        assert take.lsr.info.frame_count >= 60
    assert ("The disk has stopped" in asked) == stops


def test_note_is_kept_with_the_frame_numbers_of_the_key_press(window: MainWindow, qtbot: QtBot) -> None:
    record(window, qtbot)
    window.actions_table["note"].trigger()
    before = window.controller.numbers(Role.LSR).received
    dialog = window.findChild(QInputDialog, "note_dialog")
    assert dialog is not None
    qtbot.waitUntil(lambda: window.controller.numbers(Role.LSR).received > before + 20, timeout=10000)
    dialog.setTextValue("ball dropped")
    dialog.accept()
    path = window.recording.folder / "take_001"
    qtbot.waitUntil(lambda: bool(read_notes(path)), timeout=10000)
    with qtbot.waitSignal(window.recording.finished, timeout=15000):
        window.actions_table["record"].trigger()
    (note,) = read_notes(path)
    assert note.text == "ball dropped"
    assert 0 < note.lsr_frame_id < window.controller.numbers(Role.LSR).received - 15
    assert abs(note.hsr_frame_id * 4 - note.lsr_frame_id) < 12
    with Take.open(path) as take:
        assert not take.recovered


def test_torn_notes_are_left_out(tmp_path: Path) -> None:
    add_note(tmp_path, TakeNote(8, 1, "größer\nals zuvor"))
    with (tmp_path / NOTES_FILE).open("ab") as file:
        file.write(b'{"lsr_frame_id": 9, "hs\n[1]\n\xff\n{"lsr_frame_id": 1e999}\n')
    add_note(tmp_path, TakeNote(10, 1, "end"))
    strange = "pasted\u2028text\u0085with \ud83d"
    add_note(tmp_path, TakeNote(11, 1, strange))
    assert [note.text for note in read_notes(tmp_path)] == ["größer\nals zuvor", "end", strange]
    assert read_notes(tmp_path / "none") == []
    with pytest.raises(OutputError, match="note could not be written"):
        add_note(tmp_path / "none", TakeNote(1, 1, "x"))


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


def test_existing_take_is_never_overwritten_and_never_in_the_way(window: MainWindow, qtbot: QtBot) -> None:
    for name in ("take_001", "take_002"):
        (window.recording.folder / name).mkdir(parents=True)
    record(window, qtbot)
    assert any("already: this one is take_003" in m.text for m in window.messages.log)
    with qtbot.waitSignal(window.recording.finished, timeout=15000):
        window.actions_table["record"].trigger()
    assert not list((window.recording.folder / "take_001").iterdir())
    with Take.open(window.recording.folder / "take_003") as take:
        assert take.metadata.name == "take_003"
    assert window.recording.name == "take_004"


def test_a_name_that_another_window_takes_meanwhile_is_not_in_the_way(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = Session.start_recording

    def late(session: Session, out: Path, **options: Any) -> None:
        if out.name == "take_001":
            out.mkdir()
        begin(session, out, **options)

    monkeypatch.setattr(Session, "start_recording", late)
    record(window, qtbot)
    assert any("take take_001 already: this one is take_002" in m.text for m in window.messages.log)
    with qtbot.waitSignal(window.recording.finished, timeout=15000):
        window.actions_table["record"].trigger()
    with Take.open(window.recording.folder / "take_002") as take:
        assert take.metadata.name == "take_002"


@pytest.mark.skipif(os.name == "nt", reason="links need rights of their own there")
def test_a_name_that_is_a_link_to_nothing_is_not_free(tmp_path: Path) -> None:
    (tmp_path / "take_001").symlink_to("gone")
    assert TakeRequest(tmp_path / "take_001", "take_001").on_free_name().name == "take_002"


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
