"""Whose colours and light a fused clip has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from fusing import decode, twinrate
from fusion.evaluation.metrics import psnr
from pictures import RgbImage
from synthetic import moving_scene, shrink, write_lossless

FRAMES, RATIO, FIRST = 21, 8, 4
INNER = (slice(16, -16), slice(16, -16))
WARM = np.array([[0.9, 0.1, 0.0], [0.05, 0.8, 0.0], [0.0, 0.1, 0.65]])
"""What the fast camera makes of the sharp one's colours."""
WHITE = (slice(80, 144), slice(96, 192))


def filmed(truth: list[RgbImage], depth: float, colours: npt.NDArray[np.float64]) -> list[RgbImage]:
    """As the fast camera films it at 240 fps under a lamp of 100 Hz."""
    return [
        np.clip(
            shrink(f, 4) @ colours.T * (1 + depth * np.sin(2 * np.pi * 100 / 240 * k)) + 0.5, 0, 255
        ).astype(np.uint8)
        for k, f in enumerate(truth)
    ]


def clips(
    folder: Path, depth: float, colours: npt.NDArray[np.float64] = WARM, *, white: bool = False
) -> tuple[Path, Path, list[RgbImage]]:
    truth = [np.clip(f * 0.8, 0, 255).astype(np.uint8) for f in moving_scene(FRAMES)]
    for frame in truth if white else ():
        frame[WHITE] = 250
    return (
        write_lossless(folder / "hsr.mkv", truth[FIRST::RATIO], 30),
        write_lossless(folder / "lsr.mkv", filmed(truth, depth, colours), 240),
        truth,
    )


def fused(folder: Path, hsr: Path, lsr: Path, *extra: object) -> list[RgbImage]:
    out = folder / "out.mkv"
    how = ("--codec", "ffv1", "--device", "cpu", "--offset-ms", 1000 * FIRST / 240, "--overwrite")
    assert twinrate("fuse", hsr, lsr, "--out", out, *how, *extra) == 0
    return decode(out)


def flicker(frames: list[RgbImage], truth: list[RgbImage]) -> float:
    """By how much the brightness of frames goes up and down beside the true one's."""
    ratios = [
        frame[INNER].mean() / true[: frame.shape[0], : frame.shape[1]][INNER].mean()
        for frame, true in zip(frames, truth, strict=True)
    ]
    return float(np.std(ratios) / np.mean(ratios))


def likeness(frames: list[RgbImage], truth: list[RgbImage]) -> float:
    """Mean PSNR [dB]."""
    return float(np.mean([psnr(f[INNER], t[INNER]) for f, t in zip(frames, truth, strict=True)]))


@pytest.mark.parametrize("method", ["classical", "bicubic"])
def test_a_lamp_flickers_as_filmed_or_not_at_all(tmp_path: Path, method: str) -> None:
    hsr, lsr, truth = clips(tmp_path, 0.15)
    as_filmed = fused(tmp_path, hsr, lsr, "--method", method)
    steady = fused(tmp_path, hsr, lsr, "--method", method, "--colours", "hsr")
    assert flicker(as_filmed, truth) > 0.08
    assert flicker(steady, truth) < 0.01
    assert likeness(steady, truth) > likeness(as_filmed, truth) + 3


def test_frames_of_the_sharp_camera_itself_do_not_blink_among_the_others(tmp_path: Path) -> None:
    hsr, lsr, truth = clips(tmp_path, 0.15, np.eye(3))
    how = ("--align", "none", "--method", "classical")
    for frame, seen in zip(fused(tmp_path, hsr, lsr, *how), filmed(truth, 0.15, np.eye(3)), strict=True):
        assert frame[INNER].mean() == pytest.approx(seen[4:-4, 4:-4].mean(), rel=0.01)
    frames = fused(tmp_path, hsr, lsr, *how, "--colours", "hsr")
    assert flicker(frames, truth) < 0.01
    for k in range(FIRST, FRAMES, RATIO):
        np.testing.assert_array_equal(frames[k], truth[k])


def test_what_is_too_bright_for_the_fast_camera_stays_white(tmp_path: Path) -> None:
    hsr, lsr, truth = clips(tmp_path, 0.15, np.eye(3), white=True)
    frames = fused(tmp_path, hsr, lsr, "--align", "none", "--method", "classical", "--colours", "hsr")
    for frame in frames:
        assert frame[WHITE][8:-8, 8:-8].mean() > 242
    assert flicker(frames, truth) < 0.015


def test_without_colours_there_is_no_way_back_to_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hsr, lsr, _ = clips(tmp_path, 0.0, np.full((3, 3), 0.3))
    how = ("--offset-ms", 1000 * FIRST / 240, "--method", "classical", "--colours", "hsr")
    assert twinrate("fuse", hsr, lsr, "--out", tmp_path / "out.mkv", *how) == 1
    said = capsys.readouterr().err
    assert "as if one of them saw in grey" in said
    assert "leave the clip in the LSR camera's colours" in said
    assert not (tmp_path / "out.mkv").exists()


def test_the_recursion_has_no_one_light(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hsr, lsr, _ = clips(tmp_path, 0.0)
    how = ("--offset-ms", 1000 * FIRST / 240, "--recursion", "recurrent", "--colours", "hsr")
    assert twinrate("fuse", hsr, lsr, "--out", tmp_path / "out.mkv", *how) == 1
    assert "leave out --recursion recurrent" in capsys.readouterr().err
