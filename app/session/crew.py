"""Both cameras of a session together with the pulses: open, configure, arm, fire, halt, replace."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from app.errors import AppError
from app.session.channel import Channel, restore_turns, shorten_turns
from drivers import (
    Applied,
    Camera,
    CameraSettings,
    ClockLatch,
    DriverError,
    RingBuffer,
    Role,
)
from drivers.trigger import MASTER_OUTPUT, PulseSource, TriggerPlan, check_exposure, longest_exposure_us

_DRAIN_S = 5.0
_DRAIN_RUNNING_S = 0.3


class SessionError(AppError):
    """An action does not fit the session's state, or the cameras gave up."""


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What both cameras and the pulses shall do.

    Attributes:
        hsr: Settings of the sharp, slow camera.
        lsr: Settings of the coarse, fast camera.
        plan: Pulses.
        free_running: Each camera runs at its own `frame_rate` without pulses, to aim and focus; no takes.

    """

    hsr: CameraSettings
    lsr: CameraSettings
    plan: TriggerPlan
    free_running: bool = False

    def camera(self, role: Role) -> CameraSettings:
        """Settings of one camera, triggered as the plan says unless it runs free."""
        camera, plan = self.hsr if role is Role.HSR else self.lsr, self.plan
        master = plan.master and role is Role.LSR and not self.free_running
        return replace(
            camera,
            triggered=not self.free_running and not master,
            trigger_source=plan.line,
            trigger_activation=plan.activation,
            frame_rate=plan.lsr_fps if master else camera.frame_rate,
            exposure_output=MASTER_OUTPUT if master else None,
        )

    @property
    def master(self) -> Role | None:
        """The camera that makes the pulses; None for a box, and where each runs on its own."""
        return Role.LSR if self.plan.master and not self.free_running else None

    def fps(self, role: Role) -> float:
        """Frames per second of one camera [1/s]."""
        return self.camera(role).frame_rate if self.free_running else self.plan.fps(role)

    def longest_exposure_us(self, role: Role) -> float:
        """Longest exposure of one camera that never meets its next frame [us]."""
        if self.free_running:
            return longest_exposure_us(self.fps(role))
        return self.plan.max_exposure_us(role)

    def check_exposure(self, role: Role, exposure_us: float) -> None:
        """Refuse an exposure that reaches into the next frame.

        Raises:
            TriggerPlanError: It is too long; the message says what is possible.

        """
        check_exposure(role, exposure_us, self.fps(role), self.longest_exposure_us(role))

    def with_camera(self, role: Role, camera: CameraSettings) -> SessionSettings:
        """The same with other settings of one camera."""
        return replace(self, hsr=camera) if role is Role.HSR else replace(self, lsr=camera)


class Crew:
    """Two channels and a pulse source, always handled in the same order.

    Args:
        pulses: Where trigger pulses come from.
        open_with: Opens one camera.
        hold_back: Asked before a frame is stored; while True the grab thread waits. None = never.

    Attributes:
        fired: Whether pulses have been started since the cameras were armed.

    """

    def __init__(
        self,
        pulses: PulseSource,
        open_with: Callable[[str, Role], Camera],
        hold_back: Callable[[Role], bool] | None,
    ) -> None:
        self.pulses = pulses
        self.channels: dict[Role, Channel] = {}
        self.changed = threading.Condition()
        self.serials: dict[Role, str] = {}
        self.settings: SessionSettings | None = None
        self.fired = False
        self._first_id: int | None = None
        self._open_with = open_with
        self._hold_back = hold_back

    @property
    def paced(self) -> bool:
        """Whether pulses wait for the readers, as those of the emulated rig can."""
        return self._hold_back is not None

    def channel(self, role: Role) -> Channel:
        """One camera's channel.

        Raises:
            SessionError: No camera is connected.

        """
        if role not in self.channels:
            raise SessionError("no camera is connected")
        return self.channels[role]

    def ring(self, role: Role) -> RingBuffer:
        """One camera's frames since it was armed.

        Raises:
            SessionError: No frame can be there yet.

        """
        ring = self.channel(role).ring
        if ring is None:
            raise SessionError("there are no frames before the session is live")
        return ring

    def configured(self) -> SessionSettings:
        """The settings in force.

        Raises:
            SessionError: There are none yet.

        """
        if self.settings is None:
            raise SessionError("the cameras are not configured yet; call configure first")
        return self.settings

    def open(self, serials: Mapping[Role, str]) -> None:
        """Open both cameras, or none.

        Raises:
            CameraError: One of them is missing, taken or of another model.

        """
        opened: dict[Role, Channel] = {}
        try:
            for role in Role:
                opened[role] = self._channel_for(self._open_with(serials[role], role))
        except DriverError:
            for channel in opened.values():
                channel.camera.close()
            raise
        self.channels, self.serials = opened, dict(serials)

    def _channel_for(self, camera: Camera) -> Channel:
        return Channel(camera, self._notify, self._hold_back)

    def _notify(self) -> None:
        with self.changed:
            self.changed.notify_all()

    def configure(self, settings: SessionSettings) -> dict[Role, tuple[Applied, ...]]:
        """Write all settings to both cameras, or leave them as they were; see `Session.configure`."""
        for role in Role:
            settings.check_exposure(role, settings.camera(role).exposure_us)
        applied = {}
        try:
            for role, channel in self.channels.items():
                applied[role] = channel.camera.configure(settings.camera(role))
        except DriverError:
            if self.settings is not None:
                # Whatever has been written already, takes would say of the cameras what they no longer have.
                for role, channel in self.channels.items():
                    with suppress(DriverError):
                        channel.camera.configure(self.settings.camera(role))
            raise
        self.settings = settings
        return applied

    def arm(self) -> None:
        """Both cameras wait for the first pulse; both are armed before anything can fire.

        Raises:
            CameraError: One of them refuses; none waits then, and one that has left is among `failures`.

        """
        settings = self.configured()
        self.fired, self._first_id = False, None
        armed: list[Channel] = []
        try:
            for role, channel in self.channels.items():
                channel.arm(settings.camera(role), settings.fps(role))
                armed.append(channel)
        except DriverError:
            for channel in armed:
                channel.camera.stop()
            for channel in self.channels.values():
                channel.probe()
            self._notify()
            raise
        shorten_turns()
        for role, channel in self.channels.items():
            if role is not settings.master:
                channel.start()

    @property
    def source(self) -> str:
        """What makes the pulses, in words."""
        plan = self.configured().plan
        return f"LSR camera through a divider by {plan.ratio}" if plan.master else self.pulses.name

    @property
    def counts_pulses(self) -> bool:
        """Whether whatever makes the pulses ends by itself and knows how many it gave."""
        return self.pulses.counts_pulses and self.configured().master is None

    def ticks_given(self) -> int | None:
        """Fast pulses since they were last started; None where nobody counts."""
        return self.pulses.ticks_given() if self.configured().master is None else None

    def fire(self, ticks: int | None) -> None:
        """Start the pulses; `ticks` of the fast line where the source can count."""
        self.fired = True
        settings = self.configured()
        if settings.free_running:
            return
        plan, master = settings.plan, settings.master
        if master is not None:
            self.pulses.divide(plan.ratio)
            self.channels[master].start()
            return
        self.pulses.start(plan.lsr_fps, plan.ratio, ticks if self.pulses.counts_pulses else None)

    def latch(self) -> ClockLatch | None:
        """Both cameras' clocks at one moment; None when a camera cannot tell or has left."""
        if self.paced and self.channels[Role.LSR].counters.received:
            # Cameras whose pulses wait for their reader stand at different moments by now.
            return None
        try:
            hsr, lsr = (channel.clock() for channel in self.channels.values())
        except DriverError:
            return None
        if self.paced:
            # Their clocks stand still until the first pulse, and host time means nothing to them.
            hsr, lsr = replace(hsr, host_ns=0, error_ns=0), replace(lsr, host_ns=0, error_ns=0)
        return ClockLatch.of(hsr, lsr)

    def first_id(self) -> int | None:
        """Frame id that the cameras' counters began with, 0 or 1; None before a frame, or where it is unsure.

        A frame lost before a camera's first one looks like a counter that begins later: the lower one counts.
        Of a camera that has come back nothing shows it any more: it is kept as long as both are armed.
        """
        found = []
        for channel in self.channels.values():
            if not channel.counters.received:
                continue
            try:
                first = channel.call(partial(_first_id, channel))
            except DriverError:
                continue
            if first is not None:
                found.append(first)
        if found and 0 <= min(found) <= 1:
            self._first_id = min(found) if self._first_id is None else min(*found, self._first_id)
        return self._first_id

    def halt(self) -> None:
        """Pulses first, then drain, then end: nothing that was exposed is thrown away."""
        master = self.settings.master if self.settings is not None else None
        if master is None:
            self.pulses.stop()
        else:
            self.channels[master].finish(_DRAIN_S)
            self.channels[master].join()
        for channel in self.channels.values():
            # Pulses that do not end when they are told to bring frames for ever.
            channel.finish(_DRAIN_S if self.counts_pulses or master is not None else _DRAIN_RUNNING_S)
        for channel in self.channels.values():
            channel.join()
        restore_turns()

    @property
    def any_running(self) -> bool:
        """Whether a grab thread is alive."""
        return any(channel.running for channel in self.channels.values())

    @property
    def any_received(self) -> bool:
        """Whether a frame has come since the cameras were armed."""
        return any(channel.counters.received for channel in self.channels.values())

    @property
    def by_hand(self) -> bool:
        """Whether somebody starts the pulses, out of the program's sight."""
        return not self.pulses.counts_pulses and self.configured().master is None

    def failures(self) -> dict[Role, DriverError]:
        """The cameras that gave up, and why."""
        return {role: c.failure for role, c in self.channels.items() if c.failure is not None}

    def let_go(self, role: Role) -> None:
        """Close a camera that gave up; the other one is not touched."""
        channel = self.channel(role)
        # Whatever it says: it has left, and only one that is let go of is looked for.
        with suppress(DriverError):
            channel.join()
        with suppress(DriverError):
            channel.camera.close()

    def reopen(self, role: Role) -> Channel:
        """Open one camera again by its serial number and give it its settings back.

        Returns:
            What takes its former place with `replace`.

        Raises:
            DriverError: It is not there yet, or refuses; nothing has changed then.

        """
        camera = self._open_with(self.serials[role], role)
        try:
            if self.settings is not None:
                camera.configure(self.settings.camera(role))
        except DriverError:
            camera.close()
            raise
        return self._channel_for(camera)

    def replace(self, role: Role, channel: Channel) -> None:
        """Put a reopened camera in its place; it takes over the memory of its former ring."""
        self.first_id()
        channel.ring = self.channel(role).ring
        self.channels[role] = channel

    def rearm(self, role: Role) -> None:
        """Let one camera wait for the next pulse, while the other one goes on.

        Raises:
            DriverError: It has left again.

        """
        settings, channel = self.configured(), self.channel(role)
        try:
            channel.arm(settings.camera(role), settings.fps(role))
        except DriverError as error:
            channel.failure = error
            raise
        shorten_turns()
        channel.start()

    def close(self) -> None:
        """Give both cameras back."""
        for channel in self.channels.values():
            channel.camera.close()
        self.channels = {}


def _first_id(channel: Channel) -> int | None:
    """Id of the first frame since the camera was armed; called between two frames. None before one."""
    newest = channel.ring.latest() if channel.ring is not None else None
    if channel.ring is None or newest is None:
        return None
    counted = channel.counters
    return channel.ring.head(newest).frame_id + 1 - counted.received - counted.missing
