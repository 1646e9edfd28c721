"""Decoded pictures -> upright RGB of 8 or 16 bits in display colours, or small grey pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter

from drivers._clip_hdr import HLG, PQ, HdrConverter
from drivers.frame import DeepImage, Image

Grey = npt.NDArray[np.uint8]
_Samples = TypeVar("_Samples", Grey, DeepImage)

_EXACT = 0x2 | 0x2000 | 0x4000 | 0x40000 | 0x80000
"""libswscale's SWS_BILINEAR, _FULL_CHR_H_INT, _FULL_CHR_H_INP, _ACCURATE_RND and _BITEXACT, which PyAV names
from version 18 on only."""

_UNSPECIFIED = 2
_LUMA_FIRST = frozenset({"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12"})
_HD_ROWS = 720
_PLANAR = "gbrp16le"
_RED_GREEN_BLUE = (2, 0, 1)
"""Planes of that format."""
_BAND = 16
"""Rows that are worked on at a time: what they take stays in the processor's cache."""
_TURNED = (None, cv2.ROTATE_90_COUNTERCLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_CLOCKWISE)


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

    def upright(self, image: _Samples) -> _Samples:
        """A picture put upright, shape (H, W, ...)."""
        how = _TURNED[self.turns]
        shown = cv2.flip(image, 1) if self.mirrored else image
        return np.asarray(shown if how is None else cv2.rotate(shown, how), image.dtype)


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


def is_deep(frame: VideoFrame) -> bool:
    """Whether a picture has more than 8 bits a channel, up to 16; FFmpeg rounds those of floats to 8."""
    return 8 < max((component.bits for component in frame.format.components), default=8) <= 16


class ColourConverter:
    """Converts the pictures of one clip. Not thread-safe.

    Args:
        pose: What puts them upright.
        first: Picture that has the clip's size and depth; where others differ, as after a switch to
            another resolution, they are scaled to it.
        deep: Keep more than 8 bits a channel where there are.

    Attributes:
        deep: Whether they are kept: RGB is uint16 then.

    """

    def __init__(self, pose: Pose, first: VideoFrame, *, deep: bool) -> None:
        self._pose = pose
        self._stored = first.width, first.height
        self._upright = pose.size(first)
        self._rgb = VideoReformatter()
        self._grey = VideoReformatter()
        self.deep = deep and is_deep(first)
        self._hdr = HdrConverter(deep=is_deep(first))

    def rgb(self, frame: VideoFrame) -> Image:
        """RGB of a decoded picture as it is to be shown, upright, shape (H, W, 3), uint8 or uint16.

        RGB sources come back bit-exact, deep ones spread over the full 16 bits. The matrix is the tagged one;
        untagged pictures of 720 rows and more are taken as BT.709, smaller ones as BT.601, as players do. HLG
        and PQ are brought to BT.709.
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
            format=_deep_format(source) if self.deep else "rgb24",
            src_colorspace=matrix,
            interpolation=Interpolation.POINT if exact else _EXACT,
        )
        if self.deep:
            return self._pose.upright(_full_range(shown, source))
        return self._pose.upright(shown.to_ndarray().astype(np.uint8, copy=False))

    def luma(self, frame: VideoFrame, width: int) -> Grey:
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


def _first_plane(frame: VideoFrame) -> Grey:
    """8-bit luma of a decoded picture as a view, shape (h, w)."""
    plane = frame.planes[0]
    rows: Grey = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return rows[: frame.height, : frame.width]


def _deep_format(source: VideoFrame) -> str:
    """What FFmpeg converts a picture to without losing bits, and without faults.

    YUV with half the chroma rows comes out in wrong colours in rgb48le, RGB of 10 bits too dark in gbrp16le.
    """
    yuv = not source.format.is_rgb and len(source.format.components) > 2
    return _PLANAR if yuv or source.format.name == _PLANAR else "rgb48le"


def _full_range(shown: VideoFrame, source: VideoFrame) -> DeepImage:
    """Samples of a picture converted to `_deep_format`, where white is 65535 whatever it was made of."""
    if shown.format.name != _PLANAR:
        image = shown.to_ndarray().astype(np.uint16, copy=False)
        bits = source.format.components[0].bits
        # Of grey, FFmpeg leaves the bits empty that it shifts it up by.
        filled = bits < 16 and not source.format.is_rgb
        return np.asarray(cv2.add(image, image >> bits), np.uint16) if filled else image
    image = np.empty((shown.height, shown.width, 3), np.uint16)
    planes = [_deep_plane(shown, k) for k in _RED_GREEN_BLUE]
    for top in range(0, shown.height, _BAND):
        band = image[top : top + _BAND]
        cv2.merge([plane[top : top + _BAND] for plane in planes], band)
        if not source.format.is_rgb:
            # From `WHITE_OF_16_BITS` to 1; what is brighter stays white.
            cv2.add(band, band >> 8, band)
    return image


def _deep_plane(frame: VideoFrame, number: int) -> DeepImage:
    """A plane of 16 bits as a view, shape (h, w)."""
    plane = frame.planes[number]
    rows: DeepImage = np.frombuffer(memoryview(plane), np.uint16).reshape(-1, plane.line_size // 2)
    return rows[: frame.height, : frame.width]
