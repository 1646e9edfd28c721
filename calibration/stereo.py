"""One-dimensional search: on rectified views a point can only move along its row.

Semi-global matching (Hirschmueller 2008) on the blur-equalised pair at twice the LSR sampling. It follows
depth layers that no mesh can, and its row constraint rejects what flow may confuse.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from calibration.grid import ImageF32, ImageU8, Mask, Matrix, homography_map, invert, remap, shift, transform
from calibration.rectification import Rectification
from calibration.views import EqualViews

_BLOCK = 3
_AGREE = 1.5  # [rectified work px] largest difference between both search directions
_MAX_DISPARITIES = 512


@dataclass(frozen=True, slots=True, eq=False)
class StereoMap:
    """What the search found for the working grid.

    Attributes:
        map_xy: (hw, ww, 2) float32 positions [HSR px].
        confirmed: (hw, ww), found again when searching from the other view.

    """

    map_xy: ImageF32
    confirmed: Mask


def searchable(disparity: tuple[float, float], *, magnification: float) -> tuple[float, float]:
    """The middle of a range of disparities, as much of it as `search_rows` takes [rectified px].

    Args:
        disparity: Lowest and highest.
        magnification: As for `search_rows`.

    """
    middle = (disparity[0] + disparity[1]) / 2
    # One block of 16 is lost to whole numbers at both ends.
    reach = min((disparity[1] - disparity[0]) / 2, (_MAX_DISPARITIES - 16) * magnification / 4)
    return middle - reach, middle + reach


def search_rows(views: EqualViews, rectification: Rectification, *, magnification: float) -> StereoMap | None:
    """Match every pixel of the working grid along its rectified row.

    Args:
        views: Both views.
        rectification: From matches or from a rig.
        magnification: HSR px per LSR px in the middle of the LSR view, see `homography.local_scale`.

    Returns:
        The map, or None when the views turn so much that no common rectified frame of sensible size exists.

    """
    per_hsr = 2.0 / magnification  # rectified samples per HSR px
    low = int(np.floor(rectification.disparity[0] * per_hsr))
    count = int(np.ceil((rectification.disparity[1] * per_hsr - low) / 16)) * 16
    if not 0 < count <= _MAX_DISPARITIES:
        return None
    frame = _frame(views, rectification, per_hsr, low, count)
    if frame is None:
        return None
    to_frame, size = frame
    lsr_to_frame = to_frame @ rectification.lsr
    hsr_to_frame = to_frame @ rectification.hsr
    left = _warp(views.lsr, lsr_to_frame @ views.work_to_lsr, size)
    right = _warp(views.hsr, hsr_to_frame @ invert(views.hsr_to_equal), size)
    forward = _search(left, right, low, count)
    mirrored = _search(np.ascontiguousarray(right[:, ::-1]), np.ascontiguousarray(left[:, ::-1]), low, count)[
        :, ::-1
    ]
    unknown = forward < low
    x = np.arange(size[0])[None, :] - np.where(unknown, 0, forward)
    column = np.clip(np.round(x), 0, size[0] - 1).astype(np.intp)
    back = np.take_along_axis(mirrored, column, axis=1)
    confirmed = ~unknown & (np.abs(back - forward) <= _AGREE)
    filled = _fill(forward, unknown)
    positions = homography_map(lsr_to_frame @ views.work_to_lsr, *views.size)
    disparity = remap(filled, positions, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE)
    sure = remap(confirmed.astype(np.float32), positions, cv2.INTER_LINEAR) > 0.6
    positions[..., 0] -= disparity
    return StereoMap(_apply(invert(hsr_to_frame), positions), np.asarray(sure))


def _frame(
    views: EqualViews, rectification: Rectification, per_hsr: float, low: int, count: int
) -> tuple[Matrix, tuple[int, int]] | None:
    w, h = views.size
    border = np.array([[0, 0], [w - 1, 0], [w - 1, h - 1], [0, h - 1]], np.float64)
    sampling = np.diag([per_hsr, per_hsr, 1.0])
    onto = sampling @ rectification.lsr @ views.work_to_lsr
    if np.any(np.column_stack([border, np.ones(4)]) @ onto[2] * onto[2, 2] <= 0):
        return None
    corners = transform(onto, border)
    x0, y0 = np.floor(corners.min(axis=0))
    x1, y1 = np.ceil(corners.max(axis=0))
    # The search reads `low .. low + count` columns to the left of each pixel.
    x0, x1 = x0 - max(0, low + count), x1 + max(0, -low)
    width, height = int(x1 - x0) + 1, int(y1 - y0) + 1
    if width > 4 * max(views.size) + count or height > 4 * max(views.size):
        return None
    return shift(-x0, -y0) @ sampling, (width, height)


def _warp(image: ImageU8, matrix: Matrix, size: tuple[int, int]) -> ImageU8:
    out = cv2.warpPerspective(image, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(out, np.uint8)


def _search(left: ImageU8, right: ImageU8, low: int, count: int) -> ImageF32:
    matcher = cv2.StereoSGBM.create(
        minDisparity=low,
        numDisparities=count,
        blockSize=_BLOCK,
        P1=8 * _BLOCK**2,
        P2=32 * _BLOCK**2,
        disp12MaxDiff=1,
        preFilterCap=31,
        uniquenessRatio=5,
        mode=cv2.STEREO_SGBM_MODE_SGBM_3WAY,
    )
    return np.asarray(matcher.compute(left, right).astype(np.float32) / 16, np.float32)


def _fill(disparity: ImageF32, unknown: Mask) -> ImageF32:
    """Nearest known disparity where none was found."""
    if unknown.all():
        return np.zeros_like(disparity)
    # scipy takes longer to load than most commands to do their work.
    from scipy.ndimage import distance_transform_edt

    index = distance_transform_edt(unknown, return_distances=False, return_indices=True)
    filled: npt.NDArray[np.float32] = np.ascontiguousarray(disparity[index[0], index[1]])
    return np.asarray(cv2.medianBlur(filled, 5), np.float32)


def _apply(matrix: Matrix, positions: ImageF32) -> ImageF32:
    m = (matrix / matrix[2, 2]).astype(np.float32)
    x, y = positions[..., 0], positions[..., 1]
    w = m[2, 0] * x + m[2, 1] * y + 1.0
    out = np.empty_like(positions)
    out[..., 0] = (m[0, 0] * x + m[0, 1] * y + m[0, 2]) / w
    out[..., 1] = (m[1, 0] * x + m[1, 1] * y + m[1, 2]) / w
    return out
