"""Whole trainings of `awnet`: its steps one after the other, each in its own folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from fusion.awnet import AWnet, load_awnet
from fusion.cards import ModelCard, fingerprint, layout_of, save_card
from fusion.errors import WeightsError
from fusion.flownet import MATCHED_LAYOUT, SMALL_LAYOUT
from fusion.live import load_live
from fusion.training.awnet_recipe import AWnetRecipe
from fusion.training.clips import Clip
from fusion.training.crops import SampleOptions
from fusion.training.loop import LoopOptions, RunOptions
from fusion.training.pictures import load_cutouts, load_pictures
from fusion.training.recipe import card, model_name
from fusion.training.stage_runs import OnStage, given_starts, run_stages, weights_before
from fusion.weights import load_weights, save_weights

_FUSION = 2
_FLOW = "flownet"


@dataclass(frozen=True, slots=True, kw_only=True)
class AWnetForm:
    """Which `awnet` is trained.

    Attributes:
        matched: As in `AWnet`.
        direct: As in `AWnet`.
        refined: As in `AWnet`.
        calm: As in `AWnetRecipe`; with `matched`, step 1 has a teacher too.
        upscaler: A `live` model whose guessed detail the frame gets first (`sisr` in `AWnet`), or None.

    """

    matched: bool = True
    direct: bool = False
    refined: bool = False
    calm: bool = True
    upscaler: ModelCard | None = None


def train_awnet(
    data: Path,
    clips: Sequence[Clip],
    validation: Sequence[Clip],
    folder: Path,
    samples: SampleOptions,
    stages: Mapping[int, LoopOptions],
    form: AWnetForm,
    run: RunOptions,
    on_stage: OnStage | None = None,
) -> Path:
    """Train the chosen steps; steps that are done already are only read.

    Args:
        data: The data folder, for photos and cut-outs.
        clips: Footage to learn from.
        validation: Footage never trained on; may be empty.
        folder: Gets a folder and a weights file for each step, those of steps 0 and 1 with FlowNet alone
            unless they start from a whole model, and after later ones the model with its card.
        samples: What samples look like.
        stages: How each chosen step, of 0 to 3, goes, by its number, ascending.
        form: Which network is trained.
        run: What the run begins with; unless weights are given, it goes on from those of the step before.
        on_stage: See `OnStage`.

    Returns:
        The weights file of the last chosen step.

    Raises:
        TrainingError: The step before the first chosen one is missing, or as `Trainer` and `CropSampler` say.
        WeightsError: The weights to start from are damaged or of another layout.

    """
    torch.manual_seed(run.seed)
    upscaler = form.upscaler
    network = AWnet(
        samples.references,
        matched=form.matched,
        direct=form.direct,
        sisr=upscaler is not None,
        refined=form.refined,
    )
    network.start_at_plain_warp()
    network.flow.start_at_zero_flow()
    start = weights_before(stages, run.start, _stage_file(folder, min(stages) - 1))
    whole = bool(start and _take_over(network, start))
    if network.upscaler is not None and upscaler is not None:
        # The one for this scale and noise, whatever the weights to start from were trained with.
        network.upscaler.load_state_dict(load_live(upscaler.path).guess.state_dict())
    synthetic = min(stages) == 0
    recipe = AWnetRecipe(
        network,
        clips,
        validation,
        load_pictures(data, clips) if synthetic else [],
        samples,
        cutouts=load_cutouts(data) if synthetic else None,
        batch=run.batch,
        seed=run.seed,
        taught=form.matched and form.calm,
        calm=form.calm,
        upscaler=fingerprint(upscaler.path) if upscaler else None,
        starts=given_starts(stages, run.start),
    )
    told: dict[str, Any] = {
        "start": start.name if start else None,
        "upscaler": {"name": upscaler.name, "sha256": fingerprint(upscaler.path)} if upscaler else "bicubic",
    }
    for number, trainer in run_stages(folder, stages, recipe.trainer, on_stage):
        told[f"stage{number}"] = trainer.described()
        whole = whole or number >= _FUSION
        learnt, layout = (network, network.layout) if whole else (network.flow, _flow_layout(network))
        if trainer.leads:
            save_weights(_stage_file(folder, number), learnt, layout=layout, half=True)
    if max(stages) < _FUSION:
        return _stage_file(folder, max(stages))
    variant = "".join(f"_{name}" for name in ("direct", "sisr") if getattr(network, name))
    path = folder / f"{model_name('awnet', samples)}{variant}.safetensors"
    if trainer.leads:
        save_weights(path, network, layout=network.layout, half=True)
        save_card(path, card("awnet", samples) | {"layout": network.layout, "recipe": told})
    return path


def _take_over(network: AWnet, start: Path) -> bool:
    """Start from other weights: whole (True) where the layout is the same, else FlowNet alone.

    FlowNet is the same whatever the number of references, so a model with two starts from one with one.
    """
    layout = layout_of(start)
    if layout == _flow_layout(network):
        load_weights(start, network.flow, layout=layout)
        return False
    if layout == SMALL_LAYOUT:
        raise WeightsError(
            f"{start}: made for {layout}, not for {network.layout}; start from a FlowNet of awnet"
        )
    given = None if layout.startswith(_FLOW) else load_awnet(start)
    if given is None or given.matched != network.matched:
        raise WeightsError(
            f"{start}: made for {layout}, not for {network.layout}: its flow saw other pictures; "
            "choose --matched or --sharp as it was"
        )
    if given.layout == network.layout:
        network.load_state_dict(given.state_dict())
        return True
    network.flow.load_state_dict(given.flow.state_dict())
    return False


def _stage_file(folder: Path, number: int) -> Path:
    return folder / f"stage{number}.safetensors"


def _flow_layout(network: AWnet) -> str:
    return MATCHED_LAYOUT if network.matched else f"{_FLOW}-sharp"
