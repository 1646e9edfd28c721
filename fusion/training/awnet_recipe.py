"""The recipe of `awnet`: four steps (paper 3.3), their losses, and their shortened form.

0: FlowNet on synthetic flow. The paper starts from published PWC-Net weights instead.
1: FlowNet on video, by what its flow fetches from the reference (eq. 10).
2: FusionNet on video, FlowNet as it is (eq. 11).
3: both together (eq. 11).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fusion.awnet import AWnet, LsrCamera
from fusion.cards import base_for
from fusion.flownet import FlowNet
from fusion.inference import AWnetSynthesiser
from fusion.levels import ByteImage
from fusion.live import load_live
from fusion.training.base import LiveBase, base_fingerprints
from fusion.training.clips import Clip
from fusion.training.crops import Crops, CropSampler, SampleOptions
from fusion.training.degrade import Pictures, degrade
from fusion.training.flow_lessons import (
    FlowLessons,
    FlowLevels,
    judge_warp,
    teacher_loss,
    warp_loss,
)
from fusion.training.judging import judge
from fusion.training.loop import LoopOptions, Trainer
from fusion.training.losses import corrected_error, fetched_error
from fusion.training.recipe import described
from fusion.training.samples import FusionSampler, Sampler

_FETCH_SHARE = 0.2
_OWN_EVERY = 3
_BY_WIDTH = "by width"


def fusion_loss(
    network: nn.Module, pictures: Pictures, *, matched: bool, base: LiveBase | None = None
) -> Tensor:
    """L1 between the fused picture and the truth (paper eq. 11).

    The refined network learns from the error that `live` learns from, since its result is corrected as there,
    and from a share of what the flow fetches: where the mask has given a reference up, its flow would learn
    nothing.
    """
    height, width = pictures.target.shape[-2:]
    rows, columns = pictures.lsr.shape[-2:]
    fused = network(
        pictures.references[0],
        pictures.lsr_up,
        *pictures.references[1:],
        matched=pictures.matched if matched else (),
        flows=pictures.flows,
        camera=LsrCamera((rows, columns), (height, width), pictures.variance.sqrt().reshape(-1, 1, 1, 1)),
        base=partial(base, pictures) if base is not None else None,
    )
    if base is not None:
        loss = corrected_error(fused.out, pictures)
        if fused.flow.requires_grad:
            flows = fused.flow.split(2, dim=1)
            loss = loss + _FETCH_SHARE * fetched_error(pictures.references, flows, pictures.target)
        return loss
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
        batch: Samples in a step.
        seed: Of all draws.
        taught: In step 1 DIS on the resolution-matched pair teaches FlowNet besides eq. 10, where its flow
            finds again what the frame shows. Not so in the paper.
        calm: FusionNet's layers learn the more slowly the wider they are (`FusionNet.shares`). Not so in the
            paper.
        upscaler: SHA-256 of the learned upscaler's weights; a run goes on with the same one only.
        starts: Names of weights given to steps to start from, by number; the same holds for them.

    """

    def __init__(
        self,
        network: AWnet,
        clips: Sequence[Clip],
        validation: Sequence[Clip],
        pictures: Sequence[ByteImage],
        samples: SampleOptions,
        *,
        cutouts: Tensor | None = None,
        batch: int = 4,
        seed: int = 0,
        taught: bool = False,
        calm: bool = True,
        upscaler: str | None = None,
        starts: Mapping[int, str] | None = None,
    ) -> None:
        self.network, self._calm, self._upscaler = network, calm, upscaler
        self._starts = starts or {}
        self._taught = taught
        self._clips, self._validation = clips, validation
        self._samples = samples
        self._lessons = FlowLessons(
            pictures,
            samples,
            matched=network.matched,
            cutouts=cutouts,
            batch=batch,
            seed=seed,
        )
        self._batch, self._seed = batch, seed

    def trainer(self, stage: int, folder: Path, loop: LoopOptions) -> Trainer:
        """The training of one step, 0 to 3, in its own folder; see `Trainer`."""
        network, samples = self.network, self._samples
        identity = {
            "network": network.layout,
            "stage": stage,
            "samples": asdict(samples),
            "synthesis": asdict(self._lessons.synthesis),
            "batch": self._batch,
            "seed": self._seed,
            "clips": described(self._clips),
            "upscaler": self._upscaler,
            "taught": self._taught and stage == 1,
            "calm": _BY_WIDTH if self._calm else False,
            "start": self._starts.get(stage),
            "base": base_fingerprints() if network.refined and stage >= 2 else None,
        }
        learns, sampler, loss, validate = self._parts(stage, folder)
        network.requires_grad_(True)
        network.flow.requires_grad_(stage != 2)
        if network.upscaler is not None:
            network.upscaler.requires_grad_(False)
        if loop.precision == "bf16":
            # On CPUs with matrix units a step takes half the time so; the small networks gain nothing by it.
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return Trainer(
            learns,
            sampler,
            loss,
            folder,
            # The synthetic pairs of step 0 are made on the device: there is nothing for workers to do.
            loop if stage else replace(loop, workers=0),
            identity=identity,
            shares=self._shares(stage, loop.slow),
            validate=validate,
        )

    def _shares(self, stage: int, slow: float) -> list[tuple[nn.Parameter, float]]:
        flow = [(p, slow) for p in self.network.flow.parameters()] if stage == 3 else []
        return flow + (self.network.fusion.shares(slow) if self._calm and stage >= 2 else [])

    def _parts(
        self, stage: int, folder: Path
    ) -> tuple[nn.Module, Callable[[int], Any], Callable[[nn.Module, Any], Tensor], Any]:
        samples, matched, refined = self._samples, self.network.matched, self.network.refined
        if stage == 0:
            return (
                FlowLevels(self.network.flow),
                self._lessons.sampler,
                self._lessons.loss,
                lambda averaged, _step: self._judge_flow(averaged.flow),
            )
        seed = self._seed + stage
        still = replace(samples, neighbours=0)
        crops = CropSampler(self._clips, still, batch=self._batch, seed=seed)
        if stage == 1:
            judge_flow = (lambda averaged, _step: self._judge_warp(averaged)) if self._validation else None
            if self._taught:
                alone = replace(still, references=1)
                pairs = Sampler(self._clips, alone, batch=self._batch, seed=seed)
                return self.network.flow, pairs, teacher_loss, judge_flow
            return (
                self.network.flow,
                crops,
                lambda net, given: warp_loss(net, degrade(given, samples), matched=matched),
                judge_flow,
            )

        base = LiveBase() if refined else None

        def validate(averaged: nn.Module, step: int) -> dict[str, float]:
            assert isinstance(averaged, AWnet)
            device = next(averaged.parameters()).device.type
            noise = 0.0 if samples.clean else samples.noise_variance
            return judge(
                AWnetSynthesiser(
                    averaged,
                    samples.scale,
                    device,
                    noise_variance=noise,
                    base=load_live(base_for(samples.scale, noise).path) if refined else None,
                ),
                self._validation,
                samples.scale,
                folder / f"step_{step:06d}.png",
                references=samples.references,
                noise_variance=noise,
            )

        sampler: Callable[[int], Any] = crops
        if refined:
            own_every = _OWN_EVERY if stage == 3 else None
            sampler = FusionSampler(self._clips, samples, batch=self._batch, seed=seed, own_every=own_every)
        return (
            self.network,
            sampler,
            lambda net, given: fusion_loss(
                net,
                degrade(given, samples)._replace(neighbours=())
                if isinstance(given, Crops)
                else given.to(torch.float32),
                matched=matched,
                base=base,
            ),
            validate if self._validation else None,
        )

    def _judge_flow(self, flow: FlowNet) -> dict[str, float]:
        return self._lessons.judge(flow) | self._judge_warp(flow)

    def _judge_warp(self, flow: FlowNet) -> dict[str, float]:
        return judge_warp(flow, self._validation, self._samples, matched=self.network.matched)
