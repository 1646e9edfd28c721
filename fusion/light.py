"""Light that changes between a sharp picture and the frame made from it.

Lamps on mains power brighten and dim a hundred times a second or more, which a camera at 240 fps films and
one at 30 fps averages; a rolling shutter turns it into bands; exposure control and passing clouds do the same
more slowly. To a fusion that compares values every such difference looks like wrong motion, and detail is
lost. So a sharp picture is brought into the frame's light first: both are compared small, along a coarse
motion, and what they differ by as a smooth gain is the light.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from fusion.gop import Mask, Reference, Synthesis, Synthesiser
from fusion.levels import FloatImage, channel_mean, to_bytes
from fusion.motion import luma, search, side_by_side, warp_array

WHITE = 255.0

_SIDE = 160
"""Longer side of the pictures compared [px]: motion within a GoP is a few of these pixels."""
_REACH = 0.08
"""Light changes as smoothly as over this share of the longer side."""
_GLOBAL_SHARE = 0.02
"""Weight of the whole picture's gain beside that of a place where half of it can be compared."""
_LEAST_CHANGE = 0.01
"""Smaller gains, of the largest, change no fused picture that can be seen."""
_LEAST_EXPLAINED = 0.03
"""Share of the mismatch that a change of light has to explain: noise and wrong motion look like a little."""
_DARK, _CLIPPED = 4.0, 251.0
_NEARLY_WHITE = 235.0
_MOST_FLICKER = 2.0
_ROUNDS = 4
_LEAST_PIXELS = 100
_STIFFNESS = 1e-3
"""Of the surface: as much of the whole picture's weight speaks for a flat one."""
_WORTH_A_SURFACE = 0.8
"""Of the squared mismatch that one gain leaves, a surface may leave so much."""
_MOST_UNLIKE = 4.0
"""Times by which its corners may be darker or brighter than the whole picture."""
_WITHIN = 0.99

_Gain = npt.NDArray[np.float32]


class InLight:
    """A synthesiser that gets its references in the light of the frame.

    Args:
        inner: What makes the frame of them.
        white: No picture becomes brighter than this: a camera clips what is.

    """

    def __init__(self, inner: Synthesiser, white: float = WHITE) -> None:
        self._inner, self._white = inner, white
        self.recursion = inner.recursion

    def synthesise(
        self,
        lsr: FloatImage,
        upscaled: FloatImage,
        references: Sequence[Reference],
        neighbours: Sequence[FloatImage] = (),
    ) -> Synthesis:
        """See `fusion.gop.Synthesiser`."""
        frame = reduced(upscaled)
        lit = side_by_side(lambda reference: in_light_of(frame, reference, self._white), references)
        made = self._inner.synthesise(lsr, upscaled, lit, neighbours)
        return replace(made, lights=tuple(reference.light for reference in lit))


def in_light_of(frame: FloatImage, reference: Reference, white: float = WHITE) -> Reference:
    """A sharp picture in the light of a frame (enlarged, then `reduced`); as it is where that is the same."""
    gain = light_gain(frame, reference)
    if gain is None:
        return reference
    height, width = reference.image.shape[:2]
    full = cv2.resize(gain, (width, height), interpolation=cv2.INTER_LINEAR)
    image, matched = (
        np.minimum(picture * full, white, dtype=np.float32)
        for picture in (reference.image, reference.matched)
    )
    return replace(reference, image=image, matched=matched, unlit=reference.image, light=gain)


def without_light(image: FloatImage, light: FloatImage | None) -> FloatImage:
    """A frame (H, W, 3) in 0..255 in the light of the reference that `Reference.light` compares it with.

    What is half or twice as bright is no flicker, and changes by no more. White stays white: how much
    brighter it was than can be shown is not known.
    """
    if light is None:
        return image
    full = cv2.resize(light, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    full = np.clip(full, 1 / _MOST_FLICKER, _MOST_FLICKER)
    whiteness = np.clip((image - _NEARLY_WHITE) / (255 - _NEARLY_WHITE), 0, 1)
    return np.asarray(image / (full + whiteness * (np.minimum(full, 1) - full)), np.float32)


def light_gain(frame: FloatImage, reference: Reference) -> _Gain | None:
    """How much brighter each part of a frame is than the reference shows it.

    Args:
        frame: (rows, columns, 3) float32 in 0..255, the enlarged frame, `reduced`.
        reference: The sharp picture; it is compared at equal sharpness, since a softer one would look as if
            the light had changed.

    Returns:
        Like `frame`, smooth factors of display values; None where too little can be compared, or no change of
        light is to be seen.

    """
    still = reduced(reference.matched)
    there = np.ones(frame.shape[:2], np.float32)
    if reference.valid is not None:
        there = reduced(reference.valid.astype(np.float32))
    start = (np.median(frame, axis=(0, 1)) / np.maximum(np.median(still, axis=(0, 1)), 1)).astype(np.float32)
    flow = search(_searcher(), to_bytes(luma(frame)), to_bytes(luma(start * still)))
    moved = warp_array(still, flow)
    usable = warp_array(there, flow) > _WITHIN
    for picture in (frame, moved):
        usable &= np.all((picture > _DARK) & (picture < _CLIPPED), axis=2)
    if usable.sum() < _LEAST_PIXELS:
        return None
    gain = _smooth_gain(frame, moved, usable, start)
    if np.abs(gain - 1).max() < _LEAST_CHANGE:
        return None
    left, before = (np.abs(frame - factor * moved)[usable].mean() for factor in (gain, np.float32(1)))
    return gain if left < (1 - _LEAST_EXPLAINED) * before else None


def reduced(picture: FloatImage) -> FloatImage:
    """A picture (H, W) or (H, W, 3) at the size at which light is compared."""
    height, width = picture.shape[:2]
    share = min(_SIDE / max(height, width), 1.0)
    size = max(round(width * share), 1), max(round(height * share), 1)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)


def _searcher() -> cv2.DISOpticalFlow:
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    dis.setFinestScale(0)
    return dis


def _smooth_gain(frame: FloatImage, moved: FloatImage, usable: Mask, start: npt.NDArray[np.float32]) -> _Gain:
    """Gain (h, w, 3) by weighted least squares; what fits no gain counts little (Geman-McClure).

    A surface over the whole picture, as two unlike lenses make it, times what is left around each place.
    """
    gain: _Gain = np.broadcast_to(start, frame.shape)
    reach = _REACH * max(frame.shape[:2])
    for _ in range(_ROUNDS):
        misfit = channel_mean(np.abs(frame - gain * moved))
        usual = max(1.5 * float(np.median(misfit[usable])), 1.0)
        weight = (usable / (1 + (misfit / (2 * usual)) ** 2) ** 2).astype(np.float32)[..., None]
        trend = _trend(frame, moved, weight, reach)
        shown = trend * moved
        product, square = weight * frame * shown, weight * shown**2
        prior = _GLOBAL_SHARE * square.mean(axis=(0, 1))
        local = (_around(product, reach) + prior) / (_around(square, reach) + prior)
        gain = (trend * local).astype(np.float32)
    return gain


def _around(values: FloatImage, reach: float) -> FloatImage:
    """Mean about each place."""
    return np.asarray(cv2.GaussianBlur(values, (0, 0), reach, borderType=cv2.BORDER_REFLECT), np.float32)


def _trend(frame: FloatImage, moved: FloatImage, weight: FloatImage, reach: float) -> FloatImage:
    """The gain (h, w, 3) of second order in x and y that fits best, or one for all where that does as well.

    Far from what is compared it is one for all.
    """
    height, width = frame.shape[:2]
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1).reshape(-1, 6)
    whole, surface = np.empty(3, np.float32), np.empty(frame.shape, np.float32)
    for channel in range(3):
        shown, seen = moved[..., channel].ravel(), frame[..., channel].ravel()
        counted = weight.ravel() * shown
        normal, wanted = terms.T @ (terms * (counted * shown)[:, None]), terms.T @ (counted * seen)
        total = max(float(normal[0, 0]), 1e-6)
        whole[channel] = wanted[0] / total
        stiff = total * np.diag([1e-9, *[_STIFFNESS] * 5])
        surface[..., channel] = (terms @ np.linalg.solve(normal + stiff, wanted)).reshape(height, width)
    left, before = (float((weight * (frame - gain * moved) ** 2).sum()) for gain in (surface, whole))
    if left > _WORTH_A_SURFACE * before:
        return np.broadcast_to(whole, frame.shape)
    near = np.atleast_3d(_around(weight, reach))
    share = near / (near + _GLOBAL_SHARE * weight.mean())
    bent = np.clip(surface, whole / _MOST_UNLIKE, whole * _MOST_UNLIKE)
    return np.asarray(whole + share * (bent - whole), np.float32)
