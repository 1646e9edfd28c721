"""Whole trainings of `awnet`: its steps one after the other, each in its own folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fusion.awnet import AWnet, load_awnet
from fusion.errors import TrainingError, WeightsError
from fusion.flownet import MATCHED_LAYOUT
from fusion.live import load_live
from fusion.training.awnet_recipe import AWnetRecipe
from fusion.training.clips import Clip
from fusion.training.crops import SampleOptions
from fusion.training.loop import LoopOptions, Trainer
from fusion.training.pictures import load_cutouts, load_pictures
from fusion.training.recipe import card, model_name
from fusion.weights import ModelCard, fingerprint, layout_of, load_weights, save_card, save_weights

_FUSION = 2
_FLOW = "flownet"


def train_awnet(
    data: Path,
    clips: Sequence[Clip],
    validation: Sequence[Clip],
    folder: Path,
    samples: SampleOptions,
    loops: Sequence[LoopOptions],
    *,
    stages: Sequence[int],
    matched: bool = True,
    direct: bool = False,
    refined: bool = False,
    upscaler: ModelCard | None = None,
    calm: bool = True,
    batch: int = 4,
    seed: int = 0,
    start: Path | None = None,
    on_stage: Callable[[int, Trainer], Callable[[int, Tensor], None] | None] | None = None,
) -> Path:
    """Train the chosen steps; steps that are done already are only read.

    Args:
        data: The data folder, for photos and cut-outs.
        clips: Footage to learn from.
        validation: Footage never trained on; may be empty.
        folder: Gets a folder and a weights file for each step, those of steps 0 and 1 with FlowNet alone
            unless they start from a whole model, and after later ones the model with its card.
        samples: What samples look like.
        loops: How each chosen step goes.
        stages: Numbers of steps, 0 to 3, ascending.
        matched: As in `AWnet`.
        direct: As in `AWnet`.
        refined: As in `AWnet`.
        upscaler: A `live` model whose guessed detail the frame gets first (`sisr` in `AWnet`), or None.
        calm: As in `AWnetRecipe`; with `matched`, step 1 has a teacher too.
        batch: Samples in a step.
        seed: Of the first weights and of all draws.
        start: Weights to start from; where left out, those of the step before the first chosen one.
        on_stage: Told each step's number and its trainer; what it returns hears every training step.

    Returns:
        The weights file of the last chosen step.

    Raises:
        TrainingError: The step before the first chosen one is missing, or as `Trainer` and `CropSampler` say.
        WeightsError: The weights to start from are damaged or of another layout.

    """
    torch.manual_seed(seed)
    network = AWnet(
        samples.references, matched=matched, direct=direct, sisr=upscaler is not None, refined=refined
    )
    network.start_at_plain_warp()
    network.flow.start_at_zero_flow()
    before = folder / f"stage{stages[0] - 1}.safetensors"
    if start is None and stages[0] > 0:
        if not before.is_file():
            raise TrainingError(
                f"{before}: missing; train step {stages[0] - 1} first, or give weights to start"
            )
        start = before
    whole = bool(start and _take_over(network, start))
    if network.upscaler is not None and upscaler is not None:
        # The one for this scale and noise, whatever the weights to start from were trained with.
        network.upscaler.load_state_dict(load_live(upscaler.path).guess.state_dict())
    recipe = AWnetRecipe(
        network,
        clips,
        validation,
        load_pictures(data, clips),
        samples,
        cutouts=load_cutouts(data),
        batch=batch,
        seed=seed,
        taught=matched and calm,
        calm=calm,
        upscaler=fingerprint(upscaler.path) if upscaler else None,
    )
    saved = before
    told: dict[str, Any] = {
        "start": start.name if start else None,
        "upscaler": {"name": upscaler.name, "sha256": fingerprint(upscaler.path)} if upscaler else "bicubic",
    }
    for number, loop in zip(stages, loops, strict=True):
        trainer = recipe.trainer(number, folder / f"stage{number}", loop)
        trainer.run(on_stage(number, trainer) if on_stage else None)
        trainer.load_averaged(trainer.network)
        told[f"stage{number}"] = trainer.described(loop)
        saved = folder / f"stage{number}.safetensors"
        whole = whole or number >= _FUSION
        learnt, layout = (network, network.layout) if whole else (network.flow, _flow_layout(network))
        if trainer.leads:
            save_weights(saved, learnt, layout=layout, half=True)
    if stages[-1] < _FUSION:
        return saved
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


def _flow_layout(network: AWnet) -> str:
    return MATCHED_LAYOUT if network.matched else f"{_FLOW}-sharp"
