"""The recipe of `awnet`: four steps (paper 3.3), their losses, and their shortened form.

0: FlowNet on synthetic flow. The paper starts from published PWC-Net weights instead.
1: FlowNet on video, by what its flow fetches from the reference (eq. 10).
2: FusionNet on video, FlowNet as it is (eq. 11).
3: both together (eq. 11).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fusion.awnet import AWnet
from fusion.flownet import FLOW_UNIT, FlowNet
from fusion.inference import AWnetSynthesiser
from fusion.training.clips import Clip
from fusion.training.crops import Crops, CropSampler, SampleOptions
from fusion.training.degrade import Pictures, degrade
from fusion.training.judging import judge
from fusion.training.loop import LoopOptions, Trainer
from fusion.training.recipe import described
from fusion.training.schedule import Schedule
from fusion.training.synthetic import FlowSynthesis, SynthesisOptions, texture_bank
from fusion.warp import backward_warp

LEVEL_WEIGHTS = (1.0, 1.0, 1.0, 2.0, 4.0)
"""Of the flow's mean error at each level, coarsest first: PWC-Net's weights of the sums, per pixel."""

_TEXTURES = 256
_TEXTURE_MARGIN = 1.5
_JUDGED_PAIRS = 8


_CONSTANT = Schedule(cooldown=0.0, warm_up=1)
_BRISK = Schedule(cooldown=0.5, warm_up=100)


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the recipe.

    Attributes:
        steps: Steps in full.
        share: Share of the time in the shortened form.
        learning_rate: The highest.
        slow: Share of the rate for FlowNet where both networks learn, and for the last layer if `calm`.
        schedule: How the rate goes.

    """

    steps: int
    share: float
    learning_rate: float
    slow: float = 1.0
    schedule: Schedule = _CONSTANT


PUBLISHED = (
    Stage(200_000, 0.0, 1e-4),
    Stage(40_000, 0.0, 1e-6),
    Stage(100_000, 0.0, 1e-4),
    Stage(100_000, 0.0, 1e-5, slow=0.3),
)
"""Steps and rates of the paper, batches of 4 crops of 256x384; step 0, which it has not, is ours."""

SHORT = (
    Stage(0, 0.40, 3e-4, schedule=_BRISK),
    Stage(0, 0.05, 3e-5, schedule=_BRISK),
    Stage(0, 0.25, 3e-4, slow=0.2, schedule=_BRISK),
    Stage(0, 0.30, 2e-4, slow=0.3, schedule=_BRISK),
)
"""For a time budget: higher rates that end at zero, and how the time is split."""


class _Seed(NamedTuple):
    seed: int


@dataclass(frozen=True, slots=True)
class _Seeds:
    """Synthetic pairs are made on the device: all that has to be drawn beforehand is their seed."""

    run: int

    def __call__(self, step: int) -> _Seed:
        return _Seed(self.run * 2**32 + step)


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
    total = pictures.target.new_zeros(())
    seen = pictures.matched if matched else pictures.references
    for image, given in zip(pictures.references, seen, strict=True):
        warped, valid = backward_warp(image, network(pictures.lsr_up, given))
        error = (warped - pictures.target).abs() * valid
        total = total + error.sum() / (3 * valid.sum()).clamp(min=1)
    return total / len(pictures.references)


def fusion_loss(network: nn.Module, pictures: Pictures, *, matched: bool) -> Tensor:
    """L1 between the fused picture and the truth (paper eq. 11)."""
    fused = network(
        pictures.references[0],
        pictures.lsr_up,
        *pictures.references[1:],
        matched=pictures.matched if matched else (),
    )
    error: Tensor = (fused.out - pictures.target).abs().mean()
    return error


class AWnetRecipe:
    """Sets up the training of each step on one network.

    Args:
        network: The network; a finished step leaves its averaged weights in it.
        clips: Footage to learn from.
        validation: Footage never trained on; may be empty.
        pictures: Photos or frames for synthetic flow, (H, W, 3) uint8.
        samples: What samples look like; crops in multiples of 64.
        cutouts: (M, 4, H, W) uint8 objects for synthetic flow, or None.
        synthesis: What synthetic pairs look like; their size is the crops'.
        batch: Samples in a step.
        seed: Of all draws.
        calm: The last layer learns as slowly as FlowNet does: a small step of every tap at once is a large
            step of their sum. Not so in the paper.

    """

    def __init__(
        self,
        network: AWnet,
        clips: Sequence[Clip],
        validation: Sequence[Clip],
        pictures: Sequence[Any],
        samples: SampleOptions,
        *,
        cutouts: Tensor | None = None,
        synthesis: SynthesisOptions | None = None,
        batch: int = 4,
        seed: int = 0,
        calm: bool = True,
    ) -> None:
        self.network, self._calm = network, calm
        self._clips, self._validation = clips, validation
        self._pictures, self._cutouts = pictures, cutouts
        self._samples = samples
        self._synthesis = replace(synthesis or SynthesisOptions(), size=samples.crop)
        self._batch, self._seed = batch, seed
        self._made: dict[torch.device, FlowSynthesis] = {}

    def trainer(self, stage: int, folder: Path, loop: LoopOptions) -> Trainer:
        """The training of one step, 0 to 3, in its own folder; see `Trainer`."""
        network, samples = self.network, self._samples
        identity = {
            "network": network.layout,
            "stage": stage,
            "samples": asdict(samples),
            "synthesis": asdict(self._synthesis),
            "batch": self._batch,
            "seed": self._seed,
            "clips": described(self._clips),
        }
        learns, sampler, loss, validate = self._parts(stage, folder)
        network.requires_grad_(True)
        network.flow.requires_grad_(stage != 2)
        return Trainer(
            learns,
            sampler,
            loss,
            folder,
            loop,
            identity=identity,
            slow=self._slow(stage),
            validate=validate,
        )

    def _slow(self, stage: int) -> list[nn.Parameter]:
        slow = list(self.network.flow.parameters()) if stage == 3 else []
        if self._calm and stage >= 2:
            slow += list(self.network.fusion.tail.parameters())
        return slow

    def _parts(
        self, stage: int, folder: Path
    ) -> tuple[nn.Module, Callable[[int], Any], Callable[[nn.Module, Any], Tensor], Any]:
        samples, matched = self._samples, self.network.matched
        if stage == 0:
            return (
                FlowLevels(self.network.flow),
                _Seeds(self._seed),
                self._synthetic_loss,
                self._judge_flow,
            )
        crops = CropSampler(self._clips, samples, batch=self._batch, seed=self._seed + stage)
        if stage == 1:
            return (
                self.network.flow,
                crops,
                lambda net, given: warp_loss(net, degrade(given, samples), matched=matched),
                self._judge_warp if self._validation else None,
            )

        def validate(averaged: nn.Module, step: int) -> dict[str, float]:
            assert isinstance(averaged, AWnet)
            device = next(averaged.parameters()).device.type
            return judge(
                AWnetSynthesiser(averaged, device),
                self._validation,
                samples.scale,
                folder / f"step_{step:06d}.png",
                noise_variance=samples.noise_variance,
            )

        return (
            self.network,
            crops,
            lambda net, given: fusion_loss(net, degrade(given, samples), matched=matched),
            validate if self._validation else None,
        )

    def _synthesise(self, device: torch.device) -> FlowSynthesis:
        if device not in self._made:
            height, width = (round(side * _TEXTURE_MARGIN) for side in self._samples.crop)
            count = _TEXTURES if device.type == "cuda" else min(_TEXTURES, 2 * len(self._pictures))
            textures = texture_bank(self._pictures, (height, width), count, self._seed).to(device)
            cutouts = None if self._cutouts is None else self._cutouts.to(device)
            self._made[device] = FlowSynthesis(textures, self._synthesis, cutouts)
        return self._made[device]

    def _pair(self, seed: int, batch: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """The upscaled first picture, the second as FlowNet sees it, and the flow [px]."""
        pair = self._synthesise(device)(batch, seed)
        seen = degrade(Crops(255 * pair.first, [255 * pair.second], seed), self._samples)
        return seen.lsr_up, (seen.matched if self.network.matched else seen.references)[0], pair.flow

    def _synthetic_loss(self, network: nn.Module, batch: _Seed) -> Tensor:
        device = next(network.parameters()).device
        image, reference, truth = self._pair(batch.seed, self._batch, device)
        return level_loss(network(image, reference), truth)

    @torch.inference_mode()
    def _judge_flow(self, averaged: nn.Module, step: int) -> dict[str, float]:
        """Mean end-point error [px] on pairs never trained on, with and without a flow; then as step 1."""
        assert isinstance(averaged, FlowLevels)
        device = next(averaged.parameters()).device
        image, reference, truth = self._pair(-1 - self._seed, _JUDGED_PAIRS, device)
        found = averaged.flow(image, reference)
        figures = {
            "epe": float(torch.linalg.vector_norm(found - truth, dim=1).mean()),
            "motion": float(torch.linalg.vector_norm(truth, dim=1).mean()),
        }
        return figures | (self._judge_warp(averaged.flow, step) if self._validation else {})

    @torch.inference_mode()
    def _judge_warp(self, averaged: nn.Module, step: int) -> dict[str, float]:
        """Mean PSNR [dB] of the warped reference two frames away, where it reaches, on validation clips."""
        device = next(averaged.parameters()).device
        values = []
        for clip in self._validation:
            middle = min(len(clip.frames) // 2, len(clip.frames) - 3)
            sides = [side - side % 64 for side in clip.frames.shape[1:3]]
            pair = [
                torch.from_numpy(clip.frames[k][: sides[0], : sides[1]].copy()).permute(2, 0, 1)[None]
                for k in (middle, middle + 2)
            ]
            crops = Crops(pair[0].to(device), [pair[1].to(device)], step)
            pictures = degrade(crops, replace(self._samples, references=1))
            seen = pictures.matched if self.network.matched else pictures.references
            warped, valid = backward_warp(pictures.references[0], averaged(pictures.lsr_up, seen[0]))
            error = ((warped - pictures.target) ** 2 * valid).sum() / (3 * valid.sum()).clamp(min=1)
            values.append(float(-10 * torch.log10(error.clamp(min=1e-10))))
        return {"warp_psnr": sum(values) / len(values)}
