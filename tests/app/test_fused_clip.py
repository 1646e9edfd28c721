"""What a fused clip says of itself: when its frames are shown, how large they are, how its pixels stand."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import pytest

from app.export import open_sink
from app.sinks import CODECS
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
    if codec == "ffv1":
        assert any("4:3" in text for text in said["warnings"])
    else:
        assert (shown, said["warnings"]) == (Fraction(4, 3), [])
