"""Backward warping with a hard validity mask (paper 3.2.2)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_VALID = 0.9999


def backward_warp(image: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
    """Fetch every output pixel from where the flow points in `image`.

    The grid is float32 whatever the image's type: in half precision the coordinates of a 4K frame round by
    up to half a pixel. Corners are aligned, so a zero flow is the identity.

    Args:
        image: (B, C, H, W).
        flow: (B, 2, H, W), x then y, in pixels, defined on the output grid.

    Returns:
        The warped image (B, C, H, W), zero where it is not valid, and the validity (B, 1, H, W), 1 where all
        four source pixels lie inside the image and 0 elsewhere.

    """
    planes = torch.cat((image.float(), torch.ones_like(image[:, :1], dtype=torch.float32)), dim=1)
    sampled = F.grid_sample(
        planes, _grid(flow, image.shape), mode="bilinear", padding_mode="zeros", align_corners=True
    )
    valid = (sampled[:, -1:] >= _VALID).float()
    return (sampled[:, :-1] * valid).to(image.dtype), valid.to(image.dtype)


def backward_warp_border(image: Tensor, flow: Tensor) -> Tensor:
    """As `backward_warp`, but bicubic; beyond the edge the outermost pixels count and everything is valid."""
    sampled = F.grid_sample(
        image.float(), _grid(flow, image.shape), mode="bicubic", padding_mode="border", align_corners=True
    )
    return sampled.to(image.dtype)


def _grid(flow: Tensor, size: torch.Size) -> Tensor:
    height, width = size[-2:]
    flow = flow.float()
    x = torch.arange(width, device=flow.device, dtype=torch.float32) + flow[:, 0]
    y = torch.arange(height, device=flow.device, dtype=torch.float32)[:, None] + flow[:, 1]
    return torch.stack((x * (2 / max(width - 1, 1)) - 1, y * (2 / max(height - 1, 1)) - 1), dim=-1)
