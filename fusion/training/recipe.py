"""The recipe of `live`: its loss, its samples, and the weights and card that a run ends with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn

from fusion.inference import LiveSynthesiser
from fusion.live import LiveNet, LiveReference
from fusion.resample import back_project, back_projections_for
from fusion.training.clips import Clip
from fusion.training.crops import SampleOptions
from fusion.training.judging import judge
from fusion.training.loop import LoopOptions, Trainer
from fusion.training.samples import Batch, Sampler
from fusion.weights import load_weights, save_card, save_weights

LAYOUT = "live"
_GUESS_SHARE = 0.2
_FLOW_SHARE = 0.01
_FARTHEST_ASTRAY = 16.0


def live_loss(network: nn.Module, batch: Batch, back_projections: int) -> Tensor:
    """L1 between the network's result, corrected as in use, and the truth (paper eq. 11), and two helpers.

    The detail guessed without references is judged by itself as well: behind a good reference it would
    learn nothing. The flow is drawn to the one that was found with the truth at hand, where that is better.
    """
    fused = network(batch.lsr_up, [LiveReference(*reference) for reference in batch.references])

    def wrong(made: Tensor) -> Tensor:
        difference = back_project(made, batch.lsr, back_projections) - batch.target
        return difference.abs().mean()

    astray = fused.flow.new_zeros(())
    for index, lesson in enumerate(batch.lessons):
        flow = fused.flow[:, 2 * index : 2 * index + 2]
        distance = (flow - lesson.flow).abs().mean(dim=1, keepdim=True).clamp(max=_FARTHEST_ASTRAY)
        astray = astray + (lesson.trust * distance).mean() / len(batch.lessons)
    loss: Tensor = wrong(fused.out) + _GUESS_SHARE * wrong(fused.guess) + _FLOW_SHARE * astray
    return loss


def train_live(
    clips: Sequence[Clip],
    validation: Sequence[Clip],
    folder: Path,
    samples: SampleOptions,
    loop: LoopOptions,
    *,
    batch: int = 4,
    seed: int = 0,
    start: Path | None = None,
) -> Trainer:
    """Set up the training of `live`.

    Args:
        clips: Footage to learn from.
        validation: Footage never trained on, judged on the way; may be empty.
        folder: The run's folder.
        samples: What samples look like.
        loop: How the run goes.
        batch: Samples in a step.
        seed: Of the first weights and of all draws.
        start: Weights to start from; random ones where left out.

    Raises:
        TrainingError: The folder or the footage cannot be used.
        WeightsError: The weights to start from are not those of `live` for so many references.

    """
    torch.manual_seed(seed)
    network = LiveNet(samples.scale)
    if start:
        load_weights(start, network, layout=LAYOUT)
    corrections = back_projections_for(samples.noise_variance)

    def validate(averaged: nn.Module, step: int) -> dict[str, float]:
        assert isinstance(averaged, LiveNet)
        device = next(averaged.parameters()).device.type
        noise = samples.noise_variance
        synthesiser = LiveSynthesiser(averaged, samples.scale, device, noise_variance=noise)
        picture = folder / f"step_{step:06d}.png"
        return judge(synthesiser, validation, samples.scale, picture, noise_variance=noise)

    identity = {
        "network": LAYOUT,
        "samples": asdict(samples),
        "batch": batch,
        "seed": seed,
        "start": start.name if start else None,
        "clips": described(clips),
    }
    return Trainer(
        network,
        Sampler(clips, samples, batch=batch, seed=seed),
        lambda net, given: live_loss(net, given, corrections),
        folder,
        loop,
        identity=identity,
        # A small step of every tap at once is a large step of their sum.
        slow=list(network.tail.parameters()),
        validate=validate if validation else None,
    )


def finish(trainer: Trainer, folder: Path, samples: SampleOptions, loop: LoopOptions) -> Path:
    """Write the averaged weights and their card into the run's folder; return the weights file.

    The card says nothing of quality: whether the model may become a default is decided by evaluation.
    """
    path = folder / f"{model_name('live', samples)}.safetensors"
    save_weights(path, trainer.load_averaged(LiveNet()), layout=LAYOUT)
    save_card(path, card("live", samples) | {"recipe": trainer.described(loop)})
    return path


def model_name(method: str, samples: SampleOptions) -> str:
    """Name of the weights file, without its ending."""
    noise = "_noise" if samples.noise_variance else ""
    references = f"_refs{samples.references}" if method != "live" and samples.references > 1 else ""
    return f"{method}_x{samples.scale}{noise}{references}"


def card(method: str, samples: SampleOptions) -> dict[str, object]:
    """The part of a model card that the program reads."""
    return {
        "method": method,
        "scale": samples.scale,
        "noise_variance": samples.noise_variance,
        "references": list(range(1, samples.references + 1)) if method == "live" else [samples.references],
        "default": False,
    }


def described(clips: Sequence[Clip]) -> list[list[object]]:
    """What identifies footage: names and sizes."""
    return [[clip.name, list(clip.frames.shape)] for clip in clips]
