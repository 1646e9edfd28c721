"""One take of a session, from its first frame to its report."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from app.session.attendance import Attendance
from app.session.crew import Crew
from app.session.recording import TakeReport
from app.session.state import Alarm
from app.session.watch import SILENCE_S
from drivers import Role, TakeError, TakeMetadata, TriggerMetadata
from drivers.recorder import Recorder, RecorderStatus
from drivers.take import remove_empty_take

_GRACE_S = 0.15
"""How long to wait for frames after the last counted pulse; draining catches what is later still [s]."""
_POLL_S = 0.05
STARTING_S = 30.0
"""How long an operator may take to start a box by hand [s]."""


class TakeRun:
    """A recording in progress. Both cameras are armed or live when it is made.

    Args:
        crew: The cameras.
        path: The take's folder; it must not exist.
        was_live: The pulses run already and go on afterwards.

    Attributes:
        attendance: Which cameras are part of it now.

    """

    def __init__(self, crew: Crew, path: Path, *, was_live: bool) -> None:
        rings = {role: crew.ring(role) for role in Role}
        self.was_live = was_live
        self._crew, self._path = crew, path
        self._recorder = Recorder(rings)
        self.attendance = Attendance(crew, self._recorder, rings)
        self._trigger: TriggerMetadata | None = None
        self._began = time.monotonic()

    def start(self, metadata: TakeMetadata, *, pre_seconds: float, seconds: float | None) -> None:
        """Make the folder and take up frames; see `Recorder.start`.

        Raises:
            TakeError: The folder exists or cannot be written, or the disk has no room.

        """
        live = self.was_live
        self._trigger = metadata.trigger
        self._recorder.start(
            self._path,
            metadata,
            pre_seconds=pre_seconds if live else 0.0,
            # Pulses that nobody counts go on after the last frame that was asked for.
            seconds=seconds if live or not self._crew.counts_pulses else None,
        )

    def renew_latch(self) -> None:
        """Read both clocks again: the pulses begin now, and the older readings may be long ago.

        Raises:
            TakeError: take.json cannot be written again.

        """
        writer, latch = self._recorder.writer, self._crew.latch()
        trigger = writer.metadata.trigger
        if trigger is not None and latch is not None:
            trigger = trigger.model_copy(update={"latch": latch})
            writer.restate(writer.metadata.model_copy(update={"trigger": trigger}))

    def status(self) -> RecorderStatus | None:
        """Frames on disk, queue and time left; None once the take is closed."""
        try:
            return self._recorder.status()
        except TakeError:
            return None

    def catch_up(self) -> list[Alarm]:
        """Put cameras that came back in step, where that is certain; return what became of them."""
        return self.attendance.catch_up(self._trigger)

    def follow(
        self,
        seconds: float,
        on_frame: Callable[[int], None] | None,
        should_stop: Callable[[], bool] | None,
    ) -> None:
        """Wait until every frame of `seconds` has arrived, or until the take cannot go on."""
        plan = self._crew.configured().plan
        wanted = {Role.LSR: plan.ticks(seconds), Role.HSR: plan.ticks(seconds) // plan.ratio}
        received, heard = dict.fromkeys(Role, 0), dict.fromkeys(Role, time.monotonic())
        patience = SILENCE_S + 2e-6 * plan.period_us(Role.HSR)
        starting = STARTING_S if self._crew.by_hand else patience
        while not (should_stop is not None and should_stop()):
            with self._crew.changed:
                self._crew.changed.wait(_POLL_S)
            before = received
            received = {role: self._crew.channels[role].counters.received for role in Role}
            now = time.monotonic()
            begun = any(received.values())
            if begun and not any(before.values()):
                # Somebody may have taken his time on the way to the box.
                self._began, heard = now, dict.fromkeys(Role, now)
            heard = {role: heard[role] if received[role] == before[role] else now for role in Role}
            if received != before and on_frame is not None:
                on_frame(received[Role.LSR])
            if not self._goes_on() or self._complete(received, wanted, seconds):
                return
            limit = patience if begun else starting
            if now - max(heard.values()) > (_GRACE_S if self._all_given(wanted) else limit):
                self._give_up_waiting(sum(received.values()))
                return
            silent = self._silent(received, {role: now - last > limit for role, last in heard.items()})
            if silent is not None:
                self._recorder.abort(silent)
                return

    def stop(self) -> TakeReport:
        """End the take; halt the cameras unless they were live before. A take without a frame is not kept.

        Raises:
            TakeError: The disk refused to close the take; everything before is kept.

        """
        pulses, ratio = None, self._crew.configured().plan.ratio
        if not self.was_live:
            self._crew.halt()
            # Pulses given before the take do not belong to it.
            pulses = self._crew.ticks_given() if self._crew.fired else None
        for role, error in self._crew.failures().items():
            self.attendance.lose(role, str(error))
        absences = tuple(self.attendance.absences)
        given = None if pulses is None else {Role.LSR: pulses, Role.HSR: -(-pulses // ratio)}
        recording = self._recorder.stop([str(absence) for absence in absences], pulses=given)
        empty = recording.hsr.expected == recording.lsr.expected == 0
        kept = not (empty and remove_empty_take(self._path))
        return TakeReport(self._path, recording, pulses, ratio, absences, kept)

    def holds_back(self, role: Role) -> bool:
        """Whether the ring holds so much that is not on disk that the camera had better wait."""
        if not self._recorder.recording:
            return False
        try:
            return self.attendance.waiting(role) > 0.5
        except TakeError:
            # The take was closed between the two questions.
            return False

    def _goes_on(self) -> bool:
        status = self.status()
        return status is not None and status.stop_reason is None and self._crew.any_running

    def _complete(self, received: Mapping[Role, int], wanted: Mapping[Role, int], seconds: float) -> bool:
        away = {absence.role for absence in self.attendance.absences}
        if len(away) == len(Role):
            # Neither camera's counter spans the take: the clock does.
            return time.monotonic() - self._began > seconds + SILENCE_S
        return all(received[role] >= count for role, count in wanted.items() if role not in away)

    def _all_given(self, wanted: Mapping[Role, int]) -> bool:
        given = self._crew.ticks_given()
        return given is not None and given >= wanted[Role.LSR]

    def _silent(self, received: Mapping[Role, int], quiet: Mapping[Role, bool]) -> str | None:
        """Why a take in which only one camera gets pulses ends; None while it goes on."""
        if self.attendance.absences or self._crew.paced:
            return None
        for role in Role:
            if quiet[role]:
                more = "more " if received[role] else ""
                return f"no {more}pulse came at the {role.name} camera; check its wire and the trigger plan"
        return None

    def _give_up_waiting(self, total: int) -> None:
        if self._crew.counts_pulses and total:
            # Every pulse has been given; whatever has not come by now is lost and will be counted as such.
            return
        what = "no more pulses came" if total else "no pulse came"
        self._recorder.abort(f"{what}; check the box and its wires (the trigger plan shows how)")
