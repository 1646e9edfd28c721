"""The recipe of the small flow network for GPUs: synthetic truth, then DIS as its teacher.

Step 0: synthetic pairs with their true flow. Step 1: clips, where DIS tells the flow wherever it finds again
what the frame shows; elsewhere the network is judged by what it fetches itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from fusion.errors import TrainingError
from fusion.flownet import SMALL, SMALL_LAYOUT, FlowNet
from fusion.resample import ByteImage
from fusion.training.clips import Clip
from fusion.training.crops import SampleOptions
from fusion.training.flow_lessons import FlowLessons, FlowLevels, judge_warp, teacher_loss
from fusion.training.loop import LoopOptions, Trainer
from fusion.training.recipe import described
from fusion.training.samples import Sampler
from fusion.weights import load_weights, save_weights


def train_live_flow(
    clips: Sequence[Clip],
    validation: Sequence[Clip],
    pictures: Sequence[ByteImage],
    folder: Path,
    samples: SampleOptions,
    loops: Sequence[LoopOptions],
    *,
    stages: Sequence[int],
    cutouts: Tensor | None = None,
    batch: int = 4,
    seed: int = 0,
    start: Path | None = None,
    on_stage: Callable[[int, Trainer], Callable[[int, Tensor], None] | None] | None = None,
) -> Path:
    """Train the chosen steps, 0 and 1; steps that are done already are only read.

    Args:
        clips: Footage to learn from.
        validation: Footage never trained on; may be empty.
        pictures: Photos or frames for synthetic flow, (H, W, 3) uint8.
        folder: Gets a folder for each step, and the weights.
        samples: What samples look like; crops in multiples of 64.
        loops: How each chosen step goes.
        stages: Numbers of steps, ascending.
        cutouts: (M, 4, H, W) uint8 objects for synthetic flow, or None.
        batch: Samples in a step.
        seed: Of the first weights and of all draws.
        start: Weights to start from; where left out, those in the folder for step 1 alone.
        on_stage: Told each step's number and its trainer; what it returns hears every training step.

    Returns:
        The weights file.

    Raises:
        TrainingError: Step 1 is chosen alone and there is nothing to start from.
        WeightsError: The weights to start from are of another layout or damaged.

    """
    torch.manual_seed(seed)
    network = FlowNet(SMALL)
    network.start_at_zero_flow()
    path = folder / f"live_flow_x{samples.scale}.safetensors"
    if start is None and stages[0] > 0:
        if not path.is_file():
            raise TrainingError(f"{path}: missing; train step 0 first, or give weights to start")
        start = path
    if start:
        load_weights(start, network, layout=SMALL_LAYOUT)
    lessons = FlowLessons(pictures, samples, matched=True, cutouts=cutouts, batch=batch, seed=seed)

    def validate(averaged: nn.Module, _step: int) -> dict[str, float]:
        flow = averaged.flow if isinstance(averaged, FlowLevels) else averaged
        assert isinstance(flow, FlowNet)
        return lessons.judge(flow) | judge_warp(flow, validation, samples, matched=True)

    for number, loop in zip(stages, loops, strict=True):
        synthetic = number == 0
        trainer = Trainer(
            FlowLevels(network) if synthetic else network,
            lessons.sampler if synthetic else Sampler(clips, samples, batch=batch, seed=seed),
            lessons.loss if synthetic else teacher_loss,
            folder / f"stage{number}",
            replace(loop, workers=0) if synthetic else loop,
            identity={
                "network": SMALL_LAYOUT,
                "stage": number,
                "samples": asdict(samples),
                "batch": batch,
                "seed": seed,
                "clips": described(clips),
            },
            validate=validate,
        )
        trainer.run(on_stage(number, trainer) if on_stage else None)
        trainer.load_averaged(trainer.network)
        if trainer.leads:
            save_weights(path, network, layout=SMALL_LAYOUT, half=True)
    return path
