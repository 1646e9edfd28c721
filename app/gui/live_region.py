"""The part of both views that is fused live: on one grid, equally bright, and how noisy it is."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from app.gui.alignment_lock import Lock
from calibration import view_mismatch
from calibration.alignment import OutputView, homography_alignment
from calibration.grid import Mask, covered, grey, remap
from calibration.noise import spatial_noise
from drivers import Frame, Image, RgbImage, Role, to_rgb8, to_rgb16

_MARGIN = 8
_LEAST_NOISE = 1.0


@dataclass(frozen=True, slots=True)
class Region:
    """The part of the LSR view that is fused, as fractions of its sides.

    Attributes:
        x: Left edge.
        y: Upper edge.
        size: Width and height.

    """

    x: float
    y: float
    size: float


REGIONS = {
    "Centre, an eighth": Region(7 / 16, 7 / 16, 1 / 8),
    "Centre, a quarter": Region(3 / 8, 3 / 8, 1 / 4),
    "Centre, half": Region(1 / 4, 1 / 4, 1 / 2),
    "Whole view": Region(0.0, 0.0, 1.0),
}
"""Regions to choose from: the smaller, the more pictures per second."""


class LiveView:
    """Where the pixels of one region lie in both frames.

    Args:
        lock: The alignment.
        region: Part of the LSR view.
        hsr_shape: (H, W) of the HSR frame.
        lsr_shape: (h, w) of the LSR frame.

    Attributes:
        scale: Output px per LSR px.
        valid: (Ho, Wo), where the HSR camera sees the region.

    """

    def __init__(
        self, lock: Lock, region: Region, hsr_shape: tuple[int, ...], lsr_shape: tuple[int, ...]
    ) -> None:
        height, width = lsr_shape[:2]
        x, y = int(region.x * width) // 2 * 2, int(region.y * height) // 2 * 2
        w = max(16, min(int(region.size * width), width - x) // 2 * 2)
        h = max(16, min(int(region.size * height), height - y) // 2 * 2)
        self.scale = lock.alignment.scale
        view = OutputView(2 * round(w * self.scale / 2), 2 * round(h * self.scale / 2), (x, y, w, h))
        self._hsr_size = (hsr_shape[1], hsr_shape[0])
        self._alignment = homography_alignment(lock.lsr_to_hsr, view, self._hsr_size)
        self.valid = self._alignment.valid

    def crop(self, lsr: Frame, *, deep: bool = False) -> Image:
        """The region of an LSR frame, RGB; `deep` as uint16, otherwise as uint8."""
        return np.ascontiguousarray(self._alignment.crop_lsr(to_rgb16(lsr) if deep else to_rgb8(lsr)))

    def shown_in(self, lsr: RgbImage) -> Mask:
        """(h, w), where the HSR camera shows the region of an LSR frame (h, w, 3)."""
        return covered(self.valid, lsr.shape[1], lsr.shape[0])

    def reference(self, hsr: Frame, *, deep: bool = False) -> Image:
        """The HSR frame in the region, (Ho, Wo, 3); only the part that is needed is demosaiced."""
        (width, height), positions = self._hsr_size, self._alignment.map_xy
        low = np.floor(positions.reshape(-1, 2).min(axis=0)).astype(int) - _MARGIN
        high = np.ceil(positions.reshape(-1, 2).max(axis=0)).astype(int) + _MARGIN
        x0, y0 = (int(np.clip(v, 0, most - 2)) // 2 * 2 for v, most in zip(low, (width, height), strict=True))
        x1, y1 = (
            int(np.clip(v, start + 2, most)) // 2 * 2
            for v, start, most in zip(high, (x0, y0), (width, height), strict=True)
        )
        part = Frame(hsr.image[y0:y1, x0:x1], hsr.pixel_format, Role.HSR, hsr.frame_id, hsr.mid_exposure_ns)
        moved = positions - np.array([x0, y0], np.float32)
        seen: Image = remap(to_rgb16(part) if deep else to_rgb8(part), moved)
        return seen


def match_moments(reference: Image, lsr: Image) -> Image:
    """The reference with the mean and the spread of each channel of the LSR picture.

    In a small region with depth the pictures are not aligned to the pixel, and a regression between them
    would lower the contrast; moments do not care.

    Args:
        reference: (H, W, 3), uint8 or uint16.
        lsr: (h, w, 3) alike, of the same field.

    """
    white = np.iinfo(reference.dtype).max
    small = np.asarray(cv2.resize(reference, (lsr.shape[1], lsr.shape[0]), interpolation=cv2.INTER_AREA))
    table = np.empty((white + 1, 3), reference.dtype)
    codes = np.arange(white + 1, dtype=np.float64)
    for channel in range(3):
        ours, theirs = small[:, :, channel], lsr[:, :, channel]
        gain = float(np.clip(theirs.std() / max(float(ours.std()), 1e-3), 0.2, 5.0))
        table[:, channel] = np.clip((codes - ours.mean()) * gain + theirs.mean() + 0.5, 0, white)
    if reference.dtype == np.uint8:
        return np.asarray(cv2.LUT(reference, table[None]), np.uint8)
    return np.dstack([table[:, channel][reference[:, :, channel]] for channel in range(3)])


def lsr_noise(lsr: RgbImage, sharp: RgbImage, view: LiveView) -> float:
    """Standard deviation of the LSR picture's noise and errors [0..255], at least 1.

    Texture makes too much of what one picture shows by itself, and parallax of what sets the two apart: the
    smaller one is nearer to the truth.
    """
    alone = spatial_noise(grey(lsr).astype(np.float32))
    return max(_LEAST_NOISE, min(alone, view_mismatch(sharp, lsr, view.valid)))
