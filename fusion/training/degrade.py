"""What the LSR camera leaves of a picture, on any device: reduction, noise, 8 bits, enlargement."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from fusion.resample import lose_detail_planes
from fusion.training.crops import Crops, SampleOptions


class Pictures(NamedTuple):
    """A batch ready for a network; all (B, 3, H, W) in 0..1 except `lsr`.

    Attributes:
        target: The frame to make.
        lsr: (B, 3, h, w) what the LSR camera saw of it.
        lsr_up: The same, upscaled.
        references: Sharp pictures of other moments.
        matched: These after the LSR camera's loss of detail.

    """

    target: Tensor
    lsr: Tensor
    lsr_up: Tensor
    references: list[Tensor]
    matched: list[Tensor]


def degrade(crops: Crops, options: SampleOptions) -> Pictures:
    """Make the inputs of a fusion network from crops, on the device the crops are on."""
    target = crops.target.float() / 255
    references = [image.float() / 255 for image in crops.references]
    generator = torch.Generator(target.device).manual_seed(crops.seed)
    sigma = _sigma(len(target), options.noise_variance, generator)
    small = reduce(target, options.scale)
    if options.noise_on == "lsr":
        small = small + sigma * _normal(small, generator)
    lsr = to_8_bits(small)
    lsr_up = enlarge(lsr, target)
    if options.noise_on == "upscaled":
        lsr_up = lsr_up + sigma * _normal(lsr_up, generator)
    return Pictures(target, lsr, lsr_up, references, [match(image, options.scale) for image in references])


def match(image: Tensor, scale: int) -> Tensor:
    """A picture after the LSR camera's loss of detail, at its own size."""
    return lose_detail_planes(image, (image.shape[-2] // scale, image.shape[-1] // scale))


def reduce(image: Tensor, scale: int) -> Tensor:
    """As `fusion.resample.downscale`, by an integer, for (B, C, H, W)."""
    size = (image.shape[-2] // scale, image.shape[-1] // scale)
    return F.interpolate(image, size=size, mode="bicubic", antialias=True)


def enlarge(image: Tensor, like: Tensor) -> Tensor:
    """As `fusion.resample.upscale`, for (B, C, H, W), to the size of `like`."""
    return F.interpolate(image, size=like.shape[-2:], mode="bicubic", align_corners=False)


def to_8_bits(image: Tensor) -> Tensor:
    """Clip to 0..1 and round to what 8 bits can say."""
    return (image.clamp(0, 1) * 255).round() / 255


def _sigma(batch: int, variance: float, generator: torch.Generator) -> Tensor:
    draws = torch.rand(2, batch, 1, 1, 1, generator=generator, device=generator.device)
    share = torch.where(draws[0] < 0.5, draws[1], torch.ones_like(draws[1]))
    return torch.sqrt(variance * share)


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator, device=like.device)
