"""Decoded pictures -> upright RGB8 in display colours, or small grey pictures."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter

from drivers._clip_hdr import HLG, PQ, HdrConverter

Picture = npt.NDArray[np.uint8]

_EXACT = 0x2 | 0x2000 | 0x4000 | 0x40000 | 0x80000
"""libswscale's SWS_BILINEAR, _FULL_CHR_H_INT, _FULL_CHR_H_INP, _ACCURATE_RND and _BITEXACT, which PyAV names
from version 18 on only."""

_UNSPECIFIED = 2
_LUMA_FIRST = frozenset({"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12"})
_HD_ROWS = 720


def quarter_turns(frame: VideoFrame) -> int:
    """Counter-clockwise quarter turns, 0..3, that put a decoded picture upright, by its display matrix."""
    return round(frame.rotation / 90) % 4


def upright_size(frame: VideoFrame) -> tuple[int, int]:
    """Width and height of a decoded picture once it is put upright [px]."""
    return (frame.height, frame.width) if quarter_turns(frame) % 2 else (frame.width, frame.height)


def is_hdr(frame: VideoFrame) -> bool:
    """Whether a picture is tagged as HLG or PQ and has to be brought to display colours."""
    return int(frame.color_trc) in (HLG, PQ)


class ColourConverter:
    """Converts the pictures of one clip. Not thread-safe."""

    def __init__(self) -> None:
        self._rgb = VideoReformatter()
        self._grey = VideoReformatter()
        self._hdr = HdrConverter()

    def rgb8(self, frame: VideoFrame) -> Picture:
        """RGB of a decoded picture as it is to be shown, upright, shape (H, W, 3).

        RGB sources come back bit-exact. The matrix is the tagged one; untagged pictures of 720 rows and more
        are taken as BT.709, smaller ones as BT.601, as players do. HLG and PQ are brought to BT.709.
        """
        matrix: Colorspace | None = None
        if is_hdr(frame) and not frame.format.is_rgb:
            source = self._hdr.to_display(frame, _EXACT)
        else:
            source = frame
            untagged = int(frame.colorspace) == _UNSPECIFIED
            if untagged and not frame.format.is_rgb and min(frame.width, frame.height) >= _HD_ROWS:
                matrix = Colorspace.ITU709
        flags = Interpolation.POINT if source.format.is_rgb else _EXACT
        shown = self._rgb.reformat(source, format="rgb24", src_colorspace=matrix, interpolation=flags)
        image = shown.to_ndarray().astype(np.uint8, copy=False)
        turns = quarter_turns(frame)
        return np.ascontiguousarray(np.rot90(image, turns)) if turns else image

    def luma(self, frame: VideoFrame, width: int) -> Picture:
        """Small grey version of a decoded picture, upright, area-averaged, shape (h, width).

        Cheap: it needs no full-size conversion; levels are the codec's own. For finding motion and time, not
        for fusion.

        Args:
            frame: Decoded picture.
            width: Upright width to make [px]; the picture's own where that is smaller.

        """
        turns = quarter_turns(frame)
        across, along = upright_size(frame)
        width = min(width, across)
        height = max(1, round(along * width / across))
        size = (height, width) if turns % 2 else (width, height)
        if frame.format.name in _LUMA_FIRST:
            small = np.asarray(cv2.resize(_first_plane(frame), size, interpolation=cv2.INTER_AREA), np.uint8)
        else:
            grey = self._grey.reformat(
                frame, width=size[0], height=size[1], format="gray", interpolation=Interpolation.AREA
            )
            small = grey.to_ndarray().astype(np.uint8, copy=False)
        return np.ascontiguousarray(np.rot90(small, turns))


def _first_plane(frame: VideoFrame) -> Picture:
    """8-bit luma of a decoded picture as a view, shape (h, w)."""
    plane = frame.planes[0]
    rows: Picture = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return rows[: frame.height, : frame.width]
