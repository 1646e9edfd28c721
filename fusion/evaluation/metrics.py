"""How close a picture is to the truth: PSNR and SSIM."""

from __future__ import annotations

import cv2
import numpy as np

from fusion.levels import ByteImage


def psnr(image: ByteImage, truth: ByteImage) -> float:
    """Peak signal-to-noise ratio of two uint8 pictures [dB]; 100 for equal ones."""
    error = float(np.mean((image.astype(np.float64) - truth) ** 2))
    return 100.0 if error == 0 else float(10 * np.log10(255**2 / error))


def ssim(image: ByteImage, truth: ByteImage) -> float:
    """Mean structural similarity of the luma (Wang et al. 2004: Gaussian window 11x11, sigma 1.5)."""
    a, b = (cv2.cvtColor(x, cv2.COLOR_RGB2GRAY).astype(np.float64) for x in (image, truth))

    def mean(x: np.ndarray) -> np.ndarray:
        return np.asarray(cv2.GaussianBlur(x, (11, 11), 1.5))

    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    ma, mb = mean(a), mean(b)
    va, vb, cov = mean(a * a) - ma * ma, mean(b * b) - mb * mb, mean(a * b) - ma * mb
    index = (2 * ma * mb + c1) * (2 * cov + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2))
    return float(index.mean())
