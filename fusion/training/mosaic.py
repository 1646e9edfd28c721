"""What a colour mosaic leaves of a picture: one colour in each pixel, the other two filled in."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# Malvar, He and Cutler, "High-quality linear interpolation for demosaicing of Bayer-patterned color images"
# (ICASSP 2004), figure 2, in eighths.
_GREEN = ((0, 0, -1, 0, 0), (0, 0, 2, 0, 0), (-1, 2, 4, 2, -1), (0, 0, 2, 0, 0), (0, 0, -1, 0, 0))
_ALONG = ((0, 0, 0.5, 0, 0), (0, -1, 0, -1, 0), (-1, 4, 5, 4, -1), (0, -1, 0, -1, 0), (0, 0, 0.5, 0, 0))
_ACROSS = tuple(zip(*_ALONG, strict=True))
_OPPOSITE = ((0, 0, -1.5, 0, 0), (0, 2, 0, 2, 0), (-1.5, 0, 6, 0, -1.5), (0, 2, 0, 2, 0), (0, 0, -1.5, 0, 0))


def sample(image: Tensor) -> Tensor:
    """What the pixels of an RGGB mosaic see of (B, 3, H, W): (B, 1, H, W)."""
    red, blue = _sites(image)
    return torch.where(red, image[:, :1], torch.where(blue, image[:, 2:], image[:, 1:2]))


def fill(mosaic: Tensor) -> Tensor:
    """All three colours (B, 3, H, W) of an RGGB mosaic (B, 1, H, W), not clipped."""
    kernels = mosaic.new_tensor([_GREEN, _ALONG, _ACROSS, _OPPOSITE])[:, None] / 8
    filled = F.conv2d(F.pad(mosaic, (2, 2, 2, 2), mode="reflect"), kernels)
    green, along, across, opposite = (filled[:, k : k + 1] for k in range(4))
    red, blue = _sites(mosaic)
    # A green pixel's red neighbours lie in its row where the row holds red, else in its column.
    rows = red.any(dim=-1, keepdim=True)
    return torch.cat(
        (
            torch.where(red, mosaic, torch.where(blue, opposite, torch.where(rows, along, across))),
            torch.where(red | blue, green, mosaic),
            torch.where(blue, mosaic, torch.where(red, opposite, torch.where(rows, across, along))),
        ),
        dim=1,
    )


def _sites(image: Tensor) -> tuple[Tensor, Tensor]:
    """Where red and where blue is seen, each (1, 1, H, W) bool."""
    height, width = image.shape[-2:]
    odd_row = (torch.arange(height, device=image.device) % 2 == 1)[:, None]
    odd_column = (torch.arange(width, device=image.device) % 2 == 1)[None]
    return (~odd_row & ~odd_column)[None, None], (odd_row & odd_column)[None, None]
