"""Cameras that are not as sharp as their pixels: out of focus, with a soft lens, or sharpened by a phone."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from app.described import described
from app.fusion_options import FusionOptions
from app.moments import Sharpness
from app.pipeline import Pipeline
from drivers import open_clip_pair
from fusion.evaluation.metrics import psnr
from pictures import RgbImage
from synthetic import shrink, write_lossless

SIZE, FRAMES, RATIO, SCALE = (256, 384), 17, 8, 4
INNER = (slice(24, -24), slice(24, -24))


def scene() -> list[RgbImage]:
    """Texture with as much in each octave of sizes as in nature, turning a little from frame to frame."""
    rng = np.random.default_rng(2)
    height, width = SIZE[0] + 64, SIZE[1] + 64
    total = np.zeros((height, width, 3), np.float32)
    for octave in range(7):
        grain = rng.standard_normal((height // 2**octave + 2, width // 2**octave + 2, 3)).astype(np.float32)
        total += cv2.resize(grain, (width, height), interpolation=cv2.INTER_CUBIC)
    still = np.clip(128 + 22 * total, 20, 235)
    frames = []
    for k in range(FRAMES):
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), 0.25 * k, 1.0)
        turn[:, 2] += (1.3 * k - 10, 0.4 * k)
        turned = cv2.warpAffine(
            still, turn, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
        )
        frames.append(np.clip(turned[32:-32, 32:-32] + 0.5, 0, 255).astype(np.uint8))
    return frames


def blurred(frame: RgbImage, sigma: float) -> RgbImage:
    return np.asarray(cv2.GaussianBlur(frame, (0, 0), sigma), np.uint8)


def sharpened(frame: RgbImage) -> RgbImage:
    sharp = frame + 0.6 * (frame.astype(np.float32) - cv2.GaussianBlur(frame, (0, 0), 1.0))
    return np.clip(sharp + 0.5, 0, 255).astype(np.uint8)


def fused(
    folder: Path, hsr: list[RgbImage], lsr: list[RgbImage], *, matching: bool = True
) -> tuple[Pipeline, float]:
    """The pipeline, and the mean PSNR [dB] of what it makes of the frames between sharp ones."""
    sharp = write_lossless(folder / "hsr.mkv", hsr, 30)
    fast = write_lossless(folder / "lsr.mkv", lsr, 240)
    pair = open_clip_pair(sharp, fast, offset_ms=0.0)
    try:
        pipeline = Pipeline(pair, FusionOptions(align="none", method="classical"))
        if not matching:
            pipeline.sharpness = Sharpness(None, 0.0, hsr_is_soft=False)
        made = list(pipeline.frames())
    finally:
        pair.hsr.close()
        pair.lsr.close()
    truth = scene()
    between = [k for k in range(FRAMES) if k % RATIO]
    return pipeline, float(np.mean([psnr(made[k].image[INNER], truth[k][INNER]) for k in between]))


@pytest.mark.parametrize("how", ["soft", "sharpened"])
def test_frames_of_a_fast_camera_that_is_not_like_its_pixels_are_matched(tmp_path: Path, how: str) -> None:
    truth = scene()
    small = [shrink(blurred(f, 2.0) if how == "soft" else f, SCALE) for f in truth]
    lsr = [sharpened(f) for f in small] if how == "sharpened" else small
    pipeline, matched = fused(tmp_path, truth[::RATIO], lsr)
    assert matched > fused(tmp_path, truth[::RATIO], lsr, matching=False)[1] + 1.5
    blur = described(pipeline)["lsr_blur_px"]
    assert isinstance(blur, float)
    assert 0.35 < blur < 0.75 if how == "soft" else blur < -0.3
    assert not pipeline.warnings


def test_the_frame_beside_the_fused_one_is_as_filmed(tmp_path: Path) -> None:
    truth = scene()
    lsr = [shrink(blurred(f, 2.0), SCALE) for f in truth]
    sharp = write_lossless(tmp_path / "hsr.mkv", truth[::RATIO], 30)
    with_lsr = write_lossless(tmp_path / "lsr.mkv", lsr, 240)
    pair = open_clip_pair(sharp, with_lsr, offset_ms=0.0)
    pipeline = Pipeline(pair, FusionOptions(align="none", method="bicubic"))
    assert pipeline.sharpness.filter is not None
    for frame, seen in zip(pipeline.frames(), lsr, strict=True):
        np.testing.assert_array_equal(frame.lsr, seen)
    pair.hsr.close()
    pair.lsr.close()


def test_a_fast_camera_out_of_focus_is_told(tmp_path: Path) -> None:
    truth = scene()
    pipeline, _ = fused(tmp_path, truth[::RATIO], [shrink(blurred(f, 4.5), SCALE) for f in truth])
    assert any("LSR frames are blurred by 1." in warning for warning in pipeline.warnings)


def test_a_sharp_camera_out_of_focus_is_told_and_softens_nothing(tmp_path: Path) -> None:
    truth = scene()
    pipeline, _ = fused(
        tmp_path, [blurred(f, 3.0) for f in truth[::RATIO]], [shrink(f, SCALE) for f in truth]
    )
    assert any("HSR frames show hardly more than LSR pixels can" in warning for warning in pipeline.warnings)
    assert (pipeline.sharpness.filter, pipeline.sharpness.error) == (None, 0)
