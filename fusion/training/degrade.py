"""What the LSR camera leaves of a picture, on any device: reduction, noise, 8 bits, enlargement.

A noisy camera is a real one: its lens softens what it sees. A fifth of them see one colour in each pixel,
and so does the sharp camera beside them; the others' noise is smoothed as a codec or a filter does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from fusion.resample import lose_detail_planes
from fusion.training.crops import Crops, SampleOptions
from fusion.training.mosaic import fill, sample

LEAST_SHARE = 1e-3
"""Least of the noise variance that a sample gets."""

_FULL = 0.25
"""Share of samples with all of it."""
_KNOWN = 0.3
"""How far the logarithm of the variance is off where it is measured."""
_MOSAICS = 0.2
"""Share of samples seen through a colour mosaic."""
_MAD = 1.4826
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
        variance: (B,) of what sets the LSR frames apart from the reduced target, of values in 0..1: noise,
            lens and mosaic, as well as it is known in use.
        distances: As in `Crops`.
        neighbours: (B, 3, h, w) each, LSR frames of other moments; where they were moved onto the target's,
            upscaled, (B, 3, H, W).
        flows: For each reference (B, 2, H, W) the motion found on the CPU [px], where it was looked for.

    """

    target: Tensor
    lsr: Tensor
    lsr_up: Tensor
    references: list[Tensor]
    matched: list[Tensor]
    variance: Tensor
    distances: Tensor | None = None
    flows: Sequence[Tensor] = ()
    neighbours: Sequence[Tensor] = ()

    def to(self, dtype: torch.dtype) -> Pictures:
        """The same in another precision: half of it travels from a worker to a GPU in half the time."""

        def all_to(planes: Sequence[Tensor]) -> list[Tensor]:
            return [each.to(dtype) for each in planes]

        target, lsr, lsr_up, variance = all_to([self.target, self.lsr, self.lsr_up, self.variance])
        references, matched, flows, neighbours = map(
            all_to, (self.references, self.matched, self.flows, self.neighbours)
        )
        return Pictures(target, lsr, lsr_up, references, matched, variance, self.distances, flows, neighbours)


def degrade(crops: Crops, options: SampleOptions) -> Pictures:
    """Make the inputs of a fusion network from crops, on the device the crops are on, always in float32."""
    with torch.autocast(crops.target.device.type, enabled=False):
        return _degrade(crops, options)


def _degrade(crops: Crops, options: SampleOptions) -> Pictures:
    target = crops.target.float() / 255
    references = [image.float() / 255 for image in crops.references]
    generator = torch.Generator(target.device).manual_seed(crops.seed)
    scale = crops.scale or options.scale
    small = reduce(target, scale)
    beside = [reduce(image.float() / 255, scale) for image in crops.neighbours]
    lsr, variance = small, torch.zeros(len(target), device=target.device)
    sigma = _variance(len(target), options.noise_variance, generator).sqrt()
    if options.noise_variance and options.noise_on == "lsr":
        mosaic = torch.rand(sigma.shape, generator=generator, device=target.device) < _MOSAICS
        clean = torch.rand(sigma.shape, generator=generator, device=target.device) < options.clean
        mosaic, sigma = mosaic & ~clean, sigma * ~clean
        optics, codec = _SOFTEST * torch.rand(2, *sigma.shape, generator=generator, device=target.device)
        camera = _Camera(sigma, optics, codec, mosaic)
        lsr, *beside = (
            torch.where(clean, sharp, _seen(sharp, camera, generator)) for sharp in (small, *beside)
        )
        for image in references:
            image[mosaic.flatten()] = fill(sample(image[mosaic.flatten()])).clamp(0, 1)
    lsr = to_8_bits(lsr)
    lsr_up = enlarge(lsr, target)
    if options.noise_variance:
        if options.noise_on == "upscaled":
            lsr_up = lsr_up + sigma * _normal(lsr_up, generator)
            variance = sigma.flatten() ** 2
        else:
            variance = _mismatch(lsr, small) ** 2
        variance = variance * torch.exp(_KNOWN * _normal(variance, generator))
    matched = [match(image, scale) for image in references]
    return Pictures(
        target,
        lsr,
        lsr_up,
        references,
        matched,
        variance,
        crops.distances,
        neighbours=[to_8_bits(image) for image in beside],
    )


class _Camera(NamedTuple):
    """A real camera, all (B, 1, 1, 1): its noise's deviation, two softenings, whether it has a mosaic."""

    sigma: Tensor
    optics: Tensor
    codec: Tensor
    mosaic: Tensor


def _seen(small: Tensor, camera: _Camera, generator: torch.Generator) -> Tensor:
    """What a real camera sees of (B, 3, h, w)."""
    soft = _soften(small, camera.optics)
    noise = camera.sigma * _normal(small, generator)
    filtered = soft + _soften(noise, camera.codec) / _left_of_noise(camera.codec)
    return torch.where(camera.mosaic, fill(sample(soft + noise)), filtered)


def _mismatch(lsr: Tensor, small: Tensor) -> Tensor:
    """Robust standard deviation (B,) between two pictures, as `calibration.noise.view_mismatch` has it."""
    return _MAD * (lsr - small).abs().flatten(1).median(dim=1).values


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
