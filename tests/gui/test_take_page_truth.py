"""The take browser does what its keys and its slider say, and shows nothing of another take."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QTextDocument
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from app.gui.main_window import MainWindow
from app.gui.take_library import TakeEntry, read_entry
from app.gui.take_page import TakePage
from app.session.take_notes import TakeNote, add_note
from app.settings import Settings
from drivers import Role
from drivers.take import TakeWriter
from takes import make_frame, make_metadata

LAST = 23


@pytest.fixture
def page(idle_window: MainWindow, qtbot: QtBot, takes: Path) -> TakePage:
    """The browser with a take of 24 LSR frames chosen, and one that cannot be read."""
    add_note(takes / "marbles", TakeNote(7, 1, "ball enters"))
    shutil.copytree(takes / "marbles", takes / "broken")
    (takes / "broken" / "take.json").write_text("{")
    idle_window.activateWindow()
    idle_window.recording_panel.set_folder(takes)
    idle_window.actions_table["takes"].trigger()
    page = idle_window.take_page
    qtbot.waitUntil(lambda: page.list.count() == 2, timeout=10000)
    choose(page, "marbles")
    qtbot.waitUntil(lambda: page.moment is not None, timeout=10000)
    return page


def choose(page: TakePage, name: str) -> None:
    [item] = page.list.findItems(name, Qt.MatchFlag.MatchStartsWith)
    page.list.setCurrentItem(item)


def test_space_plays_and_pauses_wherever_the_focus_is(page: TakePage, qtbot: QtBot) -> None:
    page.speed.setValue(1)
    # Opened by its key, the page can be used by keys.
    assert page.list.hasFocus()
    for widget in (page.list, page.speed, page.marks, page.slider, page.play):
        widget.setFocus()
        for playing in (True, False, True, False):
            QTest.keyClick(widget, Qt.Key.Key_Space)
            assert page.play.isChecked() is playing, (widget, playing)
            assert page.play.text() == ("Pause" if playing else "Play")


def test_a_take_that_another_program_records_is_no_damaged_one(
    page: TakePage, qtbot: QtBot, takes: Path
) -> None:
    def entry(summary: str) -> TakeEntry:
        page.refresh(select=takes / "theirs")
        qtbot.waitUntil(lambda: page.chosen is not None and summary in page.chosen.summary, timeout=10000)
        assert page.chosen is not None
        qtbot.waitUntil(lambda: page.slider.isEnabled(), timeout=10000)
        return page.chosen

    writer = TakeWriter(takes / "theirs", make_metadata())
    for number in range(17):
        writer.append(make_frame(Role.LSR, number))
        if number % 8 == 0:
            writer.append(make_frame(Role.HSR, number // 8))
    seen = entry(", recording\n")
    assert (seen.recording, seen.recovered) == (True, False)
    assert "it is being recorded" in page.note.text()
    assert not page.fuse.isEnabled()
    assert not page.export.isEnabled()
    writer.append(make_frame(Role.LSR, 17))
    writer.close({"missing": 0})
    ended = entry("s\n3 + 18 frames")
    assert (ended.recording, ended.recovered) == (False, False)
    assert page.fuse.isEnabled()


def test_the_end_of_a_take_that_another_program_records_is_noticed(
    page: TakePage, qtbot: QtBot, takes: Path
) -> None:
    writer = TakeWriter(takes / "theirs", make_metadata())
    for number in range(17):
        writer.append(make_frame(Role.LSR, number))
        if number % 8 == 0:
            writer.append(make_frame(Role.HSR, number // 8))
    page.refresh(select=takes / "theirs")
    qtbot.waitUntil(lambda: page.chosen is not None and page.chosen.recording, timeout=10000)
    qtbot.waitUntil(lambda: page.slider.isEnabled(), timeout=10000)
    assert not page.fuse.isEnabled()
    writer.close({"missing": 0})
    qtbot.waitUntil(page.fuse.isEnabled, timeout=10000)
    assert page.chosen is not None
    assert page.chosen.summary == "0.07 s\n3 + 17 frames"


def test_space_presses_the_button_that_has_the_focus(page: TakePage, qtbot: QtBot) -> None:
    page.refresh_button.setFocus()
    with qtbot.waitSignal(page.refresh_button.clicked, timeout=1000):
        QTest.keyClick(page.refresh_button, Qt.Key.Key_Space)
    assert not page.play.isChecked()


def test_playing_goes_on_from_where_the_slider_is(page: TakePage, qtbot: QtBot) -> None:
    seen: list[int] = []
    page.slider.valueChanged.connect(seen.append)
    page.speed.setValue(10)
    page.play.click()
    qtbot.waitUntil(lambda: page.slider.value() >= 3, timeout=5000)
    page.slider.setValue(14)
    seen.clear()
    qtbot.waitUntil(lambda: len(seen) >= 2, timeout=5000)
    assert 14 < seen[0] <= seen[1] <= LAST
    # Slower: it must not jump back to where it would be had it been slow all the time.
    page.slider.setValue(5)
    seen.clear()
    qtbot.waitUntil(lambda: len(seen) >= 2, timeout=5000)
    reached = seen[-1]
    page.speed.setValue(4)
    seen.clear()
    qtbot.waitUntil(lambda: bool(seen), timeout=5000)
    assert reached < seen[0] <= LAST


def test_nothing_moves_while_the_slider_is_held(page: TakePage, qtbot: QtBot) -> None:
    page.speed.setValue(20)
    page.play.click()
    qtbot.waitUntil(lambda: page.slider.value() >= 2, timeout=5000)
    page.slider.setSliderDown(True)
    page.slider.setSliderPosition(8)
    qtbot.wait(600)
    assert page.slider.value() == 8
    seen: list[int] = []
    page.slider.valueChanged.connect(seen.append)
    page.slider.setSliderDown(False)
    qtbot.waitUntil(lambda: bool(seen), timeout=5000)
    assert 8 < seen[0] < 20


def nothing_of_another_take(page: TakePage) -> None:
    assert "JSON" in page.note.text()
    assert page.moment is None
    assert page.time.text() == ""
    assert page.slider.value() == 0
    for role in Role:
        assert "frame" not in page.labels[role].text()
        hints = [label.text() for label in page.views[role].findChildren(QLabel) if label.isVisible()]
        assert hints == ["this take cannot be read"]
    for widget in (page.slider, page.trim, page.play, page.fuse, page.export):
        assert not widget.isEnabled()


def test_take_that_cannot_be_read_shows_nothing_of_the_one_before(page: TakePage, qtbot: QtBot) -> None:
    page.trim.setValue((4, 20))
    page.slider.setValue(9)
    qtbot.waitUntil(lambda: page.moment is not None and page.moment.index == 9, timeout=5000)
    assert "frame 9" in page.labels[Role.LSR].text()
    choose(page, "broken")
    nothing_of_another_take(page)


def test_what_comes_late_of_another_take_is_not_shown(page: TakePage, qtbot: QtBot) -> None:
    """The thread that reads has opened a take, or read a moment of it, when another one is chosen."""
    choose(page, "broken")
    qtbot.wait(200)
    choose(page, "marbles")
    time.sleep(0.4)
    choose(page, "broken")
    qtbot.wait(300)
    nothing_of_another_take(page)
    choose(page, "marbles")
    qtbot.waitUntil(lambda: page.moment is not None, timeout=5000)
    page.slider.setValue(9)
    time.sleep(0.4)
    choose(page, "broken")
    qtbot.wait(300)
    nothing_of_another_take(page)


def test_long_notes_are_shortened_and_no_note_is_taken_for_markup(takes: Path) -> None:
    path = takes / "marbles" / "take.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["notes"] = "<i>5 < 6</i> & more\n" + "a long story " * 900
    path.write_text(json.dumps(content), encoding="utf-8")
    tip = read_entry(takes / "marbles").tip
    document = QTextDocument()
    document.setHtml(tip)
    assert document.toPlainText().startswith("<i>5 < 6</i> & more\na long story")
    assert document.toPlainText().endswith(" ...")
    assert len(document.toPlainText()) < 1000


def test_folder_that_is_gone_is_told_and_found_again(page: TakePage, qtbot: QtBot, takes: Path) -> None:
    away = takes.rename(takes.with_name("unplugged"))
    page.refresh_button.click()
    qtbot.waitUntil(lambda: page.list.count() == 0, timeout=10000)
    assert page.problem.isVisible()
    assert "this folder is not there" in page.problem.text()
    assert not page.folder_button.isEnabled()
    assert not page.export.isEnabled()
    away.rename(takes)
    page.refresh_button.click()
    qtbot.waitUntil(lambda: page.list.count() == 2, timeout=10000)
    assert not page.problem.isVisible()
    assert page.folder_button.isEnabled()


def test_before_the_first_take_nobody_looks_for_a_disk(
    page: TakePage, qtbot: QtBot, takes: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "new")
    usual = Settings().take_folder
    page.refresh(usual)
    qtbot.waitUntil(lambda: page.list.count() == 0, timeout=10000)
    assert not page.problem.isVisible()
    shutil.copytree(takes, usual)
    page.refresh_button.click()
    qtbot.waitUntil(lambda: page.list.count() == 2, timeout=10000)
    shutil.rmtree(usual)
    for _ in range(2):
        page.refresh_button.click()
        qtbot.waitUntil(lambda: page.list.count() == 0, timeout=10000)
        assert page.problem.isVisible()


def damage(take: Path, role: Role, frame_bytes: int, *frames: int) -> None:
    with (take / role.value / "frames_0000.raw").open("r+b") as file:
        for number in frames:
            file.seek(number * frame_bytes + 7)
            file.write(b"\x01\x02\x03")


def test_damaged_frames_are_told_once_for_a_stream_and_shown_as_such(
    idle_window: MainWindow, page: TakePage, qtbot: QtBot, takes: Path
) -> None:
    view, errors = page.views[Role.LSR], len(idle_window.messages.log)
    damage(takes / "marbles", Role.LSR, 96 * 80, 5, 12, 13, 14)
    damage(takes / "marbles", Role.HSR, 384 * 320, 4)
    view.show_actual()
    zoom = view.shown_width
    for index in (5, 6, 12, 13, 14, 5, 18):
        page.slider.setValue(index)
        qtbot.waitUntil(lambda i=index: page.moment is not None and page.moment.index == i, timeout=10000)  # type: ignore[misc]
        damaged = index not in (6, 18)
        assert ("cannot be read" in page.labels[Role.LSR].text()) is damaged
        assert f"frame {index}" in page.labels[Role.LSR].text()
        [hint] = view.findChildren(QLabel)
        assert hint.isVisible() is damaged
        if damaged:
            assert f"frame {index} is damaged" in hint.text()
    assert "frame 4 cannot be read" in page.labels[Role.HSR].text()
    assert view.shown_width == zoom
    told = [message.text for message in idle_window.messages.log[errors:]]
    assert [text.partition(" is damaged")[0] for text in told] == [
        f"{takes / 'marbles' / 'lsr'}: frame 5",
        f"{takes / 'marbles' / 'hsr'}: frame 4",
    ]


def test_damaged_frame_in_the_middle_hides_no_take(takes: Path) -> None:
    damage(takes / "marbles", Role.LSR, 96 * 80, 12)
    entry = read_entry(takes / "marbles")
    assert not entry.problem
    assert entry.thumbnail is not None
