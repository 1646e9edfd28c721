"""Which cameras are part of a take now: one that leaves, and how it comes back in step with the other."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from app.session.crew import Crew
from app.session.recording import Absence
from app.session.state import Alarm
from drivers import Role, TriggerMetadata
from drivers.recorder import Recorder, whole_rows
from drivers.rejoin import Arrivals, Shift, find_shift, telling_rows
from drivers.ring_buffer import RingBuffer

_STEP_S = 5.0
"""When a camera that came back and has not shown which pulses it follows is worth an alarm [s]."""
_LOOK_EVERY_S = 0.5
_LOOK_LATER_S = 1.0
"""Looking reads the take's index, that of an hour in a tenth of a second [s]."""
_ENDS = 64


class Attendance:
    """The cameras of one take; both are there when it begins.

    Args:
        crew: The cameras.
        recorder: Writes their frames.
        rings: The ring of each camera, as the recorder has it.

    Attributes:
        absences: One for each time that a camera left, in order.

    """

    def __init__(self, crew: Crew, recorder: Recorder, rings: Mapping[Role, RingBuffer]) -> None:
        self._crew, self._recorder, self._rings = crew, recorder, dict(rings)
        self._first = {role: _written_so_far(ring) for role, ring in rings.items()}
        self.absences: list[Absence] = []
        self._away: dict[Role, int] = {}
        self._left_at: dict[Role, int] = {}
        self._seeking: dict[Role, float] = {}
        self._looked = 0.0

    @property
    def in_step(self) -> bool:
        """Whether every camera's frames belong to the take now."""
        return not self._away

    def recorded(self, role: Role) -> bool:
        """Whether the frames of this camera go into the take now."""
        return role not in self._away

    def waiting(self, role: Role) -> float:
        """Share of the camera's ring that is not on the disk yet, 0..1.

        Raises:
            TakeError: The take is closed.

        """
        ring = self._rings[role]
        newest = ring.latest()
        taken_up = self._first[role] + self._recorder.writer.frames_written(role)
        return 0.0 if newest is None else (newest + 1 - taken_up) / ring.capacity

    def lose(self, role: Role, reason: str) -> str:
        """Go on without this camera; return what that means for the take. With none left, the take ends."""
        self._seeking.pop(role, None)
        if role not in self._away:
            self._recorder.wait_for(role)
            writer = self._recorder.writer
            count = writer.frames_written(role)
            fps = self._crew.configured().fps(role)
            ends = np.union1d(np.arange(min(count, _ENDS)), telling_rows(count, left_at=count, fps=fps))
            rows = whole_rows(writer.rows(role, ends))
            self._left_at[role] = writer.frames_written(role.other)
            self._away[role] = int(rows["frame_id"][-1]) if len(rows) else -1
            passed = int(rows["frame_id"][-1] - rows["frame_id"][0]) + 1 if len(rows) else 0
            self.absences.append(Absence(role, self._crew.serials[role], reason, passed / fps))
        makes_pulses = role is self._crew.configured().master
        if len(self._away) < len(Role) and not makes_pulses:
            return "the take goes on with the other camera"
        self._recorder.abort(reason)
        if makes_pulses:
            return "it made the pulses of both, the take ends"
        return "and with it the last one: the take ends"

    def regain(self, role: Role) -> None:
        """The camera is there again: show it, and look for the pulses that it follows.

        Raises:
            DriverError: It has left again.

        """
        self._recorder.wait_for(role)
        self._crew.rearm(role)
        self._seeking[role] = time.monotonic() + _STEP_S
        other = self._rings[role.other]
        if self._away[role] < 0 and other.latest() is None:
            # No pulse has come yet: both count from the first one, as ever.
            self._join(role, Shift(0, 0), 0)

    def catch_up(self, trigger: TriggerMetadata | None) -> list[Alarm]:
        """Put cameras that came back in step, where that is certain; return what became of them.

        Args:
            trigger: The plan that both follow; None when they run free.

        """
        told: list[Alarm] = []
        now = time.monotonic()
        hurried = any(late < math.inf for late in self._seeking.values())
        if now - self._looked < (_LOOK_EVERY_S if hurried else _LOOK_LATER_S):
            return told
        for role, late in tuple(self._seeking.items()):
            shift = self._find_shift(role, trigger)
            serial = self._crew.serials[role]
            if shift is not None:
                newest = _newest_id(self._crew.ring(role)) + shift.ids
                if self._join(role, shift, newest - self._away[role]):
                    told.append(Alarm(role, f"camera {serial} is part of the take again", over=True))
            elif now > late:
                # It is still looked for: a busy computer may become quiet again.
                self._seeking[role] = math.inf
                self._amend(role, out_of_step=True)
                text = (
                    f"camera {serial} is back in the view, but not in the take: which pulses it follows "
                    "cannot be told for certain as yet; a new take has both cameras"
                )
                told.append(Alarm(role, text))
        self._looked = time.monotonic()
        return told

    def _find_shift(self, role: Role, trigger: TriggerMetadata | None) -> Shift | None:
        other = role.other
        if trigger is None or other in self._away:
            return None
        # The ring first: it holds some seconds only, and the rows must reach as far as it does.
        after = Arrivals.of_ring(self._crew.ring(role))
        before, theirs = self._arrivals(role, None), self._arrivals(other, self._left_at[role])
        if not len(theirs):
            return None
        newest_ns = int(theirs.pulse_ns[-1] + theirs.lag_ns[-1])
        return find_shift(role, before, theirs, after.arrived_until(newest_ns), trigger)

    def _arrivals(self, role: Role, left_at: int | None) -> Arrivals:
        """What tells of a stream how it goes on since `left_at` of its rows, or how it ended when None."""
        writer = self._recorder.writer
        count, fps = writer.frames_written(role), self._crew.configured().fps(role)
        chosen = telling_rows(count, left_at=count if left_at is None else left_at, fps=fps)
        return Arrivals.of_rows(writer.rows(role, chosen))

    def _join(self, role: Role, shift: Shift, frames_away: int) -> bool:
        """Take up the camera's frames again; False when the take has ended meanwhile."""
        channel = self._crew.channel(role)
        first = channel.renumber(shift)
        ring = self._crew.ring(role)
        if not self._recorder.resume(role, ring, first):
            return False
        self._rings[role] = ring
        self._first[role] = first - self._recorder.writer.frames_written(role)
        del self._seeking[role], self._away[role]
        away_s = max(0, frames_away) / self._crew.configured().fps(role)
        self._amend(role, away_s=away_s)
        return True

    def _amend(self, role: Role, *, away_s: float | None = None, out_of_step: bool = False) -> None:
        at = max(i for i, absence in enumerate(self.absences) if absence.role is role)
        open_one = self.absences[at]
        until = None if away_s is None else open_one.from_s + away_s
        self.absences[at] = replace(open_one, until_s=until, out_of_step=out_of_step)


def _newest_id(ring: RingBuffer) -> int:
    newest = ring.latest()
    return -1 if newest is None else ring.head(newest).frame_id


def _written_so_far(ring: RingBuffer) -> int:
    newest = ring.latest()
    return 0 if newest is None else newest + 1
