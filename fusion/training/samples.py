"""Samples for the live network: crops, their LSR pictures, the flow it gets, and the one it should get."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fusion.classical import DisFlow
from fusion.training.clips import Clip
from fusion.training.crops import CropSampler, SampleOptions
from fusion.training.degrade import degrade
from fusion.warp import backward_warp_border

_CLEARLY = 0.01
"""Fall of the mean error around a pixel with which the better flow counts in full, of values in 0..1."""


class FlowLesson(NamedTuple):
    """A flow found with the truth at hand, which the network never sees in use.

    Attributes:
        flow: (B, 2, H, W) offset from the target into the reference [px].
        trust: (B, 1, H, W) in 0..1: 1 where that flow fetches the target clearly better than the given one.

    """

    flow: Tensor
    trust: Tensor


class Batch(NamedTuple):
    """A batch of samples; all (B, C, H, W), values in 0..1.

    Attributes:
        target: (B, 3, H, W) the frame to make.
        lsr: (B, 3, h, w) what the LSR camera saw of it.
        lsr_up: (B, 3, H, W) the same, upscaled.
        references: For each reference its image, its matched image and its flow.
        lessons: For each reference the flow it should have had.

    """

    target: Tensor
    lsr: Tensor
    lsr_up: Tensor
    references: list[tuple[Tensor, Tensor, Tensor]]
    lessons: list[FlowLesson]


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
        self._flow: DisFlow | None = None
        self._teacher: DisFlow | None = None

    def __getstate__(self) -> dict[str, Any]:
        """OpenCV's flow objects do not travel to other processes; each makes its own."""
        return self.__dict__ | {"_flow": None, "_teacher": None}

    def __call__(self, step: int) -> Batch:
        """The batch of one step."""
        if self._flow is None or self._teacher is None:
            self._flow = DisFlow(self._options.scale, self._options.noise_variance)
            self._teacher = DisFlow(1.0)
        pictures = degrade(self._crops(step), self._options)
        # The network takes any number of references and has to manage with the first one alone.
        count = 1 + step % self._options.references
        references, lessons = [], []
        for image, matched in list(zip(pictures.references, pictures.matched, strict=True))[:count]:
            flow = dis_flow(self._flow, pictures.lsr_up, matched)
            better = dis_flow(self._teacher, pictures.target, image)
            references.append((image, matched, flow))
            lessons.append(FlowLesson(better, _trust(pictures.target, image, flow, better)))
        return Batch(pictures.target, pictures.lsr, pictures.lsr_up, references, lessons)


def _trust(target: Tensor, image: Tensor, flow: Tensor, better: Tensor) -> Tensor:
    errors = [
        F.avg_pool2d((backward_warp_border(image, way) - target).abs().mean(dim=1, keepdim=True), 5, 1, 2)
        for way in (flow, better)
    ]
    return ((errors[0] - errors[1]) / _CLEARLY).clamp(0, 1)


def dis_flow(method: DisFlow, images: Tensor, references: Tensor) -> Tensor:
    """(B, 2, H, W) flow of a batch (B, 3, H, W) in 0..1 on the CPU."""
    pairs = zip(_pictures(images), _pictures(references), strict=True)
    flows = np.stack([method(image, reference) for image, reference in pairs])
    return torch.from_numpy(flows).permute(0, 3, 1, 2).contiguous()


def _pictures(planes: Tensor) -> np.ndarray:
    return np.asarray(255 * planes.permute(0, 2, 3, 1).contiguous().numpy(), dtype=np.float32)
