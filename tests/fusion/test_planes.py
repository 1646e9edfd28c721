"""Motion of planes, and what it brings beside moving objects, against scenes whose motion is known."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from fusion import Fuser
from fusion.evaluation.metrics import psnr
from fusion.planes import _displacement, nearest_planes
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


def test_planes_go_right_up_to_a_moving_object() -> None:
    truth = true_flow()
    smeared = np.asarray(cv2.blur(truth, (25, 25)), np.float32)
    planes = nearest_planes(smeared, SCALE)
    assert planes is not None
    beside = disc(0, 10) & ~disc(0, 4)
    wrong = [np.linalg.norm(flow - truth, axis=2) for flow in (smeared, planes.flow)]
    assert wrong[1][beside].mean() < wrong[0][beside].mean() / 10
    assert planes.apart[beside].mean() > 0.95
    assert not planes.apart[~disc(0, 30)].any()


def test_each_pixel_gets_the_plane_that_moves_most_nearly_as_its_flow_says() -> None:
    homographies = (
        np.array([[1.02, 0.01, -4.0], [-0.01, 1.01, 3.0], [2e-5, 0, 1]]),
        np.array([[0.98, 0, 12.0], [0.01, 0.99, -8.0], [0, 1e-5, 1]]),
    )
    grid = np.stack(np.meshgrid(np.arange(320.0), np.arange(256.0)), axis=-1)
    left, right = (cv2.perspectiveTransform(grid, one) - grid for one in homographies)
    truth = np.where((grid[..., :1] < 190), left, right)
    noise = np.random.default_rng(4).normal(0, 0.15, truth.shape)
    planes = nearest_planes((truth + noise).astype(np.float32), SCALE)
    assert planes is not None
    np.testing.assert_allclose(planes.flow, truth, atol=0.15)
    assert np.abs(planes.flow - truth).mean() < np.abs(noise).mean() / 4


@pytest.mark.parametrize("method", ["classical", "live"])
def test_fusion_beside_the_object_is_better_for_it(
    frames: list[npt.NDArray[np.uint8]], monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    lsr = shrink(frames[0], SCALE)
    beside = disc(0, 10) & ~disc(0, 1) & ~disc(STEP, 1)

    def made() -> npt.NDArray[np.uint8]:
        fuser = Fuser(method, scale=SCALE, device="cpu")
        return next(iter(fuser.fuse_gop([lsr], [-STEP], frames[STEP]))).image[beside]

    with_it = made()
    monkeypatch.setattr(f"fusion.{method}.nearest_planes", lambda *_: None)
    assert psnr(with_it, frames[0][beside]) > psnr(made(), frames[0][beside]) + 0.2


def test_a_scene_without_a_common_plane_has_none() -> None:
    rng = np.random.default_rng(3)
    coarse = rng.uniform(-20, 20, (8, 10, 2)).astype(np.float32)
    flow = np.asarray(cv2.resize(coarse, (320, 256), interpolation=cv2.INTER_CUBIC), np.float32)
    assert nearest_planes(flow, SCALE) is None


def test_motion_that_is_a_planes_already_has_no_second_one() -> None:
    assert nearest_planes(np.full((90, 120, 2), (3.0, -2.0), np.float32), SCALE) is None


@pytest.mark.parametrize("size", [(1, 1), (8, 10), (64, 9), (70, 90)])
@pytest.mark.parametrize("scale", [1.0, 8.0])
def test_small_pictures_are_taken(size: tuple[int, int], scale: float) -> None:
    flow = np.random.default_rng(5).normal(0, scale / 2, (*size, 2)).astype(np.float32)
    planes = nearest_planes(flow, scale)
    assert planes is None or planes.flow.shape == flow.shape


def test_a_homographys_motion_is_that_of_opencv():
    homography = np.array([[1.01, 0.02, -3.0], [-0.015, 0.99, 2.0], [1e-5, -2e-5, 1.0]])
    grid = np.stack(np.meshgrid(np.arange(300.0), np.arange(200.0)), axis=-1)
    expected = cv2.perspectiveTransform(grid, homography) - grid
    found = _displacement(homography.astype(np.float32), 200, 300)
    np.testing.assert_allclose(found, expected, atol=1e-3)
