"""Dense alignment of a scene with depth, against its exact map."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from calibration import Alignment, CalibrationError, NoOverlapError, align_scene
from calibration.dense import follow_surfaces


def gross(result: Any, scene: Any) -> float:
    error = np.linalg.norm(result.map_xy - scene.map_xy, axis=2)
    return float(np.mean(error[scene.visible] > 3))


def quality(result: Any, scene: Any) -> float:
    difference = result.warp(scene.hsr).astype(float) - scene.truth
    return float(10 * np.log10(255**2 / np.mean(difference[scene.visible] ** 2)))


def test_every_step_brings_the_views_closer(layers: Any) -> None:
    steps = {r: align_scene(layers.hsr, layers.lsr, refine=r) for r in ("none", "mesh", "flow", "dense")}
    share = {r: gross(a, layers) for r, a in steps.items()}
    psnr = {r: quality(a, layers) for r, a in steps.items()}
    assert steps["dense"].method == "rows+flow"
    assert share["none"] > 1.5 * share["flow"] > 3 * share["dense"]
    assert share["dense"] < 0.05
    assert psnr["none"] < psnr["mesh"] < psnr["flow"] - 1 < psnr["dense"] - 4


def test_errors_of_matching_go_and_steps_in_depth_stay() -> None:
    height, width, magnification = 120, 160, 4.0
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    plane = np.stack([2 * columns, 2 * rows], axis=-1)
    depth = np.where(columns < width // 2, 0.01 * rows, 12.0)
    true = plane + np.stack([depth, 0 * depth], axis=-1).astype(np.float32)
    error = cv2.GaussianBlur(rng.normal(0, 3, true.shape).astype(np.float32), (0, 0), 1.5)
    found = follow_surfaces(true + error, plane, magnification=magnification)
    assert np.abs(found - true).mean() < 0.4 * np.abs(error).mean()
    beside = np.abs(columns - width // 2) < 3
    assert np.abs(found - true)[beside].mean() < np.abs(error)[beside].mean()
    assert np.abs(found - true)[beside].max() < 2


def test_validity_tells_hidden_and_wrong_pixels(layers: Any) -> None:
    result = align_scene(layers.hsr, layers.lsr)
    error = np.linalg.norm(result.map_xy - layers.map_xy, axis=2)
    assert result.valid[layers.visible].mean() > 0.9
    # Without giving up what two pixels claim it is 0.123.
    assert result.valid[~layers.visible].mean() < 0.105
    right = layers.visible & result.valid
    assert np.mean(error[right] > 3) < 0.85 * gross(result, layers)


def test_noise_and_gain_are_tolerated(layers: Any) -> None:
    rng = np.random.default_rng(1)
    dim = np.clip(0.7 * layers.lsr + 8 + rng.normal(0, 5, layers.lsr.shape), 0, 255).astype(np.uint8)
    assert gross(align_scene(layers.hsr, dim), layers) < 0.15


def test_planar_scene_keeps_the_homography(plane: np.ndarray) -> None:
    truth = plane[100:580, 100:740]
    h = np.array([[1.01, 0.02, 84.0], [-0.015, 0.99, 106.0], [1e-5, 2e-5, 1]])
    hsr = cv2.warpPerspective(plane, h, (640, 480), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)
    lsr = cv2.resize(truth, (160, 120), interpolation=cv2.INTER_AREA)
    plain, dense = align_scene(hsr, lsr, refine="none"), align_scene(hsr, lsr)
    assert dense.method == "homography"
    assert np.abs(plain.map_xy - dense.map_xy).max() < 0.01


def test_vertical_baseline(layers: Any) -> None:
    hsr = np.ascontiguousarray(layers.hsr.transpose(1, 0, 2))
    lsr = np.ascontiguousarray(layers.lsr.transpose(1, 0, 2))
    result = align_scene(hsr, lsr)
    assert result.method == "rows+flow"
    error = np.linalg.norm(result.map_xy.transpose(1, 0, 2)[..., ::-1] - layers.map_xy, axis=2)
    assert np.mean(error[layers.visible] > 3) < 0.1


def test_second_run_gives_the_same_map(layers: Any) -> None:
    a, b = (align_scene(layers.hsr, layers.lsr) for _ in range(2))
    assert np.array_equal(a.map_xy, b.map_xy)
    assert np.array_equal(a.valid, b.valid)


def test_previous_map_bridges_a_pair_without_features(layers: Any, other_scene: np.ndarray) -> None:
    before = align_scene(layers.hsr, layers.lsr)

    def faint(image: np.ndarray) -> np.ndarray:
        soft = cv2.GaussianBlur(image, (0, 0), image.shape[1] / 40)
        return np.asarray(soft, np.uint8)

    with pytest.raises(CalibrationError):
        align_scene(faint(layers.hsr), faint(layers.lsr))
    kept = align_scene(faint(layers.hsr), faint(layers.lsr), previous=before)
    assert kept.method == "previous"
    assert np.abs(kept.map_xy - before.map_xy).mean() < 0.5
    with pytest.raises(NoOverlapError):
        align_scene(layers.hsr, other_scene, previous=before)


def test_previous_map_stays_where_a_pair_shows_too_little_for_a_better_one(plane: np.ndarray) -> None:
    h = np.array([[1.01, 0.02, 84.0], [-0.015, 0.99, 106.0], [1e-5, 2e-5, 1]])

    def film(scene: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        hsr = cv2.warpPerspective(scene, h, (640, 480), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)
        return hsr, cv2.resize(scene[100:580, 100:740], (160, 120), interpolation=cv2.INTER_AREA)

    before = align_scene(*film(plane))
    # Only one corner has distinct points now; the rest tells little more than which way is up.
    bare = cv2.GaussianBlur(plane, (0, 0), 12)
    bare[100:250, 100:280] = plane[100:250, 100:280]
    alone = align_scene(*film(bare))
    later = align_scene(*film(bare), previous=before)

    def far_off(found: Alignment) -> float:
        apart = np.linalg.norm(found.map_xy - before.map_xy, axis=2)
        return float(np.quantile(apart[found.valid], 0.95))

    assert later.method == "previous"
    assert far_off(later) < 0.2 * far_off(alone)


def test_a_plane_between_two_depths_is_refined(plane: np.ndarray) -> None:
    truth = plane[100:580, 100:740]
    hsr = plane[100:580, 112:752].copy()
    # Near things lie five HSR px off: little enough for a plane halfway between.
    for y in range(40, 440, 80):
        hsr[y : y + 40] = plane[100 + y : 140 + y, 104:744]
    lsr = cv2.resize(truth, (160, 120), interpolation=cv2.INTER_AREA)
    flat, dense = align_scene(hsr, lsr, refine="none"), align_scene(hsr, lsr)

    def apart(found: Alignment) -> float:
        shown = found.warp(hsr).astype(float) - truth[: found.map_xy.shape[0], : found.map_xy.shape[1]]
        return float(np.abs(shown[:, 20:-20]).mean())

    assert apart(dense) < 0.6 * apart(flat)


def test_map_that_hardly_any_pixel_confirms_is_refused(layers: Any, other_scene: np.ndarray) -> None:
    mixed = other_scene.copy()
    mixed[:, 30:50] = layers.lsr[:, 30:50]
    with pytest.raises(NoOverlapError, match="looks alike in both views, 20% are needed"):
        align_scene(layers.hsr, mixed)


def test_unknown_step_is_refused(layers: Any) -> None:
    with pytest.raises(CalibrationError, match="none, mesh, flow, dense"):
        align_scene(layers.hsr, layers.lsr, refine="best")  # type: ignore[arg-type]
