"""The recipe of `live`: its loss, its samples, and the weights and card that a run ends with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn

from fusion.cards import save_card
from fusion.inference import LiveSynthesiser
from fusion.live import LAYOUT, LiveNet, fill_live, move_both_ways
from fusion.training.clips import Clip
from fusion.training.crops import SampleOptions
from fusion.training.degrade import LEAST_SHARE
from fusion.training.judging import judge
from fusion.training.loop import LoopOptions, RunOptions, Trainer
from fusion.training.losses import GUESS_SHARE, corrected_error
from fusion.training.samples import Batch, Sampler
from fusion.weights import save_weights


def live_loss(network: nn.Module, batch: Batch) -> Tensor:
    """Error of the fused pictures, and a share of that of the detail guessed without references."""
    size = (batch.lsr.shape[-2], batch.lsr.shape[-1])
    moved = [one for image, _, flow in batch.references for one in move_both_ways(image, flow, size)]
    fused = network(batch.lsr_up, moved, batch.variance.sqrt().reshape(-1, 1, 1, 1), batch.neighbours)
    if not moved:
        return corrected_error(fused.guess, batch)
    return corrected_error(fused.out, batch) + GUESS_SHARE * corrected_error(fused.guess, batch)


def train_live(
    clips: Sequence[Clip],
    validation: Sequence[Clip],
    folder: Path,
    samples: SampleOptions,
    loop: LoopOptions,
    run: RunOptions,
) -> Trainer:
    """Set up the training of `live`.

    Args:
        clips: Footage to learn from.
        validation: Footage never trained on, judged on the way; may be empty.
        folder: The run's folder.
        samples: What samples look like.
        loop: How the run goes.
        run: What it begins with.

    Raises:
        TrainingError: The folder or the footage cannot be used.
        WeightsError: The weights to start from are not those of `live` for so many references.

    """
    torch.manual_seed(run.seed)
    network = LiveNet(samples.scale)
    if run.start:
        fill_live(network, run.start)

    def validate(averaged: nn.Module, step: int) -> dict[str, float]:
        assert isinstance(averaged, LiveNet)
        device = next(averaged.parameters()).device.type
        noise = samples.noise_variance
        synthesiser = LiveSynthesiser(averaged, samples.scale, device, noise_variance=noise)
        picture = folder / f"step_{step:06d}.png"
        return judge(
            synthesiser,
            validation,
            samples.scale,
            picture,
            references=max(samples.references, 1),
            noise_variance=noise,
        )

    identity = {
        "network": f"{LAYOUT}, {sum(p.numel() for p in network.parameters())} parameters",
        "samples": asdict(samples),
        "batch": run.batch,
        "seed": run.seed,
        "start": run.start.name if run.start else None,
        "clips": described(clips),
    }
    return Trainer(
        network,
        Sampler(clips, samples, batch=run.batch, seed=run.seed),
        live_loss,
        folder,
        loop,
        identity=identity,
        # A small step of every tap at once is a large step of their sum.
        shares=[(parameter, loop.slow) for parameter in network.tail.parameters()],
        validate=validate if validation else None,
    )


def finish(trainer: Trainer, folder: Path, samples: SampleOptions) -> Path:
    """Write the averaged weights and their card into the run's folder; return the weights file.

    The card says nothing of quality: whether the model may become a default is decided by evaluation.
    """
    path = folder / f"{model_name('live', samples)}.safetensors"
    save_weights(path, trainer.load_averaged(LiveNet()), layout=LAYOUT)
    save_card(path, card("live", samples) | {"recipe": trainer.described()})
    return path


def model_name(method: str, samples: SampleOptions) -> str:
    """Name of the weights file, without its ending."""
    noise = "_noise" if samples.noise_variance and not samples.clean else ""
    one_count = method != "live" and samples.references > 1 and not samples.alone
    references = f"_refs{samples.references}" if one_count else ""
    return f"{method}_x{samples.scale}{noise}{references}"


def card(method: str, samples: SampleOptions) -> dict[str, object]:
    """The part of a model card that the program reads."""
    any_count = method == "live" or samples.alone > 0
    return {
        "method": method,
        "scale": samples.scale,
        "least_scale": samples.least_scale or samples.scale,
        "most_scale": samples.most_scale or samples.scale,
        "noise_variance": samples.noise_variance,
        "noise_from": 0.0 if samples.clean else samples.noise_variance * LEAST_SHARE,
        "references": list(range(1, max(samples.references, 1) + 1)) if any_count else [samples.references],
        "default": False,
    }


def described(clips: Sequence[Clip]) -> list[list[object]]:
    """What identifies footage: names and sizes."""
    return [[clip.name, list(clip.frames.shape)] for clip in clips]
