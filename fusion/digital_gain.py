"""Dark pictures are looked at and fused as if they were bright.

A fast camera has little time for a frame, so what it films often fills a small part of the range. Motion
search, agreement and networks count in grey levels of pictures that fill it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from fusion.levels import ByteImage, Picture, to_bytes, to_floats

_MOST_GAIN = 16.0
_LEAST_GAIN = 2.5
"""Twice as bright gains 0.1 dB at scale 4 and loses 0.3 at scale 8 (docs/fusion.md)."""
_BLACK = 8.0
"""What is nowhere brighter is noise behind a lens cap."""
_BRIGHT = 230.0
_DAZZLING = 320.0
"""Brighter moments get less gain; a little above white does no harm, since nothing is clipped."""
_PERCENTILE = 99.9
"""Reflexes and hot pixels may be brighter."""
_SAMPLES = 400
"""Pixels along a side that are looked at."""


def brightness(picture: Picture) -> float:
    """How bright the brightest parts of a picture (H, W, 3) are, in 0..255."""
    rows, columns = (max(1, side // _SAMPLES) for side in picture.shape[:2])
    level = float(np.percentile(picture[::rows, ::columns], _PERCENTILE))
    return level / 257 if picture.dtype == np.uint16 else level


def digital_gain(levels: Iterable[float]) -> float:
    """How many times as bright pictures are to be looked at together; 1 where they are bright, or black.

    Args:
        levels: The `brightness` of each, at least one.

    """
    brightest = max(levels)
    gain = min(_MOST_GAIN, _BRIGHT / max(brightest, 1.0))
    return gain if gain >= _LEAST_GAIN and brightest >= _BLACK else 1.0


def gained(picture: Picture, gain: float) -> ByteImage:
    """A picture so many times as bright, of 8 bits."""
    if gain == 1 and picture.dtype == np.uint8:
        return picture.astype(np.uint8, copy=False)
    return to_bytes(to_floats(picture, gain))


def brightened(picture: Picture) -> tuple[ByteImage, float]:
    """A picture as it is compared with those of another camera: of 8 bits and not dark; and its gain."""
    gain = digital_gain([brightness(picture)])
    return gained(picture, gain), gain


def gain_of_moment(levels: Iterable[float], gain: float) -> float:
    """A clip's gain, or a half, a quarter and so on of it where a flash would become far too bright.

    Args:
        levels: The `brightness` of the pictures of a moment, not asked for where there is no gain.
        gain: The clip's.

    """
    if gain == 1:
        return gain
    brightest = max(levels)
    while gain > 1 and gain * brightest > _DAZZLING:
        gain = max(gain / 2, 1.0)
    return gain
