"""AWnet: adaptive weighting of warped sharp references and the upscaled fast frame (paper 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
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
    """What the network returns for N references; all (B, C, H, W).

    Attributes:
        out: (B, 3) fused picture, nominally 0..1, not clamped.
        warped: (B, 3 N) warped references, zero where a reference does not reach.
        mask: (B, N) share of each filtered reference, 0..1; the upscaled frame has the rest.
        taps: (B, 25 N) filter taps, row by row, unconstrained.
        flow: (B, 2 N) offsets into the references [px].
        weight: (B, 1) total weight W of the references (paper eq. 12): mask times the sum of the taps.
            Nothing keeps it inside 0..1.

    """

    out: Tensor
    warped: Tensor
    mask: Tensor
    taps: Tensor
    flow: Tensor
    weight: Tensor


def check_inputs(images: Sequence[Tensor], multiple: int = MULTIPLE) -> None:
    """Raise FusionInputError unless all are (B, 3, H, W) of one size, multiples of `multiple`."""
    shapes = {tuple(image.shape) for image in images}
    shape = images[0].shape
    if len(shapes) != 1 or len(shape) != 4 or shape[1] != 3:
        raise FusionInputError(
            f"references and upscaled frame of shapes {sorted(shapes)} must all be (batch, 3, height, width) "
            "of the same size"
        )
    if shape[2] % multiple or shape[3] % multiple:
        raise FusionInputError(
            f"{shape[3]}x{shape[2]} pixels: width and height must be multiples of {multiple}; pad the "
            "frames, or use Fuser, which does"
        )


class AWnet(nn.Module):
    """FlowNet, warp, FusionNet, dynamic filter, blend.

    With one reference it is the published network. As there, the input of the U-Net is detached: FlowNet
    learns only through the filtered reference. Out-of-frame pixels of a reference get mask 0, so they show
    the upscaled frame.

    With N references (paper 3.2.4, eq. 9) there are 25 N taps and N + 1 masks that sum to 1 (softmax). The
    paper leaves two things open: here all references share one FlowNet, and each adds to the U-Net's input
    what the only one adds (its warped picture, its flow, its difference from the frame).

    Args:
        references: Number of references N.

    """

    def __init__(self, references: int = 1) -> None:
        super().__init__()
        self.references = references
        self.flow = FlowNet()
        masks = 1 if references == 1 else references + 1
        self.fusion = FusionNet(inputs=3 + 8 * references, outputs=TAPS * references + masks)

    def forward(self, reference: Tensor, lsr_up: Tensor, *more: Tensor) -> Fused:
        """Fuse the references into one upscaled frame.

        Args:
            reference: (B, 3, H, W) in 0..1; H and W multiples of 64.
            lsr_up: (B, 3, H, W) in 0..1, the frame to sharpen, already at the reference's size.
            more: Further references, like the first.

        Returns:
            The fused picture and how it came about.

        Raises:
            FusionInputError: Sizes differ or are not multiples of 64, or another number of references.

        """
        references = (reference, *more)
        if len(references) != self.references:
            raise FusionInputError(f"made for {self.references} reference(s), given {len(references)}")
        check_inputs([*references, lsr_up])
        flows = [self.flow(lsr_up, image) for image in references]
        pairs = [backward_warp(image, flow) for image, flow in zip(references, flows, strict=True)]
        warped = [pair[0] for pair in pairs]
        differences = [image - lsr_up for image in warped]
        stack = torch.cat((*warped, lsr_up, *flows, *differences), dim=1).detach()
        raw = self.fusion(stack)
        return blend(warped, lsr_up, raw, [pair[1] for pair in pairs], flows)


def blend(
    warped: Sequence[Tensor], lsr_up: Tensor, raw: Tensor, valid: Sequence[Tensor], flow: Sequence[Tensor]
) -> Fused:
    """Filter the warped references and mix them with the upscaled frame (paper eq. 5 to 7, and 9).

    Args:
        warped: For each of N references (B, 3, H, W), warped.
        lsr_up: (B, 3, H, W) upscaled frame.
        raw: FusionNet's output (B, 25 N + masks, H, W). One reference has one mask, before its sigmoid; more
            have N + 1, before their softmax, the upscaled frame's last.
        valid: For each reference (B, 1, H, W), 1 where it is defined after warping.
        flow: For each reference (B, 2, H, W), passed through.

    """
    count = len(warped)
    taps, masks = raw[:, : TAPS * count], raw[:, TAPS * count :]
    shares = torch.sigmoid(masks) if count == 1 else torch.softmax(masks, dim=1)[:, :count]
    shares = shares * torch.cat(list(valid), dim=1)
    out = (1 - shares.sum(dim=1, keepdim=True)) * lsr_up
    weight = torch.zeros_like(lsr_up[:, :1])
    for index, image in enumerate(warped):
        own = taps[:, TAPS * index : TAPS * (index + 1)]
        share = shares[:, index : index + 1]
        out = out + share * dynamic_filter(image, own)
        weight = weight + share * own.sum(dim=1, keepdim=True)
    return Fused(out, torch.cat(list(warped), dim=1), shares, taps, torch.cat(list(flow), dim=1), weight)
