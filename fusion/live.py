"""The fast network for live preview and for CPUs: per-pixel taps from a small U-Net at a quarter of the size.

Beyond the paper it has a path that carries only what the LSR camera lost:
out = up + sum_i M1_i (filter_i(warp(ref_i)) - warp(matched_i)) + M2_i (warp(matched_i) - up),
where `matched` is the reference after the LSR camera's loss of detail. With one reference and M1 = M2 this
is the blend of paper eq. 7. The flow comes from outside, from any method on the resolution-matched pair.
Beyond the reference's edge its outermost pixels count: the masks learn what they are worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fusion.dynamic_filter import dynamic_filter
from fusion.warp import backward_warp_border

MULTIPLE = 16
"""Height and width must be multiples of this many pixels."""

_TAPS = 25
_FOLD = 4
_WIDTHS = (48, 72, 96)
_SLOPE = 0.1
_FLOW_UNIT = 20.0
_ERROR_GAIN = 4.0
_START_DETAIL = 1.0
_START_BLEND = -3.0


class LiveReference(NamedTuple):
    """One reference with its flow; all (B, C, H, W).

    Attributes:
        image: (B, 3) sharp picture in 0..1.
        matched: (B, 3) the same after the LSR camera's loss of detail.
        flow: (B, 2) offset from each output pixel into the reference [px].

    """

    image: Tensor
    matched: Tensor
    flow: Tensor


class LiveFused(NamedTuple):
    """What the network returns; all (B, C, H, W).

    Attributes:
        out: (B, 3) fused picture, nominally 0..1, not clamped.
        detail: (B, N) share of each reference's detail, M1.
        blend: (B, N) share of each reference's coarse picture, M2.
        weight: (B, 1) total weight W of the references in the sharp picture (paper eq. 12): the sum over
            references of M1 times the sum of the taps.

    """

    out: Tensor
    detail: Tensor
    blend: Tensor
    weight: Tensor


class LiveNet(nn.Module):
    """Small FusionNet on folded pixels.

    Args:
        references: Number of references N.

    """

    def __init__(self, references: int = 1) -> None:
        super().__init__()
        self.references = references
        folded = (3 + 11 * references) * _FOLD**2
        first, second, third = _WIDTHS
        self.head = nn.Conv2d(folded, first, 3, padding=1)
        self.encoder = nn.ModuleList([_pair(first), _pair(second), _pair(third)])
        self.down = nn.ModuleList(
            [
                nn.Conv2d(first, second, 3, stride=2, padding=1),
                nn.Conv2d(second, third, 3, stride=2, padding=1),
            ]
        )
        self.narrow = nn.ModuleList([nn.Conv2d(third, second, 1), nn.Conv2d(second, first, 1)])
        self.decoder = nn.ModuleList([_pair(second), _pair(first)])
        self.tail = nn.Conv2d(first, references * (_TAPS + 2) * _FOLD**2, 1)
        self._start_at_plain_transfer()

    def _start_at_plain_transfer(self) -> None:
        # Untrained, the network is plain high-frequency transfer: a dim picture teaches nothing.
        nn.init.normal_(self.tail.weight, std=1e-3)
        bias = torch.zeros(self.references, _TAPS + 2, _FOLD**2)
        bias[:, _TAPS // 2] = 1.0
        bias[:, _TAPS] = _START_DETAIL
        bias[:, _TAPS + 1] = _START_BLEND
        with torch.no_grad():
            assert self.tail.bias is not None
            self.tail.bias.copy_(bias.flatten())

    def forward(self, lsr_up: Tensor, references: Sequence[LiveReference]) -> LiveFused:
        """Fuse the references into one upscaled frame.

        Args:
            lsr_up: (B, 3, H, W) in 0..1; H and W multiples of 16.
            references: As many as the network was made for.

        Returns:
            The fused picture and the shares of the references.

        """
        planes, warped = [lsr_up], []
        for reference in references:
            with torch.no_grad():
                pair = torch.cat((reference.image, reference.matched), dim=1)
                both = backward_warp_border(pair, reference.flow)
            sharp, matched = both[:, :3], both[:, 3:]
            difference = matched - lsr_up
            planes += [sharp, difference, difference.abs() * _ERROR_GAIN, reference.flow / _FLOW_UNIT]
            warped.append((sharp, matched, difference))
        raw = self._taps_and_masks(torch.cat(planes, dim=1))
        raw = raw.reshape(raw.shape[0], self.references, _TAPS + 2, *raw.shape[-2:])
        detail = _shares(raw[:, :, _TAPS])
        blend = _shares(raw[:, :, _TAPS + 1])
        out, weight = lsr_up, torch.zeros_like(lsr_up[:, :1])
        for index, (sharp, matched, difference) in enumerate(warped):
            taps = raw[:, index, :_TAPS]
            share = detail[:, index : index + 1]
            out = out + share * (dynamic_filter(sharp, taps) - matched)
            out = out + blend[:, index : index + 1] * difference
            weight = weight + share * taps.sum(dim=1, keepdim=True)
        return LiveFused(out, detail, blend, weight)

    def _taps_and_masks(self, planes: Tensor) -> Tensor:
        x = self.head(F.pixel_unshuffle(planes, _FOLD))
        skips = []
        for scale, convs in enumerate(self.encoder):
            if scale:
                skips.append(x)
                x = self.down[scale - 1](x)
            x = convs(x)
        for narrow, convs in zip(self.narrow, self.decoder, strict=True):
            x = F.interpolate(narrow(x), scale_factor=2, mode="bilinear", align_corners=False)
            x = convs(x + skips.pop())
        return F.pixel_shuffle(self.tail(x), _FOLD)


def _pair(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1),
        nn.LeakyReLU(_SLOPE),
        nn.Conv2d(width, width, 3, padding=1),
        nn.LeakyReLU(_SLOPE),
    )


def _shares(logits: Tensor) -> Tensor:
    """Softmax over the references and "none of them" (logit 0); with one reference this is the sigmoid."""
    return torch.softmax(F.pad(logits, (0, 0, 0, 0, 0, 1)), dim=1)[:, :-1]
