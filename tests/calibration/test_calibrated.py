"""Dense alignment with a rig file."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from calibration import (
    CameraModel,
    Rig,
    StaleRigError,
    ViewError,
    align_baseline,
    align_scene,
    align_with_rig,
)
from calibration.lens import distort, undistort
from calibration_boards import scene_rig


def errors(result: Any, scene: Any) -> np.ndarray:
    return np.linalg.norm(result.map_xy - scene.map_xy, axis=2)[scene.visible]


def test_rows_from_the_rig_beat_the_recipe_without_one(layers: Any) -> None:
    found = align_with_rig(layers.hsr, layers.lsr, scene_rig())
    recipe = align_scene(layers.hsr, layers.lsr, refine="flow")
    assert found.method == "rig+rows+flow"
    assert found.map_xy.shape == recipe.map_xy.shape
    assert np.mean(errors(found, layers) > 3) < 0.5 * np.mean(errors(recipe, layers) > 3)
    assert np.median(errors(found, layers)) < 0.3
    assert found.inliers > 100
    assert found.residual_px < 0.5


def test_plane_only(layers: Any) -> None:
    found = align_with_rig(layers.hsr, layers.lsr, scene_rig(), refine="plane")
    assert found.method == "rig+plane"
    x = np.arange(640)
    assert np.abs(found.map_xy[200, :, 0] - (x - 15)).max() < 0.01
    assert not found.valid.all()


def bend(image: np.ndarray, camera: CameraModel) -> np.ndarray:
    """A straight picture as the camera's lens shows it."""
    at = undistort(every_pixel(image), camera).astype(np.float32)
    return cv2.remap(image, at, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def every_pixel(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    return np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float64)


@pytest.mark.parametrize("refine", ["plane", "dense"])
@pytest.mark.parametrize("side", ["lsr", "hsr"])
def test_each_lens_is_followed_into_the_corners(layers: Any, side: str, refine: Any) -> None:
    rig = scene_rig()
    lens = getattr(rig, side).model_copy(update={"distortion": (-0.12, 0.0, 0.0, 0.0, 0.0)})
    bent = rig.model_copy(update={side: lens})
    # The output view is the LSR view at the HSR picture's size, so both are bent by one camera of that size.
    large = rig.hsr.model_copy(update={"distortion": lens.distortion})
    out = every_pixel(layers.hsr)
    if side == "hsr":
        found = align_with_rig(bend(layers.hsr, large), layers.lsr, bent, refine=refine)
        straight = out
    else:
        lsr = cv2.resize(bend(layers.truth, large), (160, 120), interpolation=cv2.INTER_AREA)
        found = align_with_rig(layers.hsr, lsr, bent, refine=refine)
        straight = undistort(out, large)
    x, y = np.rint(straight).astype(int).clip(0, (639, 479)).transpose(2, 0, 1)
    true = straight - (15, 0) if refine == "plane" else straight + (layers.map_xy - out)[y, x]
    if side == "hsr":
        true = distort(true, large)
    error = np.linalg.norm(found.map_xy - true, axis=2)
    corners = np.zeros((480, 640), bool)
    for rows in (slice(20, 80), slice(-80, -20)):
        for columns in (slice(20, 100), slice(-100, -20)):
            corners[rows, columns] = True
    seen = corners & found.valid & layers.visible[y, x]
    assert seen.sum() > 0.4 * corners.sum()
    assert np.median(error[seen]) < (0.05 if refine == "plane" else 0.4)


def test_rig_that_the_pictures_contradict_is_refused(layers: Any) -> None:
    with pytest.raises(StaleRigError, match=r"contradict the rig file by .* re-lock or calibrate again"):
        align_with_rig(layers.hsr, layers.lsr, scene_rig(turn=np.radians(1.0)))


def test_pictures_of_another_size_are_refused(layers: Any) -> None:
    with pytest.raises(StaleRigError, match="HSR pictures are 600x480, the rig's were 640x480"):
        align_with_rig(np.ascontiguousarray(layers.hsr[:, :600]), layers.lsr, scene_rig())
    with pytest.raises(ViewError, match="LSR view is black"):
        align_with_rig(layers.hsr, np.zeros_like(layers.lsr), scene_rig())


def test_a_plain_scene_is_aligned_at_a_wide_baseline_too() -> None:
    """Without points that tell its depth, half to four times the reference distance is too much to search."""
    yaw = np.arctan(400.0 / 2000.0)

    def camera(focal: float, width: int, height: int) -> dict[str, Any]:
        k = ((focal, 0, (width - 1) / 2), (0, focal, (height - 1) / 2), (0, 0, 1))
        return {"id": {"width": width, "height": height}, "matrix": k, "distortion": (0.0,) * 5}

    rig = Rig.model_validate(
        {
            "lsr": camera(870.0, 288, 240),
            "hsr": camera(2899.0, 1152, 960),
            "rotation": cv2.Rodrigues(np.array([0.0, yaw, 0.0]))[0].tolist(),
            "direction": (1.0, 0.0, 0.0),
            "baseline_mm": 400.0,
        }
    )
    rng = np.random.default_rng(5)
    coarse = rng.normal(0, 1, (8, 10, 3)).astype(np.float32)
    smooth = cv2.resize(coarse, (1152, 960), interpolation=cv2.INTER_CUBIC)
    hsr = np.clip(128 + 40 * smooth, 0, 255).astype(np.uint8)
    plane = align_baseline(rig)
    lsr = cv2.resize(plane.warp(hsr), (288, 240), interpolation=cv2.INTER_AREA)
    found = align_with_rig(hsr, lsr, rig)
    assert found.inliers == 0
    error = np.linalg.norm(found.map_xy - plane.map_xy, axis=2)[found.valid]
    assert found.valid.mean() > 0.5
    assert float(np.median(error)) < 1.0
