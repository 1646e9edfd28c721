"""Samples with the motion that a fusion network gets in use: crops, their LSR pictures, flow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fusion.gop import Reference
from fusion.joint_motion import JointMotion
from fusion.levels import FloatImage, to_bytes, to_floats
from fusion.motion import DisFlow, FlowArray
from fusion.neighbours import move_neighbours
from fusion.training.clips import Clip
from fusion.training.crops import Crops, CropSampler, SampleOptions
from fusion.training.degrade import Pictures, degrade


class Batch(NamedTuple):
    """A batch of samples for `live`; all (B, C, H, W), values in 0..1.

    Attributes:
        target: (B, 3, H, W) the frame to make.
        lsr: (B, 3, h, w) what the LSR camera saw of it.
        lsr_up: (B, 3, H, W) the same, upscaled.
        references: For each reference its image, its matched image and its flow.
        variance: (B,) of the LSR frames' noise, as well as it is known in use.
        neighbours: (B, 3, H, W) each, LSR frames of other moments, upscaled and moved onto this one.

    """

    target: Tensor
    lsr: Tensor
    lsr_up: Tensor
    references: list[tuple[Tensor, Tensor, Tensor]]
    variance: Tensor
    neighbours: Sequence[Tensor] = ()


class Sampler:
    """Draws batches for `live`; the same seed and step always give the same batch.

    Args:
        clips: Footage.
        options: What samples look like.
        batch: Samples in a batch.
        seed: First part of every draw's seed.

    """

    def __init__(
        self, clips: Sequence[Clip], options: SampleOptions, *, batch: int = 4, seed: int = 0
    ) -> None:
        self._crops = CropSampler(clips, options, batch=batch, seed=seed)
        self._options = options

    def __call__(self, step: int) -> Batch:
        """The batch of one step."""
        pictures = degrade(self._crops(step), self._options)
        # The network takes any number of references and has to manage with the first one alone.
        most = self._options.references
        count = 1 + step % most if most else 0
        flows = motion_of_use(pictures, count)
        references = list(zip(pictures.references[:count], pictures.matched[:count], flows, strict=True))
        near = neighbours_of_use(pictures)
        return Batch(pictures.target, pictures.lsr, pictures.lsr_up, references, pictures.variance, near)


class FusionSampler:
    """Draws batches for `awnet`; the same seed and step always give the same batch.

    They have all that the network needs and motion, in half precision. Those where the network is to look
    for motion itself are crops as they are, to be finished on the device that learns.

    Args:
        clips: Footage.
        options: What samples look like.
        batch: Samples in a batch.
        seed: First part of every draw's seed.
        own_every: Of so many batches one is without motion; None for none.

    """

    def __init__(
        self,
        clips: Sequence[Clip],
        options: SampleOptions,
        *,
        batch: int = 4,
        seed: int = 0,
        own_every: int | None = None,
    ) -> None:
        self._crops = CropSampler(clips, options, batch=batch, seed=seed)
        self._options = options
        self._own_every = own_every

    def __call__(self, step: int) -> Crops | Pictures:
        """The batch of one step."""
        crops = self._crops(step)
        if self._own_every and step % self._own_every == self._own_every - 1:
            return crops
        pictures = degrade(crops, self._options)
        flows = motion_of_use(pictures, len(pictures.references))
        near = neighbours_of_use(pictures)
        return pictures._replace(matched=[], flows=flows, neighbours=near).to(torch.float16)


def motion_of_use(pictures: Pictures, count: int) -> list[Tensor]:
    """Flow (B, 2, H, W) [px] from a batch of frames into each of their first references, found as in use.

    Where the first reference stands in for a missing second one, both have the flow of a frame with one.

    Args:
        pictures: The batch.
        count: How many references.

    """
    if not count:
        return []
    found = [_motion_of_one(pictures, index, count) for index in range(len(pictures.target))]
    return [
        torch.from_numpy(np.stack(flows)).permute(0, 3, 1, 2).contiguous()
        for flows in zip(*found, strict=True)
    ]


def neighbours_of_use(pictures: Pictures) -> list[Tensor]:
    """The batch's neighbours (B, 3, H, W), upscaled and moved onto its frames as in use."""
    moved = [
        move_neighbours(
            _array(up), [_array(one[index]) for one in pictures.neighbours], float(pictures.variance[index])
        )
        for index, up in enumerate(pictures.lsr_up)
    ]
    return [
        torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous() / 255
        for images in zip(*moved, strict=True)
    ]


def _motion_of_one(pictures: Pictures, index: int, count: int) -> list[FlowArray]:
    size = (pictures.lsr.shape[-2], pictures.lsr.shape[-1])
    scale, noise = pictures.target.shape[-2] / size[0], float(pictures.variance[index])
    first = pictures.references[0][index]
    apart = [k for k in range(count) if k == 0 or not torch.equal(pictures.references[k][index], first)]
    references = [
        Reference(
            _array(pictures.references[k][index]),
            _array(pictures.matched[k][index]),
            None,
            size,
            distance=None if pictures.distances is None else float(pictures.distances[index, k]),
        )
        for k in apart
    ]
    motion = JointMotion(DisFlow(scale, noise), scale, noise)
    flows = motion(
        to_floats(to_bytes(_array(pictures.lsr[index]))), _array(pictures.lsr_up[index]), references
    )
    return [flows[apart.index(k)] if k in apart else flows[0] for k in range(count)]


def _array(planes: Tensor) -> FloatImage:
    return np.asarray(255 * planes.permute(1, 2, 0).contiguous().numpy(), dtype=np.float32)
