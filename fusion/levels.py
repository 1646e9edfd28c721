"""Levels of pictures: as cameras give them, of 8 or 16 bits, and as floats of one range. Loads no torch."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

FloatImage = npt.NDArray[np.float32]
ByteImage = npt.NDArray[np.uint8]
Picture = ByteImage | npt.NDArray[np.uint16]
"""As cameras give it: values in 0..255, or in 0..65535."""

_OF_16_BITS = 257
"""Of these steps one of 8 bits is made."""

_THIRDS = np.full((1, 3), 1 / 3, np.float32)


def to_bytes(image: FloatImage) -> ByteImage:
    """Round a float picture in 0..255 to uint8, clipping what lies outside."""
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def to_floats(picture: Picture | FloatImage, gain: float = 1.0) -> FloatImage:
    """A picture of 8 or 16 bits, or of floats in 0..255, as float32 in 0..255, or brighter; a copy."""
    floats = picture.astype(np.float32)
    factor = gain / _OF_16_BITS if picture.dtype == np.uint16 else gain
    if factor != 1:
        floats *= np.float32(factor)
    return floats


def to_depth_of(given: Picture, image: FloatImage, gain: float = 1.0) -> Picture:
    """Round what `to_floats` has made to as many bits as a given picture has, clipping what lies outside."""
    if given.dtype == np.uint16:
        return np.asarray(np.clip(np.rint(image * np.float32(_OF_16_BITS / gain)), 0, 65535), np.uint16)
    return to_bytes(image if gain == 1 else image / np.float32(gain))


def channel_mean(image: FloatImage) -> FloatImage:
    """Mean (H, W) of the channels of (H, W, 3); numpy's takes six times as long."""
    return np.asarray(cv2.transform(image, _THIRDS), dtype=np.float32)
