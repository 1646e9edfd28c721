"""Training samples: a target frame, its LSR picture, and a sharp reference some frames away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fusion.classical import DisFlow
from fusion.resample import ByteImage, FloatImage, downscale, to_bytes, upscale
from fusion.training.clips import Clip


@dataclass(frozen=True, slots=True)
class SampleOptions:
    """What samples look like.

    Attributes:
        scale: Output pixels per LSR pixel.
        noise_variance: Gaussian noise on the LSR frame, of values in 0..1; half of the samples get less.
        crop: Side of the square crops [px].
        farthest: Most frames between the target and its reference.
        references: 1, or 2: one before and one after the target.
        zoom: Share of samples taken from a larger field and reduced: sharper and faster.
        jitter: Share of samples whose reference was exposed and coloured a little differently.
        blur: Share of samples whose reference is motion-blurred (mean of neighbouring frames, paper eq. 1).

    """

    scale: int = 4
    noise_variance: float = 0.0
    crop: int = 192
    farthest: int = 4
    references: int = 1
    zoom: float = 0.4
    jitter: float = 0.2
    blur: float = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """A batch of samples; all (B, C, H, W), values in 0..1.

    Attributes:
        target: (B, 3, H, W) the frame to make.
        lsr: (B, 3, h, w) what the LSR camera saw of it.
        lsr_up: (B, 3, H, W) the same, upscaled.
        references: For each reference its image, its matched image and its flow.

    """

    target: Tensor
    lsr: Tensor
    lsr_up: Tensor
    references: list[tuple[Tensor, Tensor, Tensor]]


class Sampler:
    """Draws batches; the same seed and step always give the same batch, on any machine.

    Args:
        clips: Footage.
        options: What samples look like.
        batch: Samples in a batch.
        seed: First part of every draw's seed.

    """

    def __init__(
        self, clips: Sequence[Clip], options: SampleOptions, *, batch: int = 4, seed: int = 0
    ) -> None:
        self._clips = list(clips)
        self._options = options
        self._batch = batch
        self._seed = seed
        # Long clips count more, but not in proportion: their frames are alike.
        lengths = np.sqrt([len(clip.frames) for clip in clips])
        self._share = lengths / lengths.sum()
        self._flow = DisFlow(options.scale)

    def __call__(self, step: int) -> Batch:
        """The batch of one step."""
        samples = [self._sample(np.random.default_rng((self._seed, step, k))) for k in range(self._batch)]
        count = self._options.references
        return Batch(
            target=_stack([s[0] for s in samples]),
            lsr=_stack([s[1] for s in samples]),
            lsr_up=_stack([s[2] for s in samples]),
            references=[
                (
                    _stack([s[3][k][0] for s in samples]),
                    _stack([s[3][k][1] for s in samples]),
                    _stack([s[3][k][2] for s in samples], unit=1.0),
                )
                for k in range(count)
            ],
        )

    def _sample(
        self, rng: np.random.Generator
    ) -> tuple[FloatImage, FloatImage, FloatImage, list[tuple[FloatImage, FloatImage, FloatImage]]]:
        options = self._options
        frames = self._clips[rng.choice(len(self._clips), p=self._share)].frames
        count = len(frames)
        target = int(rng.integers(count))
        stride = int(rng.integers(1, options.farthest + 1)) * int(rng.choice((-1, 1)))
        positions = []
        for k in range(options.references):
            position = target + (stride if k == 0 else -stride)
            positions.append(position if 0 <= position < count else 2 * target - position)
        positions = [min(max(position, 0), count - 1) for position in positions]
        window, turn = self._window(rng, frames.shape[1:3]), rng.integers(0, 2, 3)
        sharp = self._take(frames[target], window, turn)
        side = options.crop
        low = side // options.scale
        lsr = downscale(sharp, low, low)
        sigma = 255 * np.sqrt(options.noise_variance * (rng.random() if rng.random() < 0.5 else 1.0))
        if sigma:
            lsr = (lsr + sigma * rng.standard_normal(lsr.shape)).astype(np.float32)
        lsr = to_bytes(lsr).astype(np.float32)
        up = upscale(lsr, side, side)
        references = []
        for position in positions:
            blurred = rng.random() < options.blur
            near = frames[max(position - 1, 0) : position + 2] if blurred else frames[position][None]
            image = self._take(near.mean(axis=0, dtype=np.float32), window, turn)
            if rng.random() < options.jitter:
                gain = 1 + rng.uniform(-0.08, 0.08) + rng.uniform(-0.03, 0.03, 3)
                image = np.asarray(image * gain + rng.uniform(-4, 4), dtype=np.float32)
            image = to_bytes(image).astype(np.float32)
            matched = upscale(downscale(image, low, low), side, side)
            references.append((image, matched, self._flow(up, matched)))
        return sharp, lsr, up, references

    def _window(self, rng: np.random.Generator, size: tuple[int, ...]) -> tuple[int, int, int]:
        shorter = min(size)
        side = min(self._options.crop, shorter)
        if rng.random() < self._options.zoom:
            side = int(rng.integers(side, min(2 * self._options.crop, shorter) + 1))
        return int(rng.integers(size[0] - side + 1)), int(rng.integers(size[1] - side + 1)), side

    def _take(
        self, frame: ByteImage | FloatImage, window: tuple[int, int, int], turn: npt.NDArray[np.int64]
    ) -> FloatImage:
        top, left, side = window
        part = np.asarray(frame[top : top + side, left : left + side], dtype=np.float32)
        if side != self._options.crop:
            part = np.clip(downscale(part, self._options.crop, self._options.crop), 0, 255)
        if turn[0]:
            part = part[::-1]
        if turn[1]:
            part = part[:, ::-1]
        if turn[2]:
            part = part.swapaxes(0, 1)
        return np.ascontiguousarray(part)


def _stack(images: Sequence[FloatImage], unit: float = 255.0) -> Tensor:
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous() / unit
