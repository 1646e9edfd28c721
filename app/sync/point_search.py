"""Points of two views that differ by parallax: where they lie, how they move, what that says about time."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from app.sync.registration import Registrations
from app.sync.small_pictures import SmallPictures
from calibration.grid import transform
from calibration.sync import PointSync, exposure_kernel, sync_points

Picture = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float64]

_FLOW = 2
_FARTHEST = 0.15


def sync_by_points(
    lsr: SmallPictures,
    registered: Registrations,
    hsr_indices: Sequence[int],
    places: FloatArray,
    view: FloatArray,
    exposure_frames: float,
) -> PointSync | None:
    """What single points say about the time of some HSR frames.

    Args:
        lsr: Pictures of the LSR stream.
        registered: Finds the points that both views share.
        hsr_indices: The HSR frames.
        places: Where they belong among the LSR frames so far, as fractional indices.
        view: The common plane, LSR px -> HSR px, shape (3, 3).
        exposure_frames: LSR frames over which an HSR exposure averages.

    Returns:
        None where there is no parallax, or no points.

    """
    kernel = exposure_kernel(exposure_frames)
    reach = _FLOW + len(kernel) // 2
    pictures = {
        (j, float(place)): [_exposed(lsr, round(place) + step, kernel) for step in (-_FLOW, 0, _FLOW)]
        for j, place in zip(hsr_indices, places, strict=True)
        if reach <= round(place) < len(lsr) - reach
    }
    found = registered.matches([(j, three[1]) for (j, _), three in pictures.items()])
    to_lsr = np.asarray(np.linalg.inv(view), np.float64)
    kept: list[tuple[FloatArray, FloatArray, int]] = []
    for ((j, place), three), matches in zip(pictures.items(), found, strict=True):
        if matches is not None and len(matches):
            before, here, after = three
            velocity, followed = _velocities(before, here, after, matches.lsr)
            apart = transform(to_lsr, matches.hsr) - matches.lsr - velocity * (place - round(place))
            near = followed & (np.linalg.norm(apart, axis=1) < _FARTHEST * here.shape[1])
            kept.append((apart[near], velocity[near], j))
    if not kept:
        return None
    instants = np.repeat([k[2] for k in kept], [len(k[0]) for k in kept])
    return sync_points(np.concatenate([k[0] for k in kept]), np.concatenate([k[1] for k in kept]), instants)


def _exposed(lsr: SmallPictures, index: int, kernel: FloatArray) -> Picture:
    """What an LSR camera with the HSR camera's exposure would see, so that both blur alike."""
    half = len(kernel) // 2
    near = np.stack([lsr.read(index + step) for step in range(-half, half + 1)])
    return np.asarray(np.rint(np.tensordot(kernel, near, 1)), np.uint8)


def _velocities(
    before: Picture, here: Picture, after: Picture, points: FloatArray
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Motion of points from `before` to `after` [px per frame], (N, 2), and where it is known."""
    start = points.astype(np.float32)[:, None]
    ends, known = [], np.ones(len(points), np.bool_)
    for other in (before, after):
        end, status, _ = cv2.calcOpticalFlowPyrLK(here, other, start, start.copy())
        ends.append(end[:, 0].astype(np.float64))
        known &= status.ravel().astype(bool)
    return (ends[1] - ends[0]) / (2 * _FLOW), known
