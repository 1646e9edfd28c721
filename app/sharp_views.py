"""Sharp frames in the output view and in the fast camera's colours, and the way back to their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from calibration import Alignment, ColourMap, match_colours, smooth_colours
from calibration.photometric import IDENTITY
from drivers import RgbImage
from fusion.gop import FusedFrame, prepare_reference
from fusion.light import in_light_of, reduced, without_light
from fusion.resample import to_bytes, upscale

COLOUR_MEMORY = 8
"""GoPs whose colours are averaged; resuming measures so many again."""

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class SharpView:
    """An HSR frame as fusion takes it.

    Attributes:
        image: (H, W, 3) uint8 RGB in the output view, in the LSR camera's colours.
        valid: (H, W) bool, where it shows the scene.
        colours: Map from its own colours to those.

    """

    image: RgbImage
    valid: Mask
    colours: ColourMap


class ColourMemory:
    """Colours of GoPs, averaged with those before them, so that a fit's noise does not flicker."""

    def __init__(self) -> None:
        self._fitted: dict[int, ColourMap] = {}

    def view(self, number: int, hsr: RgbImage, seen: RgbImage, alignment: Alignment) -> SharpView:
        """A GoP's HSR frame, given the LSR frame of its instant, cut to the output view."""
        reference: RgbImage = alignment.warp(hsr)
        self._fitted[number] = match_colours(reference, seen, alignment.valid)
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


def same_view(hsr: RgbImage, alignment: Alignment) -> SharpView:
    """An HSR frame of a camera that sees what the LSR camera sees, in the same colours."""
    return SharpView(alignment.warp(hsr), alignment.valid, IDENTITY)


def as_filmed(sharp: RgbImage, lsr: RgbImage) -> RgbImage:
    """A sharp frame in the light of the LSR frame (h, w, 3) of its instant and view: else it would blink."""
    reference = prepare_reference(sharp, None, (lsr.shape[0], lsr.shape[1]))
    lit = in_light_of(reduced(upscale(lsr, *sharp.shape[:2])), reference)
    return sharp if lit is reference else to_bytes(lit.image)


def in_own_colours(fused: FusedFrame, sharp: Sequence[SharpView], shares: Sequence[float]) -> RgbImage:
    """A fused frame in the colours and the light of the sharp frames that it was made from.

    Args:
        fused: The frame, in the colours and the light of the LSR camera.
        sharp: What it was made from.
        shares: How much the light of each of them counts; they add up to 1.

    Raises:
        ViewError: See `ColourMap.inverse`.

    """
    total = np.zeros(fused.image.shape, np.float32)
    image = fused.image.astype(np.float32)
    lights = [*fused.lights, *[None] * len(sharp)]
    for view, share, light in zip(sharp, shares, lights, strict=False):
        if share:
            own = without_light(image, light)
            total += np.float32(share) * cv2.transform(own, view.colours.inverse().matrix.astype(np.float32))
    return np.clip(np.rint(total), 0, 255).astype(np.uint8)
