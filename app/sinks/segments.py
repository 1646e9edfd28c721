"""One short piece of a video: frames encoded into a Matroska file that gets its name when it is whole."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import av.error
import cv2
import numpy as np

from app.sinks.codecs import Codec
from drivers import Image
from drivers.durable import give_name

SEGMENT_FRAMES = 48
SEGMENT_STEP = Fraction(1, 25)
"""Time from frame to frame in a segment [s], whatever the clip's rate: Matroska rounds to milliseconds."""
# No creation time and no library version in the file: a second run gives the same bytes.
BITEXACT = cast("int", av.container.Flags.bitexact.value)
_BT709 = 1  # ITU-T H.273: primaries, transfer and matrix all use code point 1
_LIMITED_RANGE = 1
# ITU-R BT.709 R'G'B' -> Y'CbCr for 10-bit limited range, from values in 0..1.
_YCBCR10 = np.array(
    [
        [0.2126 * 876, 0.7152 * 876, 0.0722 * 876, 64],
        [-0.2126 / 1.8556 * 896, -0.7152 / 1.8556 * 896, 448, 512],
        [448, -0.7152 / 1.5748 * 896, -0.0722 / 1.5748 * 896, 512],
    ],
    np.float32,
)


def location(path: Path) -> str:
    """A path as FFmpeg takes it: what stands before a colon in a relative one is a protocol to it."""
    return str(path.absolute())


class Segment:
    """One short Matroska clip: it holds any codec. Its times count frames in steps of `SEGMENT_STEP` seconds.

    Args:
        path: The file, there only once it is whole.
        codec: How to encode.
        width: Frame width [px].
        height: Frame height [px].
        rate: Playback rate [frames/s].
        pixel_aspect: Width of a pixel over its height as it is to be shown.
        deep: Whether frames have 16 bits.

    Attributes:
        frames: Written so far.

    """

    def __init__(
        self,
        path: Path,
        codec: Codec,
        width: int,
        height: int,
        rate: Fraction,
        pixel_aspect: Fraction,
        *,
        deep: bool,
    ) -> None:
        self._path = path
        self._temporary = path.with_name(path.name + ".tmp")
        self._lossless = codec.lossless
        self._source, self._pix_fmt = ("rgb48le", codec.deep_pix_fmt) if deep else ("rgb24", codec.pix_fmt)
        self.frames = 0
        self._packets, self._reorder = 0, codec.reorder
        self._container = av.open(location(self._temporary), "w", format="matroska")
        self._container.flags |= BITEXACT
        stream = self._container.add_stream(codec.encoder, rate=rate, options=dict(codec.options))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, self._pix_fmt
        stream.time_base = SEGMENT_STEP
        context = stream.codec_context
        context.time_base = self._time_base = 1 / rate
        context.sample_aspect_ratio = pixel_aspect
        context.gop_size = SEGMENT_FRAMES
        context.thread_count = codec.threads
        if not codec.lossless:
            context.color_primaries = context.color_trc = context.colorspace = _BT709
            context.color_range = _LIMITED_RANGE
        self._stream = stream

    def write(self, image: Image) -> None:
        """Encode one more frame, (H, W, 3), uint8, or uint16 where they are deep."""
        frame = self._encoder_frame(image)
        frame.pts = self.frames
        frame.time_base = self._time_base
        self.frames += 1
        self._mux(self._stream.encode(frame))

    def _encoder_frame(self, image: Image) -> av.VideoFrame:
        if self._pix_fmt == "yuv422p10le":
            return _frame_422_10(image)
        contiguous = image if image.flags.c_contiguous else image.copy()
        if self._pix_fmt == "yuv420p10le":
            # FFmpeg takes 65280 for white where it makes YUV of 16 bits a channel.
            contiguous = contiguous - (contiguous >> 8)
        frame = av.VideoFrame.from_ndarray(contiguous, format=self._source)
        if self._lossless:
            return frame.reformat(format=self._pix_fmt)
        return frame.reformat(format=self._pix_fmt, dst_colorspace=_BT709, dst_color_range=_LIMITED_RANGE)

    def _mux(self, packets: Iterable[av.Packet[av.VideoStream]]) -> None:
        for packet in packets:
            packet.time_base = SEGMENT_STEP
            # x265 leaves it uninitialised in clips shorter than its delay.
            packet.dts = self._packets - self._reorder
            self._packets += 1
            self._container.mux_one(packet)

    def close(self) -> Path:
        """Complete the file, give it its name, and return that."""
        self._mux(self._stream.encode(None))
        self._container.close()
        return give_name(self._temporary, self._path)

    def drop(self) -> None:
        """Give the file up, whatever state it is in: until it is closed, its room on the disk stays taken."""
        for _ in range(2):
            # Packets that wait to be written may fail first; only then is the file closed.
            with suppress(OSError, av.error.FFmpegError):
                self._container.close()
        self._temporary.unlink(missing_ok=True)


def is_whole(path: Path) -> bool:
    """Whether a segment holds all its `SEGMENT_FRAMES` frames: the last one of a clip may be shorter."""
    try:
        with av.open(location(path)) as segment:
            packets = [p for p in segment.demux(segment.streams.video[0]) if p.size]
    except (OSError, IndexError, av.error.FFmpegError):
        return False
    return len(packets) == SEGMENT_FRAMES and not any(p.is_corrupt for p in packets)


def _frame_422_10(image: Image) -> av.VideoFrame:
    # FFmpeg's own conversion to this format leaves uninitialised samples at the right edge.
    values = image.astype(np.float32) / np.float32(np.iinfo(image.dtype).max)
    planes = np.rint(cv2.transform(values, _YCBCR10)).astype(np.uint16)
    height, width = image.shape[:2]
    frame = av.VideoFrame(width, height, "yuv422p10le")
    frame.colorspace = frame.color_primaries = frame.color_trc = _BT709
    frame.color_range = _LIMITED_RANGE
    left = np.concatenate([planes[:, :1, 1:], planes[:, 1:-1:2, 1:]], axis=1)
    # Chroma sits on the even luma columns: 1-2-1 weights around each of them.
    chroma = (left + 2 * planes[:, ::2, 1:] + planes[:, 1::2, 1:] + 2) // 4
    for plane, data in zip(frame.planes, (planes[:, :, 0], chroma[:, :, 0], chroma[:, :, 1]), strict=True):
        padded = np.zeros((data.shape[0], plane.line_size // 2), np.uint16)
        padded[:, : data.shape[1]] = data
        plane.update(padded.tobytes())
    return frame
