"""Dense refinement: flow on the blur-equalised pair, and for each pixel the candidate that fits best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from calibration.grid import ImageF32, ImageU8, Mask, homography_map, inside, remap, resize_map
from calibration.views import EqualViews

_WINDOW = 9  # [work px] side of the comparison window
_SHARED = 3  # [work px] pixels as near as this may share a place in the HSR view
_SURFACE_REACH = 12.0  # [work px] sigma of the neighbourhood that shows how a surface goes on
_SPARSE = 3  # [work px] step between the neighbours that are looked at
_SURFACE_STEP = 0.5  # [LSR px] sigma of what may be error on one surface; larger steps are between two


def refine_by_flow(map_xy: ImageF32, views: EqualViews) -> ImageF32:
    """Improve a map by dense inverse search (Kroeger 2016) between the LSR view and the mapped HSR view.

    Args:
        map_xy: (hw, ww, 2) start [HSR px]; more than about 40 px off it is not repaired.
        views: Both views.

    Returns:
        (hw, ww, 2) refined positions [HSR px].

    """
    flow = _flow(views.lsr, views.sample(map_xy))
    position = homography_map(np.eye(3), *views.size) + flow
    return np.asarray(remap(map_xy, position, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE), np.float32)


def _flow(source: ImageU8, target: ImageU8) -> ImageF32:
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return np.asarray(dis.calc(source, target, np.zeros((*source.shape, 2), np.float32)), np.float32)


def _box(image: ImageF32, side: int) -> ImageF32:
    return np.asarray(cv2.boxFilter(image, -1, (side, side), borderType=cv2.BORDER_REFLECT_101), np.float32)


def compare(views: EqualViews, map_xy: ImageF32, hsr_size: tuple[int, int]) -> ImageF32:
    """How badly a map explains the LSR view, per pixel of the working grid.

    Returns:
        (hw, ww) 1 - zero-mean normalised cross-correlation over a window: 0 perfect, 1 unrelated, 2 outside
        the HSR view. A floor under the contrast makes flat areas cost about the same for every map.

    """
    a = views.lsr.astype(np.float32)
    b = views.sample(map_xy).astype(np.float32)
    floor = np.float32(1.0 + views.noise**2 / 4)
    ma, mb = _box(a, _WINDOW), _box(b, _WINDOW)
    va = np.maximum(_box(a * a, _WINDOW) - ma * ma, 0) + floor
    vb = np.maximum(_box(b * b, _WINDOW) - mb * mb, 0) + floor
    cov = _box(a * b, _WINDOW) - ma * mb
    cost = 1 - (cov + floor) / np.sqrt(va * vb)
    cost[~inside(map_xy, *hsr_size)] = 2.0
    return np.asarray(cost, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The best candidate per pixel.

    Attributes:
        map_xy: (hw, ww, 2) [HSR px].
        cost: (hw, ww), the chosen candidate's cost.
        label: (hw, ww) uint8, index of the candidate.

    """

    map_xy: ImageF32
    cost: ImageF32
    label: npt.NDArray[np.uint8]


def choose(
    candidates: Sequence[ImageF32],
    penalties: Sequence[float],
    views: EqualViews,
    hsr_size: tuple[int, int],
) -> Choice:
    """Per pixel the candidate of lowest cost plus penalty.

    Args:
        candidates: Maps on the working grid.
        penalties: What each must win by, one per candidate.
        views: Both views.
        hsr_size: (width, height).

    """
    best: ImageF32 | None = None
    for k, (candidate, penalty) in enumerate(zip(candidates, penalties, strict=True)):
        raw = compare(views, candidate, hsr_size)
        score = _box(raw, 5) + np.float32(penalty)
        if best is None:
            best, cost, map_xy = score, raw, candidate.copy()
            label = np.zeros(raw.shape, np.uint8)
            continue
        better = score < best
        best = np.where(better, score, best)
        cost = np.where(better, raw, cost)
        map_xy = np.where(better[..., None], candidate, map_xy)
        label[better] = k
    return Choice(map_xy, cost, label)


def follow_surfaces(map_xy: ImageF32, plane: ImageF32, *, magnification: float) -> ImageF32:
    """A map without the errors of matching, which change from pixel to pixel where depth does not.

    A bilateral filter (Tomasi and Manduchi 1998) on the departure from a plane: steps between depths stay.

    Args:
        map_xy: (hw, ww, 2) [HSR px].
        plane: (hw, ww, 2) a plane's map, such as that of the scene's dominant one [HSR px].
        magnification: HSR px per LSR px.

    Returns:
        (hw, ww, 2) [HSR px].

    """
    # The filter takes one channel or three; distances in all of them add up.
    departure = np.dstack([map_xy - plane, np.zeros_like(map_xy[..., 0])])
    smooth = np.empty_like(map_xy)
    for row, column in np.ndindex(_SPARSE, _SPARSE):
        # Neighbours on the working grid share their errors: every third says as much in a ninth of the time.
        part = (slice(row, None, _SPARSE), slice(column, None, _SPARSE))
        given = np.ascontiguousarray(departure[part])
        found = cv2.bilateralFilter(given, -1, _SURFACE_STEP * magnification, _SURFACE_REACH / _SPARSE)
        smooth[part] = found[..., :2]
    return np.asarray(plane + smooth, np.float32)


def unclaimed(map_xy: ImageF32, cost: ImageF32) -> Mask:
    """False for pixels whose place in the HSR view fits another pixel better: they are hidden there.

    Args:
        map_xy: (hw, ww, 2) [HSR px].
        cost: (hw, ww) cost of each pixel.

    """
    height, width = cost.shape
    # A cell as large as a working pixel holds one claim.
    step = max(float(np.median(np.abs(np.diff(map_xy[height // 2, :, 0])))), 0.25)
    column = np.round(map_xy[..., 0] / step).astype(np.int32)
    row = np.round(map_xy[..., 1] / step).astype(np.int32)
    across = int(column.max() - column.min()) + 1
    key = ((row - row.min()).astype(np.int64) * across + (column - column.min())).ravel()
    flat = cost.ravel()
    lowest = np.full(int(key.max()) + 1, np.inf, np.float32)
    np.minimum.at(lowest, key, flat)
    best = np.flatnonzero(flat == lowest[key])
    winner = np.zeros(len(lowest), np.int64)
    winner[key[best]] = best
    won_row, won_column = np.divmod(winner[key].reshape(height, width), width)
    near_x = np.abs(won_column - np.arange(width)) <= _SHARED
    near_y = np.abs(won_row - np.arange(height)[:, None]) <= _SHARED
    return np.asarray(near_x & near_y)


def enlarge_with_edges(values: ImageF32, width: int, height: int, *, jump: float) -> ImageF32:
    """Resample positions or offsets (h, w, 2) without mixing depths.

    Values are interpolated, except beside steps of more than `jump`: there a mean of both sides would point
    at a place that neither shows, and the nearest value is taken.
    """
    large = resize_map(values, width, height)
    kernel = np.ones((3, 3), np.uint8)
    step = cv2.dilate(values, kernel) - cv2.erode(values, kernel)
    edge = cv2.resize(
        (step.max(axis=2) > jump).astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST
    )
    near = cv2.resize(values, (width, height), interpolation=cv2.INTER_NEAREST)
    at = edge > 0
    large[at] = near[at]
    return large
