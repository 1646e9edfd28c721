"""How much two pictures of one instant differ: robustly, and but for the blur of motion."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from drivers import RgbImage
from fusion.levels import FloatImage

Mask = npt.NDArray[np.bool_]

_MAD = 1.4826
_LENGTHS = (2.0, 4.0, 8.0)
"""Of the blurs tried [LSR px]."""
_DIRECTIONS = 6


def spread(difference: npt.NDArray[np.float32]) -> float:
    """Robust standard deviation; 0 of nothing."""
    if not difference.size:
        return 0.0
    return float(_MAD * np.median(np.abs(difference - np.median(difference))))


def spread_beside_blur(reduced: FloatImage, lsr: RgbImage, usable: Mask | None = None) -> float:
    """Robust standard deviation between a reduced sharp frame and an LSR frame (h, w, 3), but for motion.

    A sharp frame blurred by motion in a longer exposure is no noise: the LSR frame is blurred alike, in some
    ways, and what that takes of white noise is given back, so noise never looks less.

    Args:
        reduced: [0..255].
        lsr: Of the same size.
        usable: (h, w), where they are compared; None = everywhere.

    """
    seen = lsr.astype(np.float32)
    where = np.ones(lsr.shape[:2], np.bool_) if usable is None else usable
    found = [spread((reduced - seen)[where])]
    for kernel in _blurs():
        blurred = cv2.filter2D(seen, -1, kernel, borderType=cv2.BORDER_REPLICATE)
        found.append(spread((reduced - blurred)[where]) / float(np.linalg.norm(kernel)))
    return min(found)


def _blurs() -> list[FloatImage]:
    """Straight blurs of some lengths and directions, each adding up to 1."""
    kernels = []
    for length in _LENGTHS:
        for turn in range(_DIRECTIONS):
            angle = np.pi * turn / _DIRECTIONS
            along = np.linspace(-length / 2, length / 2, 33)
            half = math.ceil(length / 2) + 1
            kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
            for x, y in zip(half + along * np.cos(angle), half + along * np.sin(angle), strict=True):
                i, j = int(y), int(x)
                v, u = y - i, x - j
                kernel[i : i + 2, j : j + 2] += np.outer([1 - v, v], [1 - u, u])
            kernels.append(kernel / kernel.sum())
    return kernels
