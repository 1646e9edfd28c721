"""Pictures with texture, and how alike two of them are."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

RgbImage = npt.NDArray[np.uint8]


def textured(height: int, width: int, *, seed: int = 0, cell: int = 6) -> RgbImage:
    """Smooth random colour texture, uint8 RGB."""
    noise = np.random.default_rng(seed).integers(0, 256, (height // cell + 2, width // cell + 2, 3), np.uint8)
    return np.asarray(cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def psnr(a: RgbImage, b: RgbImage) -> float:
    """Peak signal-to-noise ratio of two uint8 pictures [dB]; 120 when they are equal."""
    error = float(np.mean((a.astype(np.float64) - b) ** 2))
    return 120.0 if error == 0 else float(10 * np.log10(255**2 / error))
