"""Per-pixel filtering: every pixel has its own small kernel (paper eq. 6)."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable


class _DynamicFilter(Function):
    """Sum of shifted views; autograd's own way through the slices fills a zeroed image for each of them."""

    @staticmethod
    def forward(ctx: Any, padded: Tensor, taps: Tensor) -> Tensor:
        ctx.save_for_backward(padded, taps)
        side = math.isqrt(taps.shape[1])
        height, width = taps.shape[-2:]
        out = torch.zeros_like(padded[..., :height, :width])
        for tap in range(side * side):
            dy, dx = divmod(tap, side)
            out.addcmul_(padded[..., dy : dy + height, dx : dx + width], taps[:, tap : tap + 1])
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor | None, Tensor | None]:
        padded, taps = ctx.saved_tensors
        gradient: Tensor = gradients[0]
        for_image, for_taps = ctx.needs_input_grad
        image_gradient = torch.zeros_like(padded) if for_image else None
        taps_gradient = torch.empty_like(taps) if for_taps else None
        side = math.isqrt(taps.shape[1])
        height, width = taps.shape[-2:]
        for tap in range(side * side):
            dy, dx = divmod(tap, side)
            rows, columns = slice(dy, dy + height), slice(dx, dx + width)
            if taps_gradient is not None:
                taps_gradient[:, tap] = (gradient * padded[..., rows, columns]).sum(dim=1)
            if image_gradient is not None:
                image_gradient[..., rows, columns].addcmul_(gradient, taps[:, tap : tap + 1])
        return image_gradient, taps_gradient


def dynamic_filter(image: Tensor, taps: Tensor) -> Tensor:
    """Filter each pixel's neighbourhood with that pixel's own taps, the same for all channels.

    No (K^2 * C)-channel buffer is made, neither forwards nor backwards.

    Args:
        image: (B, C, H, W); borders are replicated.
        taps: (B, K^2, H, W), row by row; unconstrained.

    Returns:
        (B, C, H, W).

    """
    return filter_padded(pad_for_taps(image, taps.shape[1]), taps)


def pad_for_taps(image: Tensor, count: int) -> Tensor:
    """(B, C, H, W) with its borders replicated as far as `count` taps, K^2 of them, reach."""
    pad = math.isqrt(count) // 2
    return F.pad(image, (pad, pad, pad, pad), mode="replicate")


def filter_padded(padded: Tensor, taps: Tensor) -> Tensor:
    """As `dynamic_filter`, for a picture, or a part of one, with as many pixels around it as taps reach."""
    if taps.stride(-1) != 1:
        # Of channels-last taps each pass below would read all to use one.
        taps = taps.contiguous(memory_format=torch.contiguous_format)
    filtered: Tensor = _DynamicFilter.apply(padded, taps)  # type: ignore[no-untyped-call]
    return filtered
