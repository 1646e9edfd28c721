"""What is measured at some moments of a recording before fusion: sharpness and noise of its LSR frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from app.differences import spread, spread_beside_blur
from app.sharp_views import Mask, SharpView, in_the_light_of
from calibration import SamePicture, Sharpening, estimate_noise_sigma, match_sharpness
from calibration.grid import covered
from drivers import Gop, Image, RgbImage
from fusion.digital_gain import brightness, gain_of_moment, gained
from fusion.levels import FloatImage
from fusion.resample import downscale, upscale

_SOFT_HSR = 0.17
"""`_fine_detail` below which an HSR frame is soft. Sharp pictures have 0.3 to 1.4; blurred by a quarter of an
LSR pixel 0.2 to 0.6, by a half 0.07 to 0.16."""
_SOFT_LSR_PX = 0.8
"""Blur [LSR px] from which on the operator is told: that of a lens out of focus, not of a mosaic."""
_BLOCK = 8
_FLAT = 10
"""Percentile of blocks by what they hold: the flattest hold noise alone."""
_LEAST_DETAIL = 0.1
"""Mean square of detail, without noise, below which nothing can be judged [grey levels^2]."""
_STILL_PX = 5
_STILL = 10, 1.3, 1.0
"""Percentile of changes between LSR frames, averaged over 5x5 pixels, that is taken for noise; up to how many
times that, and so many grey levels more, nothing moves."""
_NEAR = 4
"""LSR frames before and after that an exposure of the HSR camera may last."""
_LEAST_STILL = 0.2
"""Share of the texture."""


@dataclass(frozen=True, slots=True, eq=False)
class Sharpness:
    """How sharp both cameras are.

    Attributes:
        filter: What gives LSR frames the sharpness of reduced HSR frames; None where nothing needs it.
        error: What sets filtered LSR frames apart from reduced HSR frames all the same, as standard deviation
            [0..255]; noise, and false patterns of pixels behind a lens too sharp for them. 0 where unknown.
        hsr_is_soft: HSR frames show hardly more than the LSR camera can.

    """

    filter: Sharpening | None
    error: float
    hsr_is_soft: bool

    @property
    def lsr_blur_px(self) -> float:
        """Blur of LSR frames [LSR px]; negative where they are sharpened."""
        return self.filter.blur_px if self.filter else 0.0

    @property
    def noise_gain(self) -> float:
        """Factor on the standard deviation of the LSR frames' white noise."""
        return self.filter.noise_gain if self.filter else 1.0

    def matched(self, lsr: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """An LSR frame (h, w, 3), uint8 or uint16, as sharp as a reduced HSR frame."""
        return lsr if self.filter is None else self.filter.apply(lsr)

    @property
    def warnings(self) -> Iterator[str]:
        """What the operator should know, one sentence each."""
        if self.hsr_is_soft:
            yield (
                "HSR frames show hardly more than LSR pixels can: out of focus, or exposed too long for what "
                "moves; fused frames will not be much sharper than LSR frames"
            )
        if self.lsr_blur_px > _SOFT_LSR_PX:
            yield (
                f"LSR frames are blurred by {self.lsr_blur_px:.1f} px, as if out of focus; they are "
                "sharpened as far as their noise allows"
            )


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """A GoP as fusion would take it, made brighter where the recording is dark.

    Attributes:
        sharp: (H, W, 3) HSR frame in the output view, in the LSR frame's colours and light.
        lsr: (h, w, 3) each, the LSR frames of the GoP.
        nearest: Which of them was taken with the HSR frame.
        seen: (h, w), where the HSR frame shows the scene.
        apart: Whether things may lie elsewhere in both: views that nobody aligned, at unlike instants.
        gain: How many times as bright they are as filmed.

    """

    sharp: RgbImage
    lsr: tuple[RgbImage, ...]
    nearest: int
    seen: Mask
    apart: bool
    gain: float

    def matched(self, sharpness: Sharpness) -> Moment:
        """The same with LSR frames as sharp as fusion expects them."""
        return replace(self, lsr=tuple(sharpness.matched(image) for image in self.lsr))


def moment_of(view: SharpView, filmed: Sequence[Image], gop: Gop, gain: float, *, same_view: bool) -> Moment:
    """The moment of an HSR frame.

    Args:
        view: The HSR frame.
        filmed: LSR frames of its GoP, cut to the output view.
        gop: Says which of them was taken with it.
        gain: The recording's, see `fusion.digital_gain`; less is used where a flash is too bright for it.
        same_view: The HSR frame was not aligned to the LSR frame.

    """
    gain = gain_of_moment(map(brightness, filmed), gain)
    lsr = tuple(gained(image, gain) for image in filmed)
    nearest = gop.lsr_indices.index(gop.nearest_lsr)
    height, width = lsr[nearest].shape[:2]
    # Fusion compares in the frame's light, so what one lens darkens more than the other is no difference.
    sharp = gained(in_the_light_of(gained(view.image, gain), lsr[nearest], view.valid), 1.0)
    seen = covered(view.valid, width, height)
    return Moment(sharp, lsr, nearest, seen, same_view and 0 not in gop.away, gain)


def sharpness_of(moments: Sequence[Moment]) -> Sharpness:
    """How sharp the cameras are, beside each other."""
    details = [_fine_detail(moment) for moment in moments]
    known = [detail for detail in details if detail is not None]
    soft = bool(known) and median(known) < _SOFT_HSR
    together = [moment for moment in moments if not moment.apart]
    found = match_sharpness([_same_picture(moment) for moment in together])
    # As soft as soft HSR frames the LSR frames would be good for nothing.
    chosen = None if found is not None and soft and found.blur_px < 0 else found
    # What soft HSR frames lack is no error of the LSR frames.
    errors = [] if soft else [_error(moment, chosen) for moment in together]
    return Sharpness(chosen, median(errors) if errors else 0.0, soft)


def _error(moment: Moment, chosen: Sharpening | None) -> float:
    """See `Sharpness.error`."""
    lsr = moment.lsr[moment.nearest]
    matched = lsr if chosen is None else chosen.apply(lsr)
    return spread_beside_blur(downscale(moment.sharp, *lsr.shape[:2]), matched, moment.seen) / moment.gain


def noise_of(moment: Moment) -> float:
    """Standard deviation of what sets an LSR frame apart from the reduced HSR frame besides detail [0..255].

    That is sensor noise, and what codecs leave of a frame, and between two cameras also the errors of mosaic,
    lens and colours; the paper trains for both with one noise level (3.3).
    """
    noise = estimate_noise_sigma(moment.lsr)
    sigma = noise.sigma if noise.reliable else 0.0
    lsr = moment.lsr[moment.nearest]
    # How the camera loses detail is not known: the way that explains the frame better is nearer to it.
    apart = min(spread((way - lsr)[moment.seen]) for way in reduced_ways(moment.sharp, lsr))
    return max(sigma, apart) / moment.gain


def reduced_ways(sharp: npt.NDArray[np.uint8] | FloatImage, lsr: RgbImage) -> list[FloatImage]:
    """A sharp picture (H, W, 3) reduced to the size of an LSR frame: averaged, and as `downscale` does."""
    height, width = lsr.shape[:2]
    # Were it rounded again, its differences would be whole numbers.
    averaged = cv2.resize(sharp.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    return [np.asarray(averaged, np.float32), downscale(sharp, height, width)]


def _same_picture(moment: Moment) -> SamePicture:
    lsr = moment.lsr[moment.nearest]
    still = _still(moment) & moment.seen
    texture = np.abs(cv2.Laplacian(lsr.astype(np.float32), -1)).sum(axis=2)
    # Where all moves the fit has to see for itself what does not belong together.
    enough = texture[still].sum() >= _LEAST_STILL * texture[moment.seen].sum()
    usable = still if enough else moment.seen
    return SamePicture(downscale(moment.sharp, *lsr.shape[:2]), lsr, usable)


def _fine_detail(moment: Moment) -> float | None:
    """Energy of what the HSR frame shows in the octave finer than LSR pixels, in terms of the one coarser.

    Any scene holds about as much detail in each octave of sizes; a blur takes the finer ones first. None
    where there is nothing to judge by.
    """
    h, w = moment.lsr[moment.nearest].shape[:2]
    fine, pixels, coarse = (
        downscale(moment.sharp, *size) for size in ((2 * h, 2 * w), (h, w), (h // 2, w // 2))
    )
    beyond, within = _octave(fine, pixels, moment.seen), _octave(pixels, coarse, moment.seen)
    return beyond / within if within >= _LEAST_DETAIL else None


def _octave(fine: FloatImage, coarse: FloatImage, seen: Mask) -> float:
    """Mean square, without noise, of what one picture shows beyond another, where it shows the scene."""
    detail = ((fine - upscale(coarse, *fine.shape[:2])) ** 2).mean(axis=2)
    shown = cv2.resize(seen.astype(np.uint8), fine.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    blocks = _blocks(detail)[_blocks(np.asarray(shown, np.float32)) == 1]
    if not blocks.size:
        return 0.0
    return float(max(blocks.mean() - np.percentile(blocks, _FLAT), 0.0))


def _blocks(picture: FloatImage) -> FloatImage:
    """Means of blocks."""
    h, w = (side // _BLOCK * _BLOCK for side in picture.shape)
    cut = picture[:h, :w].reshape(h // _BLOCK, _BLOCK, w // _BLOCK, _BLOCK)
    return np.asarray(cut.mean(axis=(1, 3)), np.float32)


def _still(moment: Moment) -> Mask:
    """(h, w), where nothing moves while the HSR camera exposes."""
    lsr = moment.lsr[moment.nearest].astype(np.float32)
    changes = [
        cv2.blur(np.abs(lsr - image).mean(axis=2), (_STILL_PX, _STILL_PX))
        for image in moment.lsr[max(0, moment.nearest - _NEAR) : moment.nearest + _NEAR + 1]
    ]
    most, (percentile, factor, more) = np.max(changes, axis=0), _STILL
    return np.asarray(most <= factor * np.percentile(most, percentile) + more)
