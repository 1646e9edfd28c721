"""Virtual time, the cameras' own clocks, and the trigger box with its one counter and two lines."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

MS = 1_000_000


@dataclass(frozen=True, slots=True)
class CameraClock:
    """A camera's clock: it started at another moment and its crystal is off by some ppm.

    Attributes:
        offset_ns: Reading at virtual time 0 [ns].
        drift_ppm: How much faster than true time it runs [ppm].

    """

    offset_ns: int = 0
    drift_ppm: float = 0.0

    def reading(self, time_ns: int) -> int:
        """What the clock shows at virtual time `time_ns` [ns]."""
        return self.offset_ns + time_ns + round(time_ns * self.drift_ppm * 1e-6)

    def true_time(self, reading_ns: int) -> int:
        """Virtual time at which the clock shows `reading_ns` [ns]."""
        return round((reading_ns - self.offset_ns) / (1 + self.drift_ppm * 1e-6))


@dataclass(frozen=True, slots=True)
class PulseRun:
    """Pulses from one start of the box.

    Attributes:
        start_ns: Virtual time of tick 0, which is on both lines [ns].
        tick_hz: Rate of the fast line [1/s].
        ratio: Ticks per pulse of the slow line.
        ticks: Ticks in all; None until the box is stopped.
        phase: Ticks before the first pulse of the slow line.

    """

    start_ns: int
    tick_hz: float
    ratio: int
    ticks: int | None
    phase: int = 0

    def time_of(self, pulse: int, divider: int) -> int | None:
        """Virtual time of pulse `pulse` on the line with every `divider`-th tick; None past the end."""
        tick = pulse * divider + (self.phase if divider > 1 else 0)
        if self.ticks is not None and tick >= self.ticks:
            return None
        return self.start_ns + round(tick * 1e9 / self.tick_hz)

    def ticks_until(self, time_ns: int) -> int:
        """How many ticks are at or before `time_ns`."""
        if time_ns < self.start_ns:
            return 0
        guess = int((time_ns - self.start_ns) * self.tick_hz / 1e9)
        while self.start_ns + round((guess + 1) * 1e9 / self.tick_hz) <= time_ns:
            guess += 1
        return guess + 1


class Follower(Protocol):
    """A camera as the time keeper sees it."""

    def next_pulse_ns(self) -> int | None:
        """Virtual time of the next pulse that it will look at; None when it waits for nothing."""
        ...


class TimeKeeper:
    """Virtual time, either the host's clock or as far as the cameras have rendered.

    Args:
        real_time: Follow the host's monotonic clock. Otherwise time advances as frames are handed out, and no
            camera runs ahead of another by more than two slow periods.

    """

    def __init__(self, *, real_time: bool) -> None:
        self.real_time = real_time
        self.changed = threading.Condition(threading.RLock())
        self.followers: list[Follower] = []
        self._epoch = time.perf_counter_ns()
        self._rendered_ns = 0

    def now_ns(self) -> int:
        """Virtual time now [ns]."""
        return time.perf_counter_ns() - self._epoch if self.real_time else self._rendered_ns

    def reached(self, time_ns: int) -> None:
        """A camera has handed out a frame of this moment."""
        with self.changed:
            self._rendered_ns = max(self._rendered_ns, time_ns)
            self.changed.notify_all()

    def may_render(self, time_ns: int, lead_ns: int) -> bool:
        """Whether a camera may go to `time_ns` while others are still behind."""
        waiting = [t for t in (f.next_pulse_ns() for f in self.followers) if t is not None]
        return not waiting or time_ns <= min(waiting) + lead_ns


class TriggerBox:
    """One counter, two lines: `fast` carries every tick, `slow` every m-th.

    Where the fast camera makes the pulses itself, the box is only the divider between it and the slow line.
    It is a `drivers.trigger.PulseSource`.

    Attributes:
        runs: All pulses so far, the newest run last.
        divider: How many exposures of the fast camera make one pulse of the slow line.
        divider_phase: Where the divider stands: exposures before its first pulse.
        before_start: Told rate and ratio before the first pulse.
        pulse_us: How long each pulse lasts [us].

    """

    name = "emulated trigger box"

    def __init__(self, keeper: TimeKeeper) -> None:
        self._keeper = keeper
        self.divider = 1
        self.divider_phase = 3
        self.runs: list[PulseRun] = []
        self.before_start: list[Callable[[float, int], None]] = []
        self.pulse_us = 5.0

    @property
    def counts_pulses(self) -> bool:
        """The box can end by itself after a number of ticks."""
        return True

    @property
    def running(self) -> bool:
        """Whether the last run is open-ended or has ticks left."""
        if not self.runs:
            return False
        run = self.runs[-1]
        return run.ticks is None or run.ticks_until(self._keeper.now_ns()) < run.ticks

    def start(self, tick_hz: float, ratio: int, ticks: int | None = None) -> None:
        """Begin with tick 0 on both lines.

        Args:
            tick_hz: Rate of the fast line [1/s].
            ratio: Ticks per slow pulse.
            ticks: Ticks to give; None to run until `stop`.

        """
        for prepare in tuple(self.before_start):
            prepare(tick_hz, ratio)
        with self._keeper.changed:
            self.stop()
            self.runs.append(PulseRun(self._beginning(tick_hz, ratio), tick_hz, ratio, ticks))
            self._keeper.changed.notify_all()

    def _beginning(self, tick_hz: float, ratio: int) -> int:
        start = self._keeper.now_ns() + 2 * MS
        if self._keeper.real_time:
            # On a grid of the slow period, so that loop pictures show exactly the moments exposed.
            slow = 1e9 * ratio / tick_hz
            start = round(math.ceil(start / slow) * slow)
        return start

    def divide(self, ratio: int) -> None:
        """Set the divider behind the fast camera."""
        self.divider = ratio

    def follow(self, tick_hz: float) -> PulseRun:
        """The fast camera begins to make the ticks; return its run."""
        with self._keeper.changed:
            self.stop()
            ratio = self.divider
            run = PulseRun(
                self._beginning(tick_hz, ratio), tick_hz, ratio, None, phase=self.divider_phase % ratio
            )
            self.runs.append(run)
            self._keeper.changed.notify_all()
            return run

    def stop(self) -> None:
        """No further tick. What was given until now stays given."""
        with self._keeper.changed:
            if self.runs:
                run = self.runs[-1]
                given = run.ticks_until(self._keeper.now_ns())
                ticks = given if run.ticks is None else min(given, run.ticks)
                self.runs[-1] = replace(run, ticks=ticks)
            self._keeper.changed.notify_all()

    def holds(self, time_ns: int, *, slow: bool) -> bool:
        """Whether a pulse is on the slow or the fast line at a moment of virtual time [ns]."""
        if not self.runs:
            return False
        run = self.runs[-1]
        divider = run.ratio if slow else 1
        pulse = (run.ticks_until(time_ns) - 1 - (run.phase if slow else 0)) // divider
        began = run.time_of(pulse, divider) if pulse >= 0 else None
        return began is not None and time_ns - began < self.pulse_us * 1000

    def ticks_given(self) -> int | None:
        """Ticks on the fast line in the last run."""
        if not self.runs:
            return 0
        run = self.runs[-1]
        given = run.ticks_until(self._keeper.now_ns())
        return given if run.ticks is None else min(given, run.ticks)
