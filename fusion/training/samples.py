"""Samples for the live network: crops with their LSR pictures and the flow that it gets from outside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fusion.gop import Reference
from fusion.motion import DisFlow
from fusion.training.clips import Clip
from fusion.training.crops import CropSampler, SampleOptions
from fusion.training.degrade import Pictures, degrade


class Batch(NamedTuple):
    """A batch of samples; all (B, C, H, W), values in 0..1.

    Attributes:
        target: (B, 3, H, W) the frame to make.
        lsr: (B, 3, h, w) what the LSR camera saw of it.
        lsr_up: (B, 3, H, W) the same, upscaled.
        references: For each reference its image, its matched image and its flow.
        variance: (B,) of the LSR frames' noise, as well as it is known in use.

    """

    target: Tensor
    lsr: Tensor
    lsr_up: Tensor
    references: list[tuple[Tensor, Tensor, Tensor]]
    variance: Tensor


class Sampler:
    """Draws batches; the same seed and step always give the same batch.

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
        count = 1 + step % self._options.references
        references = [
            (image, matched, dis_flow(pictures, image, matched))
            for image, matched in zip(pictures.references[:count], pictures.matched[:count], strict=True)
        ]
        return Batch(pictures.target, pictures.lsr, pictures.lsr_up, references, pictures.variance)


def dis_flow(pictures: Pictures, image: Tensor, matched: Tensor) -> Tensor:
    """(B, 2, H, W) flow from a batch of frames into a batch of references (B, 3, H, W), on the CPU."""
    size = (pictures.lsr.shape[-2], pictures.lsr.shape[-1])
    scale = pictures.target.shape[-2] / size[0]
    samples = zip(
        pictures.variance.tolist(), _arrays(pictures.lsr_up), _arrays(image), _arrays(matched), strict=True
    )
    flows = [
        DisFlow(scale, noise)(up, Reference(sharp, soft, None, size)) for noise, up, sharp, soft in samples
    ]
    return torch.from_numpy(np.stack(flows)).permute(0, 3, 1, 2).contiguous()


def _arrays(planes: Tensor) -> np.ndarray:
    return np.asarray(255 * planes.permute(0, 2, 3, 1).contiguous().numpy(), dtype=np.float32)
