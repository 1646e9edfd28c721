"""Pictures with texture."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

RgbImage = npt.NDArray[np.uint8]


def textured(height: int, width: int, *, seed: int = 0, cell: int = 6) -> RgbImage:
    """Smooth random colour texture, uint8 RGB."""
    noise = np.random.default_rng(seed).integers(0, 256, (height // cell + 2, width // cell + 2, 3), np.uint8)
    return np.asarray(cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
