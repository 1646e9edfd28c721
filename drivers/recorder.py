"""Ring buffers -> take, without ever holding up the cameras.

The ring is the queue: one thread per stream follows it and writes. The grab path only appends to the ring; a
disk that cannot keep up fills the ring, and shortly before frames would be lost the recording ends in order.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from drivers._segment import aligned_empty
from drivers._take_metadata import TakeMetadata
from drivers._take_report import Gap, RecordingReport, StreamReport, recording_report, whole_rows
from drivers._take_span import PRE_PART, Span, span_of
from drivers._take_writer import TakeWriter
from drivers.disk import RESERVE_BYTES, disk_seconds_left
from drivers.errors import OverwrittenError, TakeError
from drivers.frame import FrameFlag, Role
from drivers.ring_buffer import RingBuffer

__all__ = [
    "Gap",
    "Recorder",
    "RecorderStatus",
    "RecordingReport",
    "StreamReport",
    "bytes_per_second",
    "whole_rows",
]

_SYNC_EVERY_S = 2.0
_POLL_S = 0.05
_MOST_PER_TURN = 8
_FULL_PART = 0.95


@dataclass(frozen=True, slots=True)
class RecorderStatus:
    """Where a recording stands.

    Attributes:
        recording: Frames are still being taken up.
        hsr_frames: HSR frames on disk.
        lsr_frames: LSR frames on disk.
        bytes_written: Pixels on disk [bytes].
        queue_fill: Frames that wait for the disk as part of the ring, the worse of both streams, 0..1.
        seconds_left: Until the disk reaches the reserve at the planned rate [s].
        stop_reason: Why the recording ended by itself; None otherwise.

    """

    recording: bool
    hsr_frames: int
    lsr_frames: int
    bytes_written: int
    queue_fill: float
    seconds_left: float
    stop_reason: str | None


def bytes_per_second(metadata: TakeMetadata) -> float:
    """Disk rate of a recording with these settings [bytes/s]; 0 when the frame rates are unknown."""
    return sum(c.stride * c.frame_rate for c in (metadata.hsr, metadata.lsr))


class _Follower:
    """Writes one stream from its ring into the take."""

    def __init__(self, recorder: Recorder, role: Role, ring: RingBuffer, span: Span) -> None:
        self._recorder = recorder
        self._ring = ring
        self._until_ns = span.until_ns
        self._length_ns = span.length_ns
        self.role = role
        self.next = span.first
        self.stop_at: int | None = None
        self.thread = threading.Thread(target=self._run, name=f"record-{role}", daemon=True)

    def lag(self) -> int:
        """Frames in the ring that are not on disk yet and shall get there."""
        if not self.thread.is_alive():
            return 0
        latest = self._ring.latest()
        last = -1 if latest is None else latest
        if self.stop_at is not None:
            last = min(last, self.stop_at - 1)
        return max(0, last + 1 - self.next)

    def resumed(self, ring: RingBuffer, first: int) -> _Follower:
        """One that goes on in another ring, for as long as this one would have."""
        return _Follower(self._recorder, self.role, ring, Span(first, self._until_ns, self._length_ns))

    def finish(self) -> None:
        """Take up what is in the ring now, nothing later."""
        if self.stop_at is None:
            latest = self._ring.latest()
            self.stop_at = 0 if latest is None else latest + 1

    def _there(self, index: int) -> bool:
        latest = self._ring.latest()
        return latest is not None and index <= latest

    def _run(self) -> None:
        buffer = aligned_empty(self._ring.stored_shape, self._ring.stored_format.dtype)
        # Fewer, longer turns: waking for every frame of a fast camera costs the grab thread its own turns.
        turn = max(1, min(_MOST_PER_TURN, self._ring.capacity // 32))
        # Of a small ring too, one frame before the guard refuses any.
        limit = min(self._ring.capacity * _FULL_PART, self._ring.capacity - 2)
        writer = self._recorder.writer
        self._ring.protect(self.next)
        try:
            while self.stop_at is None or self.next < self.stop_at:
                if not self._there(self.next):
                    self._ring.wait(self.next + turn - 1, _POLL_S)
                    if self._ring.closed and not self._there(self.next):
                        break
                    continue
                frame = self._ring.read_stored(self.next, out=buffer)
                # What a damaged frame says of its time may be wrong: it neither begins a span nor ends one.
                whole = not frame.flags & FrameFlag.INCOMPLETE
                if whole and self._until_ns is None and self._length_ns is not None:
                    self._until_ns = frame.mid_exposure_ns + self._length_ns
                over = self._until_ns is not None and frame.mid_exposure_ns >= self._until_ns
                if over and whole:
                    break
                if not over:
                    writer.append(frame)
                self.next += 1
                if self.stop_at is None and self.lag() > limit:
                    # Before the guard moves on: what the ring holds now follows without a gap, and is saved.
                    self._recorder.abort(
                        f"the disk is too slow for {self.role.name}; use a faster disk or a lower rate"
                    )
                self._ring.protect(self.next)
        except OverwrittenError:
            self._recorder.abort(
                f"the disk is too slow for {self.role.name}; use a faster disk or a lower rate"
            )
        except TakeError as error:
            self._recorder.abort(str(error))
        finally:
            self._ring.protect(None)


class Recorder:
    """Records both rings into one take after another. Its methods are called from one control thread.

    Args:
        rings: The ring of each stream; other threads go on appending to them.

    """

    def __init__(self, rings: Mapping[Role, RingBuffer]) -> None:
        self._rings = {role: rings[role] for role in Role}
        self._writer: TakeWriter | None = None
        self._followers: list[_Follower] = []
        self._ended = threading.Event()
        self._watch: threading.Thread | None = None
        self._stop_reason: str | None = None
        self._rate = 0.0

    @property
    def writer(self) -> TakeWriter:
        """The take being written.

        Raises:
            TakeError: Nothing is being recorded.

        """
        if self._writer is None:
            raise TakeError("nothing is being recorded; start a recording first")
        return self._writer

    @property
    def recording(self) -> bool:
        """True from `start` to `stop`, also after the recording ended by itself."""
        return self._writer is not None

    def start(
        self,
        path: Path | str,
        metadata: TakeMetadata,
        *,
        pre_seconds: float = 0.0,
        seconds: float | None = None,
    ) -> None:
        """Begin a take.

        Args:
            path: Folder to make.
            metadata: What take.json shall say; its geometry is that of the rings.
            pre_seconds: Also take up this much of what the rings hold already [s], at most three quarters of
                the smaller ring, so that the rest can absorb the disk's delays.
            seconds: End by itself after this much of each stream's own time [s], counted from now, or from
                the first frame when the rings are still empty.

        Raises:
            TakeError: A recording is running, the folder exists or cannot be written, or the disk is full.

        """
        if self._writer is not None:
            raise TakeError(f"{self._writer.path}: is still being recorded; stop it first")
        self._rate = bytes_per_second(metadata)
        if disk_seconds_left(path, max(self._rate, 1.0)) <= 0:
            raise TakeError(
                f"{path}: less than {RESERVE_BYTES / 1e9:.1f} GB free; free space before recording"
            )
        self._writer = TakeWriter(path, metadata)
        self._stop_reason = None
        self._ended.clear()
        self._followers = []
        rates = {role: metadata.camera(role).frame_rate for role in Role}
        # Both streams begin together, also where one ring holds less of the past.
        held = (ring.capacity * PRE_PART / rates[r] for r, ring in self._rings.items() if rates[r] > 0)
        pre_seconds = min([pre_seconds, *held])
        for role, ring in self._rings.items():
            span = span_of(ring, pre_seconds, seconds, rates[role])
            self._followers.append(_Follower(self, role, ring, span))
        for follower in self._followers:
            follower.thread.start()
        self._watch = threading.Thread(target=self._keep_watch, name="record-sync", daemon=True)
        self._watch.start()

    def status(self) -> RecorderStatus:
        """Frames, queue and time left; cheap enough for every repaint.

        Raises:
            TakeError: Nothing is being recorded.

        """
        writer = self.writer
        fill = max(f.lag() / self._rings[f.role].capacity for f in self._followers)
        return RecorderStatus(
            recording=any(f.thread.is_alive() for f in self._followers) and self._stop_reason is None,
            hsr_frames=writer.frames_written(Role.HSR),
            lsr_frames=writer.frames_written(Role.LSR),
            bytes_written=writer.bytes_written,
            queue_fill=min(1.0, fill),
            seconds_left=disk_seconds_left(writer.path, self._rate),
            stop_reason=self._stop_reason,
        )

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the recording has ended by itself; True when it has.

        Args:
            timeout: Longest wait [s]; None for as long as it takes.

        """
        deadline = None if timeout is None else time.monotonic() + timeout
        for follower in self._followers:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            follower.thread.join(left)
        return not any(f.thread.is_alive() for f in self._followers)

    def wait_for(self, role: Role) -> None:
        """Wait until everything of a ring that was closed is on the disk."""
        for follower in tuple(self._followers):
            if follower.role is role:
                follower.thread.join()

    def resume(self, role: Role, ring: RingBuffer, first: int) -> bool:
        """Go on with a camera that had left: its frames now come from another ring.

        Args:
            role: The stream; its former ring has been closed.
            ring: Where its frames are now. Ids and times go on from those before.
            first: Index of the first frame to take up.

        Returns:
            False when the recording has ended meanwhile.

        """
        self.wait_for(role)
        if self._writer is None or self._stop_reason is not None:
            return False
        self._rings[role] = ring
        followers = {f.role: f for f in self._followers}
        followers[role] = followers[role].resumed(ring, first)
        self._followers = list(followers.values())
        followers[role].thread.start()
        return True

    def abort(self, reason: str) -> None:
        """End the recording in order for a cause that the operator must know; `stop` is still to be called.

        Args:
            reason: One sentence; the first one given is kept.

        """
        if self._stop_reason is None:
            self._stop_reason = reason
        for follower in self._followers:
            follower.finish()

    def stop(
        self, remarks: Sequence[str] = (), *, pulses: Mapping[Role, int] | None = None
    ) -> RecordingReport:
        """Take up what the rings hold now, close the take and report.

        Args:
            remarks: What else the operator must know, one sentence each; they join the report's warnings.
            pulses: Pulses that each camera was given during the recording; None when nobody counted.

        Raises:
            TakeError: Nothing is being recorded, or the disk refuses to close the take; frames written
                before stay readable.

        """
        writer = self.writer
        for follower in self._followers:
            follower.finish()
        for follower in self._followers:
            follower.thread.join()
        self._ended.set()
        if self._watch is not None:
            self._watch.join()
        self._writer = None
        try:
            report = recording_report(
                str(writer.path),
                writer.metadata,
                {role: writer.rows(role) for role in Role},
                bytes_written=writer.bytes_written,
                stop_reason=self._stop_reason,
                remarks=remarks,
                pulses=pulses,
            )
        except TakeError:
            with suppress(TakeError):
                writer.close(complete=False)
            raise
        writer.close(report.to_json())
        return report

    def _keep_watch(self) -> None:
        """Put data on the disk now and then, and end before the disk is full; never in the grab path."""
        while not self._ended.wait(_SYNC_EVERY_S):
            try:
                self.writer.sync()
                if disk_seconds_left(self.writer.path, 1.0) <= 0:
                    self.abort(f"less than {RESERVE_BYTES / 1e9:.1f} GB is free on the disk; free space")
            except TakeError as error:
                self.abort(str(error))
