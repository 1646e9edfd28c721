"""Local correlation of two feature maps: the cost volume of PWC-Net (Sun et al., CVPR 2018, eq. 2)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def correlation(first: Tensor, second: Tensor, radius: int = 4) -> Tensor:
    """Mean over channels of the product of `first` with `second` shifted by every displacement.

    Args:
        first: (B, C, H, W) features of the output grid.
        second: (B, C, H, W) features searched; zero outside.
        radius: Largest displacement along one axis [px].

    Returns:
        (B, (2 * radius + 1)^2, H, W); displacements row by row, from (-radius, -radius) on.

    """
    height, width = first.shape[-2:]
    padded = F.pad(second, (radius, radius, radius, radius))
    side = 2 * radius + 1
    return torch.cat(
        [
            (first * padded[..., dy : dy + height, dx : dx + width]).mean(dim=1, keepdim=True)
            for dy in range(side)
            for dx in range(side)
        ],
        dim=1,
    )
