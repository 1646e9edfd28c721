"""Reads one stream of a take frame by frame; a packed one is unpacked."""

from __future__ import annotations

import errno
import zlib
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from drivers._clip_audio import ClipAudio, ClipSound, read_audio, read_sound
from drivers._frames_file import FramesFile
from drivers._take_index import Rows, decode_rows, frame_bytes
from drivers._take_metadata import CameraMetadata, TakeMetadata, TriggerMetadata
from drivers._take_sound import MARGIN_NS, SOUND_NAME
from drivers._take_writer import INDEX_NAME, segment_name
from drivers.errors import TakeError
from drivers.frame import Frame, FrameFlag, Image, Role
from drivers.packing import unpacked
from drivers.source import SourceInfo

_AGAIN = "copy the take again, or delete done.json to read the frames that are there"


class TakeStream:
    """One stream of a take as a `FrameSource`; frames flagged INCOMPLETE are left out.

    Args:
        folder: The stream's folder inside the take.
        metadata: What take.json says.
        role: Which stream.
        expected: Frames that done.json promises; None for an interrupted take, of which every frame that
            both files hold whole is used.

    Raises:
        TakeError: Files are missing or damaged.

    """

    def __init__(self, folder: Path, metadata: TakeMetadata, role: Role, *, expected: int | None) -> None:
        self._folder = folder
        self._camera = metadata.camera(role)
        self._per_segment = metadata.frames_per_segment(role)
        self._role = role
        self._trigger = metadata.trigger
        self._delay_us = 0.0
        if metadata.trigger is not None:
            hsr = role is Role.HSR
            self._delay_us = metadata.trigger.hsr_delay_us if hsr else metadata.trigger.lsr_delay_us
        self._segments: dict[int, FramesFile] | None = {}
        rows = self._load_rows(expected)
        rows = self._open_segments(rows, expected)
        if expected is None:
            rows = self._without_torn_tail(rows)
        self._rows = rows
        usable = (rows["flags"] & int(FrameFlag.INCOMPLETE)) == 0
        self._usable: npt.NDArray[np.int64] = np.flatnonzero(usable).astype(np.int64)
        self._verified = np.zeros(len(rows), bool)

    def _load_rows(self, expected: int | None) -> Rows:
        path = self._folder / INDEX_NAME
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            if expected is None:
                # The recording was killed before this stream's first frame.
                return decode_rows(b"", stride=self._camera.stride)
            raise TakeError(f"{path}: missing; copy the take again with all its files") from error
        except OSError as error:
            raise TakeError(f"{path}: cannot be read ({error.strerror or error})") from error
        rows = decode_rows(data, stride=self._camera.stride)
        if expected is None:
            return rows
        rows = rows[rows["seq"] < expected]
        if len(rows) != expected:
            first = int(np.argmin(np.isin(np.arange(expected), rows["seq"])))
            raise TakeError(
                f"{path}: damaged at row {first} of {expected}; copy the take again, or delete done.json to "
                "read all frames but those of damaged rows"
            )
        return rows

    def _open_segments(self, rows: Rows, expected: int | None) -> Rows:
        """Open the files, and return the rows whose frames they hold whole."""
        stride = self._camera.stride
        segments: dict[int, FramesFile] = {}
        count = _frames_spanned(rows)
        held = np.zeros(-(-count // self._per_segment), np.int64)
        for number in range(len(held)):
            path = self._folder / segment_name(number)
            wanted = min(self._per_segment, count - number * self._per_segment)
            try:
                segments[number] = FramesFile(path)
                held[number] = min(wanted, segments[number].size // stride)
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    raise TakeError(
                        f"{path}: cannot be opened, too many files are open; allow more (ulimit -n)"
                    ) from error
                if expected is not None:
                    raise TakeError(f"{path}: missing or unreadable; {_AGAIN}") from error
            if held[number] < wanted and expected is not None:
                raise TakeError(f"{path}: cut short after {held[number]} of {wanted} frames; {_AGAIN}")
        self._segments = segments
        segment, place = np.divmod(rows["seq"].astype(np.int64), self._per_segment)
        return rows[place < held[segment]]

    def _without_torn_tail(self, rows: Rows) -> Rows:
        """After a power loss the last rows can be on the disk without their pixels."""
        count = len(rows)
        while count and not self._sound(rows[count - 1]):
            count -= 1
        return rows[:count]

    def _sound(self, row: np.void) -> bool:
        try:
            return _is_sound(row, self._pixels(row))
        except TakeError:
            return False

    def _pixels(self, row: np.void) -> Image:
        segments = self._segments
        if segments is None:
            raise TakeError(f"{self._folder}: the take is closed; open it again")
        stride = self._camera.stride
        segment, place = divmod(int(row["seq"]), self._per_segment)
        path = self._folder / segment_name(segment)
        try:
            data = segments[segment].read(place * stride, stride)
        except OSError as error:
            reason = error.strerror or error
            raise TakeError(f"{path}: cannot be read ({reason}); check the disk that it is on") from error
        if len(data) < stride:
            raise TakeError(f"{path}: was cut short while it was open; copy the take again")
        dtype: npt.DTypeLike = self._camera.pixel_format.dtype.newbyteorder("<")
        image: Image = np.frombuffer(data, dtype).reshape(self._camera.frame_shape)
        return image

    @property
    def camera(self) -> CameraMetadata:
        """The camera's entry of take.json."""
        return self._camera

    @property
    def pixel_aspect(self) -> Fraction:
        """Width of a pixel over its height as it is to be shown; 1 for all but some imported clips."""
        return Fraction(*self._camera.pixel_aspect)

    @property
    def has_audio(self) -> bool:
        """Whether there is sound beside the frames, as of an imported clip."""
        return self._sound_file.is_file() and len(self._usable) > 0

    def read_audio(self, rate: int) -> ClipAudio | None:
        """See `VideoClip.read_audio`."""
        found = read_audio(self._sound_file, rate=rate) if self.has_audio else None
        return None if found is None else replace(found, start_s=found.start_s + self._sound_ns / 1e9)

    def read_sound(self, start_ns: int, stop_ns: int) -> ClipSound | None:
        """See `VideoClip.read_sound`."""
        if not self.has_audio:
            return None
        start_s, stop_s = ((time - self._sound_ns) / 1e9 for time in (start_ns, stop_ns))
        return read_sound(self._sound_file, start_s, stop_s)

    @property
    def _sound_file(self) -> Path:
        return self._folder / SOUND_NAME

    @property
    def _sound_ns(self) -> int:
        """When the sound beside the frames begins, on their clock [ns]."""
        return int(self.mid_exposure_ns[0]) - MARGIN_NS

    @property
    def info(self) -> SourceInfo:
        """Geometry, mean rate and length."""
        times = self.mid_exposure_ns
        span = int(times[-1] - times[0]) if len(times) > 1 else 0
        fps = (len(times) - 1) * 1e9 / span if span > 0 else self._camera.frame_rate
        return SourceInfo(
            name=str(self._folder),
            role=self._role,
            width=self._camera.width,
            height=self._camera.height,
            pixel_format=self._camera.pixel_format.unpacked,
            frame_count=len(self._usable),
            fps=fps,
        )

    @property
    def rows(self) -> Rows:
        """All rows of the index, also of incomplete frames: structured array, fields as in `_take_index`."""
        return self._rows

    @property
    def frame_ids(self) -> npt.NDArray[np.int64]:
        """Frame id of each readable frame, shape (frame_count,)."""
        return self._column("frame_id")

    @property
    def mid_exposure_ns(self) -> npt.NDArray[np.int64]:
        """Mid-exposure of each readable frame on the camera's clock [ns], shape (frame_count,)."""
        return self._column("mid_exposure_ns")

    @property
    def host_ns(self) -> npt.NDArray[np.int64]:
        """Host monotonic clock at arrival of each readable frame [ns], shape (frame_count,)."""
        return self._column("host_ns")

    @property
    def exposure_us(self) -> npt.NDArray[np.float64]:
        """Exposure time of each readable frame [us], shape (frame_count,)."""
        return self._rows["exposure_us"][self._usable].astype(np.float64)

    @property
    def trigger(self) -> TriggerMetadata | None:
        """The plan that both cameras followed; None when they ran free."""
        return self._trigger

    @property
    def pulse_ns(self) -> npt.NDArray[np.int64]:
        """Trigger pulse of each readable frame on the camera's clock [ns], shape (frame_count,).

        Mid-exposure minus half the exposure and the trigger delay.
        """
        before = self.exposure_us * 500.0 + self._delay_us * 1000.0
        return self.mid_exposure_ns - np.rint(before).astype(np.int64)

    def _column(self, name: str) -> npt.NDArray[np.int64]:
        return self._rows[name][self._usable].astype(np.int64)

    def read(self, index: int) -> Frame:
        """Frame `index`; its picture is read-only unless it is packed in the file.

        The checksum is compared when a frame is read for the first time.

        Raises:
            TakeError: The index is outside the stream, the frame is damaged, the disk fails,
                or the take is closed.

        """
        if not 0 <= index < len(self._usable):
            raise TakeError(f"{self._folder}: no frame {index}, the stream has {len(self._usable)}")
        number = int(self._usable[index])
        row = self._rows[number]
        image = self._pixels(row)
        if not self._verified[number]:
            if not _is_sound(row, image):
                raise TakeError(
                    f"{self._folder}: frame {index} is damaged (checksum differs); copy the take again or "
                    "leave this frame out"
                )
            self._verified[number] = True
        return unpacked(
            Frame(
                image=image,
                pixel_format=self._camera.pixel_format,
                role=self._role,
                frame_id=int(row["frame_id"]),
                mid_exposure_ns=int(row["mid_exposure_ns"]),
                exposure_us=float(row["exposure_us"]),
                gain_db=float(row["gain_db"]),
                host_ns=int(row["host_ns"]),
                flags=FrameFlag(int(row["flags"])),
            )
        )

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[Frame]:
        """Frames start..stop-1 in order.

        Raises:
            TakeError: As `read`.

        """
        for index in range(start, len(self._usable) if stop is None else stop):
            yield self.read(index)

    def close(self) -> None:
        """Give the files back; frames handed out before stay valid. Safe to call twice."""
        self._segments = None


def _is_sound(row: np.void, image: Image) -> bool:
    """Whether a picture has the checksum that its row tells."""
    return zlib.crc32(frame_bytes(image).data) == int(row["crc32"])


def _frames_spanned(rows: Rows) -> int:
    """Frames in the files up to the last row, those of damaged rows included."""
    return int(rows["seq"][-1]) + 1 if len(rows) else 0
