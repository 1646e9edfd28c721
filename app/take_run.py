"""One take of a session, from its first frame to its report."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from app.crew import Crew
from app.recording import TakeReport
from app.watch import SILENCE_S
from drivers import DriverError, Role, TakeError, TakeMetadata
from drivers.recorder import Recorder, RecorderStatus
from drivers.ring_buffer import RingBuffer

_GRACE_S = 0.15
"""How long to wait for frames after the last counted pulse; draining catches what is later still [s]."""
_POLL_S = 0.05


class TakeRun:
    """A recording in progress. Both cameras are armed or live when it is made.

    Args:
        crew: The cameras.
        path: The take's folder; it must not exist.
        was_live: The pulses run already and go on afterwards.
        reserve_bytes: Free disk space at which the take ends in order [bytes]; None = the recorder's.

    """

    def __init__(self, crew: Crew, path: Path, *, was_live: bool, reserve_bytes: int | None) -> None:
        rings = {role: crew.ring(role) for role in Role}
        reserve = {} if reserve_bytes is None else {"reserve_bytes": reserve_bytes}
        self.was_live = was_live
        self._crew, self._path, self._rings = crew, path, rings
        self._recorder = Recorder(rings, **reserve)
        self._first = {role: _written_so_far(ring) for role, ring in rings.items()}

    def start(self, metadata: TakeMetadata, *, pre_seconds: float, seconds: float | None) -> None:
        """Make the folder and take up frames; see `Recorder.start`.

        Raises:
            TakeError: The folder exists or cannot be written, or the disk has no room. Cameras that were not
                live before are Idle again then.

        """
        live = self.was_live
        try:
            self._recorder.start(
                self._path,
                metadata,
                pre_seconds=pre_seconds if live else 0.0,
                seconds=seconds if live else None,
            )
        except DriverError:
            if not live:
                self._crew.halt()
            raise

    def status(self) -> RecorderStatus | None:
        """Frames on disk, queue and time left; None once the take is closed."""
        try:
            return self._recorder.status()
        except TakeError:
            return None

    def abort(self, reason: str) -> bool:
        """End the take in order for a cause that the operator must know; False when it is closed already."""
        if not self._recorder.recording:
            return False
        self._recorder.abort(reason)
        return True

    def follow(
        self,
        seconds: float,
        on_frame: Callable[[int], None] | None,
        should_stop: Callable[[], bool] | None,
    ) -> None:
        """Wait until every frame of `seconds` has arrived, or until the take cannot go on."""
        plan = self._crew.configured().plan
        wanted = {Role.LSR: plan.ticks(seconds), Role.HSR: plan.ticks(seconds) // plan.ratio}
        last, seen = time.monotonic(), -1
        patience = SILENCE_S + 2e-6 * plan.period_us(Role.HSR)
        while not (should_stop is not None and should_stop()):
            with self._crew.changed:
                self._crew.changed.wait(_POLL_S)
            received = {role: self._crew.channels[role].counters.received for role in Role}
            total = sum(received.values())
            if total != seen:
                seen, last = total, time.monotonic()
                if on_frame is not None:
                    on_frame(received[Role.LSR])
            if all(received[role] >= n for role, n in wanted.items()) or not self._goes_on():
                return
            if time.monotonic() - last > (_GRACE_S if self._all_given(wanted) else patience):
                self._give_up_waiting(total)
                return

    def stop(self) -> TakeReport:
        """End the take; halt the cameras unless they were live before.

        Raises:
            TakeError: The disk refused to close the take; everything before is kept.

        """
        pulses = None
        if not self.was_live:
            self._crew.halt()
            # Pulses given before the take do not belong to it.
            pulses = self._crew.pulses.ticks_given() if self._crew.fired else None
        failed = self._crew.failure()
        if failed is not None:
            self._recorder.abort(str(failed[1]))
        return TakeReport(self._path, self._recorder.stop(), pulses, self._crew.configured().plan.ratio)

    def holds_back(self, role: Role) -> bool:
        """Whether the ring holds so much that is not on disk that the camera had better wait."""
        if not self._recorder.recording:
            return False
        ring = self._rings[role]
        newest = ring.latest()
        try:
            taken_up = self._first[role] + self._recorder.writer.frames_written(role)
        except TakeError:
            # The take was closed between the two questions.
            return False
        return newest is not None and newest + 1 - taken_up > ring.capacity // 2

    def _goes_on(self) -> bool:
        status = self.status()
        return status is not None and status.stop_reason is None and self._crew.all_running

    def _all_given(self, wanted: Mapping[Role, int]) -> bool:
        given = self._crew.pulses.ticks_given()
        return given is not None and given >= wanted[Role.LSR]

    def _give_up_waiting(self, total: int) -> None:
        if self._crew.pulses.counts_pulses and total:
            # Every pulse has been given; whatever has not come by now is lost and will be counted as such.
            return
        what = "no more pulses came" if total else "no pulse came"
        self._recorder.abort(f"{what}; check the box and its wires (the trigger plan shows how)")


def _written_so_far(ring: RingBuffer) -> int:
    newest = ring.latest()
    return 0 if newest is None else newest + 1
