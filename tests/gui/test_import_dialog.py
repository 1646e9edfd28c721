"""Importing two clips through the dialog."""

from __future__ import annotations

import time
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PyQt6.QtCore import QMimeData, QPoint, QPointF, Qt, QTimer, QUrl
from PyQt6.QtGui import QDragEnterEvent, QDropEvent
from PyQt6.QtWidgets import QApplication, QLabel, QLineEdit, QMessageBox
from pytestqt.qtbot import QtBot

from app.export import open_sink
from app.gui.import_dialog import ImportDialog
from app.gui.main_window import MainWindow
from app.gui.offset_dialog import OffsetDialog
from app.gui.tasks import CancelToken, Tasks
from app.session import State
from app.sinks import CODECS
from drivers import TakeWriter, is_take
from pictures import RgbImage


@pytest.fixture
def clips(tmp_path: Path, moving_texture: list[RgbImage]) -> tuple[Path, Path]:
    """An HSR clip at 15 and an LSR clip at 60 frames/s of the same motion."""
    frames = moving_texture[:96]
    hsr, lsr = tmp_path / "hsr.mp4", tmp_path / "lsr.mp4"
    height, width = frames[0].shape[:2]
    sharp = open_sink(hsr, CODECS["h264"], 2 * width, 2 * height, Fraction(15))
    coarse = open_sink(lsr, CODECS["h264"], width, height, Fraction(60))
    for number, frame in enumerate(frames):
        coarse.write(frame)
        if number % 4 == 0:
            sharp.write(np.asarray(cv2.resize(frame, (2 * width, 2 * height)), np.uint8))
    sharp.finish()
    coarse.finish()
    return hsr, lsr


def dialog_of(window: MainWindow) -> ImportDialog:
    window.actions_table["import"].trigger()
    found = window.findChild(ImportDialog)
    assert found is not None
    return found


def test_two_clips_become_a_take_in_the_browser(
    idle_window: MainWindow, qtbot: QtBot, clips: tuple[Path, Path]
) -> None:
    dialog = dialog_of(idle_window)
    dialog.findChild(QLineEdit, "import_hsr").setText(str(clips[0]))
    dialog.findChild(QLineEdit, "import_lsr").setText(str(clips[1]))
    dialog.find_offset.setChecked(False)
    dialog.find_factor.setChecked(False)
    with qtbot.waitSignal(dialog.imported, timeout=60000):
        dialog.go.click()
    path = idle_window.recording.folder / "import_001"
    assert is_take(path)
    page = idle_window.take_page
    qtbot.waitUntil(lambda: page.moment is not None and page.moment.hsr is not None, timeout=15000)
    dialog.close()


@pytest.fixture
def slow_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raw frames are written so slowly that an import can be met half-way."""
    append = TakeWriter.append

    def slowly(writer: TakeWriter, *arguments: object) -> None:
        time.sleep(0.05)
        append(writer, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(TakeWriter, "append", slowly)


def fill(dialog: ImportDialog, hsr: Path, lsr: Path) -> None:
    """All that an import needs to know, so that nothing is searched for."""
    dialog.hsr.setText(str(hsr))
    dialog.lsr.setText(str(lsr))
    dialog.find_offset.setChecked(False)
    dialog.find_factor.setChecked(False)


@pytest.mark.usefixtures("slow_writing")
def test_import_is_stopped_by_its_button_and_leaves_nothing(
    idle_window: MainWindow, qtbot: QtBot, clips: tuple[Path, Path]
) -> None:
    dialog = dialog_of(idle_window)
    fill(dialog, *clips)
    dialog.transcode.setChecked(True)
    dialog.go.click()
    assert dialog.shut.text() == "Stop"
    qtbot.waitUntil(lambda: dialog.bar.value() > 0, timeout=20000)
    dialog.shut.click()
    assert dialog.isVisible()
    qtbot.waitUntil(lambda: not dialog.running, timeout=3000)
    assert not list(idle_window.recording.folder.iterdir())
    assert "Stopped" in dialog.text.text()
    assert dialog.go.isEnabled()
    dialog.shut.click()
    assert not dialog.isVisible()


def test_import_that_fails_behind_a_closed_dialog_is_told(
    idle_window: MainWindow, qtbot: QtBot, clips: tuple[Path, Path]
) -> None:
    dialog = dialog_of(idle_window)
    fill(dialog, clips[1], clips[0])
    dialog.go.click()
    dialog.close()
    qtbot.waitUntil(lambda: not dialog.running, timeout=20000)
    assert "look swapped" in idle_window.messages.log[-1].text
    assert dialog_of(idle_window) is dialog
    assert dialog.swap.isVisible()
    dialog.close()


def test_import_that_nobody_waits_for_takes_no_view_away(
    window: MainWindow, qtbot: QtBot, clips: tuple[Path, Path]
) -> None:
    """The dialog is closed; then it is open, but a take is being recorded."""
    dialog = dialog_of(window)
    fill(dialog, *clips)
    with qtbot.waitSignal(dialog.imported, timeout=60000):
        dialog.go.click()
        dialog.close()
    assert not window.take_page.isVisible()
    assert "import_001 is imported" in window.messages.log[-1].text
    window.actions_table["record"].trigger()
    qtbot.waitUntil(lambda: window.controller.state is State.RECORDING, timeout=10000)
    assert dialog_of(window) is dialog
    dialog.name.setText("import_002")
    with qtbot.waitSignal(dialog.imported, timeout=60000):
        dialog.go.click()
    assert window.live_page.isVisible()
    assert "import_002 is imported" in window.messages.log[-1].text
    with qtbot.waitSignal(window.recording.finished, timeout=15000):
        window.actions_table["record"].trigger()
    dialog.close()


@pytest.mark.usefixtures("slow_writing")
def test_closing_during_an_import_asks_and_leaves_nothing_half_behind(
    idle_window: MainWindow, qtbot: QtBot, clips: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [QMessageBox.StandardButton.Cancel, QMessageBox.StandardButton.Yes]
    monkeypatch.setattr(QMessageBox, "question", lambda *_: answers.pop(0))
    dialog = dialog_of(idle_window)
    fill(dialog, *clips)
    dialog.transcode.setChecked(True)
    dialog.go.click()
    qtbot.waitUntil(lambda: dialog.bar.value() > 0, timeout=20000)
    idle_window.close()
    assert idle_window.isVisible()
    assert dialog.running
    idle_window.close()
    assert not idle_window.isVisible()
    assert not answers
    assert not list(idle_window.recording.folder.iterdir())
    dialog.close()


def test_the_window_is_drawn_while_work_is_ended(qtbot: QtBot) -> None:
    tasks = Tasks(lambda error: pytest.fail(str(error)))
    drawn: list[bool] = []

    def work(token: CancelToken) -> None:
        while not (token.cancelled and drawn):
            time.sleep(0.01)

    tasks.start("stubborn", work, lambda _: pytest.fail("nobody wants it any more"))
    QTimer.singleShot(0, lambda: drawn.append(True))
    tasks.close()
    assert drawn
    tasks.start("late", work, lambda _: None)
    assert not tasks.running


def test_a_clip_dropped_on_its_field_becomes_its_path(idle_window: MainWindow, tmp_path: Path) -> None:
    dialog = dialog_of(idle_window)
    clip = tmp_path / "my clip ä.mp4"
    dropped = QMimeData()
    dropped.setUrls([QUrl.fromLocalFile(str(clip))])
    how = (Qt.DropAction.CopyAction, dropped, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    for event in (QDragEnterEvent(QPoint(5, 5), *how), QDropEvent(QPointF(5, 5), *how)):
        QApplication.sendEvent(dialog.lsr, event)
        assert event.isAccepted()
    assert dialog.lsr.text() == str(clip)
    dialog.close()


def test_missing_clip_is_said_in_the_dialog(
    idle_window: MainWindow, qtbot: QtBot, clips: tuple[Path, Path]
) -> None:
    dialog = dialog_of(idle_window)
    dialog.go.click()
    text = dialog.findChild(QLabel, "import_text")
    assert "both clips" in text.text()
    dialog.hsr.setText(str(clips[0]))
    dialog.lsr.setText(str(clips[1].with_name("none.mp4")))
    dialog.go.click()
    qtbot.waitUntil(lambda: "none.mp4" in text.text(), timeout=20000)
    assert dialog.go.isEnabled()
    dialog.close()


def test_swapped_clips_are_offered_the_other_way_round(
    idle_window: MainWindow, qtbot: QtBot, clips: tuple[Path, Path]
) -> None:
    dialog = dialog_of(idle_window)
    dialog.hsr.setText(str(clips[1]))
    dialog.lsr.setText(str(clips[0]))
    dialog.find_offset.setChecked(False)
    dialog.go.click()
    qtbot.waitUntil(dialog.swap.isVisible, timeout=20000)
    with qtbot.waitSignal(dialog.imported, timeout=60000):
        dialog.swap.click()
    assert dialog.hsr.text() == str(clips[0])
    assert not dialog.swap.isVisible()
    dialog.close()


@pytest.fixture
def still_clips(tmp_path: Path, moving_texture: list[RgbImage]) -> tuple[Path, Path, Path]:
    """HSR, LSR and slowed-down LSR clip in which nothing moves."""
    frame = moving_texture[0]
    height, width = frame.shape[:2]
    paths = []
    for name, rate, size, count in (("h", 15, 2, 24), ("l", 60, 1, 96), ("slow", 15, 1, 96)):
        path = tmp_path / f"{name}.mp4"
        sink = open_sink(path, CODECS["h264"], size * width, size * height, Fraction(rate))
        for _ in range(count):
            sink.write(np.asarray(cv2.resize(frame, (size * width, size * height)), np.uint8))
        sink.finish()
        paths.append(path)
    return paths[0], paths[1], paths[2]


def test_an_offset_that_nothing_tells_is_asked_for(
    idle_window: MainWindow, qtbot: QtBot, still_clips: tuple[Path, Path, Path]
) -> None:
    dialog = dialog_of(idle_window)
    dialog.hsr.setText(str(still_clips[0]))
    dialog.lsr.setText(str(still_clips[1]))
    dialog.go.click()
    qtbot.waitUntil(lambda: not dialog.find_offset.isChecked(), timeout=60000)
    assert "by eye" in dialog.text.text()
    assert not is_take(idle_window.recording.folder / "import_001")
    dialog.offset.setValue(50.0)
    dialog.nudge.setValue(1.5)
    with qtbot.waitSignal(dialog.imported, timeout=60000):
        dialog.go.click()
    assert "offset 51.500 ms" in dialog.text.text()
    dialog.close()


def test_a_capture_factor_that_nothing_tells_is_asked_for(
    idle_window: MainWindow, qtbot: QtBot, still_clips: tuple[Path, Path, Path]
) -> None:
    dialog = dialog_of(idle_window)
    dialog.hsr.setText(str(still_clips[0]))
    dialog.lsr.setText(str(still_clips[2]))
    dialog.find_offset.setChecked(False)
    dialog.go.click()
    qtbot.waitUntil(lambda: not dialog.find_factor.isChecked(), timeout=60000)
    assert "slowed down" in dialog.text.text()
    dialog.factor.setValue(4)
    with qtbot.waitSignal(dialog.imported, timeout=60000):
        dialog.go.click()
    dialog.close()


def test_by_eye_slow_motion_counts_in_the_time_it_was_filmed_in(
    idle_window: MainWindow, qtbot: QtBot, clips: tuple[Path, Path], tmp_path: Path
) -> None:
    """The LSR clip was filmed at 60 frames/s, as its tag says, and plays at 15."""
    slow = tmp_path / "slow.mp4"
    options = {"movflags": "use_metadata_tags"}
    with av.open(str(clips[1])) as plain, av.open(str(slow), "w", options=options) as tagged:
        tagged.metadata["com.android.capture.fps"] = "60"
        stream = tagged.add_stream_from_template(plain.streams.video[0])
        for packet in plain.demux(plain.streams.video[0]):
            if packet.pts is not None and packet.dts is not None:
                packet.pts, packet.dts, packet.duration = 4 * packet.pts, 4 * packet.dts, 4 * packet.duration
                packet.stream = stream
                tagged.mux(packet)
    dialog = dialog_of(idle_window)
    dialog.hsr.setText(str(clips[0]))
    dialog.lsr.setText(str(slow))
    assert dialog.find_factor.isChecked()
    dialog.by_eye.click()
    eye = dialog.findChild(OffsetDialog)
    assert eye is not None
    qtbot.waitUntil(eye.use.isEnabled, timeout=20000)
    eye.sliders[0].setValue(10)
    eye.sliders[1].setValue(43)
    assert eye.offset_ms == pytest.approx(50, abs=0.1)
    eye.close()
    qtbot.waitUntil(lambda: not idle_window.tasks.running, timeout=20000)
    dialog.close()


def test_the_offset_is_set_by_eye_or_by_a_filmed_timer(
    idle_window: MainWindow, qtbot: QtBot, clips: tuple[Path, Path]
) -> None:
    """HSR frame 10 at 15 and LSR frame 40 at 60 frames/s are 666.7 ms into their clips."""
    dialog = dialog_of(idle_window)
    dialog.hsr.setText(str(clips[0]))
    dialog.lsr.setText(str(clips[1]))
    dialog.by_eye.click()
    eye = dialog.findChild(OffsetDialog)
    assert eye is not None
    qtbot.waitUntil(eye.use.isEnabled, timeout=20000)
    eye.sliders[0].setValue(10)
    assert eye.sliders[1].value() == 40
    eye.sliders[1].setValue(43)
    assert eye.offset_ms == pytest.approx(50, abs=0.1)
    eye.timers[0].setValue(1000)
    eye.timers[1].setValue(1000)
    assert "agrees" in eye.text.text()
    eye.timers[1].setValue(900)
    assert "more than" in eye.text.text()
    eye.use_timer.click()
    assert eye.offset_ms == pytest.approx(150, abs=0.1)
    assert eye.sliders[1].value() == 49
    with qtbot.waitSignal(eye.chosen):
        eye.use.click()
    assert dialog.offset.value() == pytest.approx(150, abs=0.1)
    assert not dialog.find_offset.isChecked()
    qtbot.waitUntil(lambda: not idle_window.tasks.running, timeout=20000)
    dialog.close()
