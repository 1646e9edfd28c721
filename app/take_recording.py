"""Writer threads between the rings of a live session and a take on disk."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from app.recording import StreamReport, TakeReport
from drivers import DriverError, Frame, FrameFlag, OverwrittenError, Role, TakeError
from drivers.ring_buffer import RingBuffer
from drivers.take import TakeWriter
from drivers.trigger import TriggerPlan

_POLL_S = 0.1


@dataclass(slots=True)
class _Tally:
    written: int = 0
    incomplete: int = 0
    lost: int = 0
    first_ns: int = 0
    last_ns: int = 0
    next_id: int | None = None


@dataclass(slots=True, eq=False)
class TakeRecording:
    """One take while it is being recorded: a thread per stream copies frames from its ring to the disk.

    Attributes:
        writer: The open take.
        rings: Where the frames come from.
        plan: Pulses.
        start_at: First ring index to write, per stream.
        on_written: Told (role, ring index after the last written one).
        failure: What stopped the writing; None while all is well.

    """

    writer: TakeWriter
    rings: Mapping[Role, RingBuffer]
    plan: TriggerPlan
    start_at: Mapping[Role, int]
    on_written: Callable[[Role, int], None]
    failure: DriverError | None = None
    _tallies: dict[Role, _Tally] = field(default_factory=lambda: {role: _Tally() for role in Role})
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Start both writer threads."""
        for role in Role:
            thread = threading.Thread(target=self._write, args=(role,), name=f"write {role}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def written(self, role: Role) -> int:
        """Rows of one stream on disk."""
        return self._tallies[role].written

    def _write(self, role: Role) -> None:
        ring, tally = self.rings[role], self._tallies[role]
        index = self.start_at[role]
        try:
            while True:
                if not ring.wait(index, _POLL_S):
                    if ring.closed:
                        break
                    continue
                try:
                    frame = ring.read(index)
                except OverwrittenError:
                    oldest = ring.oldest() or 0
                    # A little ahead of the oldest: the very oldest slot is the next to be reused.
                    index = max(index + 1, oldest + ring.capacity // 8)
                    continue
                self.writer.append(frame)
                self._book(tally, frame)
                index += 1
                self.on_written(role, index)
        except (TakeError, ValueError) as error:
            self.failure = error if isinstance(error, TakeError) else TakeError(str(error))
            self.on_written(role, 2**62)

    def _book(self, tally: _Tally, frame: Frame) -> None:
        if tally.next_id is None:
            tally.first_ns = frame.mid_exposure_ns
        elif frame.frame_id > tally.next_id:
            tally.lost += frame.frame_id - tally.next_id
        tally.next_id = frame.frame_id + 1
        tally.last_ns = frame.mid_exposure_ns
        tally.written += 1
        tally.incomplete += bool(frame.flags & FrameFlag.INCOMPLETE)

    def finish(self, ticks: int | None, stopped_early: str = "") -> TakeReport:
        """Wait until the rings are empty, close the take and return its report. The rings must be closed.

        Args:
            ticks: Fast pulses given during this take; None when nobody counted.
            stopped_early: Why, for the report.

        Raises:
            TakeError: The disk refuses to close the take.

        """
        for thread in self._threads:
            thread.join()
        streams = {}
        for role in Role:
            tally = self._tallies[role]
            expected = None
            lost = tally.lost
            if ticks is not None:
                expected = ticks if role is Role.LSR else -(-ticks // self.plan.ratio)
                lost = max(lost, expected - tally.written)
            streams[role] = StreamReport(expected, tally.written, tally.incomplete, lost)
        spans = [t.last_ns - t.first_ns for t in self._tallies.values() if t.written]
        seconds = max(spans, default=0) * 1e-9
        report = TakeReport(
            self.writer.path, streams, seconds, self.writer.bytes_written / 1e6,
            stopped_early or (str(self.failure) if self.failure else ""),
        )  # fmt: skip
        details = report.to_json()
        del details["path"]
        self.writer.close(details, complete=self.failure is None)
        return report
