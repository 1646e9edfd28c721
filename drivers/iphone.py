"""Video clips, from phones or anything else, behind the same stream interface as a take."""

from __future__ import annotations

import filecmp
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from drivers._clip_audio import ClipAudio, ClipSound, read_audio, read_sound
from drivers._clip_colour import ColourConverter, is_hdr, is_interlaced, pose_of
from drivers._clip_decoder import ClipDecoder
from drivers._clip_index import ClipIndex, build_index
from drivers._clip_tags import creation_time, declared_capture_rate, device_maker, device_model
from drivers._read_ahead import ReadAhead
from drivers.errors import SourceError, SwappedClipsError
from drivers.frame import Frame, Image, PixelFormat, Role
from drivers.source import SourceInfo, StreamPair

_SAME_RATE = 1.01
_FIRST_FRAMES = 8


class VideoClip:
    """One video file as a `FrameSource`; make one with `open_clip`.

    Frames are upright RGB8, or RGB16 where the file has more than 8 bits a channel; their times are the
    container's presentation times (never index / fps). Reading in order decodes each frame once, ahead of the
    reader on a thread of its own; any other order seeks exactly. Memory is bounded whatever the length.
    """

    def __init__(self, path: Path, role: Role, capture_factor: float = 1.0, *, deep: bool = True) -> None:
        self._path = path
        self._role = role
        index = build_index(path)
        self._decoder = ClipDecoder(path, index)
        try:
            if index.suspicious or self._comes_otherwise(self._decoder.decodable(_FIRST_FRAMES)):
                index = self._reread(index)
            self._index = index
            picture = self._decoder.read(0)
            self.assume_capture_factor(capture_factor)
        except SourceError:
            self._decoder.close()
            raise
        pose = pose_of(picture)
        self._size = pose.size(picture)
        self._pixel_aspect = 1 / index.pixel_aspect if pose.turns % 2 else index.pixel_aspect
        self._hdr, self._interlaced = is_hdr(picture), is_interlaced(picture)
        self._colour = ColourConverter(pose, picture, deep=deep)
        self._pixel_format = PixelFormat.RGB16 if self._colour.deep else PixelFormat.RGB8
        self._ahead = ReadAhead(self._picture, len(index.pts))

    def assume_capture_factor(self, factor: float) -> None:
        """Say how many times slower the file plays than it was filmed; all its times follow.

        Raises:
            SourceError: The factor is not above 0.

        """
        if not factor > 0:
            raise SourceError(f"{self._path}: a capture factor of {factor:g} is impossible; give 1 or more")
        self._capture_factor = factor
        self._times = np.rint(self._index.times_ns / factor).astype(np.int64)

    def _comes_otherwise(self, first: list[int]) -> bool:
        """Whether the first frames that decode say that the packets are not the frames, one by one.

        So it is where a clip begins in the middle of a group of pictures, or where each field of a frame
        has a packet. Single damaged frames are no such sign.
        """
        if first != sorted(first) or first[:1] != [0]:
            return True
        return first != list(range(len(first))) and self._decoder.damaged_packets == 0

    def _reread(self, index: ClipIndex) -> ClipIndex:
        """Decode the whole file once: what comes out, in the order in which it comes, are its frames."""
        shown = self._decoder.decodable()
        damaged = self._decoder.damaged_packets
        self._decoder.close()
        if not shown:
            raise SourceError(
                f"{self._path}: none of its frames can be decoded; copy it again from the camera"
            )
        index = replace(
            index,
            pts=np.sort(index.pts[shown]),
            marks=index.marks[shown],
            activity=index.activity[shown],
        )
        self._decoder = ClipDecoder(self._path, index)
        self._decoder.damaged_packets = damaged
        return index

    @property
    def info(self) -> SourceInfo:
        """Upright geometry, mean rate and length."""
        span = int(self._times[-1] - self._times[0])
        return SourceInfo(
            name=str(self._path),
            role=self._role,
            width=self._size[0],
            height=self._size[1],
            pixel_format=self._pixel_format,
            frame_count=len(self._times),
            fps=(len(self._times) - 1) * 1e9 / span if span > 0 else 0.0,
        )

    @property
    def metadata(self) -> Mapping[str, str]:
        """Tags of the container, such as com.apple.quicktime.model."""
        return self._index.metadata

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def capture_factor(self) -> float:
        """How many times slower the file plays than it was filmed; the times here are real ones."""
        return self._capture_factor

    @property
    def created(self) -> datetime | None:
        """When the recording began, to about a second; None where the file does not say."""
        return creation_time(self._index.metadata)

    @property
    def declared_rate(self) -> float | None:
        """Frame rate at which the camera filmed [1/s], where the file says so."""
        return declared_capture_rate(self._index.metadata)

    @property
    def model(self) -> str:
        """Model name of the phone; empty where the file does not say."""
        return device_model(self._index.metadata)

    @property
    def maker(self) -> str:
        """Maker of the phone; empty where the file does not say."""
        return device_maker(self._index.metadata)

    def read_audio(self, rate: int) -> ClipAudio | None:
        """Mono sound on the same time line as `mid_exposure_ns`; None without sound or in slow motion.

        Args:
            rate: Samples per second.

        """
        if not self.has_audio or self._capture_factor != 1.0:
            return None
        return read_audio(self._path, rate=rate)

    def read_sound(self, start_ns: int, stop_ns: int) -> ClipSound | None:
        """Sound between two times as `mid_exposure_ns` counts them; None without sound or in slow motion.

        Args:
            start_ns: Begin [ns].
            stop_ns: End [ns].

        """
        if not self.has_audio or self._capture_factor != 1.0:
            return None
        return read_sound(self._path, start_ns / 1e9, stop_ns / 1e9)

    @property
    def hdr(self) -> bool:
        """Whether the file is HDR (HLG or PQ); `read` brings it to BT.709 display colours."""
        return self._hdr

    @property
    def interlaced(self) -> bool:
        """Whether the file says that the lines of each frame were taken at two moments."""
        return self._interlaced

    @property
    def pixel_aspect(self) -> Fraction:
        """Width of an upright pixel over its height as it is to be shown; 1 for nearly every clip."""
        return self._pixel_aspect

    @property
    def has_audio(self) -> bool:
        """Whether the file has a sound track."""
        return self._index.has_audio

    @property
    def damaged_packets(self) -> int:
        """Packets that could not be read or decoded so far."""
        return self._decoder.damaged_packets

    @property
    def missing_s(self) -> float:
        """Seconds of file time at the end that the file promises and does not hold; 0 for a whole one."""
        return float(self._index.missing * self._index.time_base)

    @property
    def frame_ids(self) -> npt.NDArray[np.int64]:
        """0, 1, 2, ...: clips have no camera counter; shape (frame_count,)."""
        return np.arange(len(self._times), dtype=np.int64)

    @property
    def mid_exposure_ns(self) -> npt.NDArray[np.int64]:
        """Presentation times on the container's time line, shape (frame_count,) [ns]."""
        return self._times

    @property
    def activity(self) -> npt.NDArray[np.float64]:
        """How much the picture changes at each frame, by the bytes it took; known without decoding.

        Shape (frame_count,), on no particular scale; all equal where every frame is coded by itself.
        """
        return self._index.activity

    def key_frame_near(self, index: int) -> int:
        """Index of the frame nearest to `index` that decodes by itself, and so is quick to get at."""
        keys = np.flatnonzero(np.isin(self._index.pts, self._index.key_pts))
        return int(keys[np.argmin(np.abs(keys - index))]) if len(keys) else index

    def read(self, index: int) -> Frame:
        """Frame `index`, decoded and converted; the picture is the caller's own.

        Raises:
            SourceError: The index is outside the clip, the frame is damaged, or the clip is closed.

        """
        if not 0 <= index < len(self._times):
            raise SourceError(f"{self._path}: no frame {index}, the clip has {len(self._times)}")
        image = self._ahead.read(index)
        return Frame(image, self._pixel_format, self._role, index, int(self._times[index]))

    def read_luma(self, index: int, width: int) -> npt.NDArray[np.uint8]:
        """Grey picture of frame `index` reduced to `width` [px], upright, shape (h, width).

        Raises:
            SourceError: As `read`.

        """
        if not 0 <= index < len(self._times):
            raise SourceError(f"{self._path}: no frame {index}, the clip has {len(self._times)}")
        return self._ahead.exclusively(lambda: self._colour.luma(self._decoder.read(index), width))

    def _picture(self, index: int) -> Image:
        return self._colour.rgb(self._decoder.read(index))

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[Frame]:
        """Frames start..stop-1 in order.

        Raises:
            SourceError: As `read`.

        """
        for index in range(start, len(self._times) if stop is None else stop):
            yield self.read(index)

    def close(self) -> None:
        """Release the file. Safe to call twice."""
        self._ahead.close()
        self._decoder.close()

    def __enter__(self) -> VideoClip:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_clip(path: Path | str, role: Role, *, capture_factor: float = 1.0, deep: bool = True) -> VideoClip:
    """Open a video file as one stream.

    Args:
        path: The file.
        role: Which stream it is.
        capture_factor: How many times slower the file plays than it was filmed: 8 for 240 fps slow motion
            that was saved as a 30 fps video.
        deep: Keep more than 8 bits a channel; False where frames are only shown, which takes less time.

    Raises:
        SourceError: Missing, a folder, a photo, without video, empty, cut off, or with no decodable frame.

    """
    return VideoClip(Path(path), role, capture_factor, deep=deep)


def _sizes(hsr: SourceInfo, lsr: SourceInfo) -> str:
    return ", ".join(f"{i.role.name} {i.width}x{i.height} at {i.fps:.2f} fps" for i in (hsr, lsr))


def check_sizes(hsr: SourceInfo, lsr: SourceInfo) -> None:
    """Refuse two clips of which the first is not the sharp one.

    Raises:
        SwappedClipsError: They are swapped.
        SourceError: The second one has more pixels, and is the faster one all the same.

    """
    if lsr.width * lsr.height <= hsr.width * hsr.height:
        return
    if hsr.fps >= lsr.fps / _SAME_RATE:
        raise SwappedClipsError(
            f"the two clips look swapped ({_sizes(hsr, lsr)}); give {lsr.name} as HSR and {hsr.name} as LSR"
        )
    raise SourceError(
        f"the LSR clip has more pixels than the HSR clip ({_sizes(hsr, lsr)}); the slow clip must be the "
        "sharper one"
    )


def check_rates(hsr: SourceInfo, lsr: SourceInfo) -> None:
    """Refuse two clips of which the first is not the slow one.

    Raises:
        SourceError: So it is.

    """
    if hsr.fps > lsr.fps * _SAME_RATE and hsr.frame_count > 1 and lsr.frame_count > 1:
        raise SourceError(
            f"the HSR clip has the higher frame rate ({_sizes(hsr, lsr)}); the sharp clip must be the slower "
            "one, or give --capture-factor where the LSR clip is slow motion"
        )


def _same_content(first: Path, second: Path) -> bool:
    """Whether both are one file, or copies of one."""
    if not (first.is_file() and second.is_file()):
        return False
    return first.samefile(second) or filecmp.cmp(first, second, shallow=False)


def open_clips(
    hsr_path: Path | str, lsr_path: Path | str, *, capture_factor: float | None = 1.0, deep: bool = True
) -> tuple[VideoClip, VideoClip]:
    """Open two clips as a pair whose relation in time is not known yet.

    Args:
        hsr_path: The sharp, slow clip.
        lsr_path: The coarse, fast clip.
        capture_factor: Of the LSR clip, see `open_clip`; None where it is not known yet, which leaves
            `check_rates` to the caller.
        deep: See `open_clip`.

    Raises:
        SourceError: A clip cannot be read, both are the same clip, or they are swapped.

    """
    if _same_content(Path(hsr_path), Path(lsr_path)):
        raise SourceError(f"{hsr_path}: the same clip was given twice; give the HSR clip and the LSR clip")
    with ThreadPoolExecutor(1, "open-lsr") as pool:
        factor = 1.0 if capture_factor is None else capture_factor
        other = pool.submit(open_clip, lsr_path, Role.LSR, capture_factor=factor, deep=deep)
        try:
            hsr = open_clip(hsr_path, Role.HSR, deep=deep)
        except SourceError:
            if other.exception() is None:
                other.result().close()
            raise
    try:
        lsr = other.result()
    except SourceError:
        hsr.close()
        raise
    try:
        check_sizes(hsr.info, lsr.info)
        if capture_factor is not None:
            check_rates(hsr.info, lsr.info)
    except SourceError:
        hsr.close()
        lsr.close()
        raise
    return hsr, lsr


def open_clip_pair(
    hsr_path: Path | str, lsr_path: Path | str, *, offset_ms: float, capture_factor: float = 1.0
) -> StreamPair:
    """Open two clips whose relation in time is known.

    Args:
        hsr_path: The sharp, slow clip.
        lsr_path: The coarse, fast clip.
        offset_ms: Time of the first HSR frame's mid-exposure minus that of the first LSR frame [ms].
        capture_factor: Of the LSR clip, see `open_clip`.

    Raises:
        SourceError: As `open_clips`.

    """
    hsr, lsr = open_clips(hsr_path, lsr_path, capture_factor=capture_factor)
    return StreamPair(hsr, lsr, None).at_offset(offset_ms)
