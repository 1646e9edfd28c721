"""What a fused clip says of itself: when its frames are shown, how large they are, how its pixels stand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from app.export import open_sink
from app.fusion_options import FusionOptions
from app.pipeline import Pipeline
from app.sinks import CODECS
from drivers import ClipSound, open_clip_pair
from fusing import decode, twinrate
from synthetic import moving_scene, shrink, write_lossless


def test_frames_that_the_fast_camera_dropped_leave_a_gap_of_their_length(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What comes after the gap is not shown too early, and is in step with the sound."""
    truth = moving_scene(72, 128, 160)
    filmed = [k for k in range(72) if not 30 <= k < 42]
    lsr = tmp_path / "lsr.mkv"
    write_lossless(lsr, [shrink(truth[k], 2) for k in filmed], 240, slots=filmed)
    hsr = write_lossless(tmp_path / "hsr.mkv", truth[::8], 30)
    out = tmp_path / "clip.mp4"
    how = ("--offset-ms", 0, "--align", "none", "--method", "bicubic", "--json")
    assert twinrate("fuse", hsr, lsr, "--out", out, *how) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said["frames"] == 60
    assert any("12 LSR frames are missing" in text for text in said["warnings"])
    note = json.loads(Path(f"{out}.json").read_text())
    assert note["playback_rate"] == "240"
    with av.open(str(out)) as container:
        shown = [float(frame.time or 0) for frame in container.decode(video=0)]
    assert shown == pytest.approx([k / 240 for k in filmed], abs=1e-6)
    assert [row["time_s"] for row in note["per_frame"]] == pytest.approx(shown, abs=1e-3)


@pytest.mark.parametrize(("name", "stored"), [("odd.mp4", (250, 188)), ("odd.mkv", (251, 189))])
def test_the_size_that_is_told_is_that_of_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, stored: tuple[int, int]
) -> None:
    truth = moving_scene(8, 189, 251)
    hsr = write_lossless(tmp_path / "hsr.mkv", truth[::4], 60)
    lsr = write_lossless(tmp_path / "lsr.mkv", [shrink(f, 3) for f in truth], 240)
    out = tmp_path / name
    codec = "ffv1" if name == "odd.mkv" else "h264"
    how = ("--offset-ms", 0, "--align", "none", "--method", "bicubic", "--codec", codec, "--json")
    assert twinrate("fuse", hsr, lsr, "--out", out, *how) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert decode(out)[0].shape[1::-1] == (said["width"], said["height"]) == stored
    assert len(said["warnings"]) == (codec == "h264")


@pytest.mark.parametrize(
    ("name", "codec"),
    [("clip.mp4", "h264"), ("clip.mkv", "h264"), ("clip.mov", "hevc"), ("clip.avi", "ffv1")],
)
def test_pixels_that_are_not_square_stay_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, codec: str
) -> None:
    truth = moving_scene(8, 128, 160)
    clips = {"hsr.mp4": (truth[::4], 60), "lsr.mp4": ([shrink(f, 2) for f in truth], 240)}
    for clip, (frames, rate) in clips.items():
        height, width = frames[0].shape[:2]
        sink = open_sink(
            tmp_path / clip, CODECS["h264"], width, height, Fraction(rate), pixel_aspect=Fraction(4, 3)
        )
        for frame in frames:
            sink.write(frame)
        sink.finish()
    out = tmp_path / name
    how = ("--offset-ms", 0, "--align", "none", "--method", "bicubic", "--codec", codec, "--json")
    assert twinrate("fuse", *(tmp_path / clip for clip in clips), "--out", out, *how) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    with av.open(str(out)) as container:
        shown = container.streams.video[0].sample_aspect_ratio
    assert any("4:3" in text for text in said["warnings"]) is (codec == "ffv1")
    assert shown == Fraction(4, 3) or codec == "ffv1"


def test_a_part_begins_and_ends_at_the_times_that_are_told(tmp_path: Path) -> None:
    """Told in whole microseconds, some of which lie after the frame's own time."""
    truth = moving_scene(24, 64, 96)
    hsr = write_lossless(tmp_path / "hsr.mkv", truth[::8], 30)
    sink = open_sink(tmp_path / "lsr.mp4", CODECS["h264"], 48, 32, Fraction(240))
    for frame in truth:
        sink.write(shrink(frame, 2))
    sink.finish()
    out = tmp_path / "clip.mkv"
    how = ("--offset-ms", 0, "--align", "none", "--method", "bicubic")
    assert twinrate("fuse", hsr, tmp_path / "lsr.mp4", "--out", out, *how) == 0
    times = [row["time_s"] for row in json.loads(Path(f"{out}.json").read_text())["per_frame"]]
    streams = open_clip_pair(hsr, tmp_path / "lsr.mp4", offset_ms=0.0)
    for first in range(20):
        options = FusionOptions("bicubic", align="none", start_s=times[first], end_s=times[first + 3])
        rows = Pipeline(streams, options).records()
        assert [row.lsr_index for row in rows] == [first, first + 1, first + 2]
    streams.hsr.close()
    streams.lsr.close()


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.mov"])
@pytest.mark.parametrize("rate", [37_800, 192_000, 48_000])
def test_sound_of_any_rate_is_heard_when_it_should_be(tmp_path: Path, rate: int, name: str) -> None:
    clicks = (0.25, 0.5, 0.75)
    samples = np.zeros((1, rate), np.float32)
    for click in clicks:
        at = round(click * rate)
        samples[:, at : at + rate // 200] = 0.8 * np.sin(np.arange(rate // 200) * 2 * np.pi * 1000 / rate)
    codec = CODECS["h264"]
    sound = ClipSound(1, rate, rate, lambda: iter([samples]))
    sink = open_sink(tmp_path / name, codec, 64, 48, Fraction(30), sound=sound)
    for frame in moving_scene(30, 48, 64):
        sink.write(frame)
    sink.finish()
    with av.open(str(tmp_path / name)) as container:
        frames = list(container.decode(audio=0))
    assert frames[0].rate == 48_000
    start = float(frames[0].time or 0)
    heard = np.concatenate([np.abs(f.to_ndarray()[0]) for f in frames])
    loud = start + np.flatnonzero(heard > 0.3) / 48_000
    begins = loud[np.diff(loud, prepend=-1) > 0.1]
    assert begins.tolist() == pytest.approx(clicks, abs=0.003)
    assert start + len(heard) / 48_000 == pytest.approx(1, abs=0.03)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
@pytest.mark.parametrize(("name", "codec"), [("2026-11-27T10:30:15.mp4", "h264"), ("10:30", "png")])
def test_a_name_may_hold_the_time_of_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, codec: str
) -> None:
    truth = moving_scene(60, 64, 96)
    write_lossless(tmp_path / "hsr.mkv", truth[::8], 30)
    write_lossless(tmp_path / "lsr.mkv", [shrink(f, 2) for f in truth], 240)
    monkeypatch.chdir(tmp_path)
    how = ("--offset-ms", 0, "--align", "none", "--method", "bicubic", "--codec", codec)
    assert twinrate("fuse", "hsr.mkv", "lsr.mkv", "--out", name, *how) == 0
    there = {"hsr.mkv", "lsr.mkv", name, f"{name}.json"}
    assert {path.name for path in tmp_path.iterdir()} == there
    made = tmp_path / name
    assert len(list(made.iterdir()) if made.is_dir() else decode(made)) == 60


def test_clips_of_one_or_two_frames_are_written_whatever_the_memory_held_before(tmp_path: Path) -> None:
    script = """
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np

from app.export import open_sink
from app.sinks import CODECS

for count in (1, 2):
    sink = open_sink(Path(sys.argv[1]) / f"{count}.mp4", CODECS["hevc"], 64, 64, Fraction(30))
    for _ in range(count):
        sink.write(np.full((64, 64, 3), 90, np.uint8))
    sink.finish()
"""
    # glibc fills all memory that it gives; elsewhere it holds what it holds.
    environment = {**os.environ, "MALLOC_PERTURB_": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", script, tmp_path], env=environment, check=True)
    for count in (1, 2):
        assert len(decode(tmp_path / f"{count}.mp4")) == count
