"""AWnet: adaptive weighting of a warped sharp reference and the upscaled fast frame (paper 3.2)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from fusion.dynamic_filter import dynamic_filter
from fusion.errors import FusionInputError
from fusion.flownet import FlowNet
from fusion.fusionnet import FusionNet
from fusion.warp import backward_warp

TAPS = 25
MULTIPLE = 64
"""Height and width must be multiples of this many pixels."""


class Fused(NamedTuple):
    """What a fusion network returns; all (B, C, H, W).

    Attributes:
        out: (B, 3) fused picture, nominally 0..1, not clamped.
        warped: (B, 3) warped reference, zero where the reference does not reach.
        mask: (B, 1) share of the filtered reference, 0..1.
        taps: (B, 25) filter taps, row by row, unconstrained.
        flow: (B, 2) offset into the reference [px].
        weight: (B, 1) total weight W of the reference (paper eq. 12): mask times the sum of the taps. Nothing
            keeps it inside 0..1.

    """

    out: Tensor
    warped: Tensor
    mask: Tensor
    taps: Tensor
    flow: Tensor
    weight: Tensor


def check_inputs(reference: Tensor, lsr_up: Tensor, multiple: int = MULTIPLE) -> None:
    """Raise FusionInputError unless both are (B, 3, H, W) of one size, multiples of `multiple`."""
    if reference.ndim != 4 or reference.shape[1] != 3 or reference.shape != lsr_up.shape:
        raise FusionInputError(
            f"reference {tuple(reference.shape)} and upscaled frame {tuple(lsr_up.shape)} must both be "
            "(batch, 3, height, width) of the same size"
        )
    if reference.shape[2] % multiple or reference.shape[3] % multiple:
        raise FusionInputError(
            f"{reference.shape[3]}x{reference.shape[2]} pixels: width and height must be multiples of "
            f"{multiple}; pad the frames, or use Fuser, which does"
        )


class AWnet(nn.Module):
    """The published single-reference network: FlowNet, warp, FusionNet, dynamic filter, blend.

    As in the published model, the input of the U-Net is detached: FlowNet learns only through the filtered
    reference. Out-of-frame pixels of the reference get mask 0, so they show the upscaled frame.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flow = FlowNet()
        self.fusion = FusionNet(inputs=11, outputs=TAPS + 1)

    def forward(self, reference: Tensor, lsr_up: Tensor) -> Fused:
        """Fuse one reference into one upscaled frame.

        Args:
            reference: (B, 3, H, W) in 0..1; H and W multiples of 64.
            lsr_up: (B, 3, H, W) in 0..1, the frame to sharpen, already at the reference's size.

        Returns:
            The fused picture and how it came about.

        Raises:
            FusionInputError: Sizes differ or are not multiples of 64.

        """
        check_inputs(reference, lsr_up)
        flow = self.flow(lsr_up, reference)
        warped, valid = backward_warp(reference, flow)
        stack = torch.cat((warped, lsr_up, flow.to(warped.dtype), warped - lsr_up), dim=1).detach()
        raw = self.fusion(stack)
        return blend(warped, lsr_up, raw, valid, flow)


def blend(warped: Tensor, lsr_up: Tensor, raw: Tensor, valid: Tensor, flow: Tensor) -> Fused:
    """Filter the warped reference and mix it with the upscaled frame (paper eq. 5 to 7).

    Args:
        warped: (B, 3, H, W) warped reference.
        lsr_up: (B, 3, H, W) upscaled frame.
        raw: (B, 26, H, W) FusionNet's output: 25 taps, one mask before its sigmoid.
        valid: (B, 1, H, W) 1 where the warped reference is defined.
        flow: (B, 2, H, W), passed through.

    """
    taps = raw[:, :TAPS]
    mask = torch.sigmoid(raw[:, TAPS : TAPS + 1]) * valid
    out = mask * dynamic_filter(warped, taps) + (1 - mask) * lsr_up
    return Fused(out, warped, mask, taps, flow, mask * taps.sum(dim=1, keepdim=True))
