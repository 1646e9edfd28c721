"""From one plane to every pixel: candidate maps, the best of them per pixel, and where to believe it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from calibration.alignment import Alignment, OutputView
from calibration.dense import (
    Choice,
    choose,
    enlarge_with_edges,
    follow_surfaces,
    refine_by_flow,
    unclaimed,
)
from calibration.errors import NoOverlapError
from calibration.grid import ImageF32, Mask, Matrix, homography_map, inside, scaling
from calibration.rectification import Rectification
from calibration.stereo import StereoMap, search_rows
from calibration.views import EqualViews

_CREDIBLE = 0.5  # cost above which a place is not shown by the other camera
_POLISH_GAIN = 0.1  # what flow must win by over the search it starts from
_FLOW_GAIN = 0.3  # what free flow must win by over the row-constrained search
_MARGIN = 1.0
MIN_LIKENESS = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class RefinedMap:
    """A map on the working grid with its confidence.

    Attributes:
        map_xy: (hw, ww, 2) float32 [HSR px].
        credible: (hw, ww), the HSR camera shows the same thing there.
        cost: (hw, ww) float32, 0 perfect .. 2, 1 - ZNCC.
        method: Names of the steps, joined by "+".

    """

    map_xy: ImageF32
    credible: Mask
    cost: ImageF32
    method: str


def accept(map_xy: ImageF32, views: EqualViews, hsr_size: tuple[int, int], method: str) -> RefinedMap:
    """A map as it is, with the confidence the pictures give it."""
    return _finish(choose([map_xy], [0.0], views, hsr_size), None, method)


def refine_flow(plane: ImageF32, mesh: ImageF32, views: EqualViews, hsr_size: tuple[int, int]) -> RefinedMap:
    """The paper's recipe, mesh then flow, with plane and mesh kept where they fit better.

    Args:
        plane: (hw, ww, 2) map of the homography [HSR px].
        mesh: (hw, ww, 2) map of the mesh [HSR px].
        views: Both views.
        hsr_size: (width, height).

    """
    choice = choose([refine_by_flow(mesh, views), mesh, plane], [0.0, 0.0, 0.0], views, hsr_size)
    return _finish(choice, None, "homography+mesh+flow")


def refine_depth(
    rectification: Rectification,
    views: EqualViews,
    hsr_size: tuple[int, int],
    *,
    magnification: float,
    plane: ImageF32,
    fallback: ImageF32 | None = None,
) -> RefinedMap | None:
    """Search along epipolar rows, then flow; free flow only where it is much better.

    Args:
        rectification: From matches or from a rig.
        views: Both views.
        hsr_size: (width, height).
        magnification: HSR px per LSR px in the middle of the LSR view, see `homography.local_scale`.
        plane: (hw, ww, 2) map of the dominant plane [HSR px].
        fallback: (hw, ww, 2) start of a flow that need not obey the epipolar geometry, such as the mesh
            [HSR px].

    Returns:
        The map, or None when the geometry allows no row search.

    """
    found: StereoMap | None = search_rows(views, rectification, magnification=magnification)
    if found is None:
        return None
    candidates, gains = [found.map_xy, refine_by_flow(found.map_xy, views)], [0.0, _POLISH_GAIN]
    if fallback is not None:
        candidates.append(refine_by_flow(fallback, views))
        gains.append(_FLOW_GAIN)
    best = choose(candidates, gains, views, hsr_size).map_xy
    smooth = follow_surfaces(best, plane, magnification=magnification)
    return _finish(choose([smooth], [0.0], views, hsr_size), found.confirmed, "rows+flow")


def _finish(choice: Choice, confirmed: Mask | None, method: str) -> RefinedMap:
    credible = choice.cost < _CREDIBLE
    if confirmed is not None:
        credible &= confirmed | (choice.cost < _CREDIBLE / 2)
    credible &= unclaimed(choice.map_xy, choice.cost)
    return RefinedMap(choice.map_xy, np.asarray(credible), choice.cost, method)


def likeness(refined: RefinedMap) -> float:
    """Share of the common field that looks alike in both views."""
    seen = refined.cost < 2.0
    return float(refined.credible[seen].mean()) if seen.any() else 0.0


def require_likeness(refined: RefinedMap, least: float = MIN_LIKENESS) -> None:
    """Refuse a map that hardly any pixel confirms.

    Raises:
        NoOverlapError: Less than a share `least` of the common field looks alike in both views.

    """
    share = likeness(refined)
    if share < least:
        raise NoOverlapError(
            f"only {share:.0%} of the common field looks alike in both views, {least:.0%} are "
            "needed; check that both show the same instant, in focus and well exposed"
        )


def explains_better(one: RefinedMap, other: RefinedMap) -> bool:
    """Whether of two maps of one pair the first fits better, where both lead into the HSR picture."""
    both = (one.cost < 2.0) & (other.cost < 2.0)
    return bool(both.any()) and float(one.cost[both].mean()) < float(other.cost[both].mean())


def to_output(
    refined: RefinedMap,
    view: OutputView,
    hsr_size: tuple[int, int],
    homography: Matrix,
    *,
    method: str,
    inliers: int,
    residual_px: float,
    stats: dict[str, float],
) -> Alignment:
    """Alignment at output size from a map on the working grid.

    Args:
        refined: The map.
        view: Output view.
        hsr_size: (width, height).
        homography: 3x3, output px -> HSR px.
        method: See `Alignment`.
        inliers: See `Alignment`.
        residual_px: See `Alignment`.
        stats: See `Alignment`; valid_share and mean_cost are added.

    """
    # Only the departure from the plane is interpolated: the plane itself stays exact up to the border.
    height, width = refined.cost.shape
    coarse = homography @ scaling(view.width / width, view.height / height)
    departure = refined.map_xy - homography_map(coarse, width, height)
    map_xy = homography_map(homography, view.width, view.height)
    map_xy += enlarge_with_edges(departure, view.width, view.height, jump=2 * view.scale)
    mask: npt.NDArray[np.uint8] = refined.credible.astype(np.uint8)
    large = cv2.resize(mask, (view.width, view.height), interpolation=cv2.INTER_NEAREST)
    valid = np.asarray((large > 0) & inside(map_xy, *hsr_size, margin=_MARGIN))
    seen = refined.cost < 2.0
    return Alignment(
        map_xy=map_xy,
        valid=valid,
        scale=view.scale,
        lsr_crop=view.lsr_crop,
        homography=homography,
        method=method,
        inliers=inliers,
        residual_px=residual_px,
        stats={
            **stats,
            "valid_share": float(valid.mean()),
            "mean_cost": float(refined.cost[seen].mean()) if seen.any() else 2.0,
        },
    )
