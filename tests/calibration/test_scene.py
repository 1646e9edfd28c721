"""Alignment from pictures alone, against geometry that is known exactly."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from calibration import (
    MirroredViewError,
    NoOverlapError,
    OutputView,
    RotatedViewError,
    TooFewFeaturesError,
    ViewError,
    align_scene,
    identity_alignment,
    register_views,
)
from calibration.alignment import homography_alignment

LSR_W, LSR_H, N = 160, 120, 4


def shrink(image: np.ndarray, n: int = N) -> np.ndarray:
    return cv2.resize(image, (image.shape[1] // n, image.shape[0] // n), interpolation=cv2.INTER_AREA)


def planar_views(plane: np.ndarray, magnify: float = 1.0, degrees: float = 1.5) -> tuple:
    """HSR and LSR views of one plane, and the true map from the view at LSR x4 to HSR px."""
    place = np.array([[1, 0, -180.0], [0, 1, -150.0], [0, 0, 1]])
    truth = cv2.warpPerspective(plane, place, (LSR_W * N, LSR_H * N))
    a = np.radians(degrees)
    c = np.array([LSR_W * N / 2, LSR_H * N / 2])
    turn = magnify * np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    h = np.eye(3)
    h[:2, :2] = turn
    h[:2, 2] = c - turn @ c + np.array([23.4, -11.7])
    h[2, :2] = (2e-5, -1e-5)
    hsr = cv2.warpPerspective(plane, h @ place, (LSR_W * N, LSR_H * N), flags=cv2.INTER_CUBIC)
    return hsr, shrink(truth), truth, h


def true_map(h: np.ndarray, width: int, height: int) -> np.ndarray:
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return cv2.perspectiveTransform(np.stack([x, y], -1).astype(np.float64), h)


def noisy(image: np.ndarray, sigma: float) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, sigma, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def test_a_telephoto_lens_beside_a_wide_one_shows_the_same_points(plane: np.ndarray) -> None:
    """Things are three times as large in the LSR view as they were if both saw the same field."""
    hsr, lsr, _, h = planar_views(plane, magnify=0.33)
    lsr = noisy(lsr, 8)
    as_if_alike, matched = register_views(hsr, lsr, zoom=1.0)[1], register_views(hsr, lsr)
    assert matched[1].inliers.sum() > 2 * as_if_alike.inliers.sum()
    found = cv2.perspectiveTransform(np.array([[[40.0, 30.0], [120.0, 90.0]]]), matched[2].matrix)
    true = cv2.perspectiveTransform(np.array([[[40.0, 30.0], [120.0, 90.0]]]) * N + (N - 1) / 2, h)
    assert np.abs(found - true).max() < 0.5


def test_a_wide_lens_beside_a_telephoto_one_is_found(plane: np.ndarray) -> None:
    hsr, lsr, _, _ = planar_views(plane, magnify=2.4)
    lsr = noisy(lsr, 20)
    with pytest.raises(NoOverlapError, match="points of the two views agree"):
        register_views(hsr, lsr, zoom=1.0)
    assert register_views(hsr, lsr)[1].inliers.sum() >= 16


def test_plane_is_aligned_to_subpixel(plane: np.ndarray) -> None:
    hsr, lsr, truth, h = planar_views(plane)
    result = align_scene(hsr, lsr)
    assert result.map_xy.shape == (LSR_H * N, LSR_W * N, 2)
    assert result.map_xy.dtype == np.float32
    assert result.scale == N
    assert result.lsr_crop == (0, 0, LSR_W, LSR_H)
    error = np.linalg.norm(result.map_xy - true_map(h, LSR_W * N, LSR_H * N), axis=2)
    assert np.median(error[result.valid]) < 0.5
    assert np.quantile(error[result.valid], 0.99) < 1.5
    warped = result.warp(hsr)
    assert warped.shape == truth.shape
    assert warped.dtype == np.uint8
    assert cv2.PSNR(warped[20:-20, 40:-40], truth[20:-20, 40:-40]) > 24
    assert result.inliers > 50


def test_preview_shows_the_same_view_at_any_size(plane: np.ndarray) -> None:
    hsr, lsr, truth, _ = planar_views(plane)
    shown = align_scene(hsr, lsr, refine="none").preview(hsr, 320, 240)
    assert shown.shape == (240, 320, 3)
    assert cv2.PSNR(shown[10:-10, 20:-20], shrink(truth, 2)[10:-10, 20:-20]) > 24


def test_output_size_follows_the_true_sampling_ratio(plane: np.ndarray) -> None:
    hsr, lsr, _, _ = planar_views(plane, magnify=0.8)
    result = align_scene(hsr, lsr)
    assert result.scale == pytest.approx(3.2, rel=0.01)
    assert result.map_xy.shape[1] % 2 == 0
    assert result.map_xy.shape[1] == pytest.approx(LSR_W * result.scale, abs=1.01)
    again = align_scene(hsr, lsr, previous=result)
    assert again.map_xy.shape == result.map_xy.shape


def test_outside_of_the_hsr_view_is_black_and_invalid(plane: np.ndarray) -> None:
    hsr, lsr, _, _ = planar_views(plane)
    cut = np.ascontiguousarray(hsr[:, :400])
    result = align_scene(cut, lsr, scale=4)
    outside = result.map_xy[..., 0] > 402
    assert outside.any()
    assert not result.valid[outside].any()
    assert result.warp(cut)[outside].max() == 0


def test_common_field_crops_whole_lsr_pixels(plane: np.ndarray) -> None:
    hsr, lsr, truth, _ = planar_views(plane)
    cut = np.ascontiguousarray(hsr[:, :400])
    result = align_scene(cut, lsr, scale=4, common_field=True)
    x0, y0, w, h = result.lsr_crop
    assert w < LSR_W
    assert result.map_xy.shape == (h * 4, w * 4, 2)
    assert result.crop_lsr(lsr).shape[:2] == (h, w)
    part = truth[y0 * 4 : (y0 + h) * 4, x0 * 4 : (x0 + w) * 4]
    inner = np.s_[24:-24, 24:-40]
    assert cv2.PSNR(result.warp(cut)[inner], part[inner]) > 22


@pytest.mark.parametrize("hsr_shape", [(480, 640, 3), (451, 603, 3)])
def test_identity_keeps_every_pixel(hsr_shape: tuple[int, int, int]) -> None:
    hsr = np.random.default_rng(0).integers(0, 255, hsr_shape, dtype=np.uint8)
    result = identity_alignment(hsr.shape, (120, 160))
    assert np.array_equal(result.warp(hsr), hsr)
    assert result.valid.all()
    assert result.lsr_crop == (0, 0, 160, 120)


def test_the_plane_of_an_alignment_reads_from_lsr_to_hsr_pixels() -> None:
    plane = np.array([[4.1, 0.1, 30.0], [-0.1, 3.9, -20.0], [2e-5, -1e-5, 1.0]])
    alignment = homography_alignment(2 * plane, OutputView(320, 240, (20, 10, 80, 60)), (640, 480))
    assert alignment.lsr_to_hsr == pytest.approx(plane)


def test_identity_refuses_swapped_streams() -> None:
    with pytest.raises(ViewError, match="swapped"):
        identity_alignment((120, 160), (480, 640))


def test_bad_views_are_named(plane: np.ndarray) -> None:
    hsr, lsr, _, _ = planar_views(plane)
    with pytest.raises(ViewError, match="LSR view is black"):
        align_scene(hsr, np.zeros_like(lsr))
    with pytest.raises(ViewError, match="HSR view is saturated"):
        align_scene(np.full_like(hsr, 255), lsr)
    with pytest.raises(ViewError, match="HSR view is blank"):
        align_scene(np.full_like(hsr, 120), lsr)
    with pytest.raises(ViewError, match="swapped"):
        align_scene(lsr, hsr)
    with pytest.raises(ViewError, match="8-bit RGB"):
        align_scene(hsr[..., 0], lsr)
    ramp = np.repeat(np.tile(np.linspace(20, 200, LSR_W), (LSR_H, 1))[..., None], 3, 2).astype(np.uint8)
    with pytest.raises(TooFewFeaturesError, match="LSR view"):
        align_scene(hsr, ramp)


def test_other_scene_mirrored_and_turned_cameras_are_told_apart(
    plane: np.ndarray, other_scene: np.ndarray
) -> None:
    hsr, lsr, _, _ = planar_views(plane)
    with pytest.raises(NoOverlapError, match="points of the two views agree"):
        align_scene(hsr, other_scene)
    with pytest.raises(MirroredViewError, match="ReverseX"):
        align_scene(hsr, np.ascontiguousarray(lsr[:, ::-1]))
    with pytest.raises(MirroredViewError, match="ReverseY"):
        align_scene(hsr, np.ascontiguousarray(lsr[::-1]))
    with pytest.raises(RotatedViewError, match="turned by"):
        align_scene(hsr, np.ascontiguousarray(lsr[::-1, ::-1]))
