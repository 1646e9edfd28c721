"""Watches a session: settings that change by themselves, pulses that stay away, cameras that leave."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from app.session.channel import Channel
from app.session.crew import Crew
from app.session.state import Alarm
from drivers import DriverError, FrameFlag, OverwrittenError, RingBuffer, Role
from drivers.trigger import judge_rate

_LOG = logging.getLogger("twinrate")
SILENCE_S = 3.0
"""No frame for this long while pulses should come is worth an alarm [s]."""
_EVERY_S = 0.5
_RETRY_EVERY_S = 0.2
_STEPS = 12


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a watch may do to its session.

    Attributes:
        alarm: Tell the operator.
        live_since_ns: Host time since which pulses without end should run; None when they should not.
        away: Cameras that have left.
        leave: A camera has gone, and why: go on without it, and say what that means.
        come_back: The camera is there again and configured: give it its place.
        catch_up: Put cameras that came back in step; what became of them.

    """

    alarm: Callable[[Alarm], None]
    live_since_ns: Callable[[], int | None]
    away: Callable[[], frozenset[Role]]
    leave: Callable[[Role, str], str]
    come_back: Callable[[Role, Channel], None]
    catch_up: Callable[[], list[Alarm]]


def _recent_rate(ring: RingBuffer) -> float | None:
    """Pulses per second of the newest frames, by their usual distance [1/s]; None before there are enough."""
    newest = ring.latest()
    if newest is None or newest < _STEPS:
        return None
    try:
        heads = [ring.head(index) for index in range(newest - _STEPS, newest + 1)]
    except OverwrittenError:
        return None
    whole = [head for head in heads if not head.flags & FrameFlag.INCOMPLETE]
    if len(whole) <= _STEPS // 2:
        return None
    steps = np.diff([head.mid_exposure_ns - round(head.exposure_us * 500) for head in whole])
    usual = float(np.median(steps))
    return 1e9 / usual if usual > 0 else None


class Watch:
    """A thread beside the session; it never touches a camera that a grab thread owns.

    Args:
        crew: The cameras.
        hooks: The session's side.

    """

    def __init__(self, crew: Crew, hooks: Hooks) -> None:
        self._crew, self._hooks = crew, hooks
        self._closing = threading.Event()
        self._told: dict[Role, tuple[str, ...]] = {}
        self._unanswered: dict[Role, str] = {}
        self._silent: frozenset[Role] = frozenset()
        self._begun_ns = 0
        self._failure = ""
        self._wrong_rate: dict[Role, str] = {}
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread; it may be waiting for a camera to come back."""
        self._closing.set()
        with self._crew.changed:
            self._crew.changed.notify_all()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            with self._crew.changed:
                self._crew.changed.wait(_RETRY_EVERY_S if self._hooks.away() else _EVERY_S)
            try:
                self._look()
            except DriverError as error:
                self._hooks.alarm(Alarm(None, str(error)))
            except Exception as error:
                # Without the watch no camera would be taken back and nothing be told any more.
                self._failed(error)

    def _failed(self, error: Exception) -> None:
        text = f"watching the cameras failed, it goes on: {error!r}"
        if text != self._failure:
            _LOG.exception("the watch failed")
            self._failure = text
            self._hooks.alarm(Alarm(None, text))

    def _look(self) -> None:
        self._compare_settings()
        self._listen_for_pulses()
        self._compare_rates()
        away = self._hooks.away()
        for role, error in self._crew.failures().items():
            if role not in away and not self._closing.is_set():
                meaning = self._hooks.leave(role, str(error))
                text = f"camera {self._crew.serials[role]} has left, {meaning}: {error}"
                self._hooks.alarm(Alarm(role, text))
        for role in self._hooks.away():
            self._look_for(role)
        for news in self._hooks.catch_up():
            self._hooks.alarm(news)

    def _compare_settings(self) -> None:
        for role, channel in tuple(self._crew.channels.items()):
            found = channel.deviations
            if found and found != self._told.get(role):
                serial = self._crew.serials[role]
                self._hooks.alarm(Alarm(role, f"camera {serial} changed by itself: {'; '.join(found)}"))
            self._told[role] = found
            unanswered = channel.unanswered
            if unanswered and not self._unanswered.get(role):
                text = f"camera {self._crew.serials[role]} did not answer, its frames go on: {unanswered}"
                self._hooks.alarm(Alarm(role, text))
            self._unanswered[role] = unanswered

    def _listen_for_pulses(self) -> None:
        since = self._hooks.live_since_ns()
        if since is None or not self._crew.any_running:
            self._silent, self._begun_ns = frozenset(), 0
            return
        now = time.perf_counter_ns()
        if self._begun_ns == 0 and self._crew.any_received:
            self._begun_ns = now
        # A box that was started late is no silence of the camera whose first pulse is still to come.
        since = max(since, self._begun_ns)
        patience = SILENCE_S + 2.0 / self._crew.configured().fps(Role.HSR)
        limit = now - patience * 1e9
        away = self._hooks.away()
        quiet = frozenset(
            role
            for role, channel in tuple(self._crew.channels.items())
            if role not in away and max(channel.counters.last_host_ns, channel.armed_ns, since) < limit
        )
        if quiet - self._silent:
            where = "" if len(quiet) == len(Role) else f" at the {next(iter(quiet)).name} camera"
            what = f"no pulse came{where}; check the box and its wires (the trigger plan shows how)"
            self._hooks.alarm(Alarm(None, what))
        self._silent = quiet

    def _compare_rates(self) -> None:
        settings = self._crew.settings
        if settings is None or settings.free_running:
            return
        planned = {role: settings.plan.fps(role) for role in Role}
        for role, channel in tuple(self._crew.channels.items()):
            seen = _recent_rate(channel.ring) if channel.running and channel.ring is not None else None
            trouble = judge_rate(role, seen, planned) if seen is not None else ""
            if trouble and trouble != self._wrong_rate.get(role):
                self._hooks.alarm(Alarm(role, trouble))
            self._wrong_rate[role] = trouble

    def _look_for(self, role: Role) -> None:
        try:
            channel = self._crew.reopen(role)
        except DriverError:
            return
        if self._closing.is_set():
            channel.camera.close()
            return
        self._hooks.alarm(Alarm(role, f"camera {self._crew.serials[role]} is back", over=True))
        self._hooks.come_back(role, channel)
