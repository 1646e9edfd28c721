"""Cameras, buffers and recorder under one state machine, without Qt: the same for the CLI and the window."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import TypeVar

from pydantic import JsonValue

from app.errors import AppError
from app.recording import TakeReport, camera_metadata, take_metadata
from app.take_recording import TakeRecording
from drivers import (
    Applied,
    CameraIdentity,
    CameraSettings,
    DriverError,
    Frame,
    FrameFlag,
    OverwrittenError,
    Role,
)
from drivers.grasshopper import Grasshopper3, open_camera
from drivers.ring_buffer import RingBuffer
from drivers.take import TakeMetadata, TakeWriter
from drivers.trigger import PulseSource, TriggerPlan

_RING_SECONDS = 2.0
_RING_BYTES = 768 * 1024**2
_POLL_MS = 100
_SILENCE_S = 3.0
_T = TypeVar("_T")


class State(str, Enum):
    """Where the session stands."""

    DISCONNECTED = "Disconnected"
    IDLE = "Idle"
    LIVE = "Live"
    ARMED = "Armed"
    RECORDING = "Recording"
    FINISHING = "Finishing"

    def __str__(self) -> str:
        return self.value


class SessionError(AppError):
    """An action does not fit the session's state, or the cameras gave up."""


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What both cameras and the pulses shall do.

    Attributes:
        hsr: Settings of the sharp, slow camera.
        lsr: Settings of the coarse, fast camera.
        plan: Pulses.

    """

    hsr: CameraSettings
    lsr: CameraSettings
    plan: TriggerPlan

    def camera(self, role: Role) -> CameraSettings:
        """Settings of one camera."""
        return self.hsr if role is Role.HSR else self.lsr


@dataclass(frozen=True, slots=True)
class LiveCounters:
    """What one stream has done since pulses began.

    Attributes:
        received: Frames taken from the camera.
        incomplete: Of these, damaged ones.
        missing: Gaps in the frame ids.

    """

    received: int = 0
    incomplete: int = 0
    missing: int = 0


@dataclass(slots=True, eq=False)
class _Channel:
    """One camera with its ring and its grab thread."""

    role: Role
    camera: Grasshopper3
    ring: RingBuffer | None = None
    thread: threading.Thread | None = None
    requests: queue.SimpleQueue[tuple[Callable[[], object], Future[object]]] = field(
        default_factory=queue.SimpleQueue
    )
    drain: threading.Event = field(default_factory=threading.Event)
    counters: LiveCounters = LiveCounters()
    failure: Exception | None = None
    written_until: int | None = None


class Session:
    """Two cameras and a pulse source.

    Public methods are called from one thread (the CLI's or the window's worker); rings may be read from any.

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
        open_with: Callable[[str, Role], Grasshopper3] = open_camera,
        paced: bool = False,
        extra: Callable[[], Mapping[str, JsonValue]] | None = None,
    ) -> None:
        self._pulses = pulses
        self._open_with = open_with
        self._paced = paced
        self._extra = extra
        self._state = State.DISCONNECTED
        self._channels: dict[Role, _Channel] = {}
        self._settings: SessionSettings | None = None
        self._listeners: list[Callable[[State], None]] = []
        self._progress = threading.Condition()
        self._take: TakeRecording | None = None
        self._counted = False

    # -- state ----------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """Where the session stands."""
        return self._state

    def on_state(self, listener: Callable[[State], None]) -> None:
        """Call `listener` with every new state, on the thread that changes it."""
        self._listeners.append(listener)

    def _enter(self, state: State) -> None:
        self._state = state
        for listener in tuple(self._listeners):
            listener(state)

    def _require(self, action: str, *states: State) -> None:
        if self._state not in states:
            raise SessionError(
                f"cannot {action} while {self._state}; this needs the state {' or '.join(map(str, states))}"
            )

    @property
    def settings(self) -> SessionSettings | None:
        """What `configure` was last given, with later changes of exposure and gain."""
        return self._settings

    @property
    def identities(self) -> dict[Role, CameraIdentity]:
        """Who the connected cameras are."""
        return {role: channel.camera.identity for role, channel in self._channels.items()}

    def ring(self, role: Role) -> RingBuffer:
        """The stream's newest frames; there once the session has been live.

        Raises:
            SessionError: No frame can be there yet.

        """
        ring = self._channel(role).ring
        if ring is None:
            raise SessionError("there are no frames before the session is live")
        return ring

    def latest(self, role: Role) -> Frame | None:
        """Copy of the newest frame; None before the first."""
        channel = self._channels.get(role)
        if channel is None or channel.ring is None:
            return None
        newest = channel.ring.latest()
        while newest is not None:
            try:
                return channel.ring.read(newest)
            except OverwrittenError:
                newest = channel.ring.latest()
        return None

    def counters(self, role: Role) -> LiveCounters:
        """Frames received, damaged and missing since the pulses began."""
        return self._channel(role).counters

    def written(self, role: Role) -> int:
        """Frames of the running take that are on disk; 0 without one."""
        return self._take.written(role) if self._take is not None else 0

    def _channel(self, role: Role) -> _Channel:
        if role not in self._channels:
            raise SessionError("no camera is connected")
        return self._channels[role]

    # -- connect and configure ------------------------------------------------------------------------

    def connect(self, serials: Mapping[Role, str]) -> dict[Role, CameraIdentity]:
        """Open both cameras: Disconnected -> Idle.

        Raises:
            CameraError: One of them is missing, taken or of another model; none stays open then.
            SessionError: Both serial numbers are the same.

        """
        self._require("connect", State.DISCONNECTED)
        if serials[Role.HSR] == serials[Role.LSR]:
            raise SessionError(f"serial number {serials[Role.HSR]} is given for both cameras; give two")
        opened: dict[Role, _Channel] = {}
        try:
            for role in Role:
                opened[role] = _Channel(role, self._open_with(serials[role], role))
        except DriverError:
            for channel in opened.values():
                channel.camera.close()
            raise
        self._channels = opened
        self._enter(State.IDLE)
        return self.identities

    def configure(self, settings: SessionSettings) -> dict[Role, tuple[Applied, ...]]:
        """Write all settings to both cameras.

        Returns:
            Requested and applied values by camera.

        Raises:
            TriggerPlanError: An exposure does not fit between pulses.
            CameraSettingError: A camera refuses a value.

        """
        self._require("configure", State.IDLE)
        plan = settings.plan
        for role in Role:
            plan.check_exposure(role, settings.camera(role).exposure_us)
        applied: dict[Role, tuple[Applied, ...]] = {}
        for role, channel in self._channels.items():
            wanted = replace(
                settings.camera(role),
                triggered=True,
                trigger_source=plan.line,
                trigger_activation=plan.activation,
            )
            applied[role] = channel.camera.configure(wanted)
        self._settings = settings
        return applied

    # -- live -----------------------------------------------------------------------------------------

    def start_live(self) -> None:
        """Idle -> Live: arm both cameras, then start the pulses without end."""
        self._require("start", State.IDLE)
        settings = self._configured()
        self._arm()
        self._pulses.start(settings.plan.lsr_fps, settings.plan.ratio)
        self._enter(State.LIVE)

    def stop_live(self) -> None:
        """Live -> Idle: stop the pulses, drain both cameras, end acquisition."""
        self._require("stop", State.LIVE)
        self._halt()
        self._enter(State.IDLE)

    def _configured(self) -> SessionSettings:
        if self._settings is None:
            raise SessionError("the cameras are not configured yet; call configure first")
        return self._settings

    def _arm(self) -> None:
        settings = self._configured()
        for role, channel in self._channels.items():
            channel.ring = _make_ring(settings.camera(role), settings.plan.fps(role))
            channel.counters = LiveCounters()
            channel.failure = None
            channel.written_until = None
            channel.drain.clear()
        armed: list[_Channel] = []
        try:
            for channel in self._channels.values():
                channel.camera.arm()
                armed.append(channel)
        except DriverError:
            for channel in armed:
                channel.camera.stop()
            raise
        for channel in self._channels.values():
            channel.thread = threading.Thread(
                target=self._grab, args=(channel,), name=f"grab {channel.role}", daemon=True
            )
            channel.thread.start()

    def _halt(self) -> None:
        """Pulses first, then drain, then end: nothing that was exposed is thrown away."""
        self._pulses.stop()
        for channel in self._channels.values():
            channel.drain.set()
        for channel in self._channels.values():
            if channel.thread is not None:
                channel.thread.join()
                channel.thread = None

    # -- the grab thread ------------------------------------------------------------------------------

    def _grab(self, channel: _Channel) -> None:
        ring = channel.ring
        if ring is None:
            return
        try:
            while True:
                self._serve(channel)
                frame = channel.camera.read(_POLL_MS)
                if frame is None:
                    if channel.drain.is_set():
                        break
                    continue
                if self._paced:
                    self._wait_for_disk(channel, ring)
                ring.append(frame)
                self._count(channel, frame)
        except (DriverError, ValueError) as error:
            channel.failure = error
        finally:
            try:
                channel.camera.stop()
            except DriverError as error:
                channel.failure = channel.failure or error
            ring.close()
            self._serve(channel)
            with self._progress:
                self._progress.notify_all()

    def _wait_for_disk(self, channel: _Channel, ring: RingBuffer) -> None:
        with self._progress:
            while channel.written_until is not None and not channel.drain.is_set():
                newest = ring.latest()
                if newest is None or newest + 1 - channel.written_until < ring.capacity:
                    return
                self._progress.wait(0.1)

    def _count(self, channel: _Channel, frame: Frame) -> None:
        old = channel.counters
        missing = old.missing
        if frame.flags & FrameFlag.GAP_BEFORE:
            missing = frame.frame_id + 1 - (old.received + 1)
        channel.counters = replace(
            old,
            received=old.received + 1,
            incomplete=old.incomplete + bool(frame.flags & FrameFlag.INCOMPLETE),
            missing=missing,
        )
        with self._progress:
            self._progress.notify_all()

    def _serve(self, channel: _Channel) -> None:
        """Camera calls that others asked for run here: one thread owns a streaming camera."""
        while True:
            try:
                call, future = channel.requests.get_nowait()
            except queue.Empty:
                return
            try:
                future.set_result(call())
            except DriverError as error:
                future.set_exception(error)

    def _on_camera(self, role: Role, call: Callable[[], _T]) -> _T:
        channel = self._channel(role)
        if channel.thread is None or not channel.thread.is_alive():
            return call()
        future: Future[object] = Future()
        channel.requests.put((call, future))
        result: _T = future.result(timeout=5.0)  # type: ignore[assignment]
        return result

    # -- while it runs --------------------------------------------------------------------------------

    def set_exposure_us(self, role: Role, value: float) -> Applied:
        """Change SFNC ExposureTime now, live or not.

        Raises:
            TriggerPlanError: It does not fit between pulses.
            CameraSettingError: The camera refuses it.

        """
        settings = self._configured()
        settings.plan.check_exposure(role, value)
        applied = self._on_camera(role, lambda: self._channel(role).camera.set_exposure_us(value))
        self._remember(role, replace(settings.camera(role), exposure_us=applied.applied))
        return applied

    def set_gain_db(self, role: Role, value: float) -> Applied:
        """Change SFNC Gain now, live or not.

        Raises:
            CameraSettingError: The camera refuses it.

        """
        settings = self._configured()
        applied = self._on_camera(role, lambda: self._channel(role).camera.set_gain_db(value))
        self._remember(role, replace(settings.camera(role), gain_db=applied.applied))
        return applied

    def _remember(self, role: Role, camera: CameraSettings) -> None:
        settings = self._configured()
        self._settings = replace(settings, hsr=camera) if role is Role.HSR else replace(settings, lsr=camera)

    # -- record ---------------------------------------------------------------------------------------

    def start_recording(
        self,
        out: Path,
        *,
        seconds: float | None = None,
        name: str = "",
        notes: str = "",
        rig_hash: str | None = None,
    ) -> None:
        """Begin a take: Idle -> Armed -> Recording from the first pulse, or Live -> Recording from now on.

        Args:
            out: The take's folder; it must not exist.
            seconds: Pulses for this long, in whole groups of m, where the source can count; None until
                `stop_recording`.
            name: Name of the take.
            notes: Free text.
            rig_hash: Hash of the rig file in use.

        Raises:
            TakeError: The folder exists or cannot be written.

        """
        self._require("record", State.IDLE, State.LIVE)
        was_live = self._state is State.LIVE
        settings = self._configured()
        writer = TakeWriter(out, self._metadata(name, notes, rig_hash))
        try:
            if not was_live:
                self._arm()
        except DriverError:
            writer.close(complete=False)
            raise
        ticks = settings.plan.ticks(seconds) if seconds is not None and self._pulses.counts_pulses else None
        rings = {role: self.ring(role) for role in Role}
        start_at = self._first_frames() if was_live else dict.fromkeys(Role, 0)
        self._take = TakeRecording(writer, rings, settings.plan, start_at, self._on_written)
        for role, channel in self._channels.items():
            channel.written_until = start_at[role]
        self._counted = not was_live
        self._take.start()
        if not was_live:
            self._enter(State.ARMED)
            self._pulses.start(settings.plan.lsr_fps, settings.plan.ratio, ticks)
        self._enter(State.RECORDING)

    def stop_recording(self) -> TakeReport:
        """End the take and return its report: Recording -> Finishing -> Idle.

        Raises:
            TakeError: The disk refused; everything before is kept.
            CameraError: A camera gave up; everything before is kept.

        """
        self._require("stop recording", State.RECORDING)
        take = self._take
        if take is None:
            raise SessionError("no take is open")
        self._enter(State.FINISHING)
        try:
            self._halt()
            report = take.finish(self._pulses.ticks_given() if self._counted else None)
        finally:
            self._take = None
            self._enter(State.IDLE)
        failure = take.failure or next((c.failure for c in self._channels.values() if c.failure), None)
        if failure is not None:
            raise failure
        return report

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

        Args:
            seconds: Length, in whole groups of m [s].
            out: The take's folder.
            name: Name of the take.
            notes: Free text.
            rig_hash: Hash of the rig file in use.
            on_frame: Told how many LSR frames have arrived so far.
            should_stop: Asked often; True ends the take early and cleanly.

        """
        self._require("record", State.IDLE)
        settings = self._configured()
        ticks = settings.plan.ticks(seconds)
        self.start_recording(out, seconds=seconds, name=name, notes=notes, rig_hash=rig_hash)
        channels = self._channels
        last = time.monotonic()
        seen = -1
        try:
            while not (should_stop is not None and should_stop()):
                with self._progress:
                    self._progress.wait(0.05)
                received = channels[Role.LSR].counters.received
                if received != seen:
                    seen, last = received, time.monotonic()
                    if on_frame is not None:
                        on_frame(received)
                slow = channels[Role.HSR].counters.received
                if received >= ticks and slow >= ticks // settings.plan.ratio:
                    break
                if any(c.failure for c in channels.values()) or (
                    self._take is not None and self._take.failure
                ):
                    break
                if time.monotonic() - last > _SILENCE_S + settings.plan.period_us(Role.HSR) * 1e-6:
                    break
        finally:
            report = self.stop_recording()
        return report

    def _first_frames(self) -> dict[Role, int]:
        """Ring indices of a live session from which a take can begin: the next HSR frame and its group."""
        slow, fast = self.ring(Role.HSR), self.ring(Role.LSR)
        newest_slow, newest_fast = slow.latest(), fast.latest()
        return {
            Role.HSR: 0 if newest_slow is None else newest_slow + 1,
            Role.LSR: 0 if newest_fast is None else newest_fast + 1,
        }

    def _on_written(self, role: Role, until: int) -> None:
        channel = self._channels[role]
        channel.written_until = until
        with self._progress:
            self._progress.notify_all()

    def _metadata(self, name: str, notes: str, rig_hash: str | None) -> TakeMetadata:
        settings = self._configured()
        cameras = {}
        for role, channel in self._channels.items():
            offset_x, offset_y, _, _ = channel.camera.region()
            cameras[role] = camera_metadata(
                channel.camera.identity, settings.camera(role), (offset_x, offset_y), settings.plan.fps(role)
            )
        return take_metadata(
            cameras,
            plan=settings.plan,
            pulses=self._pulses.name,
            simulated=any(identity.simulated for identity in self.identities.values()),
            name=name,
            notes=notes,
            rig_hash=rig_hash,
            extra=self._extra() if self._extra is not None else None,
        )

    # -- end ------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Any state -> Disconnected: end a take cleanly, stop, give both cameras back. Safe to call twice."""
        if self._state is State.DISCONNECTED:
            return
        try:
            if self._state is State.RECORDING:
                self.stop_recording()
            elif self._state is State.LIVE:
                self._halt()
        finally:
            for channel in self._channels.values():
                channel.camera.close()
            self._channels = {}
            self._enter(State.DISCONNECTED)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _make_ring(settings: CameraSettings, fps: float) -> RingBuffer:
    stride = settings.width * settings.height * settings.pixel_format.bytes_per_pixel
    wanted = max(8, int(fps * _RING_SECONDS))
    capacity = max(4, min(wanted, _RING_BYTES // stride))
    return RingBuffer(capacity, settings.height, settings.width, settings.pixel_format)
