"""Samples with the motion that a fusion network gets from outside: crops, their LSR pictures, DIS's flow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fusion.gop import Reference
from fusion.motion import DisFlow
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

    """

    target: Tensor
    lsr: Tensor
    lsr_up: Tensor
    references: list[tuple[Tensor, Tensor, Tensor]]
    variance: Tensor


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
        count = 1 + step % self._options.references
        references = [
            (image, matched, dis_flow(pictures, image, matched))
            for image, matched in zip(pictures.references[:count], pictures.matched[:count], strict=True)
        ]
        return Batch(pictures.target, pictures.lsr, pictures.lsr_up, references, pictures.variance)


class FusionSampler:
    """Draws batches for `awnet`; the same seed and step always give the same batch.

    They have all that the network needs and the motion that DIS finds, in half precision. Those where the
    network is to look for motion itself are crops as they are, to be finished on the device that learns.

    Args:
        clips: Footage.
        options: What samples look like.
        batch: Samples in a batch.
        seed: First part of every draw's seed.
        own_every: Of so many batches one is without DIS's motion; None for none.

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
        first, *others = zip(pictures.references, pictures.matched, strict=True)
        flows = [dis_flow(pictures, *first)]
        for image, matched in others:
            # Where there is only one reference it stands in for the other.
            same = [torch.equal(*pair) for pair in zip(image, first[0], strict=True)]
            flows.append(torch.where(torch.tensor(same).reshape(-1, 1, 1, 1), flows[0], 0.0))
            if not all(same):
                apart = [index for index, equal in enumerate(same) if not equal]
                flows[-1][apart] = dis_flow(pictures, image, matched, apart)
        return pictures._replace(matched=[], flows=flows).to(torch.float16)


def dis_flow(
    pictures: Pictures, image: Tensor, matched: Tensor, which: Sequence[int] | None = None
) -> Tensor:
    """(B, 2, H, W) flow from a batch of frames into a batch of references (B, 3, H, W), on the CPU.

    Args:
        pictures: The batch.
        image: The references.
        matched: These after the LSR camera's loss of detail.
        which: Samples wanted; None for all.

    """
    size = (pictures.lsr.shape[-2], pictures.lsr.shape[-1])
    scale = pictures.target.shape[-2] / size[0]
    chosen = list(range(len(image)) if which is None else which)
    samples = zip(
        pictures.variance[chosen].tolist(),
        *(_arrays(planes[chosen]) for planes in (pictures.lsr_up, image, matched)),
        strict=True,
    )
    flows = [
        DisFlow(scale, noise)(up, Reference(sharp, soft, None, size)) for noise, up, sharp, soft in samples
    ]
    return torch.from_numpy(np.stack(flows)).permute(0, 3, 1, 2).contiguous()


def _arrays(planes: Tensor) -> np.ndarray:
    return np.asarray(255 * planes.permute(0, 2, 3, 1).contiguous().numpy(), dtype=np.float32)
