"""From radiance to what an IMX250 puts on the cable: mosaic, shot and read noise, black level, gain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drivers.frame import Image, PixelFormat, Role
from drivers.packing import unpack

REFERENCE_EXPOSURE_US = 2000.0
_WHITE = 0.9
"""Radiance 255 exposed for REFERENCE_EXPOSURE_US at 0 dB gives this part of full scale."""
FULL_WELL = 10_500.0
_READ_NOISE = 2.4

# Two cameras of one model still differ in lens transmission and colour; alignment has to match them.
RESPONSE: dict[Role, tuple[float, float, float]] = {
    Role.LSR: (1.0, 1.0, 1.0),
    Role.HSR: (0.94, 0.97, 1.03),
}


@dataclass(frozen=True, slots=True)
class Exposure:
    """What turns light into digital numbers.

    Attributes:
        exposure_us: Exposure time [us].
        gain_db: Gain [dB].
        black_level_percent: Pedestal [% of full scale].
        red: White balance, a factor on the red pixels.
        blue: White balance, a factor on the blue pixels.

    """

    exposure_us: float
    gain_db: float
    black_level_percent: float
    red: float = 1.0
    blue: float = 1.0

    @property
    def gain(self) -> float:
        """Gain as a factor."""
        return float(10.0 ** (self.gain_db / 20.0))

    def scale(self) -> float:
        """Part of full scale per radiance 255."""
        return _WHITE * self.exposure_us / REFERENCE_EXPOSURE_US * self.gain


def noise_free(radiance: npt.NDArray[np.float32], exposure: Exposure, role: Role) -> npt.NDArray[np.float32]:
    """Signal as part of full scale, with pedestal, before clipping; shape of `radiance` (H, W, 3)."""
    response = np.asarray(RESPONSE[role], np.float32) * np.float32(exposure.scale() / 255.0)
    result: npt.NDArray[np.float32] = radiance * response + np.float32(exposure.black_level_percent / 100.0)
    return result


def mosaic(rgb: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Bayer RG: red at (0, 0), blue at (1, 1)."""
    raw = np.array(rgb[..., 1])
    raw[0::2, 0::2] = rgb[0::2, 0::2, 0]
    raw[1::2, 1::2] = rgb[1::2, 1::2, 2]
    return raw


def add_noise(
    signal: npt.NDArray[np.float32], exposure: Exposure, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Shot noise of the collected electrons and read noise, both before the gain (in place)."""
    electrons = np.float32(FULL_WELL / exposure.gain)
    pedestal = np.float32(exposure.black_level_percent / 100.0)
    deviation = np.maximum(signal - pedestal, 0) * electrons
    deviation += np.float32(_READ_NOISE**2)
    np.sqrt(deviation, out=deviation)
    deviation *= rng.standard_normal(signal.shape, dtype=np.float32)
    deviation /= electrons
    signal += deviation
    return signal


def red_and_blue(picture: npt.NDArray[Any], pixel_format: PixelFormat) -> tuple[npt.NDArray[Any], ...]:
    """Views of the red and of the blue samples of a picture; none of a grey one."""
    if pixel_format.bayer:
        return picture[0::2, 0::2], picture[1::2, 1::2]
    return (picture[..., 0], picture[..., 2]) if pixel_format.channels == 3 else ()


def balance(
    signal: npt.NDArray[np.float32], exposure: Exposure, pixel_format: PixelFormat
) -> npt.NDArray[np.float32]:
    """White balance, as the camera applies it to what lies above the pedestal (in place)."""
    pedestal = np.float32(exposure.black_level_percent / 100.0)
    for part, factor in zip(red_and_blue(signal, pixel_format), (exposure.red, exposure.blue), strict=False):
        if factor != 1.0:
            part -= pedestal
            part *= np.float32(factor)
            part += pedestal
    return signal


def grey_world(picture: Image, exposure: Exposure, pixel_format: PixelFormat) -> tuple[float, float] | None:
    """Red and blue factors that make a picture grey on the whole; None for one without colour or light."""
    if pixel_format.packed:
        samples = unpack(np.asarray(picture, np.uint8), pixel_format)
        return grey_world(samples, exposure, pixel_format.unpacked)
    coloured = red_and_blue(picture, pixel_format)
    if not coloured:
        return None
    green = picture[0::2, 1::2] if picture.ndim == 2 else picture[..., 1]
    pedestal = np.iinfo(picture.dtype).max * exposure.black_level_percent / 100.0
    red, blue, middle = (float(part[::4, ::4].mean()) - pedestal for part in (*coloured, green))
    if min(red, blue, middle) <= 1.0:
        return None
    return middle / red * exposure.red, middle / blue * exposure.blue


def quantise(signal: npt.NDArray[np.float32], pixel_format: PixelFormat) -> Image:
    """Digital numbers: 8 bit, or the 12-bit converter's value scaled to 16 bits for all other formats."""
    if pixel_format.unpacked.dtype == np.uint16:
        codes = np.clip(np.rint(signal * 4095.0), 0, 4095).astype(np.uint16)
        return np.asarray((codes << 4) | (codes >> 8), np.uint16)
    return np.asarray(np.clip(np.rint(signal * np.float32(255.0)), 0, 255), np.uint8)
