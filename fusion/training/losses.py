"""What a fused picture costs in training: its error in PSNR's terms, after the correction that use makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from fusion.resample import back_project, lsr_trust
from fusion.warp import backward_warp

if TYPE_CHECKING:
    from fusion.training.degrade import Pictures
    from fusion.training.samples import Batch

GUESS_SHARE = 0.2
"""Of the error of what is guessed without references: behind a good one it would learn nothing."""

_LEAST_ERROR = 1e-5
_RATE = 0.005
"""Makes gradients about as long as those of the L1 norm, for which rate and clipping were chosen."""


def corrected_error(made: Tensor, seen: Pictures | Batch) -> Tensor:
    """Mean logarithm of each sample's squared error, corrected as in use: what PSNR is made of."""
    trust = lsr_trust(seen.variance).reshape(-1, 1, 1, 1)
    difference = back_project(made, seen.lsr, trust) - seen.target
    error: Tensor = _RATE * ((difference**2).mean(dim=(1, 2, 3)) + _LEAST_ERROR).log().mean()
    return error


def fetched_error(images: Sequence[Tensor], flows: Sequence[Tensor], target: Tensor) -> Tensor:
    """Mean L1 between moved references and the truth, where a reference reaches (paper eq. 10).

    Args:
        images: For each reference (B, 3, H, W) in 0..1.
        flows: For each reference (B, 2, H, W), from the truth's pixels into it [px].
        target: (B, 3, H, W) the truth.

    """
    total = target.new_zeros(())
    for image, flow in zip(images, flows, strict=True):
        warped, valid = backward_warp(image, flow)
        error = (warped - target).abs() * valid
        total = total + error.sum() / (3 * valid.sum()).clamp(min=1)
    return total / len(images)
