"""Decoded pictures -> upright RGB8 in display colours."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter

_EXACT = (
    Interpolation.BILINEAR
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.ACCURATE_RND
    | Interpolation.BITEXACT
)
_UNSPECIFIED = 2
_HD_ROWS = 720


def upright(image: npt.NDArray[np.uint8], rotation: int) -> npt.NDArray[np.uint8]:
    """Turn a picture the way its display matrix says.

    Args:
        image: (H, W, 3).
        rotation: Counter-clockwise degrees; multiples of 90 turn, the rest is ignored.

    """
    turns = round(rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


def to_luma(frame: VideoFrame, reformatter: VideoReformatter, width: int) -> npt.NDArray[np.uint8]:
    """Small grey version of a decoded picture, upright, area-averaged, shape (h, width).

    Cheap: it needs no full-size conversion. For finding motion and time, not for fusion.

    Args:
        frame: Decoded picture.
        reformatter: Kept between calls.
        width: Upright width to make [px]; the picture's own where that is smaller.

    """
    turned = round(frame.rotation / 90) % 2 == 1
    across, along = (frame.height, frame.width) if turned else (frame.width, frame.height)
    width = min(width, across)
    height = max(1, round(along * width / across))
    size = (height, width) if turned else (width, height)
    grey = reformatter.reformat(
        frame, width=size[0], height=size[1], format="gray", interpolation=Interpolation.AREA
    )
    plane = grey.to_ndarray().astype(np.uint8, copy=False)
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(plane, turns))


def to_rgb8(frame: VideoFrame, reformatter: VideoReformatter) -> npt.NDArray[np.uint8]:
    """RGB of a decoded picture as it is to be shown, upright, shape (H, W, 3).

    RGB sources come back bit-exact. The matrix is the tagged one; untagged pictures of 720 rows and more are
    taken as BT.709, smaller ones as BT.601, as players do.
    """
    planar = frame.format.is_rgb
    matrix: Colorspace | None = None
    if not planar and int(frame.colorspace) == _UNSPECIFIED and min(frame.width, frame.height) >= _HD_ROWS:
        matrix = Colorspace.ITU709
    converted = reformatter.reformat(
        frame, format="rgb24", src_colorspace=matrix, interpolation=Interpolation.POINT if planar else _EXACT
    )
    image = converted.to_ndarray().astype(np.uint8, copy=False)
    return upright(image, frame.rotation)
