"""Crops for training: a target frame and sharp references some frames away, still as bytes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fusion.errors import TrainingError
from fusion.gop import NEIGHBOURS, nearest_in_time
from fusion.levels import ByteImage, FloatImage, to_bytes
from fusion.neighbours import LEARNED_FLICKER
from fusion.resample import downscale
from fusion.training.clips import Clip

NOISE_PLACES = ("lsr", "upscaled")
"""Where noise is put: on the LSR frame, behind a real lens and mosaic, or on the upscaled one (paper 3.4)."""

_NAMED_SCALE = 0.5
_HALF = 0.5
_NEIGHBOUR_SHARES = (0.0, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
"""Of the most neighbours, how many a batch gets, each alike."""
_MOSAIC = 3
"""Pixels of a colour mosaic, along one axis, that can be filled in from their neighbours."""


@dataclass(frozen=True, slots=True)
class SampleOptions:
    """What samples look like.

    Attributes:
        scale: Output pixels per LSR pixel.
        least_scale: Half of the batches get any scale from this one on; None for `scale`.
        most_scale: These go up to this one, and the other half gets it and `scale` in turn; None for `scale`.
        noise_variance: Most Gaussian noise on the LSR frame, of values in 0..1; most samples get less.
        clean: Share of samples without any noise, where there is noise.
        crop: Rows and columns of the crops [px].
        farthest: Most frames between the target and its reference.
        references: 0, 1, or 2: one before and one after the target, at distances of their own.
        alone: Share of samples with the first reference in the place of the second, as at a clip's end.
        zoom: Share of samples taken from a larger field and reduced: sharper and faster.
        jitter: Share of samples whose reference was exposed and coloured a little differently.
        neighbours: Most LSR frames of other moments beside the target's; some batches get fewer.
        one_sided: Share of samples that have them on one side only, as the last frame of a stream has.
        blur: Share of samples whose reference is motion-blurred (mean of neighbouring frames, paper eq. 1).
        noise_on: One of `NOISE_PLACES`.

    """

    scale: int = 4
    least_scale: float | None = None
    most_scale: float | None = None
    noise_variance: float = 0.0
    clean: float = 0.0
    crop: tuple[int, int] = (192, 192)
    farthest: int = 4
    references: int = 1
    alone: float = 0.0
    zoom: float = 0.4
    jitter: float = 0.2
    neighbours: int = NEIGHBOURS
    one_sided: float = 0.2
    blur: float = 0.1
    noise_on: str = "lsr"


class Crops(NamedTuple):
    """A batch as the cameras saw it.

    Attributes:
        target: (B, 3, H, W) uint8, the frame to make.
        references: For each reference (B, 3, H, W) uint8.
        seed: For all further draws.
        scale: Output pixels per LSR pixel of this batch, where the options leave it open.
        neighbours: (B, 3, H, W) uint8 each, frames of other moments near the target, nearest first.
        distances: (B, references) frames from each reference to the target, as in `fusion.gop.Reference`;
            None where there is no clip.

    """

    target: Tensor
    references: list[Tensor]
    seed: int
    scale: float | None = None
    distances: Tensor | None = None
    neighbours: Sequence[Tensor] = ()


def draw_scale(options: SampleOptions, rng: np.random.Generator) -> float | None:
    """Output pixels per LSR pixel of one batch; None where the options leave nothing open."""
    least, most = options.least_scale or options.scale, options.most_scale or options.scale
    if least == most:
        return None
    if rng.random() < _NAMED_SCALE:
        return float(rng.choice((options.scale, most)))
    return float(least * (most / least) ** rng.random())


class _Drawn(NamedTuple):
    target: ByteImage
    references: list[ByteImage]
    distances: list[int]
    neighbours: list[ByteImage]


class CropSampler:
    """Draws crops; the same seed and step always give the same ones, on any machine.

    Args:
        clips: Footage.
        options: What samples look like.
        batch: Samples in a batch.
        seed: First part of every draw's seed.

    Raises:
        TrainingError: No clip has frames as large as the crop, the noise has no such place, the least scale
            is no smaller one, the greatest no greater one, or a noisy crop is hardly an LSR pixel.

    """

    def __init__(
        self, clips: Sequence[Clip], options: SampleOptions, *, batch: int = 4, seed: int = 0
    ) -> None:
        if options.noise_on not in NOISE_PLACES:
            raise TrainingError(f"noise on {options.noise_on!r}: choose {' or '.join(NOISE_PLACES)}")
        if options.least_scale is not None and not 1 <= options.least_scale < options.scale:
            raise TrainingError(
                f"least scale {options.least_scale:g}: give one from 1 to below the scale {options.scale}"
            )
        if options.most_scale is not None and options.most_scale <= options.scale:
            raise TrainingError(
                f"greatest scale {options.most_scale:g}: give one above the scale {options.scale}"
            )
        height, width = options.crop
        most = options.most_scale or options.scale
        if options.noise_variance and min(height, width) < _MOSAIC * most:
            raise TrainingError(
                f"crops of {width}x{height} pixels leave nothing of a colour mosaic at scale {most:g}; take "
                f"crops of at least {math.ceil(_MOSAIC * most)} pixels"
            )
        self._clips = [c for c in clips if min(c.frames.shape[1:3]) >= min(height, width)]
        self._clips = [c for c in self._clips if c.frames.shape[1] >= height and c.frames.shape[2] >= width]
        if not self._clips:
            raise TrainingError(
                f"no clip has frames of {width}x{height} pixels; give larger frames or take smaller crops"
            )
        self._options = options
        self._batch = batch
        self._seed = seed
        # Long clips count more, but not in proportion: their frames are alike.
        lengths = np.sqrt([len(clip.frames) for clip in self._clips])
        self._share = lengths / lengths.sum()

    def __call__(self, step: int) -> Crops:
        """The crops of one step."""
        rng = np.random.default_rng((self._seed, step))
        count = round(self._options.neighbours * float(rng.choice(_NEIGHBOUR_SHARES)))
        drawn = [self._draw(np.random.default_rng((self._seed, step, k)), count) for k in range(self._batch)]
        return Crops(
            target=_stack([one.target for one in drawn]),
            references=[
                _stack([one.references[k] for one in drawn]) for k in range(self._options.references)
            ],
            seed=int(rng.integers(2**62)),
            scale=draw_scale(self._options, rng),
            distances=torch.tensor([one.distances for one in drawn]),
            neighbours=[_stack([one.neighbours[k] for one in drawn]) for k in range(count)],
        )

    def _draw(self, rng: np.random.Generator, neighbours: int) -> _Drawn:
        options = self._options
        frames = self._clips[rng.choice(len(self._clips), p=self._share)].frames
        count = len(frames)
        target = int(rng.integers(count))
        side = int(rng.choice((-1, 1)))
        positions = []
        for k in range(options.references):
            stride = int(rng.integers(1, options.farthest + 1)) * (side if k == 0 else -side)
            position = target + stride
            positions.append(position if 0 <= position < count else target - stride)
        turn = rng.integers(0, 2, 3)
        window = self._window(rng, frames.shape[1:3], transposed=bool(turn[2]))
        if window is None:
            turn[2] = 0
            window = self._window(rng, frames.shape[1:3], transposed=False)
            assert window is not None
        positions = [min(max(position, 0), count - 1) for position in positions]
        references = []
        for position in positions:
            if rng.random() < options.blur:
                near = frames[max(position - 1, 0) : position + 2][(slice(None), *window)]
                image = self._fit(near.mean(axis=0, dtype=np.float32), turn)
            else:
                image = self._fit(frames[position][window], turn)
            if rng.random() < options.jitter:
                gain = 1 + rng.uniform(-0.08, 0.08) + rng.uniform(-0.03, 0.03, 3)
                image = np.asarray(image * gain + rng.uniform(-4, 4), dtype=np.float32)
            references.append(_bytes(image))
        if options.references > 1 and rng.random() < options.alone:
            references = references[:1] * options.references
            positions = positions[:1] * options.references
        whole = _bytes(self._fit(frames[target][window], turn))
        beside = [
            self._flickering(rng, self._fit(frames[k][window], turn))
            for k in self._near(rng, target, count, neighbours)
        ]
        return _Drawn(whole, references, [target - position for position in positions], beside)

    def _near(self, rng: np.random.Generator, target: int, count: int, wanted: int) -> list[int]:
        """Positions of neighbours among so many frames, nearest first; too few of them come again."""
        moments = list(range(count))
        if rng.random() < self._options.one_sided:
            moments = moments[: target + 1] if rng.random() < _HALF else moments[target:]
        if len(moments) == 1:
            return [target] * wanted
        found = nearest_in_time(moments, moments.index(target))
        return [moments[found[k % len(found)]] for k in range(wanted)]

    def _flickering(self, rng: np.random.Generator, image: ByteImage | FloatImage) -> ByteImage:
        if rng.random() < self._options.jitter:
            image = np.asarray(image * (1 + rng.uniform(-LEARNED_FLICKER, LEARNED_FLICKER)), dtype=np.float32)
        return _bytes(image)

    def _window(
        self, rng: np.random.Generator, size: tuple[int, ...], *, transposed: bool
    ) -> tuple[slice, slice] | None:
        height, width = self._options.crop[::-1] if transposed else self._options.crop
        largest = min(size[0] / height, size[1] / width, 2.0)
        if largest < 1:
            return None
        zoom = rng.uniform(1, largest) if rng.random() < self._options.zoom else 1.0
        rows, columns = int(height * zoom), int(width * zoom)
        top, left = int(rng.integers(size[0] - rows + 1)), int(rng.integers(size[1] - columns + 1))
        return slice(top, top + rows), slice(left, left + columns)

    def _fit(self, part: ByteImage | FloatImage, turn: npt.NDArray[np.int64]) -> ByteImage | FloatImage:
        if turn[2]:
            part = part.swapaxes(0, 1)
        if part.shape[:2] != self._options.crop:
            part = downscale(part, *self._options.crop)
        if turn[0]:
            part = part[::-1]
        if turn[1]:
            part = part[:, ::-1]
        return part


def _bytes(image: ByteImage | FloatImage) -> ByteImage:
    return (
        image.astype(np.uint8, copy=False) if image.dtype == np.uint8 else to_bytes(image.astype(np.float32))
    )


def _stack(images: Sequence[ByteImage]) -> Tensor:
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
