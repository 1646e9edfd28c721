"""Watches a session: settings that change by themselves, pulses that stay away, cameras that leave."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from app.crew import Crew
from drivers import DriverError, Role

SILENCE_S = 3.0
"""No frame for this long while pulses should come is worth an alarm [s]."""
_EVERY_S = 0.5
_RETRY_EVERY_S = 0.2


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a watch may do to its session.

    Attributes:
        alarm: Tell the operator.
        live_since_ns: Host time since which pulses without end run; None when they do not.
        end_take: End a running take in order, with the reason; False when none runs.
        leave: A camera has gone: stop, and say whether live view was on; None when the session is busy.
        come_back: The camera is there again and configured; go on with live view if it was on.

    """

    alarm: Callable[[Role | None, str], None]
    live_since_ns: Callable[[], int | None]
    end_take: Callable[[str], bool]
    leave: Callable[[Role], bool | None]
    come_back: Callable[[Role, bool], None]


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
        self._silent = False
        self._failure_told: DriverError | None = None
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
                self._crew.changed.wait(_EVERY_S)
            self._compare_settings()
            self._listen_for_pulses()
            failed = self._crew.failure()
            if failed is not None and not self._closing.is_set():
                self._handle_failure(*failed)

    def _compare_settings(self) -> None:
        for role, channel in tuple(self._crew.channels.items()):
            found = channel.deviations
            if found and found != self._told.get(role):
                serial = self._crew.serials[role]
                self._hooks.alarm(role, f"camera {serial} changed by itself: {'; '.join(found)}")
            self._told[role] = found

    def _listen_for_pulses(self) -> None:
        since = self._hooks.live_since_ns()
        if since is None or not self._crew.all_running:
            self._silent = False
            return
        newest = max(c.counters.last_host_ns for c in self._crew.channels.values())
        patience = SILENCE_S + 2.0 / self._crew.configured().fps(Role.HSR)
        quiet = time.monotonic_ns() - max(newest, since) > patience * 1e9
        if quiet and not self._silent:
            self._hooks.alarm(None, "no pulse came; check the box and its wires (the trigger plan shows how)")
        self._silent = quiet

    def _handle_failure(self, role: Role, error: DriverError) -> None:
        new = self._failure_told is not error
        self._failure_told = error
        if new:
            self._hooks.alarm(role, str(error))
        if self._hooks.end_take(str(error)):
            # Whoever records reads the reason and stops; the camera is looked after then.
            return
        was_live = self._hooks.leave(role)
        if was_live is None:
            return
        while not self._closing.wait(_RETRY_EVERY_S):
            try:
                self._crew.reopen(role)
            except DriverError:
                continue
            self._hooks.alarm(role, f"camera {self._crew.serials[role]} is back")
            self._hooks.come_back(role, was_live)
            return
