"""Lessons for flow networks: synthetic pairs with their true flow, and what a flow fetches on video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fusion.errors import TrainingError
from fusion.flownet import FLOW_UNIT, FlowNet
from fusion.levels import ByteImage
from fusion.live import move_reference
from fusion.padding import crop, pad_to_multiple
from fusion.training.clips import Clip
from fusion.training.crops import Crops, SampleOptions, draw_scale
from fusion.training.degrade import Pictures, degrade
from fusion.training.losses import fetched_error
from fusion.training.samples import Batch
from fusion.training.synthetic import TEXTURES, FlowSynthesis, SynthesisOptions, texture_bank
from fusion.warp import backward_warp

LEVEL_WEIGHTS = (1.0, 1.0, 1.0, 2.0, 4.0)
"""Of the flow's mean error at each level, coarsest first: PWC-Net's weights of the sums, per pixel."""

_TEXTURE_MARGIN = 1.5
_JUDGED_PAIRS = 8
_MULTIPLE = 64
_TRUST = 0.02
_FETCH_SHARE = 1.0


class Seed(NamedTuple):
    """All that has to be drawn beforehand where samples are made on the device."""

    seed: int


@dataclass(frozen=True, slots=True)
class Seeds:
    """Step number to seed; `run` tells runs apart."""

    run: int

    def __call__(self, step: int) -> Seed:
        """The seed of one step."""
        return Seed(self.run * 2**32 + step)


class FlowLevels(nn.Module):
    """A FlowNet that returns its flow at every level."""

    def __init__(self, flow: FlowNet) -> None:
        super().__init__()
        self.flow = flow

    def forward(self, image: Tensor, reference: Tensor) -> list[Tensor]:
        """See `FlowNet.coarse_to_fine`."""
        return self.flow.coarse_to_fine(self.flow.features(image), self.flow.features(reference))


def level_loss(levels: Sequence[Tensor], truth: Tensor) -> Tensor:
    """Weighted mean end-point error of all levels, in units of `FLOW_UNIT`, against (B, 2, H, W) [px]."""
    total = torch.zeros((), device=truth.device)
    for weight, flow in zip(LEVEL_WEIGHTS, levels, strict=True):
        wanted = F.interpolate(truth / FLOW_UNIT, flow.shape[-2:], mode="area")
        total = total + weight * torch.linalg.vector_norm(flow - wanted, dim=1).mean()
    return total / sum(LEVEL_WEIGHTS)


def warp_loss(network: nn.Module, pictures: Pictures, *, matched: bool) -> Tensor:
    """L1 between the warped references and the truth, where a reference reaches (paper eq. 10)."""
    seen = pictures.matched if matched else pictures.references
    flows = [network(pictures.lsr_up, given) for given in seen]
    return fetched_error(pictures.references, flows, pictures.target)


def teacher_loss(network: nn.Module, batch: Batch) -> Tensor:
    """Distance from DIS's flow where it can be trusted, and L1 of what the flow fetches.

    The trust is 1 where DIS fetches exactly what the frame shows, and falls with the square of its error.
    """
    total = torch.zeros((), device=batch.target.device)
    for image, matched, teacher in batch.references:
        own = network(batch.lsr_up, matched)
        fetched = move_reference(image, teacher, (batch.lsr.shape[-2], batch.lsr.shape[-1])).matched
        error = (fetched - batch.lsr_up).abs().mean(dim=1, keepdim=True)
        trust = torch.exp(-((error / _TRUST) ** 2))
        distance = torch.linalg.vector_norm(own - teacher, dim=1, keepdim=True) / FLOW_UNIT
        missed = fetched_error([image], [own], batch.target)
        total = total + (trust * distance).mean() + _FETCH_SHARE * missed
    return total / len(batch.references)


class FlowLessons:
    """Synthetic pairs, seen as a fusion network sees them.

    Args:
        pictures: Photos or frames, (H, W, 3) uint8.
        samples: What the LSR camera loses; the pairs' size is the crops'.
        matched: The network sees the second picture after the LSR camera's loss of detail.
        cutouts: (M, 4, H, W) uint8 objects, or None.
        synthesis: What pairs look like.
        batch: Pairs in a step.
        seed: Of all draws.

    Raises:
        TrainingError: The crops do not fit the network.

    """

    def __init__(
        self,
        pictures: Sequence[ByteImage],
        samples: SampleOptions,
        *,
        matched: bool,
        cutouts: Tensor | None = None,
        batch: int = 4,
        seed: int = 0,
    ) -> None:
        if any(side % _MULTIPLE for side in samples.crop):
            size = f"{samples.crop[1]}x{samples.crop[0]}"
            raise TrainingError(f"crops of {size}: flow networks need multiples of {_MULTIPLE} px")
        self._pictures, self._cutouts = pictures, cutouts
        self._samples, self._matched = samples, matched
        self.synthesis = SynthesisOptions(size=samples.crop)
        self._batch, self._seed = batch, seed
        self.sampler = Seeds(seed)
        self._made: dict[torch.device, FlowSynthesis] = {}

    def loss(self, network: nn.Module, batch: Seed) -> Tensor:
        """Error of a `FlowLevels` on the pairs of one step."""
        image, reference, truth = self._pair(batch.seed, self._batch, _device(network))
        return level_loss(network(image, reference), truth)

    @torch.inference_mode()
    def judge(self, network: FlowNet) -> dict[str, float]:
        """Mean end-point error [px] on pairs never trained on, and the mean motion in them."""
        image, reference, truth = self._pair(-1 - self._seed, _JUDGED_PAIRS, _device(network))
        found = network(image, reference)
        return {
            "epe": float(torch.linalg.vector_norm(found - truth, dim=1).mean()),
            "motion": float(torch.linalg.vector_norm(truth, dim=1).mean()),
        }

    def _pair(self, seed: int, batch: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """The upscaled first picture, the second as the network sees it, and the flow [px]."""
        if device not in self._made:
            height, width = (round(side * _TEXTURE_MARGIN) for side in self._samples.crop)
            count = TEXTURES if device.type == "cuda" else min(TEXTURES, 2 * len(self._pictures))
            textures = texture_bank(self._pictures, (height, width), count, self._seed).to(device)
            cutouts = None if self._cutouts is None else self._cutouts.to(device)
            self._made[device] = FlowSynthesis(textures, self.synthesis, cutouts)
        pair = self._made[device](batch, seed)
        scale = draw_scale(self._samples, np.random.default_rng(abs(seed)))
        seen = degrade(Crops(255 * pair.first, [255 * pair.second], seed, scale), self._samples)
        return seen.lsr_up, (seen.matched if self._matched else seen.references)[0], pair.flow


@torch.inference_mode()
def judge_warp(
    network: FlowNet, clips: Sequence[Clip], samples: SampleOptions, *, matched: bool
) -> dict[str, float]:
    """Mean PSNR [dB] of a warped reference two frames away, where it reaches, on clips never trained on."""
    values = []
    for clip in clips:
        middle = min(len(clip.frames) // 2, len(clip.frames) - 3)
        rows, columns = (side - side % _MULTIPLE or side for side in clip.frames.shape[1:3])
        target, reference = (
            torch.from_numpy(clip.frames[k][:rows, :columns].copy()).permute(2, 0, 1)[None]
            for k in (middle, middle + 2)
        )
        device = _device(network)
        pictures = degrade(Crops(target.to(device), [reference.to(device)], 0), samples)
        seen = pictures.matched if matched else pictures.references
        flow = network(*(pad_to_multiple(planes, _MULTIPLE) for planes in (pictures.lsr_up, seen[0])))
        warped, valid = backward_warp(pictures.references[0], crop(flow, rows, columns))
        error = ((warped - pictures.target) ** 2 * valid).sum() / (3 * valid.sum()).clamp(min=1)
        values.append(float(-10 * torch.log10(error.clamp(min=1e-10))))
    return {"warp_psnr": sum(values) / len(values)} if values else {}


def _device(network: nn.Module) -> torch.device:
    return next(network.parameters()).device
