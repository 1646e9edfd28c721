"""Sharp frames in the output view and in the fast camera's colours, and the way back to their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from calibration import Alignment, ColourMap, match_colours, smooth_colours
from calibration.photometric import IDENTITY
from drivers import Image
from fusion.classical import allowed_mismatch, local_mean
from fusion.digital_gain import brightened, brightness, gain_of_moment
from fusion.gop import FusedFrame, Reference, prepare_reference
from fusion.levels import ByteImage, FloatImage, to_bytes, to_depth_of, to_floats
from fusion.light import WHITE, in_light_of, reduced, without_light
from fusion.resample import upscale

COLOUR_MEMORY = 8
"""GoPs whose colours are averaged; resuming measures so many again."""

_UNLIKE = (2.5, 4.0)
"""Mismatch, as a multiple of what is allowed, from which on a sharp frame is doubted, and believed no more.

Up to 2.3 is found between frames of one scene, in coarse and in compressed frames.
"""
_LEAST_UNLIKE = 0.002
"""Share of the picture."""
_ODD = 2.0
_TURNS = 2
"""More of them change the map by less than its noise."""

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class SharpView:
    """An HSR frame as fusion takes it.

    Attributes:
        image: (H, W, 3) RGB in the output view, in the LSR camera's colours.
        valid: (H, W) bool, where it shows the scene.
        colours: Map from its own colours to those.

    """

    image: Image
    valid: Mask
    colours: ColourMap


class ColourMemory:
    """Colours of GoPs, averaged with those before them, so that a fit's noise does not flicker."""

    def __init__(self) -> None:
        self._fitted: dict[int, ColourMap] = {}

    def view(self, number: int, hsr: Image, seen: Image, alignment: Alignment) -> SharpView:
        """A GoP's HSR frame, given the LSR frame of its instant, cut to the output view."""
        reference: Image = alignment.warp(hsr)
        (sharp, its), (coarse, others) = brightened(reference), brightened(seen)
        self._fitted[number] = _match_lit(sharp, coarse, alignment.valid).of_gains(its, others)
        colours = self._smooth(number)
        return SharpView(colours.apply(reference), alignment.valid, colours)

    def _smooth(self, number: int) -> ColourMap:
        """The average up to a GoP; older ones are forgotten."""
        smooth: ColourMap | None = None
        self._fitted = {k: v for k, v in self._fitted.items() if k > number - COLOUR_MEMORY}
        for k in sorted(self._fitted):
            smooth = smooth_colours(smooth, self._fitted[k])
        assert smooth is not None
        return smooth


def _match_lit(sharp: ByteImage, coarse: ByteImage, valid: Mask) -> ColourMap:
    """The colours of two cameras, told apart from what a lens or the light of the moment darkens in places.

    Left in, that looks as if colours were mixed. Each of the two is found better when the other is known.
    """
    colours = match_colours(sharp, coarse, valid)
    for _ in range(_TURNS):
        light = _seen(colours.apply(sharp), coarse, valid=valid)[1].light
        if light is None:
            break
        even = to_bytes(without_light(to_floats(coarse), light))
        colours = match_colours(sharp, even, valid)
    return colours


def same_view(hsr: Image, alignment: Alignment) -> SharpView:
    """An HSR frame of a camera that sees what the LSR camera sees, in the same colours."""
    return SharpView(alignment.warp(hsr), alignment.valid, IDENTITY)


def as_filmed(
    sharp: Image,
    lsr: Image,
    beside: Sequence[Image],
    noise_variance: float,
    fused: Callable[[], Image],
    gain: float = 1.0,
) -> tuple[Image, bool]:
    """A sharp frame as the LSR frame of its instant and view shows it: else it would blink among the others.

    It is brought into that frame's light. Where the two show different things all the same, as a flash, a
    text or bars in one stream, a damaged frame, or the blur of a long exposure, it gives way to a fused one.

    Args:
        sharp: (H, W, 3) RGB.
        lsr: (h, w, 3) RGB, the LSR frame of its instant.
        beside: The LSR frames before and after that one.
        noise_variance: Of the LSR frames, of values in 0..1.
        fused: Makes the fused frame (H, W, 3); called only where it is needed.
        gain: How many times as bright they are compared, less in a bright moment, as they are fused.

    Returns:
        The frame, and whether any of it is the fused one.

    """
    gain = gain_of_moment(map(brightness, (sharp, lsr)), gain)
    frame, lit = _seen(sharp, lsr, gain)
    image = _as_lit(sharp, lit, gain)
    share = _unlike(frame, lit, noise_variance * gain**2)
    if share is None or _is_odd(sharp, lsr, beside, gain):
        return image, False
    own = to_floats(image)
    return to_depth_of(sharp, own + share[..., None] * (to_floats(fused()) - own)), True


def in_the_light_of(sharp: Image, lsr: Image, valid: Mask | None = None) -> Image:
    """A sharp frame (H, W, 3), where `valid` (H, W), in the light of an LSR frame (h, w, 3) of its view."""
    return _as_lit(sharp, _seen(sharp, lsr, valid=valid)[1])


def _as_lit(sharp: Image, lit: Reference, gain: float = 1.0) -> Image:
    return sharp if lit.unlit is None else to_depth_of(sharp, lit.image, gain)


def _seen(
    sharp: Image, lsr: Image, gain: float = 1.0, valid: Mask | None = None
) -> tuple[FloatImage, Reference]:
    """An LSR frame enlarged, and a sharp one in its light."""
    frame = upscale(to_floats(lsr, gain), *sharp.shape[:2])
    reference = prepare_reference(to_floats(sharp, gain), valid, (lsr.shape[0], lsr.shape[1]))
    return frame, in_light_of(reduced(frame), reference, WHITE * gain)


def _unlike(frame: FloatImage, lit: Reference, noise_variance: float) -> FloatImage | None:
    """How far (H, W), 0..1, the two differ beyond detail and noise; None where by next to nothing."""
    apart = local_mean(lit.matched - frame)
    allowed = allowed_mismatch(lit.image - lit.matched, frame.shape[0] / lit.lsr_size[0], noise_variance)
    least, most = _UNLIKE
    share = np.clip((apart / allowed - least) / (most - least), 0, 1, dtype=np.float32)
    return share if np.mean(share > 0) >= _LEAST_UNLIKE else None


def _is_odd(sharp: Image, lsr: Image, beside: Sequence[Image], gain: float) -> bool:
    """Whether an LSR frame is the one that is wrong: the sharp frame is much more like those beside it."""
    seen = (_seen(sharp, one, gain) for one in (lsr, *beside))
    apart, *others = (float(np.abs(lit.matched - frame).mean()) for frame, lit in seen)
    return apart > _ODD * min(others, default=apart)


def in_own_colours(fused: FusedFrame, sharp: Sequence[SharpView], shares: Sequence[float]) -> Image:
    """A fused frame in the colours and the light of the sharp frames that it was made from.

    Args:
        fused: The frame, in the colours and the light of the LSR camera.
        sharp: What it was made from.
        shares: How much the light of each of them counts; they add up to 1.

    Raises:
        ViewError: See `ColourMap.inverse`.

    """
    total = np.zeros(fused.image.shape, np.float32)
    image = to_floats(fused.image)
    lights = [*fused.lights, *[None] * len(sharp)]
    for view, share, light in zip(sharp, shares, lights, strict=False):
        if share:
            own = without_light(image, light)
            total += np.float32(share) * cv2.transform(own, view.colours.inverse().matrix.astype(np.float32))
    return to_depth_of(fused.image, total)
