"""How the sharpness of the LSR camera differs from that of its pixels, and the filter that undoes it.

Fusion takes an LSR frame for what the sharp camera would have seen, reduced. A real one is softer, by its
lens, its focus, the square of its pixels and the demosaicing, or a phone has sharpened it. A small symmetric
filter, fitted to sharp frames of the same instants, turns the one into the other: least squares, in which the
noise that the filter adds counts as an error, so that no more is sharpened than the noise allows (Wiener).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from calibration.errors import ViewError
from calibration.grid import CLIPPED, DARK, ImageF32, ImageU8, Mask, Matrix

_RADIUS = 3
_SAMPLES = 40_000
_LEAST_SAMPLES = 2000
_TURNS = 4
_MAD = 1.4826
_ROUNDING = 1 / 12
"""Variance of whole grey levels."""
_OUTLIER = 3.0
_RIDGE = 1e-5
_LEAST_CHANGE = 0.25
"""Variance of the difference, without noise, from which on a filter is worth it [grey levels squared]."""
_WORTH = 0.9
"""Share of it that may be left."""
_LEAST_SOFTENING_PX = 0.3
_WORTH_SOFTENING = 0.5
"""Views that do not lie on each other to the pixel look more alike, too, when one is softened: a little."""
_WAVE = np.pi / 2
"""Waves of four pixels tell sharp from soft [radians per px]; much shorter ones hold little but noise."""


@dataclass(frozen=True, slots=True, eq=False)
class Sharpening:
    """Filter that gives LSR frames the sharpness of reduced HSR frames.

    Attributes:
        kernel: (7, 7), symmetric, adds up to 1.

    """

    kernel: Matrix

    @property
    def noise_gain(self) -> float:
        """Factor on the standard deviation of white noise."""
        return float(np.linalg.norm(self.kernel))

    @property
    def blur_px(self) -> float:
        """Standard deviation of the Gaussian blur that it undoes [LSR px]; negative where it softens."""
        wave = np.cos(_WAVE * np.arange(-_RADIUS, _RADIUS + 1))
        log = np.log(max((self.kernel.sum(axis=0) + self.kernel.sum(axis=1)) @ wave / 2, 1e-3))
        return float(np.sign(log) * np.sqrt(2 * abs(log)) / _WAVE)

    def apply(self, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Filter (h, w, 3) RGB: uint8 or uint16 (full 16 bits); same type out.

        What is within the filter's reach of saturated pixels stays as it is: around a lamp it would make a
        dark ring, since most of the lamp's own light is cut off.

        Raises:
            ViewError: Another type.

        """
        if image.dtype not in (np.uint8, np.uint16):
            raise ViewError(f"{image.dtype} pictures cannot be sharpened; use uint8 or uint16")
        white = np.iinfo(image.dtype).max
        seen = image.astype(np.float32)
        saturated = (image.max(axis=2) >= white / 255 * CLIPPED).astype(np.float32)
        side = 2 * _RADIUS + 1
        free = 1 - cv2.blur(cv2.dilate(saturated, np.ones((side, side), np.uint8)), (3, 3))
        made = seen + free[:, :, None] * (_filtered(seen, self.kernel) - seen)
        back: npt.NDArray[Any] = np.clip(made + 0.5, 0, white).astype(image.dtype)
        return back


@dataclass(frozen=True, slots=True, eq=False)
class SamePicture:
    """What both cameras saw in one instant, on the LSR grid.

    Attributes:
        reduced: (h, w, 3), HSR view in the LSR camera's colours and light, reduced to its size [0..255].
        lsr: (h, w, 3).
        usable: (h, w), where both show the same and it stands still.

    """

    reduced: ImageF32
    lsr: ImageU8
    usable: Mask


def match_sharpness(pictures: Sequence[SamePicture]) -> Sharpening | None:
    """Fit the filter, robustly, to some moments of a recording.

    Args:
        pictures: Some moments, or none.

    Returns:
        The filter; None where hardly anything can be compared, and where it would change next to nothing.

    """
    parts = [_samples(picture) for picture in pictures]
    if sum(len(part[1]) for part in parts) < _LEAST_SAMPLES:
        return None
    x, wanted = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
    # The middle pixel's noise is in each wave, once for each pixel beside it, and in what is wanted.
    shared = -np.stack(_waves())[:, _RADIUS, _RADIUS]
    weights, noise = np.ones(len(x)), _ROUNDING
    for _ in range(_TURNS):
        total = weights.sum()
        square = (x * weights[:, None]).T @ x / total
        aim = x.T @ (weights * wanted) / total - noise * shared
        taps = np.linalg.solve(square + _RIDGE * np.trace(square) * np.eye(len(square)), aim)
        found = _filter(taps)
        left = np.abs(wanted - x @ taps)
        spread = _MAD * float(np.median(left))
        noise = max(spread**2 / found.noise_gain**2, _ROUNDING)
        weights = np.minimum(1, _OUTLIER * np.sqrt(spread**2 + _ROUNDING) / np.maximum(left, 1e-6))
    before = float(weights @ wanted**2 / weights.sum()) - noise
    after = float(weights @ left**2 / weights.sum()) - noise * found.noise_gain**2
    softens = found.blur_px < 0
    if before < _LEAST_CHANGE or after > (_WORTH_SOFTENING if softens else _WORTH) * before:
        return None
    return None if softens and found.blur_px > -_LEAST_SOFTENING_PX else found


@cache
def _waves() -> tuple[Matrix, ...]:
    """(7, 7) each: the pixels so far to the left and right, up and down, less as often the middle one."""
    waves = []
    for y in range(_RADIUS + 1):
        for x in range(_RADIUS + 1):
            if y or x:
                wave = np.zeros((2 * _RADIUS + 1, 2 * _RADIUS + 1))
                for i in {_RADIUS - y, _RADIUS + y}:
                    for j in {_RADIUS - x, _RADIUS + x}:
                        wave[i, j] = 1
                wave[_RADIUS, _RADIUS] = -wave.sum()
                waves.append(wave)
    return tuple(waves)


def _filter(taps: npt.NDArray[np.float64]) -> Sharpening:
    kernel = np.tensordot(taps, np.stack(_waves()), 1)
    kernel[_RADIUS, _RADIUS] += 1
    return Sharpening(kernel)


def _samples(picture: SamePicture) -> tuple[Matrix, npt.NDArray[np.float64]]:
    """Of some pixels, all three channels: each wave (n, 15), and what the LSR frame lacks (n,)."""
    lsr = picture.lsr.astype(np.float32)
    graded = np.all((picture.lsr > DARK) & (picture.lsr < CLIPPED), axis=2).astype(np.uint8)
    # What is clipped has lost what the filter would take from it.
    whole = cv2.erode(graded, np.ones((2 * _RADIUS + 1, 2 * _RADIUS + 1), np.uint8)) > 0
    rows, columns = np.nonzero(picture.usable & whole)
    step = max(1, len(rows) // _SAMPLES)
    rows, columns = rows[::step], columns[::step]
    x = np.stack([_filtered(lsr, wave)[rows, columns].ravel() for wave in _waves()], axis=1)
    return x.astype(np.float64), (picture.reduced - lsr)[rows, columns].ravel().astype(np.float64)


def _filtered(image: ImageF32, kernel: Matrix) -> ImageF32:
    return np.asarray(cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT_101), np.float32)
