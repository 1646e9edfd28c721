"""Which frames a video file holds, and when they are shown: found by reading packets, without decoding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from drivers.errors import SourceError

_STILL_FORMATS = ("_pipe", "image2")
_STILL_BRANDS = frozenset({"heic", "heix", "heim", "heis", "mif1", "avif"})


@dataclass(frozen=True, slots=True)
class ClipIndex:
    """Frames of the best video stream in order of presentation.

    Attributes:
        stream: Index of the stream in the container.
        pts: Presentation time of each frame in ticks of `time_base`, ascending, shape (N,).
        marks: What the decoder stamps each frame with, in the same order, shape (N,); differs from `pts` only
            in files whose writer mixed up decoding and presentation times.
        key_pts: Those of the key frames, ascending.
        activity: Bytes that each frame took, in the same order, shape (N,): the more, the more had changed.
            Key frames, which take many in any case, have the median of the others.
        time_base: Seconds per tick.
        pixel_aspect: Width of a stored pixel over its height.
        suspicious: The container promises more than it holds, or packets are marked as damaged: whether
            all these frames decode is only known after trying.
        missing: Ticks at its end that the container promises and does not hold, as of a file cut off; 0
            for a whole one.
        metadata: Tags of the container.
        has_audio: Whether there is a sound track.

    """

    stream: int
    pts: npt.NDArray[np.int64]
    marks: npt.NDArray[np.int64]
    key_pts: npt.NDArray[np.int64]
    activity: npt.NDArray[np.float64]
    time_base: Fraction
    pixel_aspect: Fraction
    suspicious: bool
    missing: int
    metadata: Mapping[str, str]
    has_audio: bool

    @property
    def times_ns(self) -> npt.NDArray[np.int64]:
        """Presentation times on the container's time line, shape (N,) [ns]."""
        numerator = 10**9 * self.time_base.numerator
        exact = self.pts.astype(object) * numerator // self.time_base.denominator
        return exact.astype(np.int64)


def open_container(path: Path) -> InputContainer:
    """Open a media file for reading.

    Raises:
        SourceError: Missing, a folder, empty, or not a media file; one sentence that names the file.

    """
    if not path.exists():
        raise SourceError(f"{path}: no such file; check the path")
    if path.is_dir():
        raise SourceError(f"{path}: is a folder; give the video file itself")
    try:
        if path.stat().st_size == 0:
            raise SourceError(f"{path}: the file is empty; copy it again from the camera")
        # FFmpeg takes what stands before a colon in a relative name for a protocol.
        return av.open(str(path.absolute()), metadata_errors="replace")
    except (av.error.FFmpegError, OSError, ValueError) as error:
        if isinstance(error, PermissionError):
            raise SourceError(f"{path}: may not be read; change its permissions") from error
        raise SourceError(
            f"{path}: not a video, or cut off before its index was written; copy it again from the camera"
        ) from error


def video_stream(container: InputContainer, path: Path) -> VideoStream:
    """Return the largest video stream that can be decoded; cover pictures and thumbnails do not count.

    A still picture that lies beside the video as a track of its own counts only where there is nothing else.

    Raises:
        SourceError: There is none.

    """
    brand = container.metadata.get("major_brand", "").strip()
    name = container.format.name
    if name.endswith(_STILL_FORMATS) or brand in _STILL_BRANDS:
        raise SourceError(f"{path}: is a photo; give a video")
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        kind = "has sound but no video" if container.streams.audio else "has no video stream"
        raise SourceError(f"{path}: {kind}; give a video")
    usable = [s for s in streams if s.codec_context is not None]
    if not usable:
        raise SourceError(f"{path}: its video codec is not supported; convert it to H.264, HEVC or ProRes")
    return max(usable, key=lambda s: (s.frames != 1, s.width * s.height))


def build_index(path: Path) -> ClipIndex:
    """Read all packets of a file and list its frames; edit lists are obeyed.

    Raises:
        SourceError: As `open_container` and `video_stream`, or the stream is empty, encrypted, or carries no
            times.

    """
    with open_container(path) as container:
        stream = video_stream(container, path)
        pts: list[int] = []
        sizes: list[float] = []
        keys: list[int] = []
        suspicious = False
        packets = end = 0
        try:
            for packet in container.demux(stream):
                if packet.size == 0:
                    continue
                if packet.has_sidedata("encryption_info"):
                    raise SourceError(
                        f"{path}: is encrypted (bought or rented video); give a clip that a camera filmed"
                    )
                packets += 1
                time = packet.pts if packet.pts is not None else packet.dts
                if packet.is_corrupt:
                    suspicious = True
                if time is None:
                    if not packet.is_corrupt:
                        raise SourceError(
                            f"{path}: carries no frame times; put the stream into an MP4, MOV or MKV file"
                        )
                    continue
                end = max(end, time + (packet.duration or 0))
                # A key frame before an edit list's start is decoded but not shown.
                if packet.is_keyframe:
                    keys.append(time)
                if not packet.is_discard:
                    pts.append(time)
                    sizes.append(float("nan") if packet.is_keyframe else packet.size)
        except (av.error.FFmpegError, OSError):
            suspicious = True
        promised = stream.frames
        # Frames alone tell nothing: those outside an edit list are promised, too.
        ahead = (stream.start_time or 0) + (stream.duration or 0) - end if promised > packets else 0
        time_base = stream.time_base
        pixel_aspect = stream.sample_aspect_ratio or Fraction(1)
        metadata = dict(container.metadata)
        has_audio = bool(container.streams.audio)
        number = stream.index
    if not pts or time_base is None:
        raise SourceError(f"{path}: holds no video frames; copy it again from the camera")
    ordered, places = np.unique(np.array(pts, np.int64), return_index=True)
    activity = np.array(sizes)[places]
    whole = np.isnan(activity)
    activity[whole] = 0.0 if whole.all() else np.nanmedian(activity)
    return ClipIndex(
        stream=number,
        pts=ordered,
        marks=ordered,
        key_pts=np.unique(np.array(keys, np.int64)),
        activity=activity,
        time_base=time_base,
        pixel_aspect=pixel_aspect,
        suspicious=suspicious or promised > packets or len(set(pts)) < len(pts),
        missing=ahead if ahead * len(pts) > end - min(pts) else 0,
        metadata=metadata,
        has_audio=has_audio,
    )
