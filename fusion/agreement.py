"""How far a moved reference can be believed: what the LSR camera would leave of it, against what it saw."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

MOST_LOGIT = 5.0
_LEAST_ERROR = 1e-4


def agreement(detail: Tensor, difference: Tensor, noise: Tensor, tolerance: Tensor) -> Tensor:
    """Logit (B, 1, H, W) of the confidence that `classical` has in a reference's detail.

    Args:
        detail: (B, 3, H, W) what the LSR camera would lose of the moved reference.
        difference: (B, 3, H, W) what it would leave of it, less the upscaled frame.
        noise: (B, 1, H, W) standard deviation of the LSR frame's noise, of values in 0..1.
        tolerance: (3,) difference allowed for the detail at stake, always, and for the noise.

    Returns:
        At most `MOST_LOGIT` either way.

    """
    allowed = tolerance[0] * _local_mean(detail) + tolerance[1] + tolerance[2] * noise
    logit = 2 * (allowed.log() - (_local_mean(difference) + _LEAST_ERROR).log())
    return torch.clamp(logit, -MOST_LOGIT, MOST_LOGIT)


def _local_mean(planes: Tensor) -> Tensor:
    # Two boxes of 5 make a window of sigma 2.
    mean = planes.abs().mean(dim=1, keepdim=True)
    ones = torch.ones_like(mean[:1])
    inside = _sums(ones[..., :1], 2) * _sums(ones[..., :1, :], 3)
    for _ in range(2):
        mean = _sums(_sums(mean, 2), 3) / inside
    return mean


def _sums(x: Tensor, axis: int) -> Tensor:
    """Sums of five neighbours along an axis, nothing beyond the ends; `avg_pool2d` takes twice as long."""
    padded = F.pad(x, (2, 2) if axis == 3 else (0, 0, 2, 2))
    length = x.shape[axis]
    pairs = padded.narrow(axis, 0, length + 3) + padded.narrow(axis, 1, length + 3)
    fours = pairs.narrow(axis, 0, length) + pairs.narrow(axis, 2, length)
    return fours.add_(padded.narrow(axis, 4, length))
