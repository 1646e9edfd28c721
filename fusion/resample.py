"""Resizing between the two streams' sizes, on the pixel-centre convention (x + 0.5) * s - 0.5."""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

FloatImage = npt.NDArray[np.float32]
ByteImage = npt.NDArray[np.uint8]
Picture = ByteImage | npt.NDArray[np.uint16]
"""As cameras give it: values in 0..255, or in 0..65535."""

_Number = TypeVar("_Number", float, Tensor)

BACK_PROJECTIONS = 2
"""Corrections after which further ones change little."""

_OF_16_BITS = 257
"""Of these steps one of 8 bits is made."""

_THIRDS = np.full((1, 3), 1 / 3, np.float32)
_HALF_TRUSTED = 1.5e-5
_LEAST_TRUST = 0.1


def upscale(image: ByteImage | FloatImage, height: int, width: int) -> FloatImage:
    """Enlarge by bicubic interpolation (Keys, a = -0.75), borders replicated.

    Args:
        image: (h, w, 3) or (h, w), any range.
        height: Rows of the result.
        width: Columns of the result.

    Returns:
        float32 in the same range; overshoots are kept.

    """
    enlarged = cv2.resize(image.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(enlarged, dtype=np.float32)


def downscale(image: ByteImage | FloatImage, height: int, width: int) -> FloatImage:
    """Reduce by anti-aliased bicubic filtering (a = -0.5): a camera with fewer pixels on the same field.

    Args:
        image: (H, W, 3), any range.
        height: Rows of the result.
        width: Columns of the result.

    Returns:
        (height, width, 3) float32 in the same range.

    """
    planes = torch.from_numpy(np.ascontiguousarray(image, dtype=np.float32)).permute(2, 0, 1)[None]
    small = F.interpolate(planes, size=(height, width), mode="bicubic", antialias=True)
    return np.ascontiguousarray(small[0].permute(1, 2, 0).numpy())


def lose_detail(image: FloatImage, lsr_size: tuple[int, int]) -> FloatImage:
    """What is left of a picture (H, W) or (H, W, C) after the LSR camera: reduced, and enlarged again."""
    height, width = image.shape[:2]
    planes = image.reshape(height, width, -1)
    return upscale(downscale(planes, *lsr_size), height, width).reshape(image.shape)


def lose_detail_planes(planes: Tensor, lsr_size: tuple[int, int]) -> Tensor:
    """As `lose_detail`, for (B, C, H, W) on any device."""
    small = F.interpolate(planes, size=lsr_size, mode="bicubic", antialias=True)
    return F.interpolate(small, size=planes.shape[-2:], mode="bicubic", align_corners=False)


def channel_mean(image: FloatImage) -> FloatImage:
    """Mean (H, W) of the channels of (H, W, 3); numpy's takes six times as long."""
    return np.asarray(cv2.transform(image, _THIRDS), dtype=np.float32)


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


def lsr_trust(noise_variance: _Number) -> _Number:
    """Share of an LSR frame's disagreement with the result that is worth correcting, for `back_project`.

    All of it where the frame is clean, half where its noise is as strong as the result's own error, nothing
    where noise is all there is. The variance is of values in 0..1.
    """
    trust = _HALF_TRUSTED / (_HALF_TRUSTED + noise_variance)
    return trust * (trust >= _LEAST_TRUST)


def back_project(planes: Tensor, lsr: Tensor, trust: float | Tensor) -> Tensor:
    """Correct a picture so that, reduced, it comes nearer to the LSR frame (Irani and Peleg 1991).

    Args:
        planes: (B, 3, H, W).
        lsr: (B, 3, h, w) in the same range.
        trust: Share in 0..1 of the disagreement to correct, or (B, 1, 1, 1) of them; see `lsr_trust`.

    """
    if isinstance(trust, float) and not trust:
        return planes
    for _ in range(BACK_PROJECTIONS):
        small = F.interpolate(planes, size=lsr.shape[-2:], mode="bicubic", antialias=True)
        missing = F.interpolate(lsr - small, size=planes.shape[-2:], mode="bicubic", align_corners=False)
        planes = planes + trust * missing
    return planes
