"""What the window says of an export before it is made, against what comes out."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from threading import Event

import pytest
from pytestqt.qtbot import QtBot

from app.export import open_sink
from app.fuse import run_job
from app.fuse_job import FuseJob
from app.fusion_options import FusionOptions
from app.gui.export_dialog import ExportDialog, Part
from app.gui.jobs import JobQueue, JobState
from app.gui.jobs_panel import JobsPanel
from app.gui.messages import Messages
from app.gui.output_names import proposed_name
from app.gui.take_library import read_entry
from app.gui.take_player import OpenTake, TakePlayer
from app.gui.tasks import Tasks
from app.import_clips import import_clips
from app.outputs import check_output
from app.raw_export import RawExportJob, RawView, run_raw_export
from app.sinks import CODECS
from app.size_estimate import estimate_size
from drivers import Role, VideoClip
from drivers.take import TakeWriter
from synthetic import moving_scene, shrink
from takes import make_frame, make_metadata


def lossy_take(path: Path, first_hsr_id: int) -> Path:
    """48 LSR frames at 240 fps without 20 of them, 6 HSR frames at 30 without two.

    With ids from 125 on, the HSR frames belong to the LSR frames, whose ids begin at 1000.
    """
    with TakeWriter(path, make_metadata()) as writer:
        for number in range(48):
            if not 10 <= number < 30:
                writer.append(make_frame(Role.LSR, number))
            if number % 8 == 0 and number not in (16, 24):
                frame = make_frame(Role.HSR, number // 8)
                writer.append(replace(frame, frame_id=first_hsr_id + number // 8))
        writer.close({"missing": 22})
    return path


def opened(take: Path) -> OpenTake:
    """What the browser's player finds out about a take."""
    found: list[OpenTake] = []
    there = Event()

    def on_open(take: OpenTake) -> None:
        found.append(take)
        there.set()

    player = TakePlayer(on_open, lambda error: pytest.fail(str(error)))
    player.open(take)
    assert there.wait(20)
    player.close()
    return found[0]


@pytest.mark.parametrize("first_hsr_id", [125, 1000])
@pytest.mark.parametrize("view", [RawView.LSR, RawView.HSR])
def test_rate_and_length_are_those_of_the_clip_also_where_frames_were_lost(
    qtbot: QtBot, tmp_path: Path, view: RawView, first_hsr_id: int
) -> None:
    take = lossy_take(tmp_path / "take", first_hsr_id)
    known = opened(take)
    tasks = Tasks(lambda error: pytest.fail(str(error)))
    dialog = ExportDialog(read_entry(take), known.fps, Part(), tasks, hsr_fps=known.hsr_fps, fused=False)
    qtbot.addWidget(dialog)
    dialog.view.setCurrentText(f"{view.name} camera as recorded")
    said = re.search(r"(\d+) frames; plays ([\d.]+) s at ([\d.]+) fps", dialog.summary.text())
    assert said is not None
    out = tmp_path / "clip.mp4"
    frames = run_raw_export(RawExportJob(take, out, view)).frames
    with VideoClip(out, Role.HSR) as clip:
        times = clip.mid_exposure_ns
    period = 1 / 240 if view is RawView.LSR else 1 / 30
    assert float(said[3]) == pytest.approx(1 / period, rel=0.001)
    assert int(said[1]) == frames
    assert float(said[2]) == pytest.approx((times[-1] - times[0]) * 1e-9 + period, abs=0.04)
    dialog.slow.setChecked(True)
    dialog.playback.setValue(15)
    assert f"{1 / period / 15:.3g} times slower" in dialog.summary.text()
    dialog.reject()
    tasks.close()


@pytest.mark.parametrize("codec", ["h264", "hevc", "prores", "png"])
def test_the_size_that_is_told_is_about_that_of_the_file(tmp_path: Path, codec: str) -> None:
    """Most frames are told by what differs from the one before: the few that are not weigh the most."""
    truth = moving_scene(96, 128, 192)
    for name, frames, rate in (("hsr", truth[::8], 30), ("lsr", [shrink(f, 2) for f in truth], 240)):
        height, width = frames[0].shape[:2]
        sink = open_sink(tmp_path / f"{name}.mp4", CODECS["h264"], width, height, Fraction(rate))
        for frame in frames:
            sink.write(frame)
        sink.finish()
    take = tmp_path / "take"
    import_clips(tmp_path / "hsr.mp4", tmp_path / "lsr.mp4", take, offset_ms=0.0)
    out = tmp_path / f"clip{CODECS[codec].suffixes[0]}"
    made = run_raw_export(RawExportJob(take, out, RawView.LSR, codec))
    size = sum(file.stat().st_size for file in (out.iterdir() if out.is_dir() else [out]))
    assert estimate_size(take, RawView.LSR, codec, "high").of(made.frames) == pytest.approx(size, rel=0.35)


@pytest.mark.parametrize("method", ["bicubic", "classical"])
def test_the_size_that_is_told_of_a_fused_clip_is_about_that_of_the_file(
    takes: Path, tmp_path: Path, method: str
) -> None:
    """Of two cameras side by side the fused view is smaller than the HSR frame, and smoother."""
    options = FusionOptions(method=method)
    made = run_job(FuseJob((takes / "marbles",), tmp_path / "pictures", options, codec="png"))
    size = sum(file.stat().st_size for file in (tmp_path / "pictures").iterdir())
    told = estimate_size(takes / "marbles", None, "png", "high", options)
    assert (told.width, told.height) == (made.width, made.height)
    assert told.of(made.frames) == pytest.approx(size, rel=0.15)


@pytest.mark.parametrize("letter", ["x", "ü", "😀"])
def test_takes_with_the_longest_names_get_outputs_that_the_disk_takes(tmp_path: Path, letter: str) -> None:
    longest = letter * (255 // len(letter.encode()))
    assert proposed_name("short", "fused", ".mp4") == "short_fused.mp4"
    for kind in ("fused", "side_by_side"):
        name = proposed_name(longest, kind, ".mp4")
        assert re.fullmatch(f"{letter}+_{kind}.mp4", name)
        check_output(tmp_path / name, overwrite=False, described=True)


def test_jobs_stand_in_the_order_in_which_they_run(qtbot: QtBot, takes: Path) -> None:
    """One that is resumed waits behind the others, and is shown there."""
    tasks = Tasks(lambda error: pytest.fail(str(error)))
    queue = JobQueue(tasks, Messages())
    panel = JobsPanel(queue)
    qtbot.addWidget(panel)
    panel.resize(900, 400)
    panel.show()
    options = FusionOptions(method="bicubic", align="none")
    jobs = [queue.add(FuseJob((takes / "marbles",), takes / f"{n}.mkv", options)) for n in range(3)]
    qtbot.waitUntil(lambda: jobs[0].done > 2, timeout=30000)
    queue.cancel(jobs[0])
    qtbot.waitUntil(lambda: jobs[0].state is JobState.CANCELLED, timeout=30000)
    queue.resume(jobs[0])

    def shown() -> list[Path]:
        rows = sorted(panel.rows, key=lambda row: row.y())
        return [row.job.out for row in rows]

    assert [job.out for job in queue.jobs] == [jobs[n].out for n in (1, 2, 0)]
    qtbot.waitUntil(lambda: shown() == [job.out for job in queue.jobs], timeout=10000)
    qtbot.waitUntil(lambda: not queue.active, timeout=60000)
    assert all(job.state is JobState.DONE for job in jobs)
    tasks.close()
