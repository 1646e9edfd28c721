"""The fast network for live preview and for CPUs: per-pixel taps from a small U-Net at a quarter of the size.

Beyond the paper it has a path that carries only what the LSR camera lost, and one for what no reference
shows:
out = up + sum_i M1_i (filter_i(sharp_i) - matched_i) + M2_i (matched_i - up) + (1 - sum_i M1_i) R,
where `sharp` is the warped reference, `matched` the same after the LSR camera's loss of detail, and R is
detail that the LSR frame and others near it in time tell alone. With one reference, M1 = M2 and R = 0 this is
the blend of paper eq. 7. The flow comes from outside. Every reference goes through the same weights, so there
may be any number of them. Beyond a reference's edge its outermost pixels count: the masks learn what they are
worth.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fusion.agreement import MOST_LOGIT, agreement
from fusion.classical import DETAIL_SHARE, FLOOR, NOISE_TOLERANCE
from fusion.dynamic_filter import filter_padded, pad_for_taps
from fusion.folding import (
    SIDE,
    fold,
    in_bfloat16,
    in_single_precision,
    lay_out_for,
    multiplies_bfloat16,
    unfold,
)
from fusion.motion import side_by_side
from fusion.planes import PlaneMotion, nearest_planes
from fusion.resample import lose_detail_planes
from fusion.upscaler import Upscaler
from fusion.warp import backward_warp_border
from fusion.weights import load_weights

LAYOUT = "live"
"""Name of the layout in weights files."""

MULTIPLE = 16
"""Height and width must be multiples of this many pixels."""

_TAPS, _REACH = 25, 2
_PLANES = 19
_PLANES_BEFORE = 16
"""Of networks that did not look at neighbours, nor compared a reference with the guess."""
_WIDTHS = (48, 72, 96)
_SLOPE = 0.1
_FLOW_UNIT = 20.0
_ERROR_GAIN = 4.0
_NOISE_GAIN = 10.0
_START_BLEND = -4.0
_ADDED = ("guess.beside.", "guess.told.", "guess.blocks.4.", "guess.blocks.5.")
_STRIP = 15_000
"""Folded pixels whose taps are made and used at once, 26 MB of them: larger buffers the system clears and
takes back each time."""


class LiveReference(NamedTuple):
    """One reference, moved onto the frame; all (B, C, H, W).

    Attributes:
        sharp: (B, 3) moved picture in 0..1.
        matched: (B, 3) the same after the LSR camera's loss of detail there.
        flow: (B, 2) offset from each output pixel into the reference [px].
        counts: (B, 1) in 0..1, how much it counts beforehand: 0 where the reference does not show the scene,
            a half where it is moved in another way as well; None for 1 everywhere.

    """

    sharp: Tensor
    matched: Tensor
    flow: Tensor
    counts: Tensor | None = None


class LiveFused(NamedTuple):
    """What the network returns; all (B, C, H, W).

    Attributes:
        out: (B, 3) fused picture, nominally 0..1, not clamped.
        detail: (B, N) share of each reference's detail, M1.
        blend: (B, N) share of each reference's coarse picture, M2.
        weight: (B, 1) total weight W of the references in the sharp picture (paper eq. 12): the sum over
            references of M1 times the sum of the taps.
        guess: (B, 3) the upscaled frame with the detail that LSR frames alone tell.

    """

    out: Tensor
    detail: Tensor
    blend: Tensor
    weight: Tensor
    guess: Tensor


class _Found(NamedTuple):
    """What one reference has to offer; all (B, C, H, W): 3, 3, 1, 1 and 1 channels."""

    finer: Tensor
    difference: Tensor
    detail: Tensor
    blend: Tensor
    gain: Tensor


class LiveNet(nn.Module):
    """Small FusionNet on folded pixels, for any number of references.

    Args:
        scale: Output pixels per LSR pixel; only the start depends on it.

    """

    def __init__(self, scale: float = 4.0) -> None:
        super().__init__()
        self.tolerance = nn.Parameter(torch.tensor([DETAIL_SHARE / scale, FLOOR, NOISE_TOLERANCE]).log())
        first, second, third = _WIDTHS
        self.head = nn.Conv2d(_PLANES * SIDE**2, first, 3, padding=1)
        self.encoder = nn.ModuleList([_pair(first), _pair(second), _pair(third)])
        self.down = nn.ModuleList(
            [
                nn.Conv2d(first, second, 3, stride=2, padding=1),
                nn.Conv2d(second, third, 3, stride=2, padding=1),
            ]
        )
        self.narrow = nn.ModuleList([nn.Conv2d(third, second, 1), nn.Conv2d(second, first, 1)])
        self.decoder = nn.ModuleList([_pair(second), _pair(first)])
        self.tail = _Pointwise(first, (_TAPS + 2) * SIDE**2)
        self.guess = Upscaler()
        self._bfloat16 = False
        self._start_at_plain_transfer()

    def _start_at_plain_transfer(self) -> None:
        # Untrained, the network is `classical`: its detail and its confidence, nothing filtered or guessed.
        nn.init.normal_(self.tail.weight, std=1e-3)
        bias = torch.zeros(_TAPS + 2, SIDE**2)
        bias[_TAPS // 2] = 1.0
        bias[_TAPS + 1] = _START_BLEND
        with torch.no_grad():
            assert self.tail.bias is not None
            self.tail.bias.copy_(bias.flatten())

    def for_inference(self, device: str) -> LiveNet:
        """Itself on a device, laid out to run there fast; not to be trained any more."""
        self.to(device).eval()
        lay_out_for(device, self.head, self.encoder, self.down, self.narrow, self.decoder, self.guess)
        self._bfloat16 = multiplies_bfloat16(device)
        return self

    def forward(
        self,
        lsr_up: Tensor,
        references: Iterable[LiveReference],
        noise: float | Tensor = 0.0,
        neighbours: Iterable[Tensor] = (),
    ) -> LiveFused:
        """Fuse the references into one upscaled frame.

        Args:
            lsr_up: (B, 3, H, W) in 0..1; H and W multiples of 16.
            references: Any number, without any there is only the guess; each is looked at when it comes, and
                not kept.
            noise: Standard deviation of the LSR frame's noise, of values in 0..1, or (B, 1, 1, 1) of them.
            neighbours: See `Upscaler.forward`.

        Returns:
            The fused picture and the shares of the references.

        """
        noise = torch.zeros_like(lsr_up[:, :1]) + noise
        with in_bfloat16(self._bfloat16):
            guess = self.guess(lsr_up, neighbours)
        guessed = lsr_up + guess
        found = [self._look(lsr_up, guessed.detach(), reference, noise) for reference in references]
        nothing = noise[:, :0]
        detail = _shares(torch.cat([nothing, *(one.detail for one in found)], dim=1))
        blend = _shares(torch.cat([nothing, *(one.blend for one in found)], dim=1))
        out = lsr_up + (1 - detail.sum(dim=1, keepdim=True)) * guess
        weight = torch.zeros_like(lsr_up[:, :1])
        for index, one in enumerate(found):
            share = detail[:, index : index + 1]
            out = out + share * one.finer + blend[:, index : index + 1] * one.difference
            weight = weight + share * one.gain
        return LiveFused(out, detail, blend, weight, guessed)

    def _look(self, lsr_up: Tensor, guessed: Tensor, reference: LiveReference, noise: Tensor) -> _Found:
        sharp, matched = reference.sharp, reference.matched
        difference = matched - lsr_up
        agrees = agreement(sharp - matched, difference, noise, self.tolerance.exp())
        planes = (
            lsr_up,
            sharp,
            difference,
            difference.abs() * _ERROR_GAIN,
            reference.flow / _FLOW_UNIT,
            agrees.detach() / MOST_LOGIT,
            noise * _NOISE_GAIN,
            sharp - guessed,
        )
        written = self._write(self._features(planes), sharp)
        filtered, detail, blend, gain = torch.split(written, [3, 1, 1, 1], dim=1)
        detail = detail + agrees
        if reference.counts is not None:
            known = reference.counts.log()
            detail, blend = detail + known, blend + known
        return _Found(finer=filtered - matched, difference=difference, detail=detail, blend=blend, gain=gain)

    def _features(self, planes: Sequence[Tensor]) -> Tensor:
        """(B, C, H/4, W/4) of which the last layer makes taps and masks."""
        with in_bfloat16(self._bfloat16):
            x: Tensor = self.head(fold(planes, self.head.weight, bfloat16=self._bfloat16))
            skips = []
            for scale, convs in enumerate(self.encoder):
                if scale:
                    skips.append(x)
                    x = self.down[scale - 1](x)
                x = convs(x)
            for narrow, convs in zip(self.narrow, self.decoder, strict=True):
                x = F.interpolate(narrow(x), scale_factor=2, mode="bilinear", align_corners=False)
                x = convs(x + skips.pop())
        return x

    def _write(self, features: Tensor, sharp: Tensor) -> Tensor:
        """(B, 6, H, W): the filtered picture, the masks' logits, and the sum of each pixel's taps."""
        padded = pad_for_taps(sharp, _TAPS)
        batch, _, rows, columns = features.shape
        if not (features.is_cuda or torch.is_grad_enabled()):
            # All taps of a picture are eight times as large as the picture: few processors hold them at hand.
            rows = max(_STRIP // (batch * columns), 1)
        strips, top = [], 0
        for part in torch.split(features, rows, dim=2):
            # Taps need more digits than half precision has.
            with in_single_precision(part):
                raw = unfold(self.tail(part.float()))
            taps, masks = torch.split(raw, [_TAPS, 2], dim=1)
            bottom = top + raw.shape[2]
            filtered = filter_padded(padded[..., top : bottom + 2 * _REACH, :], taps)
            strips.append(torch.cat((filtered, masks, taps.sum(dim=1, keepdim=True)), dim=1))
            top = bottom
        return torch.cat(strips, dim=2)


class _Pointwise(nn.Conv2d):
    """A convolution of single pixels; of one picture as a product of matrices, in a fifth of the time."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > 1:
            return super().forward(x)
        assert self.bias is not None
        pixels = torch.addmm(self.bias[:, None], self.weight.flatten(1), x[0].flatten(1))
        return pixels.view(1, -1, *x.shape[2:])


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


@torch.no_grad()
def move_reference(image: Tensor, flow: Tensor, lsr_size: tuple[int, int]) -> LiveReference:
    """Move a reference onto the frame.

    Args:
        image: (B, 3, H, W) in 0..1, sharp.
        flow: (B, 2, H, W) offset from each output pixel into it [px].
        lsr_size: Rows and columns of the LSR frame.

    """
    sharp = backward_warp_border(image, flow)
    return LiveReference(sharp, lose_detail_planes(sharp, lsr_size), flow)


@torch.no_grad()
def move_both_ways(image: Tensor, flow: Tensor, lsr_size: tuple[int, int]) -> list[LiveReference]:
    """Move a reference as its flow says and, where that is another motion, as planes move (`fusion.planes`).

    Arguments are as for `move_reference`. Both together count as one; the second may be missing.
    """
    scale = flow.shape[-2] / lsr_size[0]
    flows = list(flow.permute(0, 2, 3, 1).contiguous().float().cpu().numpy())
    planes = side_by_side(lambda one: nearest_planes(one, scale), flows)
    moved = [move_reference(image, flow, lsr_size)]
    if any(planes):
        nowhere = np.zeros(flow.shape[-2:], np.bool_)
        pairs = [plane or PlaneMotion(one, nowhere) for one, plane in zip(flows, planes, strict=True)]
        motion = torch.from_numpy(np.stack([pair.flow for pair in pairs])).permute(0, 3, 1, 2)
        apart = torch.from_numpy(np.stack([pair.apart for pair in pairs]))[:, None]
        moved.append(move_reference(image, motion.to(flow.device), lsr_size))
        half = apart.to(flow.device) / 2
        moved = [one._replace(counts=counts) for one, counts in zip(moved, (1 - half, half), strict=True)]
    return moved


def load_live(path: Path) -> LiveNet:
    """The network of a weights file.

    Raises:
        WeightsError: The file is missing, damaged, or for another method.

    """
    network = LiveNet()
    fill_live(network, path)
    return network


def fill_live(network: LiveNet, path: Path) -> None:
    """Fill a network from a weights file, also one from before it looked at neighbours.

    Raises:
        WeightsError: The file is missing, damaged, or for another method.

    """
    load_weights(path, network, layout=LAYOUT, adapted=_grown)


def _grown(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights from before there were neighbours, with all that is new since; they do what they did."""
    if any(name.startswith(_ADDED) for name in state):
        return state
    # What is new begins by chance, to be trained; here always by the same.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        fresh = LiveNet().state_dict()
    head, whole = state.get("head.weight"), fresh["head.weight"]
    if head is None or head.shape != whole[:, : _PLANES_BEFORE * SIDE**2].shape:
        return state
    added = {name: tensor for name, tensor in fresh.items() if name.startswith(_ADDED)}
    wider = torch.cat((head.float(), torch.zeros_like(whole[:, head.shape[1] :])), dim=1)
    return {**state, **added, "head.weight": wider}
