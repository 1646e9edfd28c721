"""Motion of planes: what stands before a moving camera, and most things for a moment, move as a few of them.

Dense flow is a little off everywhere, and at the edge of a moving object it smears the object's motion over
what is behind it. A plane's motion comes from all of the plane, and goes right up to the edge. So each
reference may be moved in two ways, as its flow says and as the nearest plane moves; whoever fuses sees which
one fits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from fusion.gop import Mask
from fusion.motion import FlowArray, lengths

_SAMPLES = 3000
_SIDE_SAMPLES = 8
_TOLERANCE = 1 / 16
"""RANSAC's threshold, in LSR pixels; the others as well."""
_NEAR = 1 / 8
_TAKEN = 1 / 4
"""What one plane explains so well is not looked at for the next."""
_PLANES = 3
_LEAST_SHARE = 0.05
"""Of the picture that a plane must hold."""
_APART = 1 / 20


class PlaneMotion(NamedTuple):
    """Motion of the planes nearest to a flow.

    Attributes:
        flow: (H, W, 2) offset into the reference [px].
        apart: (H, W) bool, where it is another motion than the flow that it was made from.

    """

    flow: FlowArray
    apart: Mask


def nearest_planes(flow: FlowArray, scale: float) -> PlaneMotion | None:
    """For each pixel the motion of that plane which moves there most nearly as the flow says.

    Args:
        flow: (H, W, 2) offset from each pixel into a reference, x then y [px].
        scale: LSR pixels are this many output pixels wide.

    Returns:
        None where no plane holds enough of the picture, or none moves otherwise than the flow.

    """
    nearest: FlowArray | None = None
    least = np.empty(0, np.float32)
    for homography in _homographies(flow, scale):
        plane = _displacement(homography, *flow.shape[:2])
        distance = lengths(plane - flow)
        if nearest is None:
            nearest, least = plane, distance
        else:
            closer = distance < least
            nearest[closer] = plane[closer]
            np.minimum(least, distance, out=least)
    if nearest is None:
        return None
    apart = np.asarray(least > _APART * scale)
    return PlaneMotion(nearest, apart) if apart.any() else None


def _homographies(flow: FlowArray, scale: float) -> Iterator[npt.NDArray[np.float32]]:
    """Of the planes that hold most of the picture, largest first."""
    height, width = flow.shape[:2]
    step = max(1, min(int((height * width / _SAMPLES) ** 0.5), min(height, width) // _SIDE_SAMPLES))
    rows, columns = np.mgrid[step // 2 : height : step, step // 2 : width : step]
    places = np.stack([columns.ravel(), rows.ravel()], axis=1).astype(np.float32)
    ends = places + flow[rows, columns].reshape(-1, 2)
    left = np.ones(len(places), np.bool_)
    for _ in range(_PLANES):
        if np.count_nonzero(left) < max(_LEAST_SHARE * len(places), _SIDE_SAMPLES**2):
            return
        found = _homography(places[left], ends[left], cv2.USAC_MAGSAC, _TOLERANCE * scale)
        if found is None:
            return
        held = left & (_missed(found, places, ends) < _NEAR * scale)
        if np.mean(held) < _LEAST_SHARE:
            return
        # RANSAC's own answer leans on few of the samples that it holds true.
        found = _homography(places[held], ends[held], 0)
        if found is None:
            return
        yield found.astype(np.float32)
        left &= _missed(found, places, ends) >= _TAKEN * scale


def _homography(
    places: npt.NDArray[np.float32], ends: npt.NDArray[np.float32], method: int, tolerance: float = 0.0
) -> npt.NDArray[np.float64] | None:
    found, _ = cv2.findHomography(places, ends, method, tolerance)
    homography = np.asarray(found, dtype=np.float64)
    # None where no plane holds the samples at all.
    return homography if homography.shape == (3, 3) else None


def _missed(
    homography: npt.NDArray[np.float64], places: npt.NDArray[np.float32], ends: npt.NDArray[np.float32]
) -> npt.NDArray[np.float64]:
    """By how much a plane misses where each sample ends [px]."""
    moved = cv2.perspectiveTransform(places[None], homography)[0]
    return np.asarray(np.linalg.norm(moved - ends, axis=1))


def _displacement(homography: npt.NDArray[np.float32], height: int, width: int) -> FlowArray:
    """Where a homography moves every pixel, as an offset (H, W, 2) [px]."""
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    along_x, along_y, depth = (row[0] * x + row[1] * y + row[2] for row in homography)
    out = np.empty((height, width, 2), np.float32)
    np.divide(along_x - x * depth, depth, out=out[..., 0])
    np.divide(along_y - y * depth, depth, out=out[..., 1])
    return out
