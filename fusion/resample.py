"""Resizing between the two streams' sizes, on the pixel-centre convention (x + 0.5) * s - 0.5."""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fusion.levels import ByteImage, FloatImage

_Number = TypeVar("_Number", float, Tensor)

BACK_PROJECTIONS = 2
"""Corrections after which further ones change little."""

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
