"""What shows only after hours, with many takes, or with a second window beside the first."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import torch
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QApplication, QLabel
from pytestqt.qtbot import QtBot

import app.gui.take_library as library
from app.gui.application import log_to
from app.gui.fused_pane import Show
from app.gui.loading import load_torch
from app.gui.main_window import MainWindow
from app.gui.message_line import LogWindow
from app.gui.messages import KEPT, Messages, Severity
from app.gui.presets import Memory
from app.gui.status import measure_gpu
from app.gui.take_library import TakeEntry, scan
from app.gui.take_player import Moment, TakePlayer
from app.session import State
from app.session.take_notes import TakeNote, add_note
from app.settings import Preset, Settings, load_settings
from drivers import Role

PRESET = Preset(hsr_exposure_us=5000, lsr_exposure_us=1000, hsr_fps=15, ratio=4)


# -- the live window ----------------------------------------------------------------------------------


@pytest.fixture
def rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    """The status bar is renewed so rarely that nothing can depend on it."""
    monkeypatch.setattr("app.gui.status.PERIOD_S", 1000.0)


def test_the_third_picture_goes_when_a_camera_has_left(
    rarely: None, window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.fused_pane.set_shown(Show.ANAGLYPH)
    hint = window.fused_pane.view.findChild(QLabel)
    assert hint is not None
    qtbot.waitUntil(lambda: not hint.isVisible(), timeout=20000)
    monkeypatch.setattr(type(window.controller), "in_step", False)
    qtbot.waitUntil(hint.isVisible, timeout=5000)
    assert hint.text() == "waiting until both cameras follow the pulses again"
    monkeypatch.undo()
    qtbot.waitUntil(lambda: not hint.isVisible(), timeout=20000)


def test_the_baseline_panel_says_what_is_missing_for_the_shift(idle_window: MainWindow, qtbot: QtBot) -> None:
    measured = idle_window.baseline_panel.measured
    assert measured.text() == "- (align the views)"
    idle_window.fused_pane.set_shown(Show.ANAGLYPH)
    assert measured.text() == "- (align the views)"
    idle_window.actions_table["connect"].trigger()
    qtbot.waitUntil(lambda: idle_window.baseline.lock is not None, timeout=20000)
    qtbot.waitUntil(lambda: "off by" in measured.text(), timeout=20000)
    idle_window.baseline_panel.baseline.setValue(51.0)
    assert measured.text() == "- (not certain yet)"
    idle_window.fused_pane.set_shown(Show.OFF)
    assert measured.text() == "- (switch the overlay on)"


def test_what_a_take_fixes_is_not_undone_once_the_take_was_asked_for(
    window: MainWindow, qtbot: QtBot
) -> None:
    window.memory.set_preset("bench", PRESET)
    window.presets.apply("bench")
    qtbot.waitUntil(lambda: window.controller.settings is not None, timeout=10000)
    window.actions_table["record"].trigger()
    window.undo.undo()
    assert window.undo.canUndo()
    assert "cannot be undone now: the preset is fixed" in window.messages.log[-1].text
    qtbot.waitUntil(lambda: window.controller.state is State.RECORDING, timeout=10000)
    window.recording.stop()
    qtbot.waitUntil(lambda: window.controller.state is State.LIVE, timeout=10000)
    window.undo.undo()
    assert not window.undo.canUndo()


def test_a_refused_take_hinders_no_undo(idle_window: MainWindow, qtbot: QtBot) -> None:
    idle_window.recording.start()
    assert idle_window.controller.take_asked
    qtbot.waitUntil(lambda: not idle_window.controller.take_asked, timeout=5000)


def test_a_take_folder_that_is_gone_is_made_anew_and_told(window: MainWindow, qtbot: QtBot) -> None:
    def record() -> None:
        window.actions_table["record"].trigger()
        qtbot.waitUntil(lambda: window.controller.state is State.RECORDING, timeout=10000)
        seen = window.controller.numbers(Role.LSR).received
        qtbot.waitUntil(lambda: window.controller.numbers(Role.LSR).received > seen + 20, timeout=10000)
        window.recording.stop()
        qtbot.waitUntil(lambda: window.controller.state is State.LIVE, timeout=10000)

    record()
    record()
    folder = window.recording.folder
    told = f"{folder} was gone and is made anew"
    assert not [message for message in window.messages.log if message.text.startswith(told)]
    folder.rename(folder.with_name("pulled"))
    record()
    assert [message.severity for message in window.messages.log if message.text.startswith(told)] == [
        Severity.WARNING
    ]
    assert len(list(folder.iterdir())) == 1


def test_a_graphics_driver_that_fails_costs_its_figures_only(monkeypatch: pytest.MonkeyPatch) -> None:
    load_torch()

    def fail() -> tuple[int, int]:
        raise RuntimeError("CUDA error: unknown error")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", fail)
    assert measure_gpu() is None


# -- messages -----------------------------------------------------------------------------------------


def test_the_list_of_messages_stays_small_and_stands_still_while_it_is_read(qtbot: QtBot) -> None:
    messages = Messages()
    log = LogWindow(messages, "window.log")
    qtbot.addWidget(log)
    log.show()
    for number in range(KEPT + 50):
        messages.info(f"message {number}")
    assert log.list.topLevelItemCount() == len(messages.log) == KEPT
    first = log.list.topLevelItem(0)
    assert first is not None
    assert first.text(2) == messages.log[0].text
    bar = log.list.verticalScrollBar()
    assert bar is not None
    assert bar.value() == bar.maximum()
    bar.setValue(KEPT // 2)
    messages.info("another one")
    assert bar.value() == KEPT // 2


def test_a_log_file_that_has_become_large_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "window.log"
    for size, kept in ((1000, False), (5_000_000, True)):
        path.write_bytes(b"x" * size)
        log_to(path)()
        assert (tmp_path / "window.log.1").exists() is kept
    assert path.stat().st_size == 0


# -- many takes ---------------------------------------------------------------------------------------


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the takes that were read, in order."""
    names: list[str] = []
    real = library.read_entry

    def noted(path: Path, running: Path | None = None) -> TakeEntry:
        names.append(path.name)
        return real(path, running)

    monkeypatch.setattr(library, "read_entry", noted)
    return names


def test_only_takes_that_have_changed_are_read_again(
    idle_window: MainWindow, qtbot: QtBot, takes: Path, read: list[str]
) -> None:
    for name in ("second", "cut"):
        shutil.copytree(takes / "marbles", takes / name)
    (takes / "cut" / "done.json").unlink()
    idle_window.recording_panel.set_folder(takes)
    idle_window.actions_table["takes"].trigger()
    page = idle_window.take_page

    def renewed() -> list[str]:
        read.clear()
        page.refresh()
        qtbot.waitUntil(lambda: not idle_window.tasks.running, timeout=10000)
        return read.copy()

    qtbot.waitUntil(lambda: page.list.count() == 3, timeout=10000)
    assert sorted(read) == ["cut", "marbles", "second"]
    # One that was interrupted may still be written by another program.
    assert renewed() == ["cut"]
    index = takes / "second" / "lsr" / "index.bin"
    os.utime(index, ns=(1, 1))
    assert sorted(renewed()) == ["cut", "second"]
    index.unlink()
    assert sorted(renewed()) == ["cut", "second"]
    [item] = page.list.findItems("second", Qt.MatchFlag.MatchStartsWith)
    assert "cannot be read" in item.text()
    shutil.rmtree(takes / "second")
    assert renewed() == ["cut"]
    assert page.list.count() == 2


def test_a_list_that_nobody_waits_for_any_more_is_not_read_to_its_end(takes: Path, read: list[str]) -> None:
    for number in range(5):
        shutil.copytree(takes / "marbles", takes / f"take_{number}")
    assert len(scan(takes, cancelled=lambda: len(read) >= 2)) == 2
    assert len(read) == 2


def test_space_in_a_list_that_has_popped_up_does_not_play(
    idle_window: MainWindow, qtbot: QtBot, takes: Path
) -> None:
    add_note(takes / "marbles", TakeNote(7, 1, "ball enters"))
    idle_window.activateWindow()
    idle_window.recording_panel.set_folder(takes)
    idle_window.actions_table["takes"].trigger()
    page = idle_window.take_page
    qtbot.waitUntil(page.marks.isVisible, timeout=10000)
    page.marks.showPopup()
    popup = QApplication.activePopupWidget()
    view = page.marks.view()
    assert popup is not None
    assert view is not None
    qtbot.keyClick(view, Qt.Key.Key_Space)
    assert not page.play.isChecked()
    page.marks.hidePopup()


def test_the_take_browser_does_not_widen_a_window_on_a_small_screen(
    idle_window: MainWindow, qtbot: QtBot, takes: Path
) -> None:
    idle_window.resize(1024, 600)
    idle_window.recording_panel.set_folder(takes)
    widths: list[int] = []
    for key in ("takes", "takes", "takes"):
        idle_window.actions_table[key].trigger()
        qtbot.wait(100)
        widths.append(idle_window.width())
    assert widths == [1024, 1024, 1024]


def test_a_take_that_cannot_be_shown_hinders_no_other(
    takes: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: list[Exception] = []
    player = TakePlayer(lambda opened: player.seek(3), failures.append)
    try:
        with monkeypatch.context() as patch:
            patch.setattr("app.gui.take_player.read_notes", lambda path: [None])
            player.open(takes / "marbles")
            qtbot.waitUntil(lambda: bool(failures), timeout=10000)
        again = player.open(takes / "marbles")
        found: list[Moment | None] = []
        qtbot.waitUntil(lambda: found.append(player.mailbox.take()) or bool(found[-1]), timeout=10000)
        assert found[-1] is not None
        assert (found[-1].opening, found[-1].index) == (again, 3)
    finally:
        player.close()


# -- two windows --------------------------------------------------------------------------------------


def test_windows_side_by_side_keep_what_the_other_one_changed(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    start = Settings(presets={"old": PRESET})
    first, second = (Memory(start, path, Messages()) for _ in range(2))
    first.set_preset("from the first", PRESET)
    first.change(baseline_mm=77.0)
    first.close()
    second.set_preset("from the second", PRESET)
    second.change(theme="light")
    second.set_preset("old", None)
    second.close()
    found = load_settings(path).settings
    assert list(found.presets) == ["from the first", "from the second"]
    assert (found.baseline_mm, found.theme) == (77.0, "light")


def test_what_a_window_left_as_it_was_stays_as_the_other_one_set_it(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    first, second = (Memory(Settings(), path, Messages()) for _ in range(2))
    first.change(baseline_mm=77.0, lens_mm=20.0)
    first.close()
    second.change(baseline_mm=50.0, lens_mm=35.0)
    second.close()
    found = load_settings(path).settings
    assert (found.baseline_mm, found.lens_mm) == (77.0, 35.0)


def test_windows_that_write_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    path, messages = tmp_path / "settings.json", Messages()
    windows = {name: Memory(Settings(), path, messages) for name in ("first", "second")}
    for number in range(60):
        for name, memory in windows.items():
            memory.set_preset(f"{name} {number}", PRESET)
            memory.change(window=(1000 + number, 800))
    for memory in windows.values():
        memory.close()
    assert [message.text for message in messages.log] == []
    assert not list(tmp_path.glob("*.bad*"))
    assert len(load_settings(path).settings.presets) == 120


def test_a_file_damaged_meanwhile_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    memory = Memory(Settings(lens_mm=35.0), path, Messages())
    path.write_text('{"theme": "pink"}')
    memory.change(theme="light")
    memory.close()
    found = load_settings(path)
    assert (found.settings.lens_mm, found.settings.theme, found.warnings) == (35.0, "light", ())
    assert (tmp_path / "settings.json.bad").exists()
