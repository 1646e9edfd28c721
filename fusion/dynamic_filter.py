"""Per-pixel filtering: every pixel has its own small kernel (paper eq. 6)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def dynamic_filter(image: Tensor, taps: Tensor) -> Tensor:
    """Filter each pixel's neighbourhood with that pixel's own taps, the same for all channels.

    The sum runs over shifted views, so no (K^2 * C)-channel buffer is ever made.

    Args:
        image: (B, C, H, W); borders are replicated.
        taps: (B, K^2, H, W), row by row; unconstrained.

    Returns:
        (B, C, H, W).

    """
    side = math.isqrt(taps.shape[1])
    pad = side // 2
    height, width = image.shape[-2:]
    padded = F.pad(image, (pad, pad, pad, pad), mode="replicate")
    out = torch.zeros_like(image)
    for tap in range(side * side):
        dy, dx = divmod(tap, side)
        out = out + padded[..., dy : dy + height, dx : dx + width] * taps[:, tap : tap + 1]
    return out
