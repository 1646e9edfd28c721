"""Resizing between the two streams' sizes, on the pixel-centre convention (x + 0.5) * s - 0.5."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

FloatImage = npt.NDArray[np.float32]
ByteImage = npt.NDArray[np.uint8]

NOISE_FREE = 1e-4
"""Variance of the LSR noise, of values in 0..1, below which frames count as clean."""

_BACK_PROJECTIONS = 2


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


def to_bytes(image: FloatImage) -> ByteImage:
    """Round a float picture in 0..255 to uint8, clipping what lies outside."""
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def back_projections_for(noise_variance: float) -> int:
    """Corrections with `back_project` that do good: none where the LSR frame is noisy."""
    return _BACK_PROJECTIONS if noise_variance < NOISE_FREE else 0


def back_project(planes: Tensor, lsr: Tensor, times: int) -> Tensor:
    """Correct a picture so that, reduced, it gives the LSR frame (Irani and Peleg 1991).

    Args:
        planes: (B, 3, H, W).
        lsr: (B, 3, h, w) in the same range.
        times: Number of corrections; 0 changes nothing.

    """
    for _ in range(times):
        small = F.interpolate(planes, size=lsr.shape[-2:], mode="bicubic", antialias=True)
        missing = F.interpolate(lsr - small, size=planes.shape[-2:], mode="bicubic", align_corners=False)
        planes = planes + missing
    return planes
