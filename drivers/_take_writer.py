"""Writes a take so that a kill at any moment leaves every whole frame readable."""

from __future__ import annotations

import errno
import json
import os
import shutil
import threading
import zlib
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from drivers._segment import Segment
from drivers._take_hold import Hold
from drivers._take_index import Rows, decode_rows, encode_row, frame_bytes
from drivers._take_metadata import TakeMetadata
from drivers.durable import give_name, sync_folder
from drivers.errors import TakeError, TakeExistsError
from drivers.frame import Frame, Role

METADATA_NAME = "take.json"
DONE_NAME = "done.json"
INDEX_NAME = "index.bin"


def segment_name(number: int) -> str:
    """File name of segment `number` of a stream."""
    return f"frames_{number:04d}.raw"


def held_file(take: Path) -> Path:
    """The file of a take's folder that is held while the take is recorded."""
    return take / Role.LSR.value / INDEX_NAME


def _write_json(path: Path, text: str) -> None:
    """Write a small file so that it is either absent or whole, and on the disk when this returns."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(text.encode())
    give_name(part, path)


class _StreamWriter:
    """Segments and index of one stream; used by one thread."""

    def __init__(self, folder: Path, metadata: TakeMetadata, role: Role) -> None:
        folder.mkdir()
        self._folder = folder
        self._camera = metadata.camera(role)
        self._stride = self._camera.stride
        self._per_segment = metadata.frames_per_segment(role)
        self._segment: Segment | None = None
        self._segment_from = 0
        self._index: BinaryIO = (folder / INDEX_NAME).open("xb", buffering=0)
        # The folder may be moved while the take runs: by its name the index would not be found again.
        self._index_again: BinaryIO = (folder / INDEX_NAME).open("rb", buffering=0)
        self._failed: str | None = None
        self._handles, self._reading = threading.Lock(), threading.Lock()
        self.frames = 0

    def append(self, frame: Frame) -> None:
        if self._failed is not None:
            raise TakeError(self._failed)
        camera = self._camera
        image = frame.image
        if image.shape != camera.frame_shape or frame.pixel_format is not camera.pixel_format:
            raise TakeError(
                f"{self._folder}: the take holds {camera.pixel_format} frames of shape {camera.frame_shape}, "
                f"got {frame.pixel_format} of shape {image.shape}; start a new take for another geometry"
            )
        pixels = frame_bytes(image)
        within = self.frames % self._per_segment
        try:
            if within == 0:
                self._next_segment()
            segment = self._segment
            if segment is None:
                raise TakeError(f"{self._folder}: the take is already closed; open a new one")
            try:
                segment.append(pixels, within * self._stride)
            except OSError:
                segment.truncate(within * self._stride)
                raise
            row = encode_row(self.frames, frame, stride=self._stride, crc32=zlib.crc32(pixels.data))
            try:
                _write_all(self._index, row)
            except OSError:
                self._index.truncate(self.frames * len(row))
                raise
        except OSError as error:
            self._failed = _cannot_write(self._folder, error)
            raise TakeError(self._failed) from error
        self.frames += 1

    def _next_segment(self) -> None:
        if self._segment is not None:
            self._finish_segment()
        path = self._folder / segment_name(self.frames // self._per_segment)
        self._segment = Segment(path, stride=self._stride, room=self._per_segment * self._stride)
        self._segment_from = self.frames

    def _finish_segment(self) -> None:
        segment = self._segment
        if segment is None:
            return
        segment.truncate((self.frames - self._segment_from) * self._stride)
        os.fsync(segment.fileno())
        with self._handles:
            segment.close()
            self._segment = None

    def sync(self) -> None:
        """Pixels first: a row on the disk always has its frame.

        Works on copies of the handles, so that the thread that writes is not held up meanwhile.
        """
        with self._handles:
            files = (self._segment, self._index)
            copies = [os.dup(f.fileno()) for f in files if f is not None and not f.closed]
        try:
            for handle in copies:
                os.fsync(handle)
        finally:
            for handle in copies:
                os.close(handle)

    def rows(self, chosen: npt.NDArray[np.int64] | None) -> Rows:
        try:
            with self._reading:
                self._index_again.seek(0)
                data = self._index_again.read()
        except (OSError, ValueError) as error:
            raise TakeError(f"{self._folder / INDEX_NAME}: cannot be read back ({error})") from error
        return decode_rows(data, stride=self._stride, chosen=chosen)

    def close(self) -> None:
        if self._index.closed:
            return
        try:
            self._finish_segment()
            os.fsync(self._index.fileno())
        except OSError as error:
            raise TakeError(_cannot_write(self._folder, error)) from error
        finally:
            with self._handles:
                self._index.close()
            with self._reading:
                self._index_again.close()
        sync_folder(self._folder)


def _write_all(file: BinaryIO, data: memoryview | bytes) -> None:
    view = memoryview(data)
    while view:
        written = file.write(view)
        if not written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        view = view[written:]


def _cannot_write(path: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"{path}: the disk is full; everything before this frame is kept, free space and start a new take"
        )
    if error.errno == errno.ENOENT:
        return f"{path}: was moved or deleted while the take ran; its frames are where it went"
    return f"{path}: cannot write ({error.strerror or error}); everything before this frame is kept"


def write_clip_take(
    path: Path | str, metadata: TakeMetadata, *, counts: Mapping[Role, int], report: Mapping[str, object]
) -> None:
    """Make a take whose streams are video files; both must be named in `metadata`.

    Args:
        path: Folder to make; its parents are made too.
        metadata: What take.json shall say.
        counts: Frames of each clip.
        report: What the import found, as JSON values.

    Raises:
        TakeError: The folder exists already or cannot be written.
        ValueError: A clip is not named.

    """
    if metadata.hsr_clip is None or metadata.lsr_clip is None:
        raise ValueError("a take of clips needs both clips in its metadata")
    folder = Path(path)
    _make_folder(folder)
    done = {**{f"{role.value}_frames": counts[role] for role in Role}, "report": dict(report)}
    try:
        _write_json(folder / METADATA_NAME, metadata.model_dump_json(indent=2) + "\n")
        _write_json(folder / DONE_NAME, json.dumps(done, indent=2) + "\n")
    except OSError as error:
        raise TakeError(_cannot_write(folder, error)) from error


def remove_empty_take(path: Path) -> bool:
    """Take the folder of a take without a single frame away again; False where something else is in it.

    Raises:
        TakeError: The folder cannot be changed.

    """
    names = [METADATA_NAME, DONE_NAME, *(f"{role.value}/{INDEX_NAME}" for role in Role)]
    known = {path / name for name in names} | {path / role.value for role in Role}
    if set(path.rglob("*")) - known:
        return False
    try:
        for name in names:
            (path / name).unlink(missing_ok=True)
        for folder in (*(path / role.value for role in Role), path):
            folder.rmdir()
    except OSError as error:
        raise TakeError(_cannot_write(path, error)) from error
    return True


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True)
    except FileExistsError as error:
        raise TakeExistsError(f"{path}: already exists; choose another folder for the take") from error
    except OSError as error:
        raise TakeError(_cannot_make(path, error)) from error


def _cannot_make(path: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{path}: cannot be made, the disk is full; free space or choose another place"
    return f"{path}: cannot be made ({error.strerror or error}); choose a writable place"


class TakeWriter:
    """Writes a new take: take.json first, then frames of both streams, done.json last.

    Each stream is written by one thread (they may be two threads); `close` is called when both have ended.
    Used as a context manager it closes on leaving; after an exception it leaves done.json away, so that the
    take reads as recovered.

    Args:
        path: Folder to make; its parents are made too.
        metadata: What take.json shall say.

    Raises:
        TakeError: The folder exists already or cannot be written.

    """

    def __init__(self, path: Path | str, metadata: TakeMetadata) -> None:
        self._path = Path(path)
        self._metadata = metadata = metadata.with_version()
        self._closed = False
        _make_folder(self._path)
        try:
            _write_json(self._path / METADATA_NAME, metadata.model_dump_json(indent=2) + "\n")
            self._streams = {role: _StreamWriter(self._path / role.value, metadata, role) for role in Role}
            sync_folder(self._path)
            self._hold = Hold(held_file(self._path))
        except OSError as error:
            # Made a moment ago and without a frame: nothing that the next attempt should stumble over.
            shutil.rmtree(self._path, ignore_errors=True)
            raise TakeError(_cannot_make(self._path, error)) from error

    @property
    def path(self) -> Path:
        """The take's folder."""
        return self._path

    @property
    def metadata(self) -> TakeMetadata:
        """What take.json says."""
        return self._metadata

    def restate(self, metadata: TakeMetadata) -> None:
        """Replace take.json by what is known better by now; the old one or the new one is there, always.

        Args:
            metadata: The same cameras as before.

        Raises:
            TakeError: take.json cannot be written; the old one stays.
            ValueError: The streams would be read differently.

        """
        metadata = metadata.with_version()
        if any(metadata.camera(role) != self._metadata.camera(role) for role in Role):
            raise ValueError("a take keeps the cameras that it began with")
        try:
            _write_json(self._path / METADATA_NAME, metadata.model_dump_json(indent=2) + "\n")
        except OSError as error:
            raise TakeError(_cannot_write(self._path, error)) from error
        self._metadata = metadata

    def frames_written(self, role: Role) -> int:
        """Frames of one stream that are in the take."""
        return self._streams[role].frames

    @property
    def bytes_written(self) -> int:
        """Pixels of both streams so far [bytes]."""
        return sum(s.frames * self._metadata.camera(r).stride for r, s in self._streams.items())

    def rows(self, role: Role, chosen: npt.NDArray[np.int64] | None = None) -> Rows:
        """Index of one stream so far, as `TakeStream.rows`.

        Args:
            role: The stream.
            chosen: Numbers of the rows that are wanted, ascending; all when None.

        Raises:
            TakeError: The index cannot be read back.

        """
        return self._streams[role].rows(chosen)

    def append(self, frame: Frame) -> None:
        """Write one frame to the end of its stream.

        A frame flagged INCOMPLETE keeps its row, so that the loss is on record, but readers leave it out.

        Raises:
            TakeError: The frame has another geometry than the take, the disk is full or the folder cannot
                be written, or the take is closed. Frames written before stay readable.

        """
        if self._closed:
            raise TakeError(f"{self._path}: the take is already closed; open a new one")
        self._streams[frame.role].append(frame)

    def sync(self) -> None:
        """Put everything written so far on the disk (fsync); slow, never called from the grab path.

        Raises:
            TakeError: The disk refuses.

        """
        try:
            for stream in self._streams.values():
                stream.sync()
        except OSError as error:
            raise TakeError(_cannot_write(self._path, error)) from error

    def close(self, report: Mapping[str, object] | None = None, *, complete: bool = True) -> None:
        """Give back preallocated space, put everything on the disk, then write done.json. Safe to call twice.

        Args:
            report: End-of-take report as JSON values; stored in done.json.
            complete: False leaves done.json away: the take reads as recovered.

        Raises:
            TakeError: The disk refuses; the frames written before stay readable.

        """
        if self._closed:
            return
        self._closed = True
        try:
            with ExitStack() as both:
                # One that cannot be closed must not keep the other one's last frames off the disk.
                for stream in self._streams.values():
                    both.callback(stream.close)
            if complete:
                counts = {f"{role.value}_frames": s.frames for role, s in self._streams.items()}
                done = {**counts, "report": dict(report or {})}
                _write_json(self._path / DONE_NAME, json.dumps(done, indent=2) + "\n")
        except OSError as error:
            raise TakeError(_cannot_write(self._path, error)) from error
        finally:
            self._hold.let_go()

    def __enter__(self) -> TakeWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(complete=error is None)
