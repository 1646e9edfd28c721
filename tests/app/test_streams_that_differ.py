"""Streams of one view that do not show the same: no single frame stands out from those beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.fusion_options import FusionOptions
from app.pipeline import Pipeline
from app.sharp_views import ColourMemory
from drivers import open_clip_pair
from fusion.evaluation.metrics import psnr
from pictures import RgbImage, textured
from synthetic import moving_scene, shrink, write_lossless

RATE, RATIO, FACTOR, COUNT = 240, 8, 4, 17
ODD = 8
"""The frame that is hurt; it has a sharp frame of its own."""


def prepared(
    folder: Path, hsr: list[RgbImage], lsr: list[RgbImage], method: str = "classical", align: str = "none"
) -> Pipeline:
    pair = open_clip_pair(
        write_lossless(folder / "hsr.mkv", hsr, RATE // RATIO),
        write_lossless(folder / "lsr.mkv", lsr, RATE),
        offset_ms=0.0,
    )
    return Pipeline(pair, FusionOptions(align=align, method=method))


def fused(
    folder: Path, hsr: list[RgbImage], lsr: list[RgbImage], method: str = "classical"
) -> list[RgbImage]:
    pipeline = prepared(folder, hsr, lsr, method)
    try:
        return [frame.image for frame in pipeline.frames()]
    finally:
        pipeline.pair.hsr.close()
        pipeline.pair.lsr.close()


def sigma(folder: Path, hsr: list[RgbImage], lsr: list[RgbImage]) -> float:
    pipeline = prepared(folder, hsr, lsr)
    pipeline.pair.hsr.close()
    pipeline.pair.lsr.close()
    return 255 * float(np.sqrt(pipeline.noise_variance))


def surface() -> tuple[RgbImage, RgbImage]:
    """A textured surface as the sharp camera sees it, and as the fast one does."""
    still = np.clip(textured(256, 320, seed=3, cell=6), 0, 255).astype(np.uint8)
    return still, shrink(still, FACTOR)


def black(frame: RgbImage) -> RgbImage:
    return np.zeros_like(frame)


def flashed(frame: RgbImage) -> RgbImage:
    return np.asarray(np.clip(frame * 2.2 + 60, 0, 255), np.uint8)


def half_lost(frame: RgbImage) -> RgbImage:
    frame = frame.copy()
    frame[frame.shape[0] // 2 :] = 128
    return frame


def barred(frame: RgbImage) -> RgbImage:
    frame, rows = frame.copy(), frame.shape[0] // 8
    frame[:rows] = frame[-rows:] = 0
    return frame


def stamped(frame: RgbImage) -> RgbImage:
    return np.asarray(cv2.putText(frame.copy(), "00:00:07", (8, 40), 1, 2.5, (255, 255, 255), 3), np.uint8)


@pytest.mark.parametrize("hurt", [black, flashed, half_lost, barred, stamped])
@pytest.mark.parametrize("method", ["classical", "bicubic"])
def test_a_sharp_frame_that_shows_something_else_is_not_shown(
    tmp_path: Path, hurt: Callable[[RgbImage], RgbImage], method: str
) -> None:
    truth = moving_scene(COUNT)
    sharp = truth[::RATIO]
    sharp[ODD // RATIO] = hurt(sharp[ODD // RATIO])
    pipeline = prepared(tmp_path, sharp, [shrink(frame, FACTOR) for frame in truth], method)
    with pipeline.pair.hsr, pipeline.pair.lsr:
        made = list(pipeline.frames())
    frames = [frame.image for frame in made]
    assert [frame.record for frame in made] == list(pipeline.records())
    assert [record.replaced for record in pipeline.records()] == [k == ODD for k in range(COUNT)]
    (said,) = (text for text in pipeline.warnings if "fused ones are in their place" in text)
    assert said.startswith("1 HSR frames do not show what the LSR clip")
    assert f"first frame {ODD // RATIO}:" in said
    beside = min(psnr(frames[k], truth[k]) for k in (ODD - 1, ODD + 1))
    # What a flash has bleached has no detail to give.
    margin = 4.0 if hurt is flashed else 1.5
    assert psnr(frames[ODD], truth[ODD]) > beside - margin
    for k in (0, COUNT - 1):
        np.testing.assert_array_equal(frames[k], truth[k])


def test_in_dark_footage_a_sharp_frame_that_shows_something_else_is_noticed_as_well(tmp_path: Path) -> None:
    truth = [np.asarray(frame // 12, np.uint8) for frame in moving_scene(COUNT)]
    sharp = truth[::RATIO]
    sharp[ODD // RATIO] = sharp[ODD // RATIO].copy()
    sharp[ODD // RATIO][truth[0].shape[0] // 2 :] = 10
    pipeline = prepared(tmp_path, sharp, [shrink(frame, FACTOR) for frame in truth])
    with pipeline.pair.hsr, pipeline.pair.lsr:
        frames = [frame.image for frame in pipeline.frames()]
    assert [record.replaced for record in pipeline.records()] == [k == ODD for k in range(COUNT)]
    assert psnr(frames[ODD], truth[ODD]) > psnr(sharp[ODD // RATIO], truth[ODD]) + 2
    for k in (0, COUNT - 1):
        np.testing.assert_array_equal(frames[k], truth[k])


def test_between_two_views_a_flash_where_they_are_aligned_is_no_noise(tmp_path: Path) -> None:
    truth = moving_scene(4 * RATIO + 1)
    height, width = truth[0].shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 1.5, 1.03)
    turned = [cv2.warpAffine(frame, turn, (width, height), flags=cv2.INTER_CUBIC) for frame in truth]
    found = []
    for name in ("as it was", "flash"):
        sharp = truth[::RATIO]
        if name == "flash":
            sharp[2] = flashed(sharp[2])
        (tmp_path / name).mkdir()
        pipeline = prepared(tmp_path / name, sharp, [shrink(frame, FACTOR) for frame in turned], align="auto")
        with pipeline.pair.hsr, pipeline.pair.lsr:
            found.append(255 * float(np.sqrt(pipeline.noise_variance)))
    assert found[1] == pytest.approx(found[0], abs=1.0)


def test_between_two_views_what_one_lens_darkens_is_neither_noise_nor_colour(tmp_path: Path) -> None:
    scene = moving_scene(RATIO + 1)
    height, width = scene[0].shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 1.5, 1.03)
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    outwards = (x**2 + y**2)[..., None]
    # Towards the corners the scene is blue: as if a camera that loses light there saw colours otherwise.
    truth = [np.asarray(frame * (1 - outwards * [0.35, 0.2, 0.0]), np.uint8) for frame in scene]
    noise, unlike = [], []
    for depth in (0.0, 0.3):
        lens = 1 - depth * outwards
        seen = [cv2.warpAffine(frame, turn, (width, height), flags=cv2.INTER_CUBIC) for frame in truth]
        lsr = [shrink(np.asarray(frame * lens, np.uint8), FACTOR) for frame in seen]
        folder = tmp_path / str(depth)
        folder.mkdir()
        pipeline = prepared(folder, truth[::RATIO], lsr, align="auto")
        with pipeline.pair.hsr, pipeline.pair.lsr:
            coarse = pipeline.alignment.crop_lsr(lsr[0])
            view = ColourMemory().view(0, truth[0], coarse, pipeline.alignment)
        noise.append(255 * float(np.sqrt(pipeline.noise_variance)))
        mixing = view.colours.matrix[:, :3]
        unlike.append(float(np.abs(mixing - np.diag(np.diag(mixing))).max()))
    assert noise[1] < noise[0] + 0.5
    assert unlike[1] < unlike[0] + 0.05


def test_of_frames_that_an_earlier_run_made_it_is_not_told_whether_they_show_the_sharp_ones(
    tmp_path: Path,
) -> None:
    truth = moving_scene(COUNT)
    pipeline = prepared(tmp_path, truth[::RATIO], [shrink(frame, FACTOR) for frame in truth])
    with pipeline.pair.hsr, pipeline.pair.lsr:
        left = list(pipeline.frames(skip=ODD + RATIO // 2 + 1))
    told = [record.replaced for record in pipeline.records()]
    assert len(left) == COUNT - ODD - RATIO // 2 - 1
    assert [k for k, replaced in enumerate(told) if replaced is None] == [0, ODD]
    assert told.count(False) == COUNT - 2


def test_bars_in_the_fast_clip_do_not_open_for_single_frames(tmp_path: Path) -> None:
    truth = moving_scene(COUNT)
    frames = fused(tmp_path, truth[::RATIO], [barred(shrink(frame, FACTOR)) for frame in truth])
    rows = truth[0].shape[0] // 8 - 2 * FACTOR
    for frame in frames:
        assert frame[:rows].mean() < 3
        assert frame[-rows:].mean() < 3


def test_a_lost_fast_frame_does_not_hide_the_sharp_one_of_its_instant(tmp_path: Path) -> None:
    truth = moving_scene(COUNT)
    lsr = [shrink(frame, FACTOR) for frame in truth]
    lsr[ODD] = black(lsr[ODD])
    np.testing.assert_array_equal(fused(tmp_path, truth[::RATIO], lsr)[ODD], truth[ODD])


def test_what_a_lens_darkens_towards_the_corners_is_no_noise(tmp_path: Path) -> None:
    still, small = surface()
    height, width = still.shape[:2]
    y, x = np.mgrid[:height, :width]
    far = ((x - width / 2) ** 2 + (y - height / 2) ** 2) / (width / 2) ** 2
    dark = np.rint(still * (1 - 0.3 * far[..., None])).astype(np.uint8)
    assert sigma(tmp_path, [dark] * 2, [small] * (RATIO + 1)) < 7


@pytest.mark.parametrize("noise", [0.0, 5.0])
def test_blur_of_a_longer_exposure_is_hardly_taken_for_noise(tmp_path: Path, noise: float) -> None:
    still, small = surface()
    blurred = np.asarray(cv2.blur(still, (8 * FACTOR + 1, 1)), np.uint8)
    seen = small + noise * np.random.default_rng(1).standard_normal(small.shape)
    noisy = np.clip(np.rint(seen), 0, 255).astype(np.uint8)
    # Without a way to tell blur it would be 50.
    assert noise - 0.6 < sigma(tmp_path, [blurred] * 2, [noisy] * (RATIO + 1)) < 14
