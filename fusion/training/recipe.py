"""Recipes: which network, which loss, which samples, and what is measured on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from fusion.evaluation.protocols import lsr_frame, septuplets
from fusion.gop import prepare_reference
from fusion.inference import BACK_PROJECTIONS, LiveSynthesiser
from fusion.live import LiveNet, LiveReference
from fusion.resample import back_project, to_bytes, upscale
from fusion.training.clips import Clip
from fusion.training.loop import LoopOptions, Trainer
from fusion.training.samples import Batch, SampleOptions, Sampler
from fusion.weights import save_card, save_weights


def live_loss(network: nn.Module, batch: Batch, back_projections: int) -> Tensor:
    """L1 between the network's result, corrected as in use, and the truth (paper eq. 11)."""
    fused = network(batch.lsr_up, [LiveReference(*reference) for reference in batch.references])
    out = back_project(fused.out, batch.lsr, back_projections)
    return (out - batch.target).abs().mean()


def back_projections_for(noise_variance: float) -> int:
    """Corrections of the result towards the LSR frame: none where that frame is noisy."""
    return 0 if noise_variance else BACK_PROJECTIONS


def train_live(
    clips: Sequence[Clip],
    validation: Sequence[Clip],
    folder: Path,
    samples: SampleOptions,
    loop: LoopOptions,
    *,
    batch: int = 4,
    seed: int = 0,
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

    """
    torch.manual_seed(seed)
    network = LiveNet(samples.references, samples.scale)
    corrections = back_projections_for(samples.noise_variance)

    def validate(averaged: nn.Module, step: int) -> dict[str, float]:
        assert isinstance(averaged, LiveNet)
        return judge(averaged, validation, samples, folder / f"step_{step:06d}.png")

    identity = {
        "network": f"live-{samples.references}",
        "samples": asdict(samples),
        "batch": batch,
        "seed": seed,
        "clips": [[clip.name, list(clip.frames.shape)] for clip in clips],
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


def finish(trainer: Trainer, folder: Path, *, scale: int, noise_variance: float, references: int) -> Path:
    """Write the averaged weights and their card into the run's folder; return the weights file.

    The card says nothing of quality: whether the model may become a default is decided by evaluation.
    """
    name = (
        f"live_x{scale}"
        + ("_noise" if noise_variance else "")
        + (f"_refs{references}" if references > 1 else "")
    )
    path = folder / f"{name}.safetensors"
    save_weights(path, trainer.load_averaged(LiveNet(references)), layout=f"live-{references}")
    card = {
        "method": "live",
        "scale": scale,
        "noise_variance": noise_variance,
        "references": references,
        "default": False,
        "steps": trainer.step,
        "seconds": round(trainer.seconds),
    }
    save_card(path, card)
    return path


def judge(network: LiveNet, clips: Sequence[Clip], samples: SampleOptions, picture: Path) -> dict[str, float]:
    """Mean PSNR [dB] on the middle frame of clips never trained on, and a figure of the first clip.

    The figure shows the upscaled frame, the result and the truth side by side.
    """
    synthesiser = LiveSynthesiser(
        network, samples.scale, back_projections=back_projections_for(samples.noise_variance)
    )
    values = []
    for clip in clips:
        middle = len(clip.frames) // 2
        frames = [_even(frame, samples.scale) for frame in clip.frames[middle - 1 : middle + 2]]
        figures = septuplets(
            synthesiser,
            clip.name,
            frames,
            samples.scale,
            positions=[0],
            noise_variance=samples.noise_variance,
        )
        values += [figure.psnr for figure in figures]
        if clip is clips[0]:
            lsr = lsr_frame(frames[0], samples.scale, noise_variance=samples.noise_variance)
            up = upscale(lsr, *frames[0].shape[:2])
            made = synthesiser.synthesise(lsr, up, [prepare_reference(frames[2], None, lsr.shape[:2])])
            row = np.concatenate([to_bytes(up), made.image, frames[0]], axis=1)
            cv2.imwrite(str(picture), cv2.cvtColor(row, cv2.COLOR_RGB2BGR))
    return {"psnr": float(np.mean(values))}


def _even(frame: np.ndarray, scale: int) -> np.ndarray:
    height, width = (side - side % scale for side in frame.shape[:2])
    return np.ascontiguousarray(frame[:height, :width])
