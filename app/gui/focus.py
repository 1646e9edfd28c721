"""A figure for the hand at the focus ring: how sharp a picture is beside the sharpest of the last seconds."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from app.gui.preview import grey
from drivers import Frame

FloatImage = npt.NDArray[np.float32]
Part = tuple[float, float, float, float]
"""x, y, width and height of a part of a picture, as fractions of its sides."""
WHOLE: Part = (0.0, 0.0, 1.0, 1.0)

REMEMBERED_S = 20.0
"""A turn of the ring there and back takes no longer."""
_SIDE = 768
_LEAST_SIDE = 32
_SMOOTHING_PX = 0.8
_SLOPES_OF_NOISE = {False: 0.164, True: 1.17}
"""Mean square slopes of white noise after that smoothing, in terms of its finest diagonal detail, without and
with a mosaic."""
_BLOCK = 16
_FLAT = 10
"""Percentile of blocks by their finest detail: the flattest hold noise alone."""
_LEAST_LEVEL = 2.0
_LEAST_SLOPES = 0.01


def sharpness(frame: Frame, part: Part = WHOLE) -> float | None:
    """Mean square slope without noise, in terms of the brightness: the Tenengrad measure (Krotkov 1987).

    Exposure does not change it. A blur of one pixel leaves 0.4 to 0.7 of it, one of four 0.05 to 0.2.

    Args:
        frame: Any pixel format that is not packed.
        part: Of the frame; of a large one its middle is taken.

    Returns:
        More than 0; None where there is nothing to judge by: in the dark, or nothing beyond the noise.

    """
    middle = _middle(frame, part)
    if min(middle.image.shape[:2]) < _LEAST_SIDE:
        return None
    luma = grey(middle).astype(np.float32)
    level = float(luma.mean())
    if level < _LEAST_LEVEL:
        return None
    smooth = cv2.GaussianBlur(luma, (0, 0), _SMOOTHING_PX)
    slopes = sum(float(np.mean(np.diff(smooth, axis=axis) ** 2)) for axis in (0, 1))
    noise = _SLOPES_OF_NOISE[frame.pixel_format.bayer] * _finest(luma)
    return (slopes - noise) / level**2 if slopes > 2 * noise + _LEAST_SLOPES else None


def _middle(frame: Frame, part: Part) -> Frame:
    """A part of a frame that keeps its mosaic, at most `_SIDE` px wide and high."""
    spans = []
    for start, share, side in zip(part[1::-1], part[3:1:-1], frame.image.shape[:2], strict=True):
        length = min(share * side, _SIDE)
        first = int(min(max((start + share / 2) * side - length / 2, 0), side)) // 2 * 2
        spans.append(slice(first, min(first + int(length) // 2 * 2, side)))
    return replace(frame, image=frame.image[spans[0], spans[1]])


def _finest(luma: FloatImage) -> float:
    """Mean square of the finest diagonal detail where there is least, as in noise of that variance."""
    fine = (luma[:-1, :-1] - luma[1:, :-1] - luma[:-1, 1:] + luma[1:, 1:]) ** 2
    h, w = (side // _BLOCK * _BLOCK for side in fine.shape)
    blocks = fine[:h, :w].reshape(h // _BLOCK, _BLOCK, w // _BLOCK, _BLOCK).mean(axis=(1, 3))
    return float(np.percentile(blocks, _FLAT)) / 4 if blocks.size else 0.0


class Best:
    """The highest figure of the last seconds.

    Args:
        clock: Seconds.

    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: deque[tuple[float, float]] = deque()

    def share(self, figure: float) -> float:
        """A new figure in terms of the highest, 0..1."""
        now = self._clock()
        # Older ones that are not higher can never again be the highest.
        while self._seen and self._seen[-1][1] <= figure:
            self._seen.pop()
        self._seen.append((now, figure))
        while self._seen[0][0] < now - REMEMBERED_S:
            self._seen.popleft()
        return figure / self._seen[0][1] if self._seen[0][1] > 0 else 1.0

    def forget(self) -> None:
        """Begin anew."""
        self._seen.clear()
