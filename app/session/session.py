"""Cameras, buffers and recorder under one state machine, without Qt: the same for the CLI and the window."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import JsonValue

from app.session.channel import Channel
from app.session.controls import SessionControls
from app.session.crew import Crew, SessionError, SessionSettings
from app.session.recording import TakeReport, take_metadata
from app.session.state import Alarm, SessionNews, State
from app.session.take_run import TakeRun
from app.session.watch import Hooks, Watch
from drivers import (
    Applied,
    Camera,
    CameraIdentity,
    ClockLatch,
    DriverError,
    Role,
)
from drivers.grasshopper import open_camera
from drivers.recorder import RecorderStatus
from drivers.trigger import PulseSource

__all__ = ["Session"]


class Session(SessionNews, SessionControls):
    """Two cameras and a pulse source.

    All public methods may be called from any thread; rings may be read from any. Listeners run on the thread
    that caused the change.

    Args:
        pulses: Where trigger pulses come from.
        open_with: Opens one camera; `drivers.grasshopper.open_camera` unless a test brings its own.
        paced: The pulses wait for the reader (the emulated rig as rendered): grab threads then wait for the
            disk as well, so that nothing is ever overwritten.
        extra: What else take.json shall hold, asked for when a take begins.

    """

    def __init__(
        self,
        pulses: PulseSource,
        *,
        open_with: Callable[[str, Role], Camera] = open_camera,
        paced: bool = False,
        extra: Callable[[], Mapping[str, JsonValue]] | None = None,
    ) -> None:
        SessionNews.__init__(self)
        SessionControls.__init__(
            self, Crew(pulses, open_with, self._hold_back if paced else None), lambda: self._run is not None
        )
        self._extra = extra
        self._lock = threading.RLock()
        self._watch: Watch | None = None
        self._away: frozenset[Role] = frozenset()
        self._live_again = False
        self._fired_ns = 0
        self._endless = True
        self._run: TakeRun | None = None

    # -- what is going on -----------------------------------------------------------------------------

    @property
    def away(self) -> frozenset[Role]:
        """Cameras that have left; each is taken back as soon as it is there again."""
        return self._away

    @property
    def paced(self) -> bool:
        """Whether the pulses wait for their reader: then no time on the host's clock is too long."""
        return self._crew.paced

    def recorded(self, role: Role) -> bool:
        """Whether frames of this camera go into the take that runs now."""
        run = self._run
        return run is not None and run.attendance.recorded(role)

    def latch(self) -> ClockLatch | None:
        """Both cameras' clocks at one moment; None while not both stream or where a camera cannot tell."""
        both = self._streams and all(c.running for c in self._crew.channels.values())
        return self._crew.latch() if both else None

    def first_id(self) -> int | None:
        """Frame id that both counters began with; None while nothing streams or where it is unsure."""
        return self._crew.first_id() if self._streams else None

    def status(self) -> RecorderStatus | None:
        """Frames on disk, queue and time left of the running take; None without one."""
        run = self._run
        return run.status() if run is not None else None

    # -- connect and configure ------------------------------------------------------------------------

    def connect(self, serials: Mapping[Role, str]) -> dict[Role, CameraIdentity]:
        """Open both cameras: Disconnected -> Idle.

        Raises:
            CameraError: One of them is missing, taken or of another model; none stays open then.
            SessionError: Both serial numbers are the same.

        """
        with self._lock:
            self._require("connect", State.DISCONNECTED)
            for role in self._away:
                raise SessionError(
                    f"still waiting for camera {self._crew.serials[role]}; close the session first"
                )
            if serials[Role.HSR] == serials[Role.LSR]:
                raise SessionError(f"serial number {serials[Role.HSR]} is given for both cameras; give two")
            self._crew.open(serials)
            self._enter(State.IDLE)
            self._watch = Watch(self._crew, self._hooks())
            return self.identities

    def configure(self, settings: SessionSettings) -> dict[Role, tuple[Applied, ...]]:
        """Write all settings to both cameras.

        Returns:
            Requested and applied values by camera.

        Raises:
            TriggerPlanError: An exposure does not fit between pulses.
            CameraSettingError: A camera refuses a value.

        """
        with self._lock:
            self._require("configure", State.IDLE)
            return self._crew.configure(settings)

    # -- live -----------------------------------------------------------------------------------------

    def start_live(self) -> None:
        """Idle -> Live: arm both cameras, then start the pulses without end."""
        with self._lock:
            self._require("start", State.IDLE)
            self._crew.arm()
            self._start_pulses(None)
            self._enter(State.LIVE)

    def stop_live(self) -> None:
        """Live -> Idle: stop the pulses, drain both cameras, end acquisition."""
        with self._lock:
            self._require("stop", State.LIVE)
            self._crew.halt()
            self._rest()

    # -- record ---------------------------------------------------------------------------------------

    def start_recording(
        self,
        out: Path,
        *,
        seconds: float | None = None,
        pre_seconds: float = 0.0,
        name: str = "",
        notes: str = "",
        rig_hash: str | None = None,
        wait: bool = False,
    ) -> None:
        """Begin a take: Idle -> Armed -> Recording from the first pulse, or Live -> Recording from now on.

        Args:
            out: The take's folder; it must not exist.
            seconds: Length, in whole groups of m from Idle [s]; None until `stop_recording`.
            pre_seconds: From Live: also keep this much of what has just passed [s].
            name: Name of the take.
            notes: Free text.
            rig_hash: Hash of the rig file in use.
            wait: From Idle: stay Armed until `fire`; pulses from outside are recorded meanwhile.

        Raises:
            SessionError: The cameras run free: their frames could not be paired.
            TakeError: The folder exists or cannot be written, or the disk has no room.

        """
        with self._lock:
            self._require("record", State.IDLE, State.LIVE)
            for role in self._away:
                raise SessionError(f"camera {self._crew.serials[role]} has left; plug it in before the take")
            settings = self._crew.configured()
            if settings.free_running:
                raise SessionError(
                    "free-running cameras cannot be paired; configure them for trigger pulses before a take"
                )
            was_live = self._state is State.LIVE
            if not was_live:
                self._crew.arm()
            try:
                metadata = take_metadata(
                    self._crew,
                    name=name,
                    notes=notes,
                    rig_hash=rig_hash,
                    extra=self._extra() if self._extra is not None else None,
                )
                run = TakeRun(self._crew, out, was_live=was_live)
                run.start(metadata, pre_seconds=pre_seconds, seconds=seconds)
            except BaseException:
                if not was_live:
                    self._crew.halt()
                raise
            self._run = run
            self._enter(State.RECORDING if was_live else State.ARMED)
            if not (was_live or wait):
                self._fire(settings.plan.ticks(seconds) if seconds is not None else None)

    def fire(self, ticks: int | None = None) -> None:
        """Armed -> Recording: start the pulses; `ticks` of the fast line, without end when None."""
        with self._lock:
            self._require("start the pulses", State.ARMED)
            if self._run is not None:
                self._run.renew_latch()
            self._fire(ticks)

    def _fire(self, ticks: int | None) -> None:
        self._start_pulses(ticks)
        self._enter(State.RECORDING)

    def _start_pulses(self, ticks: int | None) -> None:
        self._fired_ns = time.perf_counter_ns()
        self._endless = ticks is None or not self._crew.counts_pulses
        self._crew.fire(ticks)

    def stop_recording(self) -> TakeReport:
        """End the take and return its report: Armed or Recording -> Finishing -> Idle, or back to Live.

        Raises:
            TakeError: The disk refused to close the take; everything before is kept.

        """
        with self._lock:
            self._require("stop recording", State.ARMED, State.RECORDING)
            run = self._run
            if run is None:
                raise SessionError("no take is open")
            self._enter(State.FINISHING)
            try:
                return run.stop()
            finally:
                self._run = None
                self._after_take(run)
                with self._crew.changed:
                    self._crew.changed.notify_all()

    def record(
        self,
        seconds: float,
        out: Path,
        *,
        name: str = "",
        notes: str = "",
        rig_hash: str | None = None,
        on_frame: Callable[[int], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> TakeReport:
        """Record for `seconds` and return the report; the session must be Idle.

        A camera that leaves is missed while the take goes on with the other one; the report says from when to
        when. Both cameras gone, pulses that stay away and a full or slow disk end the take in order;
        `stop_reason` says so and everything before is kept.

        Args:
            seconds: Length, in whole groups of m [s].
            out: The take's folder.
            name: Name of the take.
            notes: Free text.
            rig_hash: Hash of the rig file in use.
            on_frame: Told how many LSR frames have arrived so far.
            should_stop: Asked often; True ends the take early.

        """
        self._require("record", State.IDLE)
        self.start_recording(out, seconds=seconds, name=name, notes=notes, rig_hash=rig_hash)
        run = self._run
        try:
            if run is not None:
                run.follow(seconds, on_frame, should_stop)
        finally:
            report = self.stop_recording()
        return report

    # -- end ------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Any state -> Disconnected: end a take in order, give both cameras back. Safe to call twice."""
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.close()
        with self._lock:
            if not self._crew.channels:
                return
            try:
                if self._state in (State.ARMED, State.RECORDING):
                    self.stop_recording()
            finally:
                try:
                    if self._state is State.LIVE:
                        self._crew.halt()
                finally:
                    self._crew.close()
                    self._away = frozenset()
                    self._enter(State.DISCONNECTED)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- inside ---------------------------------------------------------------------------------------

    def _hooks(self) -> Hooks:
        return Hooks(
            self._alarm, self._live_since, lambda: self._away, self._leave, self._come_back, self._catch_up
        )

    def _live_since(self) -> int | None:
        if self._state is State.LIVE:
            return self._fired_ns
        # During a take a stream that dies must be told at once. A take's own end is no silence, and pulses
        # that wait for the reader wait for the disk as well.
        run = self._run
        if run is None or self._state is not State.RECORDING or self._crew.paced or not self._endless:
            return None
        # Somebody may still be on the way to the box.
        waits = self._crew.by_hand and not run.was_live and not self._crew.any_received
        return None if waits else self._fired_ns

    def _rest(self, *, live_again: bool = False) -> None:
        """Nothing streams; `live_again` once both cameras are there."""
        self._live_again = live_again
        self._enter(State.DISCONNECTED if self._away else State.IDLE)

    def _after_take(self, run: TakeRun) -> None:
        if not run.was_live:
            self._rest()
        elif len(self._away) == len(Role):
            self._crew.halt()
            self._rest(live_again=True)
        else:
            self._enter(State.LIVE)
            if not self._away and not run.attendance.in_step:
                self._begin_again()

    def _leave(self, role: Role, reason: str) -> str:
        """A camera has gone: the other one goes on with whatever it does."""
        with self._lock:
            self._crew.let_go(role)
            run = self._run
            meaning = run.attendance.lose(role, reason) if run is not None else ""
            self._away |= {role}
            if meaning:
                return meaning
            if self._state is State.LIVE and len(self._away) < len(Role):
                return "the other camera goes on"
            live = self._state is State.LIVE
            self._crew.halt()
            self._rest(live_again=live or self._live_again)
            return "it is taken back when you plug it in again"

    def _come_back(self, role: Role, channel: Channel) -> None:
        with self._lock:
            self._crew.replace(role, channel)
            self._away -= {role}
            if self._run is not None:
                self._run.attendance.regain(role)
            elif self._state is State.LIVE:
                self._begin_again()
            elif not self._away:
                self._enter(State.IDLE)
                if self._live_again:
                    self._go_live()

    def _catch_up(self) -> list[Alarm]:
        with self._lock:
            return [] if self._run is None else self._run.catch_up()

    def _begin_again(self) -> None:
        """Both cameras count from the same pulse again."""
        self._crew.halt()
        self._enter(State.IDLE)
        self._go_live()

    def _go_live(self) -> None:
        try:
            self.start_live()
        except DriverError as error:
            # Both cables were pulled: the other camera shows it only now.
            self._alarm(Alarm(None, str(error)))

    @property
    def _streams(self) -> bool:
        return self._state in (State.LIVE, State.RECORDING)

    def _hold_back(self, role: Role) -> bool:
        run = self._run
        return run is not None and run.holds_back(role)
