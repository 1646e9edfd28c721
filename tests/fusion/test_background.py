"""Motion at the edges of moving objects, against a scene whose motion is known."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from fusion.background import _displacement, restore_background
from fusion.classical import Classical
from fusion.evaluation.metrics import psnr
from fusion.gop import Reference, prepare_reference
from fusion.levels import to_bytes, to_floats
from fusion.motion import DisFlow
from fusion.resample import upscale
from synthetic import moving_scene, shrink

SCALE = 4
STEP = 6
"""Frames from the picture to its reference."""

Flow = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def frames() -> list[npt.NDArray[np.uint8]]:
    return moving_scene(STEP + 1)


def disc(moment: int, margin: int = 0) -> npt.NDArray[np.bool_]:
    """Where the scene's disc is at a moment."""
    yy, xx = np.mgrid[:256, :320]
    x, y = 160 + 60 * np.cos(0.06 * moment), 128 + 40 * np.sin(0.06 * moment)
    return np.asarray(np.hypot(xx + 0.5 - x, yy + 0.5 - y) < 70 + margin)


def true_flow() -> Flow:
    """From each pixel of frame 0 into frame `STEP`."""
    flow = np.empty((256, 320, 2), np.float32)
    flow[:] = (-0.6 * STEP, -0.25 * STEP)
    flow[disc(0)] = (60 * np.cos(0.06 * STEP) - 60, 40 * np.sin(0.06 * STEP))
    return flow


def grey(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    seen = upscale(shrink(image, SCALE), *image.shape[:2])
    return np.asarray(cv2.cvtColor(np.clip(seen, 0, 255).astype(np.uint8), cv2.COLOR_RGB2GRAY), np.uint8)


def test_background_beside_an_object_keeps_its_own_motion(frames: list[npt.NDArray[np.uint8]]) -> None:
    truth = true_flow()
    smeared = np.asarray(cv2.blur(truth, (25, 25)), np.float32)
    restored = restore_background(smeared, grey(frames[0]), grey(frames[STEP]), SCALE)
    beside = disc(0, 10) & ~disc(0, 2) & ~disc(STEP, 2)
    wrong = [np.linalg.norm(flow - truth, axis=2) for flow in (smeared, restored)]
    assert wrong[1][beside].mean() < wrong[0][beside].mean() / 2
    elsewhere = disc(0, -20) | ~disc(0, 30)
    np.testing.assert_array_equal(restored[elsewhere], smeared[elsewhere])


def test_fusion_beside_the_object_is_better_for_it(
    frames: list[npt.NDArray[np.uint8]], monkeypatch: pytest.MonkeyPatch
) -> None:
    lsr = to_floats(shrink(frames[0], SCALE))
    up = upscale(lsr, *frames[0].shape[:2])
    reference = prepare_reference(frames[STEP], None, lsr.shape[:2])
    beside = disc(0, 10) & ~disc(0, 1) & ~disc(STEP, 1)
    with_it = to_bytes(Classical(SCALE).synthesise(lsr, up, [reference]).image)[beside]
    monkeypatch.setattr("fusion.motion.restore_background", lambda flow, *_: flow)
    without = to_bytes(Classical(SCALE).synthesise(lsr, up, [reference]).image)[beside]
    assert psnr(with_it, frames[0][beside]) > psnr(without, frames[0][beside]) + 0.2


def test_a_scene_without_a_common_plane_is_left_alone() -> None:
    rng = np.random.default_rng(3)
    coarse = rng.uniform(-20, 20, (8, 10, 2)).astype(np.float32)
    flow = np.asarray(cv2.resize(coarse, (320, 256), interpolation=cv2.INTER_CUBIC), np.float32)
    picture = rng.integers(0, 256, (256, 320), np.uint8)
    assert restore_background(flow, picture, picture, SCALE) is flow


@pytest.mark.parametrize("size", [(1, 1), (8, 10), (64, 9), (70, 90)])
@pytest.mark.parametrize("scale", [1.0, 8.0])
def test_small_and_empty_pictures_are_taken(size: tuple[int, int], scale: float) -> None:
    flat = np.full((*size, 3), 90, np.float32)
    reference = Reference(flat, flat, None, (max(1, round(size[0] / scale)), max(1, round(size[1] / scale))))
    np.testing.assert_array_equal(DisFlow(scale)(flat, reference), 0)


def test_a_homographys_motion_is_that_of_opencv():
    homography = np.array([[1.01, 0.02, -3.0], [-0.015, 0.99, 2.0], [1e-5, -2e-5, 1.0]])
    grid = np.stack(np.meshgrid(np.arange(300.0), np.arange(200.0)), axis=-1)
    expected = cv2.perspectiveTransform(grid, homography) - grid
    found = _displacement(homography.astype(np.float32), 200, 300)
    np.testing.assert_allclose(found, expected, atol=1e-3)
