"""Decoded pictures -> upright RGB8 in display colours, or small grey pictures."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from av.sidedata.sidedata import SideData
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


@dataclass(frozen=True, slots=True)
class Pose:
    """What puts the pictures of a clip upright.

    Attributes:
        mirrored: Whether left and right change places first.
        turns: Counter-clockwise quarter turns, 0..3.

    """

    mirrored: bool
    turns: int

    def size(self, frame: VideoFrame) -> tuple[int, int]:
        """Width and height of a decoded picture once it is put upright [px]."""
        return (frame.height, frame.width) if self.turns % 2 else (frame.width, frame.height)

    def upright(self, image: Picture) -> Picture:
        """A picture put upright, shape (H, W, ...)."""
        return np.ascontiguousarray(np.rot90(image[:, ::-1] if self.mirrored else image, self.turns))


def pose_of(frame: VideoFrame) -> Pose:
    """How the pictures of a clip are to be shown, by the display matrix of one of them.

    Not to be asked of every picture: one whose side data was looked at stays in memory until Python collects
    garbage.
    """
    found = frame.side_data.get("DISPLAYMATRIX")
    mirrored = False
    if isinstance(found, SideData):
        matrix = np.frombuffer(bytes(found), np.int32).astype(np.float64).reshape(3, 3)
        mirrored = bool(np.linalg.det(matrix[:2, :2]) < 0)
    # FFmpeg tells the rotation by where the axis to the right goes; mirrored, that axis points left.
    return Pose(mirrored, (round(frame.rotation / 90) + (2 if mirrored else 0)) % 4)


def is_interlaced(frame: VideoFrame) -> bool:
    """Whether a picture is tagged as two of half the height, taken one after the other."""
    return bool(frame.interlaced_frame)


def is_hdr(frame: VideoFrame) -> bool:
    """Whether a picture is tagged as HLG or PQ and has to be brought to display colours."""
    return int(frame.color_trc) in (HLG, PQ)


class ColourConverter:
    """Converts the pictures of one clip. Not thread-safe.

    Args:
        pose: What puts them upright.
        first: Picture that has the clip's size; where others differ, as after a switch to another
            resolution, they are scaled to it.

    """

    def __init__(self, pose: Pose, first: VideoFrame) -> None:
        self._pose = pose
        self._stored = first.width, first.height
        self._upright = pose.size(first)
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
        width, height = self._stored
        exact = source.format.is_rgb and (source.width, source.height) == self._stored
        shown = self._rgb.reformat(
            source,
            width=width,
            height=height,
            format="rgb24",
            src_colorspace=matrix,
            interpolation=Interpolation.POINT if exact else _EXACT,
        )
        image = shown.to_ndarray().astype(np.uint8, copy=False)
        return self._pose.upright(image)

    def luma(self, frame: VideoFrame, width: int) -> Picture:
        """Small grey version of a decoded picture, upright, area-averaged, shape (h, width).

        Cheap: it needs no full-size conversion; levels are the codec's own. For finding motion and time, not
        for fusion.

        Args:
            frame: Decoded picture.
            width: Upright width to make [px]; the picture's own where that is smaller.

        """
        across, along = self._upright
        width = min(width, across)
        height = max(1, round(along * width / across))
        size = (height, width) if self._pose.turns % 2 else (width, height)
        if frame.format.name in _LUMA_FIRST:
            small = np.asarray(cv2.resize(_first_plane(frame), size, interpolation=cv2.INTER_AREA), np.uint8)
        else:
            grey = self._grey.reformat(
                frame, width=size[0], height=size[1], format="gray", interpolation=Interpolation.AREA
            )
            small = grey.to_ndarray().astype(np.uint8, copy=False)
        return self._pose.upright(small)


def _first_plane(frame: VideoFrame) -> Picture:
    """8-bit luma of a decoded picture as a view, shape (h, w)."""
    plane = frame.planes[0]
    rows: Picture = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return rows[: frame.height, : frame.width]
