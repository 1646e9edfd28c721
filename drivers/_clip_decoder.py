"""Decodes any frame of a clip by its place in the index: in order without seeking, otherwise exactly."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import av.error
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from drivers._clip_index import ClipIndex, open_container
from drivers.errors import SourceError

_CACHE_BYTES = 192 * 1024**2
_CACHE_FRAMES = 64
_READ_ON = 16  # frames ahead that are cheaper to decode through than to seek to


class ClipDecoder:
    """Frames of one stream by index, with a bounded cache of decoded pictures. Not thread-safe.

    Args:
        path: The file.
        index: Its frames.

    """

    def __init__(self, path: Path, index: ClipIndex) -> None:
        self._path = path
        self._index = index
        self._place = {int(pts): i for i, pts in enumerate(index.marks)}
        self._container: InputContainer | None = None
        self._frames: Iterator[tuple[int, VideoFrame]] = iter(())
        self._next = 0
        self._cache: OrderedDict[int, VideoFrame] = OrderedDict()
        self._closed = False
        self.damaged_packets = 0

    def read(self, index: int) -> VideoFrame:
        """Decoded frame `index`, in the stream's own pixel format and orientation.

        Raises:
            SourceError: The frame does not decode, or the decoder is closed.

        """
        if self._closed:
            raise SourceError(f"{self._path}: the clip is closed; open it again")
        cached = self._cache.get(index)
        if cached is not None:
            self._cache.move_to_end(index)
            return cached
        if self._can_read_on(index):
            frame = self._decode_to(index)
            if frame is not None:
                return frame
        for start in self._starts(index):
            self._seek(start)
            frame = self._decode_to(index)
            if frame is not None:
                return frame
        raise SourceError(
            f"{self._path}: frame {index} at {self._index.times_ns[index] / 1e9:.3f} s is damaged; "
            "leave it out or copy the file again from the camera"
        )

    def decodable(self, limit: int | None = None) -> list[int]:
        """Indices of the frames that decode, in the order in which the decoder gives them out.

        Args:
            limit: Stop after so many frames; None reads the whole file once.

        """
        self._seek(None)
        found = []
        for place, frame in islice(self._frames, limit):
            self._remember(place, frame)
            self._next = place + 1
            found.append(place)
        return list(dict.fromkeys(found))

    def close(self) -> None:
        """Release the file. Safe to call twice."""
        self._closed = True
        self._cache.clear()
        self._release()

    def _release(self) -> None:
        self._frames = iter(())
        if self._container is not None:
            self._container.close()
            self._container = None

    def _can_read_on(self, index: int) -> bool:
        if self._container is None or index < self._next:
            return False
        keys = self._index.key_pts
        before = int(np.searchsorted(keys, self._index.pts[index], side="right")) - 1
        reached = before < 0 or keys[before] <= self._index.pts[min(self._next, len(self._index.pts) - 1)]
        return reached or index - self._next <= _READ_ON

    def _starts(self, index: int) -> Iterator[int | None]:
        """Where to begin decoding, nearest first: its key frame, the one before (open GoPs), the start."""
        pts = int(self._index.pts[index])
        yield pts
        keys = self._index.key_pts
        before = int(np.searchsorted(keys, pts, side="right")) - 1
        if before > 0:
            yield int(keys[before - 1])
        yield None

    def _open(self) -> InputContainer:
        container = open_container(self._path)
        self._stream(container).thread_type = "AUTO"
        return container

    def _stream(self, container: InputContainer) -> VideoStream:
        return next(s for s in container.streams.video if s.index == self._index.stream)

    def _seek(self, pts: int | None) -> None:
        if pts is None or self._container is None:
            self._release()
            self._container = self._open()
        container = self._container
        if pts is not None:
            try:
                container.seek(pts, stream=self._stream(container), backward=True)
            except av.error.FFmpegError:
                # A damaged file may not let itself be searched; decoding from the start always works.
                self._release()
                self._container = container = self._open()
        self._frames = self._decode(container)

    def _decode_to(self, index: int) -> VideoFrame | None:
        """Decode on until frame `index`; None when it is passed without having come."""
        for place, frame in self._frames:
            self._remember(place, frame)
            self._next = place + 1
            if place == index:
                return frame
            if place > index:
                return None
        self._next = len(self._index.pts)
        return None

    def _decode(self, container: InputContainer) -> Iterator[tuple[int, VideoFrame]]:
        packets = container.demux(self._stream(container))
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except (av.error.FFmpegError, OSError):
                self.damaged_packets += 1
                return
            try:
                pictures = packet.decode()
            except av.error.FFmpegError:
                self.damaged_packets += 1
                continue
            for picture in pictures:
                place = self._place.get(picture.pts if picture.pts is not None else -1)
                if place is not None:
                    yield place, picture

    def _remember(self, place: int, frame: VideoFrame) -> None:
        size = sum(plane.buffer_size for plane in frame.planes)
        self._cache[place] = frame
        self._cache.move_to_end(place)
        while len(self._cache) > max(2, min(_CACHE_FRAMES, _CACHE_BYTES // max(1, size))):
            self._cache.popitem(last=False)
