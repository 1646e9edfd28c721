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
_START_BLEND = -4.0
_DETAIL_SHARE = 2.0
_FLOOR = 0.007
_LEAST_ERROR = 1e-4
_MOST_LOGIT = 5.0


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
        scale: Output pixels per LSR pixel; only the start depends on it.

    """

    def __init__(self, references: int = 1, scale: float = 4.0) -> None:
        super().__init__()
        self.references = references
        self.tolerance = nn.Parameter(torch.tensor([_DETAIL_SHARE / scale, _FLOOR]).log())
        folded = (3 + 12 * references) * _FOLD**2
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
        # Untrained, the network is `classical`: its detail and its confidence, nothing filtered.
        nn.init.normal_(self.tail.weight, std=1e-3)
        bias = torch.zeros(self.references, _TAPS + 2, _FOLD**2)
        bias[:, _TAPS // 2] = 1.0
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
        planes, warped, agreement = [lsr_up], [], []
        for reference in references:
            with torch.no_grad():
                pair = torch.cat((reference.image, reference.matched), dim=1)
                both = backward_warp_border(pair, reference.flow)
            sharp, matched = both[:, :3], both[:, 3:]
            difference = matched - lsr_up
            agreement.append(self._agreement(sharp - matched, difference))
            planes += [sharp, difference, difference.abs() * _ERROR_GAIN, reference.flow / _FLOW_UNIT]
            planes.append(agreement[-1].detach() / _MOST_LOGIT)
            warped.append((sharp, matched, difference))
        raw = self._taps_and_masks(torch.cat(planes, dim=1))
        raw = raw.reshape(raw.shape[0], self.references, _TAPS + 2, *raw.shape[-2:])
        detail = _shares(raw[:, :, _TAPS] + torch.cat(agreement, dim=1))
        blend = _shares(raw[:, :, _TAPS + 1])
        out, weight = lsr_up, torch.zeros_like(lsr_up[:, :1])
        for index, (sharp, matched, difference) in enumerate(warped):
            taps = raw[:, index, :_TAPS]
            share = detail[:, index : index + 1]
            out = out + share * (dynamic_filter(sharp, taps) - matched)
            out = out + blend[:, index : index + 1] * difference
            weight = weight + share * taps.sum(dim=1, keepdim=True)
        return LiveFused(out, detail, blend, weight)

    def _agreement(self, detail: Tensor, difference: Tensor) -> Tensor:
        """Logit (B, 1, H, W) of the confidence that `classical` has in a reference's detail."""
        tolerance = self.tolerance.exp()
        allowed = tolerance[0] * _local_mean(detail) + tolerance[1]
        logit = 2 * (allowed.log() - (_local_mean(difference) + _LEAST_ERROR).log())
        return torch.clamp(logit, -_MOST_LOGIT, _MOST_LOGIT)

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


def _local_mean(planes: Tensor) -> Tensor:
    # Two boxes of 5 make a window of sigma 2.
    mean = planes.abs().mean(dim=1, keepdim=True)
    for _ in range(2):
        mean = F.avg_pool2d(mean, 5, stride=1, padding=2, count_include_pad=False)
    return mean


def _shares(logits: Tensor) -> Tensor:
    """Softmax over the references and "none of them" (logit 0); with one reference this is the sigmoid."""
    return torch.softmax(F.pad(logits, (0, 0, 0, 0, 0, 1)), dim=1)[:, :-1]
