"""Both views as equals: luma of the same sharpness and brightness, ready to be compared pixel by pixel."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from calibration.alignment import OutputView
from calibration.grid import (
    CLIPPED,
    DARK,
    ImageF32,
    ImageU8,
    Matrix,
    grey,
    homography_map,
    inside,
    remap,
    resize,
    scaling,
)
from calibration.noise import spatial_noise

_GRID = 2.0  # samples per LSR px: finer than the LSR grid for sub-pixel work, coarser than the output
_SMOOTH_NOISE = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class EqualViews:
    """Luma of both views, blurred alike.

    Attributes:
        lsr: (hw, ww) uint8, LSR view on the working grid (about 2 samples per LSR px, on the output's field).
        hsr: (hh, wh) uint8, HSR view brought to LSR sharpness, gain and offset, at the LSR's sampling.
        work_to_lsr: 3x3, working px -> LSR px.
        hsr_to_equal: 3x3, HSR px -> px of `hsr`.
        noise: Luma noise of the LSR view beyond that of `hsr` [0..255].

    """

    lsr: ImageU8
    hsr: ImageU8
    work_to_lsr: Matrix
    hsr_to_equal: Matrix
    noise: float

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the working grid."""
        return self.lsr.shape[1], self.lsr.shape[0]

    def sample(self, map_xy: ImageF32) -> ImageU8:
        """Equalised HSR luma at HSR positions (h, w, 2)."""
        m = self.hsr_to_equal
        scale = np.array([m[0, 0], m[1, 1]], np.float32)
        offset = np.array([m[0, 2], m[1, 2]], np.float32)
        return np.asarray(remap(self.hsr, map_xy * scale + offset, border=cv2.BORDER_REPLICATE), np.uint8)


def equalise_views(
    hsr: ImageU8, lsr: ImageU8, view: OutputView, lsr_to_hsr: Matrix, *, sampling: float | None = None
) -> EqualViews:
    """Bring both views to the same sharpness, brightness and noise.

    Args:
        hsr: (H, W, 3) RGB.
        lsr: (h, w, 3) RGB.
        view: Output view.
        lsr_to_hsr: Homography that says which parts show the same field, for the brightness.
        sampling: HSR px per LSR px of the blur; None = `view.scale`.

    """
    ratio = max(sampling or view.scale, 1.0)
    per_lsr = min(_GRID, view.scale)
    _, _, cw, ch = view.lsr_crop
    ww, wh = max(round(cw * per_lsr), 16), max(round(ch * per_lsr), 16)
    work_to_lsr = view.to_lsr @ scaling(view.width / ww, view.height / wh)
    luma_l: ImageF32 = grey(lsr).astype(np.float32)
    luma_h = grey(hsr)
    hw, hh = max(round(hsr.shape[1] / ratio), 8), max(round(hsr.shape[0] / ratio), 8)
    equal = resize(luma_h, hw, hh)
    hsr_to_equal = scaling(hw / hsr.shape[1], hh / hsr.shape[0])
    level_l, level_h = _levels(luma_l, equal, hsr_to_equal @ lsr_to_hsr)
    matched = (luma_l - level_l[0]) * (level_h[1] / level_l[1]) + level_h[0]
    # Texture raises both figures alike; averaging to the LSR sampling left the HSR side with little noise.
    texture = spatial_noise(equal.astype(np.float32))
    noise = float(np.sqrt(max(spatial_noise(matched) ** 2 - texture**2, 0.0)))
    # Noise above this is worth a little sharpness; both views get the same blur.
    sigma = 0.5 if noise > _SMOOTH_NOISE else 0.0
    if sigma:
        matched = np.asarray(cv2.GaussianBlur(matched, (0, 0), sigma), np.float32)
        equal = np.asarray(cv2.GaussianBlur(equal, (0, 0), sigma), np.uint8)
    lsr_map = homography_map(work_to_lsr, ww, wh)
    work = remap(np.clip(matched, 0, 255).astype(np.float32), lsr_map, border=cv2.BORDER_REPLICATE)
    return EqualViews(
        lsr=np.clip(work + 0.5, 0, 255).astype(np.uint8),
        hsr=np.asarray(equal, np.uint8),
        work_to_lsr=work_to_lsr,
        hsr_to_equal=hsr_to_equal,
        noise=noise,
    )


def _levels(
    luma_l: npt.NDArray[np.float32], luma_h: ImageU8, lsr_to_equal: Matrix
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Median and spread of both views where they overlap and neither is clipped."""
    h, w = luma_l.shape
    p = homography_map(lsr_to_equal, w, h)
    seen = inside(p, luma_h.shape[1], luma_h.shape[0])
    if seen.mean() < 0.05:
        seen = np.ones_like(seen)
    back = remap(luma_h, p, cv2.INTER_LINEAR)
    # A blown-out sky of one view alone would shift the other out of range.
    graded = seen & np.all([(v > DARK) & (v < CLIPPED) for v in (luma_l, back)], axis=0)
    if graded.mean() >= 0.05:
        seen = np.asarray(graded)
    values = []
    for image in (luma_l[seen], back[seen].astype(np.float32)):
        low, middle, high = np.percentile(image, [10, 50, 90])
        values.append((float(middle), max(float(high - low), 4.0)))
    return values[0], values[1]


def plane_map(lsr_to_hsr: Matrix, views: EqualViews) -> ImageF32:
    """Positions [HSR px] of the working grid under a homography."""
    return homography_map(lsr_to_hsr @ views.work_to_lsr, *views.size)
