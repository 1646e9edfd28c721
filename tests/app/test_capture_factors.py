"""Two clips as phones save them: slow motion at other rates, and what is told about such a pair."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from scipy import ndimage

from fusing import twinrate
from pictures import RgbImage, textured
from synthetic import shrink

GIVEN = ("--offset-ms", 0)
TAG = "com.android.capture.fps"


def filmed(rate: int, seconds: float, factor: int = 1, seed: int = 1) -> list[RgbImage]:
    """What a camera sees that shakes along a random path."""
    path = ndimage.gaussian_filter1d(np.random.default_rng(11).standard_normal((2, 2500)), 30, axis=1)
    texture = textured(240, 320, seed=seed, cell=7)
    pictures = []
    for k in range(round(seconds * rate)):
        x, y = (np.interp(1000 * k / rate, np.arange(2500), 300 * p) for p in path)
        move = np.array([[1, 0, x - 80], [0, 1, y - 60]], np.float32)
        pictures.append(shrink(cv2.warpAffine(texture, move, (160, 120)), factor))
    return pictures


def write(
    path: Path,
    pictures: list[RgbImage],
    rate: Fraction | int,
    *,
    slots: list[int] | None = None,
    tags: dict[str, str] | None = None,
) -> Path:
    """H.264 in MP4; `slots` says when each frame is shown, in steps of 1 / rate."""
    with av.open(str(path), "w", options={"movflags": "use_metadata_tags"}) as container:
        container.metadata.update(tags or {})
        stream = container.add_stream("libx264", rate=rate, options={"crf": "12", "preset": "veryfast"})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for picture, slot in zip(pictures, slots or range(len(pictures)), strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = slot, 1 / Fraction(rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("tags", [{}, {TAG: "240.000000"}])
def test_slow_motion_shown_slower_than_the_sharp_clip(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tags: dict[str, str]
) -> None:
    hsr = write(tmp_path / "hsr.mp4", filmed(60, 2.0), 60)
    lsr = write(tmp_path / "lsr.mp4", filmed(240, 2.0, factor=2), 30, tags=tags)
    assert twinrate("import", hsr, lsr, "--out", tmp_path / "take", *GIVEN, "--json") == 0
    found = told(capsys)
    assert (found["capture_factor"], found["gops"]) == (8, 120)
    assert found["ratio"] == pytest.approx(4, rel=1e-3)


@pytest.mark.parametrize(("filmed_at", "shown_at"), [(240, 25), (120, 24), (120, 50), (200, 25), (240, 30)])
def test_untagged_slow_motion_of_any_usual_rates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], filmed_at: int, shown_at: int
) -> None:
    hsr = write(tmp_path / "hsr.mp4", filmed(60, 2.0), 60)
    lsr = write(tmp_path / "lsr.mp4", filmed(filmed_at, 2.0, factor=2), shown_at)
    assert twinrate("import", hsr, lsr, "--out", tmp_path / "take", *GIVEN, "--json") == 0
    assert told(capsys)["capture_factor"] == pytest.approx(filmed_at / shown_at)


@pytest.mark.parametrize(
    ("said", "message"), [((), "does not tell"), (("--capture-factor", 1.5), "higher frame rate")]
)
def test_slow_motion_of_an_unknown_or_wrong_factor_asks_for_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], said: tuple[object, ...], message: str
) -> None:
    sharp = filmed(1, 1.0)[0]
    hsr = write(tmp_path / "hsr.mp4", [sharp] * 60, 60)
    lsr = write(tmp_path / "lsr.mp4", [shrink(sharp, 2)] * 240, 30)
    assert twinrate("import", hsr, lsr, "--out", tmp_path / "take", *GIVEN, *said) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "give --capture-factor" in error
    assert len(error.splitlines()) == 1


def test_a_factor_that_the_pictures_do_not_confirm_is_told_as_doubtful(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both clips move alike, but show nothing that is the same."""
    lsr = write(tmp_path / "lsr.mp4", filmed(240, 2.0, factor=2), 30)
    doubt = "the capture factor 8 was told by motion alone and may be wrong"
    for seed, doubted in ((1, False), (5, True)):
        hsr = write(tmp_path / f"hsr{seed}.mp4", filmed(60, 2.0, seed=seed), 60)
        assert twinrate("sync", hsr, lsr) == 0
        assert (doubt in capsys.readouterr().err) is doubted
    assert twinrate("fuse", tmp_path / "hsr5.mp4", lsr, "--out", tmp_path / "clip.mp4") == 1
    error = capsys.readouterr().err
    assert doubt in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("rate", "lost", "factor"),
    [(Fraction(25), (), 9.6), (Fraction(30000, 1001), (), 8.0), (Fraction(30), range(40, 56), 8.0)],
)
def test_a_capture_rate_in_the_tags_gives_the_real_times(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    rate: Fraction,
    lost: range | tuple[int, ...],
    factor: float,
) -> None:
    """Shown at 25 fps, 240 fps are no whole number of times slower; frames that were lost change nothing."""
    shown = [k for k in range(240) if k not in lost]
    pictures = filmed(240, 1.0, factor=2)
    hsr = write(tmp_path / "hsr.mp4", filmed(30, 1.0), 30)
    lsr = tmp_path / "lsr.mp4"
    write(lsr, [pictures[k] for k in shown], rate, slots=shown, tags={TAG: "240.000000"})
    assert twinrate("import", hsr, lsr, "--out", tmp_path / "take", *GIVEN, "--json") == 0
    found = told(capsys)
    assert found["capture_factor"] == pytest.approx(factor)
    assert found["ratio"] == pytest.approx(8, rel=2e-3)


def test_fusing_two_clips_tells_what_importing_them_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    days = {"hsr": "2026-11-22T17:30:00Z", "lsr": "2026-11-20T17:30:00Z"}
    hsr = write(tmp_path / "hsr.mp4", filmed(30, 1.5), 30, tags={"creation_time": days["hsr"]})
    lsr = write(tmp_path / "lsr.mp4", filmed(240, 1.5, factor=2), 240, tags={"creation_time": days["lsr"]})
    take = tmp_path / "take"
    how = ("--align", "none", "--method", "bicubic", "--end", 0.1)
    for command in (
        ("import", hsr, lsr, "--out", take),
        ("fuse", hsr, lsr, "--out", tmp_path / "clips.mkv", *how),
        ("fuse", take, "--out", tmp_path / "take.mkv", *how),
    ):
        assert twinrate(*command, "--json") == 0
        warnings = told(capsys)["warnings"]
        assert isinstance(warnings, list)
        assert sum("the clips were made 2 days" in text for text in warnings) == 1


def test_a_clip_that_keeps_no_rate_is_fused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each of its frames comes 6 to 14 ms after the one before."""
    slots = np.cumsum(np.random.default_rng(3).integers(6, 15, 90)).tolist()
    pictures = filmed(1000, slots[-1] / 1000 + 0.001, factor=2)
    lsr = tmp_path / "lsr.mp4"
    write(lsr, [pictures[k] for k in slots], 1000, slots=slots)
    hsr = write(tmp_path / "hsr.mp4", filmed(30, slots[-1] / 1000), 30)
    how = ("--offset-ms", -slots[0], "--align", "none", "--method", "bicubic", "--json")
    assert twinrate("fuse", hsr, lsr, "--out", tmp_path / "clip.mkv", *how) == 0
    assert told(capsys)["frames"] == 90
