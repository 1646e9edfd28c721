"""The export dialog: what it asks for, tells, proposes and refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from app.fuse_job import FuseJob
from app.gui.export_dialog import ExportDialog, Part
from app.gui.take_library import read_entry
from app.gui.tasks import Tasks
from app.raw_export import RawExportJob, RawView, run_raw_export
from takes import write_take


@pytest.fixture
def dialog(takes: Path, qtbot: QtBot) -> Iterator[ExportDialog]:
    """The export dialog of a take, and nothing around it."""
    tasks = Tasks(lambda error: pytest.fail(str(error)))
    dialog = ExportDialog(read_entry(takes / "marbles"), 120.0, Part(), tasks, fused=True)
    qtbot.addWidget(dialog)
    dialog.show()
    yield dialog
    dialog.reject()
    tasks.close()


def test_enter_in_a_number_field_takes_the_number_and_starts_nothing(
    dialog: ExportDialog, qtbot: QtBot
) -> None:
    dialog.end.selectAll()
    qtbot.keyClicks(dialog.end, "0.1")
    qtbot.keyClick(dialog.end, Qt.Key.Key_Return)
    assert dialog.isVisible()
    assert isinstance(dialog.request, FuseJob)
    assert dialog.request.options.end_s == pytest.approx(0.1)
    qtbot.keyClick(dialog, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: not dialog.isVisible(), timeout=10000)


def test_whose_colours_is_asked_for_fused_clips_only(dialog: ExportDialog) -> None:
    dialog.show()
    dialog.view.setCurrentIndex(0)
    assert dialog.colours.isVisible()
    dialog.colours.setCurrentIndex(1)
    assert isinstance(dialog.request, FuseJob)
    assert dialog.request.options.colours == "hsr"
    dialog.view.setCurrentIndex(3)
    assert not dialog.colours.isVisible()


def said_size(dialog: ExportDialog) -> tuple[str, float]:
    """Picture size and megabytes as the dialog tells them."""
    found = re.search(
        r"\n((?:about )?\d+ x \d+) px, 8 bits a colour, about ([\d.]+) MB", dialog.summary.text()
    )
    return (found[1], float(found[2])) if found else ("", 0.0)


def test_size_is_told_before_the_export(
    dialog: ExportDialog, takes: Path, qtbot: QtBot, tmp_path: Path
) -> None:
    dialog.codec.setCurrentIndex(dialog.codec.findData("ffv1"))
    # What both cameras see is less than what one of them does.
    qtbot.waitUntil(lambda: said_size(dialog)[0] not in ("", "about 384 x 320"), timeout=30000)
    fused = said_size(dialog)
    dialog.method.setCurrentIndex(dialog.method.findData("bicubic"))
    qtbot.waitUntil(lambda: said_size(dialog)[0] == fused[0], timeout=30000)
    assert said_size(dialog)[1] < 0.9 * fused[1]
    dialog.align.setCurrentIndex(1)
    qtbot.waitUntil(lambda: said_size(dialog)[0] == "about 384 x 320", timeout=30000)
    dialog.view.setCurrentText("LSR camera as recorded")
    assert not dialog.quality.isVisible()
    qtbot.waitUntil(lambda: said_size(dialog)[0] == "96 x 80", timeout=30000)
    told = said_size(dialog)[1]
    out = tmp_path / "real.mkv"
    run_raw_export(RawExportJob(takes / "marbles", out, RawView.LSR, "ffv1"))
    assert told == pytest.approx(out.stat().st_size / 1e6, rel=0.5, abs=0.1)


def test_a_clip_is_said_to_play_as_long_as_was_filmed_also_where_frames_were_lost(
    takes: Path, qtbot: QtBot
) -> None:
    whole = read_entry(takes / "marbles")
    lossy = replace(whole, times_s=np.delete(whole.times_s, slice(4, 9)), lsr_frames=whole.lsr_frames - 5)
    tasks = Tasks(lambda error: pytest.fail(str(error)))
    for entry in (whole, lossy):
        dialog = ExportDialog(entry, 120.0, Part(), tasks, fused=True)
        qtbot.addWidget(dialog)
        assert f"{entry.lsr_frames} frames; plays {whole.lsr_frames / 120:.2f} s" in dialog.summary.text()
        dialog.slow.setChecked(True)
        dialog.playback.setValue(30)
        assert f"plays {whole.lsr_frames / 30:.2f} s at 30 fps, 4 times slower" in dialog.summary.text()
        dialog.reject()
    tasks.close()


def test_lower_quality_makes_a_smaller_file(dialog: ExportDialog, qtbot: QtBot, tmp_path: Path) -> None:
    sizes = []
    dialog.view.setCurrentText("HSR camera as recorded")
    for quality in ("high", "medium", "small"):
        dialog.quality.setCurrentIndex(dialog.quality.findData(quality))
        job = dialog.request
        assert isinstance(job, RawExportJob)
        assert job.quality == quality
        run_raw_export(replace(job, out=tmp_path / f"{quality}.mp4"))
        sizes.append((tmp_path / f"{quality}.mp4").stat().st_size)
        told = json.loads((tmp_path / f"{quality}.mp4.json").read_text())
        assert (told["quality"], told["simulated"], told["frames"]) == (quality, True, 6)
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < sizes[0]


def test_another_format_keeps_the_name_that_was_typed(dialog: ExportDialog, tmp_path: Path) -> None:
    assert dialog.out.text().endswith("marbles_fused.mp4")
    dialog.codec.setCurrentIndex(dialog.codec.findData("prores"))
    assert dialog.out.text().endswith("marbles_fused.mov")
    dialog.out.setText(str(tmp_path / "best.mov"))
    dialog.codec.setCurrentIndex(dialog.codec.findData("ffv1"))
    dialog.view.setCurrentText("LSR camera as recorded")
    assert dialog.out.text() == str(tmp_path / "best.mkv")


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("trial.01", "trial.01.mkv"),
        ("a.MOV", "a.mkv"),
        ("plain", "plain.mkv"),
        ("clips/", "clips/"),
        (".", "."),
    ],
)
def test_another_format_changes_nothing_but_the_ending_of_a_file(
    dialog: ExportDialog, tmp_path: Path, typed: str, kept: str
) -> None:
    dialog.out.setText(f"{tmp_path}/{typed}")
    dialog.codec.setCurrentIndex(dialog.codec.findData("ffv1"))
    assert dialog.out.text() == f"{tmp_path}/{kept}"


def test_another_format_leaves_an_empty_field_empty(dialog: ExportDialog) -> None:
    dialog.out.clear()
    dialog.codec.setCurrentIndex(dialog.codec.findData("ffv1"))
    assert dialog.out.text() == ""


def test_dialog_refuses_an_ending_that_cannot_hold_the_format(dialog: ExportDialog, takes: Path) -> None:
    dialog.out.setText(str(takes / "clip.png"))
    dialog.go.click()
    assert dialog.isVisible()
    assert ".mp4" in dialog.problem.text()


def test_dialog_stays_open_with_the_reason_an_output_is_refused(
    dialog: ExportDialog, takes: Path, qtbot: QtBot
) -> None:
    there = takes / "there.mp4"
    there.write_bytes(b"x")
    for out, reason in ((there, "tick Replace"), (takes / "none" / "x.mp4", "does not exist")):
        dialog.out.setText(str(out))
        dialog.go.click()
        qtbot.waitUntil(lambda reason=reason: reason in dialog.problem.text(), timeout=10000)  # type: ignore[misc]
        assert dialog.isVisible()
        assert "--" not in dialog.problem.text()
    dialog.out.setText(str(there))
    dialog.overwrite.setChecked(True)
    dialog.go.click()
    qtbot.waitUntil(lambda: not dialog.isVisible(), timeout=10000)


def test_proposed_name_is_free(takes: Path, qtbot: QtBot) -> None:
    """It neither exists, nor is a job going to write it, nor has a stopped fusion left a part of it."""
    (takes / "marbles_fused.mp4").touch()
    (takes / "marbles_fused_2.partial.mp4.json").touch()
    taken = frozenset({takes / "marbles_fused_3.mp4"})
    tasks = Tasks(lambda error: pytest.fail(str(error)))
    dialog = ExportDialog(read_entry(takes / "marbles"), 120.0, Part(), tasks, fused=True, taken=taken)
    qtbot.addWidget(dialog)
    free = str(takes / "marbles_fused_4.mp4")
    qtbot.waitUntil(lambda: dialog.out.text() == free, timeout=10000)
    dialog.out.setText(str(takes / "marbles_fused_3.mp4"))
    dialog.show()
    dialog.go.click()
    assert "another job" in dialog.problem.text()
    dialog.reject()
    tasks.close()


def test_agreeing_to_replace_in_browse_ticks_the_box_for_that_file(
    dialog: ExportDialog, takes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (takes / "there.mp4").write_bytes(b"x")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(takes / "there.mp4"), ""))
    dialog.browse.click()
    assert dialog.overwrite.isChecked()
    dialog.out.setText(str(takes / "other.mp4"))
    assert not dialog.overwrite.isChecked()


def test_a_take_of_one_frame_each_is_exported(tmp_path: Path, qtbot: QtBot) -> None:
    """As a snapshot by Record and Stop in one go makes it."""
    tasks = Tasks(lambda error: pytest.fail(str(error)))
    entry = read_entry(write_take(tmp_path / "one", hsr=1, lsr=1))
    dialog = ExportDialog(entry, 240.0, Part(), tasks, hsr_fps=30.0, fused=False)
    qtbot.addWidget(dialog)
    dialog.show()
    dialog.view.setCurrentText("LSR camera as recorded")
    assert dialog.summary.text().startswith("1 frames; plays 0.00 s at 240 fps")
    dialog.go.click()
    qtbot.waitUntil(lambda: not dialog.isVisible(), timeout=10000)
    assert isinstance(dialog.request, RawExportJob)
    assert run_raw_export(dialog.request).frames == 1
    tasks.close()
