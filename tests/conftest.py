"""What all tests share: quiet libraries and pictures with texture."""

from __future__ import annotations

import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import cv2
import numpy as np
import numpy.typing as npt
import pytest

RgbImage = npt.NDArray[np.uint8]


def textured(height: int, width: int, *, seed: int = 0, cell: int = 6) -> RgbImage:
    """Smooth random colour texture, uint8 RGB."""
    noise = np.random.default_rng(seed).integers(0, 256, (height // cell + 2, width // cell + 2, 3), np.uint8)
    return np.asarray(cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def psnr(a: RgbImage, b: RgbImage) -> float:
    """Peak signal-to-noise ratio of two uint8 pictures [dB]; 120 when they are equal."""
    error = float(np.mean((a.astype(np.float64) - b) ** 2))
    return 120.0 if error == 0 else float(10 * np.log10(255**2 / error))


@pytest.fixture
def moving_texture() -> list[RgbImage]:
    """110 frames of a texture that moves 3 px a frame; odd size on purpose."""
    base = textured(181, 243, cell=24)
    return [np.ascontiguousarray(np.roll(base, 3 * i, axis=1)) for i in range(110)]
