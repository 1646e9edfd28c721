"""Pixel grids: how positions and pictures go from one sampling to another.

The centre of the top-left pixel is (0, 0) everywhere, so sampling a picture s times as densely moves the
position x to (x + 0.5) * s - 0.5.
"""

from __future__ import annotations

from typing import Any, TypeAlias, cast

import cv2
import numpy as np
import numpy.typing as npt

from calibration.errors import ViewError

ImageU8: TypeAlias = npt.NDArray[np.uint8]
ImageF32: TypeAlias = npt.NDArray[np.float32]
Matrix: TypeAlias = npt.NDArray[np.float64]
Points: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]


def scaling(sx: float, sy: float) -> Matrix:
    """3x3 matrix that takes positions on a grid to a grid `sx`, `sy` times as dense."""
    return np.array([[sx, 0.0, (sx - 1) / 2], [0.0, sy, (sy - 1) / 2], [0.0, 0.0, 1.0]])


def pixel_ratio(hsr_size: tuple[int, int], lsr_size: tuple[int, int]) -> float:
    """HSR px per LSR px along one axis, by the sizes (width, height) alone: as if both saw the same field."""
    return float(np.sqrt(hsr_size[0] * hsr_size[1] / (lsr_size[0] * lsr_size[1])))


def shift(x: float, y: float) -> Matrix:
    """3x3 matrix that adds (x, y) to a position."""
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


def invert(matrix: Matrix) -> Matrix:
    """Inverse of a 3x3 matrix."""
    return np.asarray(np.linalg.inv(matrix), np.float64)


def transform(matrix: Matrix, points: npt.NDArray[Any]) -> Points:
    """Positions (..., 2) under a 3x3 homography."""
    p = np.asarray(points, np.float64)
    q = p @ matrix[:, :2].T + matrix[:, 2]
    return np.asarray(q[..., :2] / q[..., 2:])


def homography_map(matrix: Matrix, width: int, height: int) -> ImageF32:
    """Positions (height, width, 2) that `matrix` gives to every pixel of a picture, float32."""
    x = np.arange(width, dtype=np.float64)
    y = np.arange(height, dtype=np.float64)[:, None]
    m = matrix / matrix[2, 2]
    w = m[2, 0] * x + (m[2, 1] * y + 1.0)
    out = np.empty((height, width, 2), np.float32)
    out[..., 0] = (m[0, 0] * x + (m[0, 1] * y + m[0, 2])) / w
    out[..., 1] = (m[1, 0] * x + (m[1, 1] * y + m[1, 2])) / w
    return out


def inside(map_xy: ImageF32, width: int, height: int, margin: float = 0.0) -> Mask:
    """True where a position lies within a picture of `width` x `height`, `margin` px from its border."""
    x, y = map_xy[..., 0], map_xy[..., 1]
    right, bottom = width - 1 - margin, height - 1 - margin
    return np.asarray((x >= margin) & (x <= right) & (y >= margin) & (y <= bottom))


def resize(image: npt.NDArray[Any], width: int, height: int) -> npt.NDArray[Any]:
    """Resample to `width` x `height`: antialiased when it shrinks, bicubic when it grows."""
    if image.shape[1] == width and image.shape[0] == height:
        return image
    shrinks = width * height < image.shape[0] * image.shape[1]
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def covered(valid: Mask, width: int, height: int) -> Mask:
    """Where a coarser grid lies in `valid` (H, W) with all of its pixels, (height, width)."""
    share = cv2.resize(valid.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(share > 0.999)


def resize_map(map_xy: ImageF32, width: int, height: int) -> ImageF32:
    """Position map resampled to `width` x `height` output pixels; positions keep their unit."""
    if map_xy.shape[1] == width and map_xy.shape[0] == height:
        return map_xy.copy()
    return np.asarray(cv2.resize(map_xy, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


# The stubs ask for two maps; an empty second one (unlike None) makes OpenCV 5 read garbage when linear.
_NO_SECOND_MAP = cast("Any", None)


def remap(
    image: npt.NDArray[Any],
    map_xy: ImageF32,
    interpolation: int = cv2.INTER_CUBIC,
    border: int = cv2.BORDER_CONSTANT,
) -> npt.NDArray[Any]:
    """Picture sampled at positions (h, w, 2); 0 outside unless `border` says otherwise."""
    return cv2.remap(image, map_xy, _NO_SECOND_MAP, interpolation, borderMode=border, borderValue=(0, 0, 0))


def grey(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Luma of an RGB picture, BT.601 weights, same dtype."""
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


DARK, CLIPPED = 4, 251
"""Luma from which on a pixel counts as black and as saturated."""
_MIN_CONTRAST = 2.0


def check_view(image: npt.NDArray[Any], name: str) -> None:
    """Refuse pictures that carry no usable texture.

    Args:
        image: The picture.
        name: How messages call it, such as "HSR view".

    Raises:
        ViewError: Not a uint8 RGB picture, smaller than 32 px, black, saturated or blank.

    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ViewError(f"the {name} must be an 8-bit RGB picture, not {image.dtype} of shape {image.shape}")
    height, width = image.shape[:2]
    if min(height, width) < 32:
        raise ViewError(f"the {name} is only {width}x{height} pixels; at least 32x32 are needed")
    luma = grey(resize(image, max(width // 4, 16), max(height // 4, 16)))
    dark, clipped = float(np.mean(luma <= DARK)), float(np.mean(luma >= CLIPPED))
    if clipped > 0.9:
        raise ViewError(f"the {name} is saturated ({clipped:.0%} of it at full level); shorten its exposure")
    if dark > 0.9:
        raise ViewError(f"the {name} is black ({dark:.0%} of it); open the lens cap or lengthen its exposure")
    if float(luma.std()) < _MIN_CONTRAST:
        raise ViewError(
            f"the {name} is blank (contrast {float(luma.std()):.1f} of 255); point it at a scene with texture"
        )
