"""Where each pixel of the output view lies in the HSR picture.

The output view is the LSR camera's view at HSR sampling: its size is the LSR size times the sampling ratio of
the two views, which is the pixel-count ratio only where both lenses see the same field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from calibration.errors import ViewError
from calibration.grid import (
    ImageF32,
    Mask,
    Matrix,
    homography_map,
    inside,
    invert,
    remap,
    scaling,
    shift,
    transform,
)
from calibration.homography import local_scale

_SNAP = 0.03
_CUBIC_MARGIN = 1.0


@dataclass(frozen=True, slots=True)
class OutputView:
    """Geometry of the output view.

    Attributes:
        width: [px].
        height: [px].
        lsr_crop: (x0, y0, width, height), the LSR pixels whose field the output covers.

    """

    width: int
    height: int
    lsr_crop: tuple[int, int, int, int]

    @property
    def scale(self) -> float:
        """Output px per LSR px (geometric mean of both axes)."""
        return float(np.sqrt(self.width / self.lsr_crop[2] * self.height / self.lsr_crop[3]))

    @property
    def to_lsr(self) -> Matrix:
        """3x3, output px -> LSR px."""
        x0, y0, w, h = self.lsr_crop
        return shift(x0, y0) @ scaling(w / self.width, h / self.height)


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """HSR positions for the output view.

    Attributes:
        map_xy: (Ho, Wo, 2) float32, position of each output pixel in the HSR picture [HSR px].
        valid: (Ho, Wo), False where the HSR camera does not see what the LSR camera sees there
            (outside its picture, hidden, or not confirmed).
        scale: Output px per LSR px.
        lsr_crop: (x0, y0, width, height) of the LSR pixels that the output covers.
        homography: 3x3, output px -> HSR px, of the dominant plane.
        method: What made the map, such as "homography" or "homography+mesh+flow".
        inliers: Matches that support it; 0 when it was not made from matches.
        residual_px: Median error of those matches [HSR px].
        stats: More figures by name, such as matches, seconds, valid_share.

    """

    map_xy: ImageF32
    valid: Mask
    scale: float
    lsr_crop: tuple[int, int, int, int]
    homography: Matrix
    method: str
    inliers: int
    residual_px: float
    stats: Mapping[str, float] = field(default_factory=dict)

    @property
    def view(self) -> OutputView:
        """Geometry of the output view."""
        return OutputView(self.map_xy.shape[1], self.map_xy.shape[0], self.lsr_crop)

    @property
    def lsr_to_hsr(self) -> Matrix:
        """3x3, LSR px -> HSR px, of the dominant plane; its last element is 1."""
        matrix = self.homography @ invert(self.view.to_lsr)
        return np.asarray(matrix / matrix[2, 2])

    def warp(self, hsr: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """HSR picture in the output view (Ho, Wo[, 3]), bicubic; 0 outside the HSR picture.

        Args:
            hsr: (H, W) or (H, W, 3), uint8, uint16 or float32.

        """
        return remap(hsr, self.map_xy)

    def preview(self, hsr: npt.NDArray[Any], width: int, height: int) -> npt.NDArray[Any]:
        """HSR picture in the output view by its plane alone, bilinear, in milliseconds for live view.

        Args:
            hsr: (H, W) or (H, W, 3), uint8, uint16 or float32.
            width: Width of the preview [px]; best at most half of the output view's.
            height: Height of the preview [px].

        """
        rows, columns = self.valid.shape
        onto = self.homography @ scaling(columns / width, rows / height)
        return cv2.warpPerspective(hsr, onto, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)

    def crop_lsr(self, lsr: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The part of an LSR frame that the output covers, as a view."""
        x0, y0, w, h = self.lsr_crop
        return lsr[y0 : y0 + h, x0 : x0 + w]


def identity_alignment(hsr_shape: tuple[int, ...], lsr_shape: tuple[int, ...]) -> Alignment:
    """Alignment of streams that already show the same view: every HSR pixel stays where it is.

    Args:
        hsr_shape: (H, W, ...) of the HSR frames.
        lsr_shape: (h, w, ...) of the LSR frames.

    Raises:
        ViewError: The LSR frames have more pixels than the HSR frames, or another shape.

    """
    height, width = hsr_shape[:2]
    h, w = lsr_shape[:2]
    if w > width or h > height:
        raise ViewError(
            f"the LSR frames ({w}x{h}) are larger than the HSR frames ({width}x{height}); are they swapped?"
        )
    # Each side may have been rounded by up to a pixel when it was divided by the scale.
    if max(width / (w + 1), height / (h + 1)) > min(width / max(w - 1, 0.5), height / max(h - 1, 0.5)):
        raise ViewError(
            f"the HSR frames ({width}x{height}) and the LSR frames ({w}x{h}) differ in shape: they are not "
            "one view; use --align auto"
        )
    view = OutputView(width, height, (0, 0, w, h))
    return Alignment(
        map_xy=homography_map(np.eye(3), width, height),
        valid=np.ones((height, width), np.bool_),
        scale=view.scale,
        lsr_crop=view.lsr_crop,
        homography=np.eye(3),
        method="none",
        inliers=0,
        residual_px=0.0,
    )


def output_view(
    lsr_to_hsr: Matrix,
    *,
    hsr_size: tuple[int, int],
    lsr_size: tuple[int, int],
    scale: float | None = None,
    common_field: bool = False,
) -> OutputView:
    """Size and field of the output view.

    Args:
        lsr_to_hsr: 3x3 homography, LSR px -> HSR px.
        hsr_size: (width, height) of the HSR view.
        lsr_size: (width, height) of the LSR view.
        scale: Output px per LSR px; None takes the local magnification in the middle of the field,
            rounded to a whole number when that is within 3 %.
        common_field: Cover only the bounding box of the field that both cameras see, in whole LSR px.

    """
    w, h = lsr_size
    coarse = homography_map(lsr_to_hsr, w, h)
    seen = inside(coarse, *hsr_size)
    crop = (0, 0, w, h)
    if common_field and seen.any() and not seen.all():
        columns, rows = np.flatnonzero(seen.any(axis=0)), np.flatnonzero(seen.any(axis=1))
        # Even sides keep chroma-subsampled codecs and the networks' pyramids content.
        x0, y0 = int(columns[0]), int(rows[0])
        cw, ch = int(columns[-1]) - x0 + 1, int(rows[-1]) - y0 + 1
        crop = (x0, y0, max(cw - cw % 2, 2), max(ch - ch % 2, 2))
    if scale is None:
        rows_seen, columns_seen = np.nonzero(seen)
        middle = (columns_seen.mean(), rows_seen.mean()) if len(columns_seen) else ((w - 1) / 2, (h - 1) / 2)
        scale = local_scale(lsr_to_hsr, float(middle[0]), float(middle[1]))[0]
        if abs(scale - round(scale)) < _SNAP * scale and round(scale) >= 1:
            scale = float(round(scale))
    return OutputView(_even(crop[2] * scale), _even(crop[3] * scale), crop)


def _even(value: float) -> int:
    return max(2 * round(value / 2), 2)


def homography_alignment(
    lsr_to_hsr: Matrix,
    view: OutputView,
    hsr_size: tuple[int, int],
    *,
    inliers: int = 0,
    residual_px: float = 0.0,
    stats: Mapping[str, float] | None = None,
) -> Alignment:
    """Alignment of one plane.

    Args:
        lsr_to_hsr: 3x3, LSR px -> HSR px.
        view: Output view.
        hsr_size: (width, height) of the HSR picture.
        inliers: See `Alignment`.
        residual_px: See `Alignment`.
        stats: See `Alignment`.

    """
    matrix = lsr_to_hsr @ view.to_lsr
    matrix = matrix / matrix[2, 2]
    map_xy = homography_map(matrix, view.width, view.height)
    return Alignment(
        map_xy=map_xy,
        valid=inside(map_xy, *hsr_size, margin=_CUBIC_MARGIN),
        scale=view.scale,
        lsr_crop=view.lsr_crop,
        homography=matrix,
        method="homography",
        inliers=inliers,
        residual_px=residual_px,
        stats=dict(stats or {}),
    )


def overlap_share(lsr_to_hsr: Matrix, hsr_size: tuple[int, int], lsr_size: tuple[int, int]) -> float:
    """Share 0..1 of the LSR view that lies inside the HSR view."""
    w, h = lsr_size
    grid = np.stack(np.meshgrid(np.linspace(0, w - 1, 64), np.linspace(0, h - 1, 64)), axis=-1)
    p = transform(lsr_to_hsr, grid).astype(np.float32)
    return float(inside(p, *hsr_size).mean())
