"""The recipe of the small flow network for GPUs: synthetic truth, then DIS as its teacher.

Step 0: synthetic pairs with their true flow. Step 1: clips, where DIS tells the flow wherever it finds again
what the frame shows; elsewhere the network is judged by what it fetches itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import nn

from fusion.flownet import SMALL, SMALL_LAYOUT, FlowNet
from fusion.training.clips import Clip
from fusion.training.crops import SampleOptions
from fusion.training.flow_lessons import FlowLessons, FlowLevels, judge_warp, teacher_loss
from fusion.training.loop import LoopOptions, RunOptions, Trainer
from fusion.training.pictures import load_cutouts, load_pictures
from fusion.training.recipe import described
from fusion.training.samples import Sampler
from fusion.training.stage_runs import OnStage, given_starts, run_stages, weights_before
from fusion.weights import load_weights, save_weights


def train_live_flow(
    data: Path,
    clips: Sequence[Clip],
    validation: Sequence[Clip],
    folder: Path,
    samples: SampleOptions,
    stages: Mapping[int, LoopOptions],
    run: RunOptions,
    on_stage: OnStage | None = None,
) -> Path:
    """Train the chosen steps, 0 and 1; steps that are done already are only read.

    Args:
        data: The data folder, for photos and cut-outs.
        clips: Footage to learn from.
        validation: Footage never trained on; may be empty.
        folder: Gets a folder for each step, and the weights.
        samples: What samples look like; crops in multiples of 64.
        stages: How each chosen step goes, by its number, ascending.
        run: What the run begins with; step 1 alone goes on from the weights in the folder unless others are
            given.
        on_stage: See `OnStage`.

    Returns:
        The weights file.

    Raises:
        TrainingError: Step 1 is chosen alone and there is nothing to start from.
        WeightsError: The weights to start from are of another layout or damaged.

    """
    torch.manual_seed(run.seed)
    network = FlowNet(SMALL)
    network.start_at_zero_flow()
    path = folder / f"live_flow_x{samples.scale}.safetensors"
    starts = given_starts(stages, run.start)
    if start := weights_before(stages, run.start, path):
        load_weights(start, network, layout=SMALL_LAYOUT)
    batch, seed = run.batch, run.seed
    pictures, cutouts = load_pictures(data, clips), load_cutouts(data)
    lessons = FlowLessons(pictures, samples, matched=True, cutouts=cutouts, batch=batch, seed=seed)

    def validate(averaged: nn.Module, _step: int) -> dict[str, float]:
        flow = averaged.flow if isinstance(averaged, FlowLevels) else averaged
        assert isinstance(flow, FlowNet)
        return lessons.judge(flow) | judge_warp(flow, validation, samples, matched=True)

    def set_up(number: int, own: Path, loop: LoopOptions) -> Trainer:
        synthetic = number == 0
        return Trainer(
            FlowLevels(network) if synthetic else network,
            lessons.sampler
            if synthetic
            else Sampler(clips, replace(samples, neighbours=0), batch=batch, seed=seed),
            lessons.loss if synthetic else teacher_loss,
            own,
            replace(loop, workers=0) if synthetic else loop,
            identity={
                "network": SMALL_LAYOUT,
                "stage": number,
                "samples": asdict(samples),
                "batch": batch,
                "seed": seed,
                "start": starts.get(number),
                "clips": described(clips),
            },
            validate=validate,
        )

    for _number, trainer in run_stages(folder, stages, set_up, on_stage):
        if trainer.leads:
            save_weights(path, network, layout=SMALL_LAYOUT, half=True)
    return path
