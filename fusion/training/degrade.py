"""What the LSR camera leaves of a picture, on any device: reduction, noise, 8 bits, enlargement.

A noisy camera is a real one: its lens and mosaic soften what it sees, and the mosaic's filling smooths its
noise as well.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from fusion.resample import lose_detail_planes
from fusion.training.crops import Crops, SampleOptions

LEAST_SHARE = 1e-3
"""Least of the noise variance that a sample gets."""

_FULL = 0.25
"""Share of samples with all of it."""
_KNOWN = 0.3
"""How far the logarithm of the variance is off where it is measured."""
_SOFTEST = 0.2
"""Most of a pixel's light or noise that each neighbour gets."""


class Pictures(NamedTuple):
    """A batch ready for a network; all (B, 3, H, W) in 0..1 except `lsr`.

    Attributes:
        target: The frame to make.
        lsr: (B, 3, h, w) what the LSR camera saw of it.
        lsr_up: The same, upscaled.
        references: Sharp pictures of other moments.
        matched: These after the LSR camera's loss of detail.
        variance: (B,) of the LSR frames' noise, of values in 0..1, as well as it is known in use.

    """

    target: Tensor
    lsr: Tensor
    lsr_up: Tensor
    references: list[Tensor]
    matched: list[Tensor]
    variance: Tensor


def degrade(crops: Crops, options: SampleOptions) -> Pictures:
    """Make the inputs of a fusion network from crops, on the device the crops are on."""
    target = crops.target.float() / 255
    references = [image.float() / 255 for image in crops.references]
    generator = torch.Generator(target.device).manual_seed(crops.seed)
    scale = crops.scale or options.scale
    variance = _variance(len(target), options.noise_variance, generator)
    sigma = variance.sqrt()
    small = reduce(target, scale)
    if options.noise_on == "lsr" and options.noise_variance:
        optics, mosaic = _SOFTEST * torch.rand(
            2, len(target), 1, 1, 1, generator=generator, device=target.device
        )
        small = _soften(small, optics)
        small = small + sigma * _soften(_normal(small, generator), mosaic) / _left_of_noise(mosaic)
    lsr = to_8_bits(small)
    lsr_up = enlarge(lsr, target)
    if options.noise_on == "upscaled":
        lsr_up = lsr_up + sigma * _normal(lsr_up, generator)
    known = variance * torch.exp(_KNOWN * _normal(variance, generator))
    return Pictures(
        target,
        lsr,
        lsr_up,
        references,
        [match(image, scale) for image in references],
        known.flatten(),
    )


def match(image: Tensor, scale: float) -> Tensor:
    """A picture after the LSR camera's loss of detail, at its own size."""
    return lose_detail_planes(image, _lsr_size(image, scale))


def reduce(image: Tensor, scale: float) -> Tensor:
    """As `fusion.resample.downscale`, for (B, C, H, W); what is left over of its sides makes pixels wider."""
    return F.interpolate(image, size=_lsr_size(image, scale), mode="bicubic", antialias=True)


def _lsr_size(image: Tensor, scale: float) -> tuple[int, int]:
    return int(image.shape[-2] // scale), int(image.shape[-1] // scale)


def enlarge(image: Tensor, like: Tensor) -> Tensor:
    """As `fusion.resample.upscale`, for (B, C, H, W), to the size of `like`."""
    return F.interpolate(image, size=like.shape[-2:], mode="bicubic", align_corners=False)


def to_8_bits(image: Tensor) -> Tensor:
    """Clip to 0..1 and round to what 8 bits can say."""
    return (image.clamp(0, 1) * 255).round() / 255


def _variance(batch: int, most: float, generator: torch.Generator) -> Tensor:
    """(B, 1, 1, 1): some get all of it, the others anything down to `LEAST_SHARE`, each decade alike."""
    draws = torch.rand(2, batch, 1, 1, 1, generator=generator, device=generator.device)
    return most * torch.where(draws[0] < _FULL, torch.ones_like(draws[1]), LEAST_SHARE ** draws[1])


def _soften(image: Tensor, share: Tensor) -> Tensor:
    """Give each pixel's neighbours (B, 1, 1, 1) shares of it, along rows and along columns."""
    wide = F.pad(image, (1, 1, 1, 1), mode="replicate")
    wide = (1 - 2 * share) * wide[..., 1:-1, :] + share * (wide[..., :-2, :] + wide[..., 2:, :])
    return (1 - 2 * share) * wide[..., 1:-1] + share * (wide[..., :-2] + wide[..., 2:])


def _left_of_noise(share: Tensor) -> Tensor:
    """What `_soften` leaves of the standard deviation of white noise."""
    return (1 - 2 * share) ** 2 + 2 * share**2


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator, device=like.device)
