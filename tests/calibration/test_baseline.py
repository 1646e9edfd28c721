"""Baseline control on a rig of the paper's optics, against direct projection."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from calibration import (
    Matches,
    NoOverlapError,
    Rig,
    TooFewFeaturesError,
    align_baseline,
    measure_shift,
    plane_homography,
    predicted_shift_px,
    relock,
)

PLANE_MM = 2000.0
REGION = (170, 130, 230, 220)
BASELINES = (50.0, 100.0, 150.0, 200.0, 250.0)


def paper_rig(baseline_mm: float, *, lenses: bool = False) -> Rig:
    """6 mm and 20 mm lenses, 576x480 and 2304x1920, heads turned in towards the plane's middle."""
    yaw = np.arctan(baseline_mm / PLANE_MM)
    direction = np.array([1, 0.02, -0.01])
    d = (-0.12, 0.1, 0.0005, -0.0003, 0.0) if lenses else (0.0,) * 5

    def camera(focal: float, width: int, height: int) -> dict[str, object]:
        k = ((focal, 0, (width - 1) / 2), (0, focal, (height - 1) / 2), (0, 0, 1))
        return {"id": {"width": width, "height": height}, "matrix": k, "distortion": d}

    return Rig.model_validate(
        {
            "lsr": camera(1739.1, 576, 480),
            "hsr": camera(5797.1, 2304, 1920),
            "rotation": cv2.Rodrigues(np.array([0.005, yaw, -0.007]))[0].tolist(),
            "direction": (direction / np.linalg.norm(direction)).tolist(),
            "baseline_mm": baseline_mm,
            "reference_mm": PLANE_MM,
        }
    )


def project(rig: Rig, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """LSR and HSR pixels of points [mm] in LSR camera axes, through both lenses."""
    zero = np.zeros(3)
    lsr = cv2.projectPoints(points, zero, zero, rig.lsr.k, rig.lsr.d)[0][:, 0]
    turn = cv2.Rodrigues(rig.r)[0]
    hsr = cv2.projectPoints(points, turn, rig.translation_mm(), rig.hsr.k, rig.hsr.d)[0][:, 0]
    return lsr, hsr


@pytest.mark.parametrize("baseline_mm", BASELINES)
def test_plane_homography_equals_direct_projection(baseline_mm: float) -> None:
    rig = paper_rig(baseline_mm)
    rng = np.random.default_rng(0)
    for distance in (1500.0, 2000.0, 3000.0):
        points = np.column_stack([rng.uniform(-250, 250, (200, 2)), np.full(200, distance)])
        lsr, hsr = project(rig, points)
        mapped = cv2.perspectiveTransform(lsr[None], plane_homography(rig, distance_mm=distance))[0]
        assert np.abs(mapped - hsr).max() < 1e-6


@pytest.mark.parametrize("baseline_mm", BASELINES)
def test_map_follows_both_lenses(baseline_mm: float) -> None:
    rig = paper_rig(baseline_mm, lenses=True)
    result = align_baseline(rig)
    assert result.method == "baseline"
    rng = np.random.default_rng(1)
    height, width = result.valid.shape
    out = rng.integers((0, 0), (width, height), (300, 2))
    lsr = (out + 0.5) * (576 / width, 480 / height) - 0.5
    rays = cv2.undistortPoints(lsr[:, None], rig.lsr.k, rig.lsr.d)[:, 0]
    points = np.column_stack([rays, np.ones(len(rays))]) * PLANE_MM
    lsr_back, hsr = project(rig, points)
    assert np.abs(lsr_back - lsr).max() < 0.01
    assert np.abs(result.map_xy[out[:, 1], out[:, 0]] - hsr).max() < 0.02


def test_typed_baseline_moves_the_map_and_keeps_the_view() -> None:
    rig = paper_rig(100.0)
    before = align_baseline(rig)
    after = align_baseline(rig, baseline_mm=101.0, view=before.view)
    moved = after.map_xy - before.map_xy
    assert np.abs(moved[..., 0] + 5797.1 / PLANE_MM).max() < 0.1
    assert predicted_shift_px(rig) == pytest.approx(5797.1 * 100 / PLANE_MM, rel=0.01)
    assert predicted_shift_px(rig, baseline_mm=200) == pytest.approx(2 * predicted_shift_px(rig), rel=0.01)
    assert after.stats["overlap"] > 0.9


def test_pair_that_hardly_overlaps_is_refused() -> None:
    with pytest.raises(NoOverlapError, match=r"baseline of 900 mm .* sees only"):
        align_baseline(paper_rig(100.0), baseline_mm=900.0)


def views_of(true: Rig, count: int, seed: int) -> Matches:
    """Matches at several depths, with noise and 10 % wrong ones; the region lies on the reference plane."""
    rng = np.random.default_rng(seed)
    x0, y0, w, h = REGION
    lsr = rng.uniform((0, 0), (575, 479), (count, 2))
    in_region = rng.random(count) < 0.35
    lsr[in_region] = rng.uniform((x0, y0), (x0 + w, y0 + h), (int(in_region.sum()), 2))
    inside = (lsr[:, 0] >= x0) & (lsr[:, 0] < x0 + w) & (lsr[:, 1] >= y0) & (lsr[:, 1] < y0 + h)
    depth = np.where(inside, PLANE_MM, rng.uniform(1500, 3000, count))
    rays = np.column_stack([lsr, np.ones(count)]) @ np.linalg.inv(true.lsr.k).T
    lsr, hsr = project(true, rays * depth[:, None])
    lsr = lsr + rng.normal(0, 0.1, lsr.shape)
    hsr = hsr + rng.normal(0, 0.6, hsr.shape)
    wrong = rng.random(count) < 0.1
    hsr[wrong] = rng.uniform(0, 1900, (int(wrong.sum()), 2))
    return Matches(hsr, lsr, (count, count))


def plane_error(found: Rig, true: Rig) -> float:
    grid = np.stack(np.meshgrid(np.linspace(0, 575, 8), np.linspace(0, 479, 7)), -1).reshape(1, -1, 2)
    a, b = (cv2.perspectiveTransform(grid, plane_homography(r)) for r in (found, true))
    return float(np.linalg.norm(a - b, axis=2).mean())


@pytest.mark.parametrize("baseline_mm", BASELINES)
@pytest.mark.parametrize(("count", "limit"), [(400, 0.5), (60, 1.0)])
def test_relock_finds_the_turned_head(baseline_mm: float, count: int, limit: float) -> None:
    before = paper_rig(100.0)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        turn = rng.normal(size=3)
        turn *= np.radians(0.1) / np.linalg.norm(turn)
        head = cv2.Rodrigues(turn)[0] @ before.r
        true = before.moved(rotation=head, baseline_mm=baseline_mm)
        matches = views_of(true, count, seed)
        result = relock(before, matches, baseline_mm=baseline_mm, distance_mm=PLANE_MM, region=REGION)
        assert plane_error(result.rig, true) <= limit
        assert plane_error(before.moved(baseline_mm=baseline_mm), true) > 2 * limit
        assert result.rig.baseline_mm == baseline_mm
        shift = measure_shift(result.rig, matches, REGION)
        assert shift.measured_px == pytest.approx(shift.predicted_px, abs=limit)
        assert shift.implied_baseline_mm == pytest.approx(baseline_mm, abs=1.0)


@pytest.mark.parametrize(
    ("before", "noise_px", "after"),
    [
        ("good", 0.5, "good"),
        ("good", 4.0, "usable"),
        ("good", 8.0, "redo"),
        ("redo", 0.5, "redo"),
    ],
)
def test_a_verdict_does_not_outlive_a_relock_that_fits_badly(
    before: str, noise_px: float, after: str
) -> None:
    rig = paper_rig(100.0).model_copy(update={"verdict": before, "epipolar_p95_px": 0.1})
    matches = views_of(rig, 400, 0)
    rough = np.random.default_rng(1).normal(0, noise_px, matches.hsr.shape)
    moved = Matches(matches.hsr + rough, matches.lsr, matches.keypoints)
    found = relock(rig, moved, baseline_mm=100, distance_mm=PLANE_MM, region=REGION)
    assert found.rig.verdict == after
    assert found.rig.epipolar_p95_px > found.across_px


def test_relock_says_what_is_missing() -> None:
    rig = paper_rig(100.0)
    matches = views_of(rig, 300, 0)
    with pytest.raises(TooFewFeaturesError, match="region shows 0 matched points"):
        relock(rig, matches, baseline_mm=100, distance_mm=PLANE_MM, region=(570, 0, 1, 1))
    rng = np.random.default_rng(0)
    noise = Matches(rng.uniform(0, 1900, (300, 2)), matches.lsr, (300, 300))
    with pytest.raises(NoOverlapError, match="check baseline, distance and region"):
        relock(rig, noise, baseline_mm=100, distance_mm=PLANE_MM, region=REGION)
