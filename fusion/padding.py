"""Sizes that networks take: pictures with their borders repeated, and cut out again."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def pad_to_multiple(planes: Tensor, multiple: int) -> Tensor:
    """Replicate the borders of (B, C, H, W), centred, up to multiples of `multiple`; any size works."""
    height, width = planes.shape[-2:]
    down, right = -height % multiple, -width % multiple
    return F.pad(planes, (right // 2, right - right // 2, down // 2, down - down // 2), mode="replicate")


def crop(planes: Tensor, height: int, width: int) -> Tensor:
    """Undo `pad_to_multiple`."""
    top, left = (planes.shape[-2] - height) // 2, (planes.shape[-1] - width) // 2
    return planes[..., top : top + height, left : left + width]
