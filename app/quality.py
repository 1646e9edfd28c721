"""How close a picture is to the truth."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

MOST_DB = 100.0


def psnr(image: npt.NDArray[np.uint8], truth: npt.NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio over all channels [dB], at most 100 (equal pictures)."""
    return min(float(cv2.PSNR(image, truth)), MOST_DB)


def mean_psnr(values: Sequence[float]) -> float:
    """Mean of per-frame figures [dB], as the field reports it."""
    return float(np.mean(values))
