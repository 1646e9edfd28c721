"""Local correlation of two feature maps: the cost volume of PWC-Net (Sun et al., CVPR 2018, eq. 2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable


class _SmallSteps(Function):
    """One displacement after the other, written into one buffer: what a CPU's caches like.

    Autograd's own way keeps a zeroed map for every displacement.
    """

    @staticmethod
    def forward(ctx: Any, first: Tensor, padded: Tensor, radius: int) -> Tensor:
        ctx.save_for_backward(first, padded)
        ctx.radius = radius
        batch, _, height, width = first.shape
        volume = first.new_empty(batch, (2 * radius + 1) ** 2, height, width)
        for index, rows, columns in _displacements(radius, height, width):
            torch.mean(first * padded[..., rows, columns], dim=1, out=volume[:, index])
        return volume

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor | None, Tensor | None, None]:
        first, padded = ctx.saved_tensors
        scaled: Tensor = gradients[0] / first.shape[1]
        for_first, for_padded, _ = ctx.needs_input_grad
        first_gradient = torch.zeros_like(first) if for_first else None
        padded_gradient = torch.zeros_like(padded) if for_padded else None
        for index, rows, columns in _displacements(ctx.radius, *first.shape[-2:]):
            share = scaled[:, index : index + 1]
            if first_gradient is not None:
                first_gradient.addcmul_(share, padded[..., rows, columns])
            if padded_gradient is not None:
                padded_gradient[..., rows, columns].addcmul_(share, first)
        return first_gradient, padded_gradient, None


class _WholeRows(Function):
    """A row of displacements at a time, through overlapping windows: few launches for a GPU."""

    @staticmethod
    def forward(ctx: Any, first: Tensor, padded: Tensor, radius: int) -> Tensor:
        ctx.save_for_backward(first, padded)
        ctx.radius = radius
        side, (height, width) = 2 * radius + 1, first.shape[-2:]
        rows = []
        for dy in range(side):
            windows = padded[..., dy : dy + height, :].unfold(3, width, 1)
            rows.append((first.unsqueeze(3) * windows).mean(dim=1).transpose(1, 2))
        return torch.cat(rows, dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor | None, Tensor | None, None]:
        first, padded = ctx.saved_tensors
        scaled: Tensor = gradients[0] / first.shape[1]
        side, (height, width) = 2 * ctx.radius + 1, first.shape[-2:]
        wide = width + side - 1
        first_gradient, padded_gradient = torch.zeros_like(first), torch.zeros_like(padded)
        # Window i of these is `first` shifted to the right by i, as the displacement i sees it.
        shifted = F.pad(first, (side - 1, side - 1)).unfold(3, wide, 1).flip(3)
        for dy in range(side):
            share = scaled[:, dy * side : (dy + 1) * side]
            windows = padded[..., dy : dy + height, :].unfold(3, width, 1)
            first_gradient += (share.transpose(1, 2).unsqueeze(1) * windows).sum(dim=3)
            moved = _staggered(F.pad(share, (side - 1, side - 1)), wide)
            padded_gradient[..., dy : dy + height, :] += (moved.unsqueeze(1) * shifted).sum(dim=3)
        return first_gradient, padded_gradient, None


def _staggered(planes: Tensor, wide: int) -> Tensor:
    """(B, S, H, W) as (B, H, S, wide), a view: plane i begins at column S - 1 - i."""
    planes = planes.contiguous()
    batch, side, height, _ = planes.shape
    per_sample, per_plane, per_row, _ = planes.stride()
    return planes.as_strided(
        (batch, height, side, wide),
        (per_sample, per_row, per_plane - 1, 1),
        planes.storage_offset() + side - 1,
    )


def _displacements(radius: int, height: int, width: int) -> Iterator[tuple[int, slice, slice]]:
    side = 2 * radius + 1
    for index in range(side * side):
        dy, dx = divmod(index, side)
        yield index, slice(dy, dy + height), slice(dx, dx + width)


def correlation(first: Tensor, second: Tensor, radius: int = 4, *, rows: bool | None = None) -> Tensor:
    """Mean over channels of the product of `first` with `second` shifted by every displacement.

    Args:
        first: (B, C, H, W) features of the output grid.
        second: (B, C, H, W) features searched; zero outside.
        radius: Largest displacement along one axis [px].
        rows: Compute whole rows of displacements at a time, which suits GPUs; None: on a GPU only.

    Returns:
        (B, (2 * radius + 1)^2, H, W); displacements row by row, from (-radius, -radius) on.

    """
    padded = F.pad(second, (radius, radius, radius, radius))
    way = _WholeRows if (first.is_cuda if rows is None else rows) else _SmallSteps
    volume: Tensor = way.apply(first, padded, radius)  # type: ignore[no-untyped-call]
    return volume
