"""Baseline control: where the reference plane lands for a typed baseline, and how to lock on after a move.

The map of a plane n . X = d between two cameras is H = K2 (R + t n^T / d) K1^-1 (Hartley and Zisserman,
Multiple View Geometry, 13.2), here with camera 1 = LSR, camera 2 = HSR, and a plane facing the LSR camera.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from calibration.alignment import Alignment, OutputView, output_view, overlap_share
from calibration.errors import NoOverlapError, TooFewFeaturesError
from calibration.features import Matches
from calibration.grid import ImageF32, Mask, Matrix, Points, inside, invert, transform
from calibration.lens import distort, undistort
from calibration.rig import Rig

_NODE = 16  # [px] the map's nodes: both lens and plane bend by less than 0.001 px between them
_MARGIN = 1.0
MIN_OVERLAP = 0.5
_MIN_REGION = 10
_WORST_PX = 12.0
_VERDICTS = ("good", "usable", "redo")


def plane_homography(
    rig: Rig, *, baseline_mm: float | None = None, distance_mm: float | None = None
) -> Matrix:
    """Map of a plane across the LSR axis from undistorted LSR px to undistorted HSR px, 3x3, last element 1.

    Args:
        rig: The rig.
        baseline_mm: Distance between the cameras [mm]; None = the rig's.
        distance_mm: Distance of the plane along the LSR camera's axis [mm]; None = the rig's reference.

    """
    distance = rig.reference_mm if distance_mm is None else distance_mm
    bent = rig.r + np.outer(rig.translation_mm(baseline_mm), (0.0, 0.0, 1.0)) / distance
    h = rig.hsr.k @ bent @ invert(rig.lsr.k)
    return np.asarray(h / h[2, 2])


def plane_positions(rig: Rig, homography: Matrix, lsr_points: Points) -> npt.NDArray[np.float64]:
    """HSR positions of LSR positions (..., 2) through both lenses and a plane [px]."""
    return distort(transform(homography, undistort(lsr_points, rig.lsr)), rig.hsr)


def align_baseline(
    rig: Rig,
    *,
    baseline_mm: float | None = None,
    distance_mm: float | None = None,
    view: OutputView | None = None,
    scale: float | None = None,
    common_field: bool = False,
) -> Alignment:
    """Alignment of the reference plane without looking at a picture: what a typed baseline shows at once.

    Args:
        rig: The rig.
        baseline_mm: Distance between the cameras [mm]; None = the rig's.
        distance_mm: Distance of the reference plane [mm]; None = the rig's.
        view: Output view to keep; None makes one.
        scale: Output px per LSR px; None measures it.
        common_field: Cover only what both cameras see.

    Returns:
        Alignment with method "baseline"; stats hold shift_px (of the plane against infinity), overlap.

    Raises:
        NoOverlapError: The HSR camera sees less than half of the LSR view.

    """
    h = plane_homography(rig, baseline_mm=baseline_mm, distance_mm=distance_mm)
    overlap = overlap_share(h, rig.hsr.id.size, rig.lsr.id.size)
    b = rig.baseline_mm if baseline_mm is None else baseline_mm
    z = rig.reference_mm if distance_mm is None else distance_mm
    if overlap < MIN_OVERLAP:
        raise NoOverlapError(
            f"at a baseline of {b:.0f} mm the HSR camera sees only {overlap:.0%} of the LSR view "
            f"at {z:.0f} mm, {MIN_OVERLAP:.0%} are needed; turn the cameras towards each other, "
            "move them closer together or step back"
        )
    if view is None:
        view = output_view(
            h,
            hsr_size=rig.hsr.id.size,
            lsr_size=rig.lsr.id.size,
            scale=scale,
            common_field=common_field,
        )
    matrix = h @ view.to_lsr
    map_xy = _smooth_map(rig, h, view)
    return Alignment(
        map_xy=map_xy,
        valid=inside(map_xy, *rig.hsr.id.size, margin=_MARGIN),
        scale=view.scale,
        lsr_crop=view.lsr_crop,
        homography=matrix / matrix[2, 2],
        method="baseline",
        inliers=0,
        residual_px=0.0,
        stats={
            "baseline_mm": b,
            "distance_mm": z,
            "shift_px": predicted_shift_px(rig, baseline_mm=b, distance_mm=z),
            "overlap": overlap,
        },
    )


def _smooth_map(rig: Rig, homography: Matrix, view: OutputView) -> ImageF32:
    """HSR positions of every output pixel, computed at nodes and interpolated between them."""
    columns, rows = -(-view.width // _NODE) + 2, -(-view.height // _NODE) + 2
    # Node i stands for the middle of output pixels 16 (i - 1) .. 16 i - 1, as a resampler's cells do.
    x = (np.arange(columns) - 0.5) * _NODE - 0.5
    y = (np.arange(rows) - 0.5) * _NODE - 0.5
    nodes = np.stack(np.meshgrid(x, y), axis=-1)
    positions = plane_positions(rig, homography, transform(view.to_lsr, nodes)).astype(np.float32)
    full = cv2.resize(positions, (columns * _NODE, rows * _NODE), interpolation=cv2.INTER_LINEAR)
    return np.asarray(full[_NODE : _NODE + view.height, _NODE : _NODE + view.width], np.float32)


def predicted_shift_px(
    rig: Rig, *, baseline_mm: float | None = None, distance_mm: float | None = None
) -> float:
    """How far the plane's middle lies from where something infinitely far would be [HSR px]."""
    w, h = rig.lsr.id.size
    middle = np.array([[(w - 1) / 2, (h - 1) / 2]])
    near = plane_homography(rig, baseline_mm=baseline_mm, distance_mm=distance_mm)
    return float(np.linalg.norm(transform(near, middle) - transform(_infinite(rig), middle)))


def _infinite(rig: Rig) -> Matrix:
    return rig.hsr.k @ rig.r @ invert(rig.lsr.k)


@dataclass(frozen=True, slots=True)
class Shift:
    """The reference region's displacement as typed values predict it and as the pictures show it.

    Attributes:
        predicted_px: For the rig's baseline and distance [HSR px].
        measured_px: Median over the region's matches [HSR px].
        implied_baseline_mm: Baseline that explains it, if the distance is right [mm].
        implied_distance_mm: Distance that explains it, if the baseline is right [mm].
        across_px: Median distance from epipolar lines [HSR px]; large = the heads turned, re-lock.
        matches: Matches in the region.

    """

    predicted_px: float
    measured_px: float
    implied_baseline_mm: float
    implied_distance_mm: float
    across_px: float
    matches: int


def _components(
    rig: Rig, rotation: Matrix, hsr: Points, lsr: Points
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Per match: distance from its epipolar line, displacement along it, displacement at the plane [px]."""
    turned = rig.moved(rotation=rotation)
    far = transform(_infinite(turned), lsr)
    plane = transform(plane_homography(turned), lsr) - far
    length = np.linalg.norm(plane, axis=1)
    direction = plane / np.maximum(length, 1e-9)[:, None]
    moved = hsr - far
    across = moved[:, 1] * direction[:, 0] - moved[:, 0] * direction[:, 1]
    return across, np.sum(moved * direction, axis=1), length


def measure_shift(rig: Rig, matches: Matches, region: tuple[int, int, int, int] | None = None) -> Shift:
    """Compare the rig's prediction for the reference plane with what matches show.

    Args:
        rig: The rig, with the typed baseline and distance.
        matches: Matches of both views.
        region: (x0, y0, width, height) of the reference region in the LSR view; None = the whole view.

    Raises:
        TooFewFeaturesError: Fewer than 10 matches in the region.

    """
    chosen = matches.only(in_region(matches, region))
    _need_region(len(chosen))
    hsr, lsr = undistort(chosen.hsr, rig.hsr), undistort(chosen.lsr, rig.lsr)
    across, along, length = _components(rig, rig.r, hsr, lsr)
    ratio = float(np.median(along / length))
    predicted = float(np.median(length))
    return Shift(
        predicted_px=predicted,
        measured_px=predicted * ratio,
        implied_baseline_mm=rig.baseline_mm * ratio,
        implied_distance_mm=rig.reference_mm / ratio if ratio > 0 else float("inf"),
        across_px=float(np.median(np.abs(across))),
        matches=len(chosen),
    )


def in_region(matches: Matches, region: tuple[int, int, int, int] | None) -> Mask:
    """(N,) True for matches whose LSR position lies in (x0, y0, width, height); None = everywhere."""
    if region is None:
        return np.ones(len(matches), np.bool_)
    x0, y0, w, h = region
    x, y = matches.lsr[:, 0], matches.lsr[:, 1]
    return np.asarray((x >= x0) & (x < x0 + w) & (y >= y0) & (y < y0 + h))


def _need_region(count: int) -> None:
    if count < _MIN_REGION:
        raise TooFewFeaturesError(
            f"the reference region shows {count} matched points, {_MIN_REGION} are needed; "
            "choose a region with texture, or a larger one"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Relock:
    """The rig after a re-lock.

    Attributes:
        rig: With the new rotation, baseline and reference distance. Its verdict is never better than before,
            and worse where matches lie off their epipolar lines by more than half an LSR px ("usable") or a
            whole one ("redo").
        turned_deg: (pitch, yaw, roll) by which the HSR head had turned [deg].
        residual_px: Median error of the region's inliers at the reference plane [HSR px].
        across_px: Median distance of all inliers from their epipolar lines [HSR px].
        inliers: Matches used, all and in the region.
        stats: More figures by name.

    """

    rig: Rig
    turned_deg: tuple[float, float, float]
    residual_px: float
    across_px: float
    inliers: tuple[int, int]
    stats: Mapping[str, float]


def relock(
    rig: Rig,
    matches: Matches,
    *,
    baseline_mm: float,
    distance_mm: float,
    region: tuple[int, int, int, int] | None = None,
) -> Relock:
    """Find how the HSR head turned while the rail moved.

    Pitch and roll follow from the epipolar lines of all matches. Yaw looks like depth over a narrow field, so
    it is taken from one region at a known distance; with the baseline typed, that leaves nothing open.

    Args:
        rig: The rig before the move.
        matches: Matches of both views now (wrong ones are tolerated).
        baseline_mm: Where the rail stands now [mm].
        distance_mm: Distance of the region along the LSR camera's axis [mm].
        region: (x0, y0, width, height) in the LSR view that lies at that distance; None = the whole view.

    Raises:
        TooFewFeaturesError: Fewer than 10 matches in the region.
        NoOverlapError: The matches do not fit a rig whose head turned by a few degrees.

    """
    # scipy takes longer to load than most commands to do their work.
    from scipy.optimize import least_squares

    moved = rig.moved(baseline_mm=baseline_mm, reference_mm=distance_mm)
    chosen = in_region(matches, region)
    _need_region(int(chosen.sum()))
    hsr, lsr = undistort(matches.hsr, rig.hsr), undistort(matches.lsr, rig.lsr)

    def turned(w: npt.NDArray[np.float64]) -> Matrix:
        return np.asarray(np.asarray(cv2.Rodrigues(w)[0], np.float64) @ moved.r)

    def errors(w: npt.NDArray[np.float64]) -> tuple[Points, Points]:
        across, along, length = _components(moved, turned(w), hsr, lsr)
        return across, (along - length)[chosen]

    def together(w: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.concatenate(errors(w))

    w = np.zeros(3)
    for width in (40.0, 10.0, 3.0, 1.5):
        w = least_squares(
            together,
            w,
            loss="cauchy",
            f_scale=width,
            x_scale=1e-3,
        ).x
    across, along = errors(w)
    limit = float(np.clip(3 * 1.4826 * np.median(np.abs(across)), 3.0, _WORST_PX))
    good, fits = np.abs(across) < limit, np.abs(along) < limit
    if good.mean() < 0.4 or fits.mean() < 0.3:
        raise NoOverlapError(
            f"only {good.mean():.0%} of the matches fit the rig after turning, and {fits.mean():.0%} of the "
            "region lies at the stated distance; check baseline, distance and region, or calibrate again"
        )
    degrees = np.degrees(w)
    distances = np.abs(across[good])
    found = moved.moved(rotation=turned(w)).model_copy(
        update={
            # The lenses are as good as the board views left them; how well the pose fits shows here alone.
            "epipolar_p95_px": float(np.quantile(distances, 0.95)),
            "verdict": _verdict_after(rig, float(np.median(distances))),
        }
    )
    return Relock(
        rig=found,
        turned_deg=(float(degrees[0]), float(degrees[1]), float(degrees[2])),
        residual_px=float(np.median(np.abs(along[fits]))),
        across_px=float(np.median(distances)),
        inliers=(int(good.sum()), int(fits.sum())),
        stats={
            "matches": len(matches),
            "region_matches": int(chosen.sum()),
            "baseline_mm": baseline_mm,
            "distance_mm": distance_mm,
            "shift_px": predicted_shift_px(moved),
        },
    )


def _verdict_after(rig: Rig, across_px: float) -> str:
    """What the rig is worth with a pose whose matches lie so far from their epipolar lines [HSR px]."""
    coarse = max(rig.hsr.k[0, 0] / rig.lsr.k[0, 0], 1.0)
    level = int(across_px > 0.5 * coarse) + int(across_px > coarse)
    return _VERDICTS[max(level, _VERDICTS.index(rig.verdict))]
