"""The take browser, the export dialog and the jobs behind them."""

from __future__ import annotations

import shutil
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PyQt6.QtCore import QTimer
from PyQt6.QtWidgets import QApplication, QMessageBox
from pytestqt.qtbot import QtBot

from app.capture import emulated_session
from app.errors import CancelledError
from app.fuse import run_job
from app.fuse_job import FuseJob
from app.fusion_options import FusionOptions
from app.gui.export_dialog import ExportDialog
from app.gui.jobs import JobState
from app.gui.main_window import MainWindow
from app.gui.take_library import scan
from app.raw_export import RawExportJob, RawView, raw_frames, run_raw_export
from app.session import RigSetup, State
from app.session.take_notes import TakeNote, add_note
from drivers import Role, Take, hsr_times_on_lsr_clock
from drivers.spinnaker_emulator import install
from takes import write_take

FRAMES = 24
SMALL = RigSetup(hsr_size=(96, 80), lsr_size=(48, 40))


def browse(window: MainWindow, qtbot: QtBot, takes: Path) -> None:
    window.recording_panel.set_folder(takes)
    window.actions_table["takes"].trigger()
    qtbot.waitUntil(lambda: window.take_page.moment is not None, timeout=10000)


def video(path: Path) -> tuple[int, Fraction, int]:
    """Frames, rate and width of a clip."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        rate = stream.average_rate
        assert rate is not None
        return sum(1 for _ in container.decode(stream)), rate, stream.width


def answer(dialog_does: object) -> None:
    """Do something in the export dialog that is about to open, then press Start."""

    def act() -> None:
        dialog = QApplication.activeModalWidget()
        assert isinstance(dialog, ExportDialog)
        dialog_does(dialog)  # type: ignore[operator]
        dialog.go.click()

    QTimer.singleShot(100, act)


def test_browser_shows_both_streams_of_one_moment(idle_window: MainWindow, qtbot: QtBot, takes: Path) -> None:
    window = idle_window
    browse(window, qtbot, takes)
    page = window.take_page
    assert page.list.count() == 1
    assert "simulated" in page.list.item(0).text()
    page.slider.setValue(9)
    qtbot.waitUntil(lambda: page.moment is not None and page.moment.index == 9, timeout=5000)
    assert page.moment is not None
    # Frames 7 to 10 are the GoP of HSR frame 2 at m = 4.
    assert page.moment.hsr_index == 2
    assert "frame 9" in page.labels[Role.LSR].text()


def test_playing_stays_inside_the_trimmed_part(idle_window: MainWindow, qtbot: QtBot, takes: Path) -> None:
    browse(idle_window, qtbot, takes)
    page = idle_window.take_page
    page.trim.setValue((5, 10))
    assert page.slider.value() == 5
    page.speed.setValue(200)
    page.play.click()
    seen = set()
    deadline = time.monotonic() + 1.0
    while time.monotonic() < deadline:
        qtbot.wait(20)
        seen.add(page.slider.value())
    page.play.click()
    assert len(seen) > 1
    assert min(seen) >= 5
    assert max(seen) <= 10


def test_fuse_a_trimmed_part_through_the_dialog(idle_window: MainWindow, qtbot: QtBot, takes: Path) -> None:
    window = idle_window
    browse(window, qtbot, takes)
    page = window.take_page
    page.trim.setValue((4, 11))

    def fill(dialog: ExportDialog) -> None:
        dialog.method.setCurrentText("Classical")
        dialog.slow.setChecked(True)
        dialog.playback.setValue(15)
        assert "8 frames" in dialog.summary.text()

    answer(fill)
    page.fuse.click()
    job = window.jobs.jobs[0]
    qtbot.waitUntil(lambda: job.state is JobState.DONE, timeout=60000)
    frames, rate, _ = video(job.out)
    assert frames == 8
    assert rate == 15
    assert job.out == takes / "marbles_fused.mp4"


def test_export_side_by_side(idle_window: MainWindow, qtbot: QtBot, takes: Path) -> None:
    window = idle_window
    browse(window, qtbot, takes)
    answer(lambda dialog: dialog.codec.setCurrentIndex(dialog.codec.findData("ffv1")))
    window.take_page.export.click()
    job = window.jobs.jobs[0]
    qtbot.waitUntil(lambda: job.state is JobState.DONE, timeout=60000)
    frames, rate, width = video(job.out)
    assert (frames, rate) == (FRAMES, 120)
    assert width == 384 + 384


def test_what_the_sharp_camera_filmed_alone_is_seen_and_exported(
    idle_window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    write_take(tmp_path / "alone" / "take", hsr=5, lsr=0)
    browse(idle_window, qtbot, tmp_path / "alone")
    page = idle_window.take_page
    page.slider.setValue(3)
    qtbot.waitUntil(lambda: page.moment is not None and page.moment.index == 3, timeout=5000)
    assert page.time.text() == "0.1000 s"
    assert page.export.isEnabled()
    assert not page.fuse.isEnabled()
    page.trim.setValue((1, 4))

    def fill(dialog: ExportDialog) -> None:
        assert [dialog.view.itemText(i) for i in range(dialog.view.count())] == ["HSR camera as recorded"]
        assert "4 frames; plays 0.13 s at 30 fps" in dialog.summary.text()

    answer(fill)
    page.export.click()
    job = idle_window.jobs.jobs[0]
    qtbot.waitUntil(lambda: job.state is JobState.DONE, timeout=60000)
    assert video(job.out)[:2] == (4, 30)


def test_fusion_that_never_began_is_not_resumed(idle_window: MainWindow, qtbot: QtBot, takes: Path) -> None:
    """Not even where another job has left a part under its name."""
    (takes / "there.mp4").write_bytes(b"x")
    (takes / "there.partial.mp4.json").write_text("{}")
    job = idle_window.jobs.add(FuseJob((takes / "marbles",), takes / "there.mp4"))
    idle_window.actions_table["takes"].trigger()
    qtbot.waitUntil(lambda: job.state is JobState.FAILED, timeout=20000)
    assert not job.resumable
    assert not idle_window.take_page.jobs.rows[0].resume.isVisible()
    assert "--" not in job.text


def test_stopped_fusion_is_resumed_to_the_end(
    idle_window: MainWindow, qtbot: QtBot, takes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = idle_window

    def slowly(job: FuseJob, **callbacks: object) -> object:
        advance = callbacks["on_frame"]

        def on_frame() -> None:
            advance()  # type: ignore[operator]
            time.sleep(0.1)

        return run_job(job, **{**callbacks, "on_frame": on_frame})  # type: ignore[arg-type]

    monkeypatch.setattr("app.fuse.run_job", slowly)
    job = window.jobs.add(FuseJob((takes / "marbles",), takes / "out.mp4", FusionOptions(method="bicubic")))
    window.actions_table["takes"].trigger()
    qtbot.waitUntil(lambda: job.done >= 3, timeout=60000)
    row = window.take_page.jobs.rows[0]
    assert row.bar.isVisible()
    row.stop.click()
    qtbot.waitUntil(lambda: job.state is JobState.CANCELLED, timeout=20000)
    assert not (takes / "out.mp4").exists()
    assert "--" not in job.text
    row.resume.click()
    qtbot.waitUntil(lambda: job.state is JobState.DONE, timeout=60000)
    assert video(takes / "out.mp4")[0] == FRAMES


def test_jobs_run_one_after_the_other(idle_window: MainWindow, qtbot: QtBot, takes: Path) -> None:
    queue = idle_window.jobs
    first, second, third = (
        queue.add(RawExportJob(takes / "marbles", takes / f"{name}.mp4", RawView.LSR)) for name in "abc"
    )
    assert [first.state, second.state] == [JobState.RUNNING, JobState.QUEUED]
    queue.cancel(third)
    qtbot.waitUntil(lambda: second.state is JobState.DONE, timeout=30000)
    assert third.state is JobState.CANCELLED
    assert not third.out.exists()


def test_failed_job_says_why(idle_window: MainWindow, qtbot: QtBot, takes: Path) -> None:
    (takes / "there.mp4").write_bytes(b"x")
    job = idle_window.jobs.add(RawExportJob(takes / "marbles", takes / "there.mp4", RawView.LSR))
    qtbot.waitUntil(lambda: job.state is JobState.FAILED, timeout=20000)
    assert "there.mp4" in job.text
    assert (takes / "there.mp4").read_bytes() == b"x"


def test_closing_with_a_running_job_asks(
    idle_window: MainWindow, qtbot: QtBot, takes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = idle_window
    answers = [QMessageBox.StandardButton.Cancel, QMessageBox.StandardButton.Yes]
    monkeypatch.setattr(QMessageBox, "question", lambda *_: answers.pop(0))
    window.jobs.add(RawExportJob(takes / "marbles", takes / "a.mp4", RawView.LSR))
    window.close()
    assert window.isVisible()
    window.jobs.add(RawExportJob(takes / "marbles", takes / "b.mp4", RawView.LSR))
    window.close()
    assert not window.isVisible()


def test_notes_of_a_take_lead_to_their_moments(idle_window: MainWindow, qtbot: QtBot, takes: Path) -> None:
    add_note(takes / "marbles", TakeNote(7, 1, "ball enters"))
    add_note(takes / "marbles", TakeNote(900, 225, "after the last frame"))
    browse(idle_window, qtbot, takes)
    page = idle_window.take_page
    qtbot.waitUntil(lambda: page.marks.isVisible(), timeout=5000)
    assert [page.marks.itemText(i) for i in range(page.marks.count())] == [
        "ball enters",
        "after the last frame",
    ]
    page.marks.setCurrentIndex(0)
    page.marks.activated.emit(0)
    qtbot.waitUntil(lambda: page.moment is not None and page.moment.index == 7, timeout=5000)
    page.marks.setCurrentIndex(1)
    page.marks.activated.emit(1)
    qtbot.waitUntil(lambda: page.moment is not None and page.moment.index == FRAMES - 1, timeout=5000)


def test_parts_of_a_take_with_lost_frames_are_the_frames_that_were_chosen(
    idle_window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    rig = install()
    try:
        with emulated_session(rig) as session:
            session.connect(rig.serials)
            session.configure(SMALL.settings())
            rig.faults(Role.LSR).lost_frames |= set(range(12, 24))
            session.record(0.4, tmp_path / "gap")
    finally:
        rig.uninstall()
    browse(idle_window, qtbot, tmp_path)
    page = idle_window.take_page
    page.trim.setValue((14, 19))
    part = page.part
    out = tmp_path / "part.mkv"
    job = RawExportJob(tmp_path / "gap", out, RawView.LSR, "ffv1", start_s=part.start_s, end_s=part.end_s)
    assert run_raw_export(job).frames == 6
    with Take.open(tmp_path / "gap") as take:
        expected = [take.lsr.read(k).frame_id for k in range(14, 20)]
        pair = take.pair()
        shown = list(raw_frames(pair, RawView.LSR, list(range(14, 20))))
    assert expected == list(range(26, 32))
    with av.open(str(out)) as clip:
        written = [frame.to_ndarray(format="rgb24") for frame in clip.decode(video=0)]
    assert all(np.array_equal(a, b) for a, b in zip(written, shown, strict=True))


def test_part_of_the_sharp_stream_is_counted_like_that_of_the_fast_one(tmp_path: Path, takes: Path) -> None:
    """Both cameras' clocks differ; a part means the same moments of both."""
    with Take.open(takes / "marbles") as take:
        times = hsr_times_on_lsr_clock(take.pair()) - take.lsr.mid_exposure_ns[0]
        assert abs(take.hsr.mid_exposure_ns[0] - take.lsr.mid_exposure_ns[0]) > 10**9
        inside = np.flatnonzero((times >= 0.04e9) & (times < 0.14e9))
    job = RawExportJob(takes / "marbles", tmp_path / "p.mkv", RawView.HSR, "ffv1", start_s=0.04, end_s=0.14)
    assert run_raw_export(job).frames == len(inside) > 0


def test_damaged_frames_do_not_end_an_export_and_are_told(
    idle_window: MainWindow, qtbot: QtBot, takes: Path
) -> None:
    with (takes / "marbles" / "lsr" / "frames_0000.raw").open("r+b") as file:
        file.seek(5 * 96 * 80 + 7)
        file.write(b"\x01\x02\x03")
    for view in (RawView.LSR, RawView.SIDE_BY_SIDE):
        job = idle_window.jobs.add(RawExportJob(takes / "marbles", takes / f"{view.name}.mp4", view))
        qtbot.waitUntil(lambda job=job: job.state is JobState.DONE, timeout=30000)  # type: ignore[misc]
        assert video(job.out)[0] == FRAMES
    assert sum("frame 4 stands in" in m.text for m in idle_window.messages.log) == 2


def test_take_with_missing_frames_is_marked_in_the_list(tmp_path: Path) -> None:
    session_rig = install()
    try:
        with emulated_session(session_rig) as session:
            session.connect(session_rig.serials)
            session.configure(SMALL.settings())
            session_rig.faults(Role.LSR).lost_frames |= {5, 6}
            session.record(0.2, tmp_path / "gap")
    finally:
        session_rig.uninstall()
    [entry] = scan(tmp_path)
    assert "incomplete" in entry.summary
    assert any("2 of" in text for text in entry.findings)


def test_damaged_take_is_listed_with_its_reason(idle_window: MainWindow, qtbot: QtBot, takes: Path) -> None:
    (takes / "marbles" / "take.json").write_text("{")
    entries = scan(takes)
    assert len(entries) == 1
    assert "JSON" in entries[0].problem
    idle_window.recording_panel.set_folder(takes)
    idle_window.actions_table["takes"].trigger()
    page = idle_window.take_page
    qtbot.waitUntil(lambda: page.list.count() == 1, timeout=5000)
    assert not page.fuse.isEnabled()
    assert "JSON" in page.note.text()


def test_interrupted_take_can_be_looked_at(idle_window: MainWindow, qtbot: QtBot, takes: Path) -> None:
    (takes / "marbles" / "done.json").unlink()
    browse(idle_window, qtbot, takes)
    assert "recovered" in idle_window.take_page.list.item(0).text()


def test_raw_export_is_cancelled_cleanly(takes: Path) -> None:
    job = RawExportJob(takes / "marbles", takes / "c.mp4", RawView.HSR)
    with pytest.raises(CancelledError):
        run_raw_export(job, cancelled=lambda: True)
    assert not list(takes.glob("c.*"))
    assert run_raw_export(job).frames == FRAMES // 4
    assert video(job.out)[0] == FRAMES // 4


def test_take_is_not_exported_while_it_is_recorded_and_seen_whole_afterwards(
    window: MainWindow, qtbot: QtBot
) -> None:
    page = window.take_page
    window.actions_table["record"].trigger()
    qtbot.waitUntil(lambda: window.controller.state is State.RECORDING, timeout=10000)
    goal = window.controller.numbers(Role.LSR).received + 20
    qtbot.waitUntil(lambda: window.controller.numbers(Role.LSR).received > goal, timeout=10000)
    window.actions_table["takes"].trigger()
    qtbot.waitUntil(lambda: page.moment is not None, timeout=10000)
    assert "recording" in page.list.item(0).text()
    assert "recovered" not in page.list.item(0).text()
    assert "it is being recorded" in page.note.text()
    assert not page.fuse.isEnabled()
    window.actions_table["export"].trigger()
    assert "take_001 cannot be fused or exported" in window.messages.log[-1].text
    goal = window.controller.numbers(Role.LSR).received + 20
    qtbot.waitUntil(lambda: window.controller.numbers(Role.LSR).received > goal, timeout=10000)
    with qtbot.waitSignal(window.recording.finished, timeout=15000) as blocker:
        window.actions_table["record"].trigger()
    frames = blocker.args[0].frames(Role.LSR)
    qtbot.waitUntil(lambda: page.export.isEnabled() and page.slider.maximum() == frames - 1, timeout=10000)
    assert page.trimmed == (0, frames - 1)
    assert "record" not in page.list.item(0).text()
    assert not page.note.text()


def test_takes_that_are_gone_leave_the_list(idle_window: MainWindow, qtbot: QtBot, takes: Path) -> None:
    browse(idle_window, qtbot, takes)
    page, other = idle_window.take_page, takes.with_name("other")

    def listed(*names: str) -> bool:
        return [page.list.item(i).text().split("\n")[0] for i in range(page.list.count())] == list(names)

    (takes / "marbles").rename(takes / "renamed")
    page.refresh_button.click()
    qtbot.waitUntil(lambda: listed("renamed") and page.chosen is not None, timeout=10000)
    qtbot.waitUntil(lambda: page.fuse.isEnabled(), timeout=10000)
    other.mkdir()
    idle_window.recording_panel.set_folder(other)
    idle_window.pages.show_takes(True)
    qtbot.waitUntil(lambda: listed(), timeout=10000)
    assert not page.fuse.isEnabled()
    assert not page.note.text()
    # A take of elsewhere that was asked for stays until it is gone.
    idle_window.pages.show_take(takes / "renamed")
    qtbot.waitUntil(lambda: listed("renamed"), timeout=10000)
    qtbot.waitUntil(lambda: page.fuse.isEnabled(), timeout=10000)
    page.refresh()
    qtbot.waitUntil(lambda: not idle_window.tasks.running, timeout=10000)
    assert listed("renamed")
    shutil.rmtree(takes / "renamed")
    page.refresh()
    qtbot.waitUntil(lambda: listed(), timeout=10000)
    assert "is not there any more" in idle_window.messages.log[-1].text
    assert not page.fuse.isEnabled()
