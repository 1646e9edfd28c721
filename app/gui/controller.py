"""The session as the window sees it: commands go to one worker thread, news come back as signals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from PyQt6.QtCore import QObject, pyqtSignal

from app.gui.camera_rig import CameraRig, RigFactory, WhichCameraError
from app.gui.lane import Lane
from app.gui.messages import Messages, Severity
from app.gui.requests import StreamNumbers, TakeRequest
from app.gui.take_commands import TakeCommands
from app.session import Alarm, SessionError, SessionSettings, State
from drivers import Applied, ClockLatch, Limits, RingBuffer, Role
from drivers.recorder import RecorderStatus

CLOSING_S = 10.0
"""How long a disk may take up nothing while the program ends before it counts as stopped [s]."""
STREAMING = frozenset({State.LIVE, State.ARMED, State.RECORDING})


class SessionController(QObject):
    """Owns the session and the thread that talks to it.

    Every method returns at once. What it led to arrives as a signal or, when it failed, as a message.

    Args:
        messages: Where failures go.
        open_rig: Finds the cameras; called on the worker thread.

    """

    state_changed = pyqtSignal(object)
    """State: where the session stands now."""
    identified = pyqtSignal(object)
    """dict[Role, CameraIdentity], empty after disconnecting."""
    configured = pyqtSignal(object)
    """SessionSettings that both cameras have accepted."""
    applied = pyqtSignal(object, object)
    """Role and Applied: a value as the camera took it."""
    limits_changed = pyqtSignal(object, object)
    """Role and dict[str, Limits] by SFNC name; exposures also fit between frames."""
    plan_changed = pyqtSignal(object, float, float)
    """Role, frames per second, longest exposure [us]."""
    live_started = pyqtSignal()
    """New rings are there."""
    take_started = pyqtSignal(object)
    """TakeRequest that is being recorded."""
    take_finished = pyqtSignal(object)
    """TakeReport of a take that has ended, and is on disk if it is kept."""
    choice_needed = pyqtSignal(object)
    """tuple[CameraIdentity, ...]: the operator must say which of these is which."""
    alarmed = pyqtSignal(object)
    """Alarm: something the operator must know at once."""
    _answered = pyqtSignal()
    """A take that was asked for has begun or was refused."""
    _entered = pyqtSignal(object)
    """State, on its way from the worker thread."""

    def __init__(self, messages: Messages, open_rig: RigFactory, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._messages = messages
        self._open_rig = open_rig
        self._rig: CameraRig | None = None
        self._leaving: CameraRig | None = None
        self._state = State.DISCONNECTED
        self._chosen: tuple[str, str] | None = None
        self._takes = TakeCommands(
            messages,
            started=self.take_started.emit,
            finished=self.take_finished.emit,
            live=self.live_started.emit,
        )
        self._limits: dict[Role, dict[str, Limits]] = {}
        self._regions: dict[Role, tuple[int, int, int, int]] = {}
        self._lane = Lane("session", messages.error)
        self._entered.connect(self._announce)
        self._asked = 0
        self._answered.connect(self._on_answered)

    # -- what is known now ----------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """Where the session stands, as last announced: what the window shows."""
        return self._state

    @property
    def take_asked(self) -> bool:
        """Whether a take was asked for that has neither begun nor been refused yet."""
        return self._asked > 0

    @property
    def settings(self) -> SessionSettings | None:
        """What the cameras were last given."""
        rig = self._rig
        return rig.session.settings if rig is not None else None

    @property
    def regions(self) -> dict[Role, tuple[int, int, int, int]]:
        """OffsetX, OffsetY, Width and Height of each camera as it took them [px]."""
        return self._regions

    @property
    def simulated(self) -> bool:
        """Whether the emulated rig is in use."""
        rig = self._rig
        return rig is not None and rig.virtual is not None

    @property
    def rail_mm(self) -> float | None:
        """Where the emulated rail stands [mm]; None for real cameras."""
        rig = self._rig
        return rig.virtual.baseline_mm if rig is not None and rig.virtual is not None else None

    def ring(self, role: Role) -> RingBuffer | None:
        """The stream's newest frames; None before the session has been live."""
        rig = self._rig
        if rig is None or rig.session.state is State.DISCONNECTED:
            return None
        try:
            return rig.session.ring(role)
        except SessionError:
            return None

    def latch(self) -> ClockLatch | None:
        """Both cameras' clocks at one moment, None without; it waits for the grab threads."""
        rig = self._rig
        return rig.session.latch() if rig is not None else None

    def first_id(self) -> int | None:
        """Frame id that both counters began with, None where it is not known; waits like `latch`."""
        rig = self._rig
        return rig.session.first_id() if rig is not None else None

    def numbers(self, role: Role) -> StreamNumbers:
        """Counters of one stream; zeros while nothing is connected."""
        rig = self._rig
        if rig is None or rig.session.state is State.DISCONNECTED:
            return StreamNumbers()
        try:
            counters = rig.session.counters(role)
        except SessionError:
            # The cameras are just being given back.
            return StreamNumbers()
        ring = self.ring(role)
        state = rig.session.state
        ended = state in STREAMING and ring is not None and ring.closed
        left_out = state is State.RECORDING and not rig.session.recorded(role)
        alive = not ended and role not in rig.session.away
        return StreamNumbers(
            counters.received, counters.missing, counters.incomplete, alive, not left_out, counters.buffered
        )

    @property
    def left(self) -> dict[Role, str]:
        """The serial numbers of the cameras that have left."""
        rig = self._rig
        return {} if rig is None else {role: rig.serials[role] for role in rig.session.away}

    @property
    def in_step(self) -> bool:
        """Whether both cameras are there and their counters mean the same pulses."""
        rig = self._rig
        if rig is None or rig.session.away:
            return False
        return rig.session.state is not State.RECORDING or all(rig.session.recorded(role) for role in Role)

    def recorder_status(self) -> RecorderStatus | None:
        """Where the running take stands; it asks the disk, so it is not for the GUI thread."""
        rig = self._rig
        return rig.session.status() if rig is not None else None

    # -- commands -------------------------------------------------------------------------------------

    def connect_rig(self, serials: tuple[str, str] | None = None) -> None:
        """Find and open both cameras, configure them, and start the live view.

        Args:
            serials: Serial numbers of the HSR and the LSR camera, from now on; None for those known already.

        """
        self._chosen = serials or self._chosen
        self._lane.submit(self._connect)

    def disconnect_rig(self) -> None:
        """Give both cameras back."""
        self._lane.submit(self._disconnect)

    def toggle_live(self) -> None:
        """Idle -> Live, or back, from where the session stands when its turn comes."""

        def toggle(rig: CameraRig) -> None:
            if rig.session.state is State.LIVE:
                rig.session.stop_live()
            else:
                self._start_live(rig)

        self._lane.submit(lambda: self._with_rig(toggle))

    def set_exposure(self, role: Role, exposure_us: float) -> None:
        """Change one camera's exposure; the newest of several waiting values wins."""
        self._lane.submit(
            lambda: self._apply(role, lambda rig: (rig.session.set_exposure_us(role, exposure_us),)),
            latest=f"exposure {role}",
        )

    def set_gain(self, role: Role, gain_db: float) -> None:
        """Change one camera's gain; the newest of several waiting values wins."""
        self._lane.submit(
            lambda: self._apply(role, lambda rig: (rig.session.set_gain_db(role, gain_db),)),
            latest=f"gain {role}",
        )

    def set_white_balance(self, role: Role, red: float, blue: float) -> None:
        """Change one camera's factors on red and blue; the newest of several waiting values wins."""
        self._lane.submit(
            lambda: self._apply(role, lambda rig: rig.session.set_white_balance(role, red, blue)),
            latest=f"white balance {role}",
        )

    def white_balance_once(self, role: Role) -> None:
        """Let one camera find its white balance from what it sees now."""
        self._lane.submit(lambda: self._apply(role, lambda rig: rig.session.white_balance_once(role)))

    def set_frame_rate(self, role: Role, hz: float) -> None:
        """Change the rate of one free-running camera; the newest of several waiting values wins."""

        def change(rig: CameraRig) -> tuple[Applied, ...]:
            applied = rig.session.set_frame_rate(role, hz)
            self._tell_plan(rig)
            return (applied,)

        self._lane.submit(lambda: self._apply(role, change), latest=f"frame rate {role}")

    def set_black_level(self, role: Role, percent: float) -> None:
        """Change one camera's black level; a live view is stopped for a moment."""

        def change(settings: SessionSettings) -> SessionSettings:
            return settings.with_camera(role, replace(settings.camera(role), black_level_percent=percent))

        self._lane.submit(
            lambda: self._with_rig(lambda rig: self._reconfigure(rig, change)), latest=f"black level {role}"
        )

    def reconfigure(self, change: Callable[[SessionSettings], SessionSettings]) -> None:
        """Change anything else; a live view is stopped for a moment. `change` runs on the worker thread."""
        self._lane.submit(lambda: self._with_rig(lambda rig: self._reconfigure(rig, change)))

    def move_rail(self, baseline_mm: float) -> None:
        """Move the emulated rail; real rails are moved by hand."""
        self._lane.submit(lambda: self._with_rig(lambda rig: _move(rig, baseline_mm)), latest="rail")

    def start_recording(self, request: TakeRequest) -> None:
        """Begin a take, from the first pulse when idle, from now on when live."""

        def start() -> None:
            try:
                self._with_rig(lambda rig: self._takes.start(rig, request))
            finally:
                self._answered.emit()

        self._asked += 1
        self._lane.submit(start)

    def fire(self) -> None:
        """Start the pulses of an armed take."""
        self._lane.submit(lambda: self._with_rig(self._takes.fire), latest="fire")

    def stop_recording(self) -> None:
        """End the take; a session that was live before stays live."""
        self._lane.submit(lambda: self._with_rig(self._takes.stop))

    def run(self, job: Callable[[], None]) -> None:
        """Run something else in order with the camera commands."""
        self._lane.submit(job)

    def close(self) -> bool:
        """End a take cleanly, give the cameras back and end the thread; it waits for a disk that is behind.

        Returns:
            False when the disk has stopped taking up frames; called again, it waits on.

        """
        self._lane.submit(self._disconnect)
        self._leaving = self._rig or self._leaving
        written = -1
        while not self._lane.close(CLOSING_S):
            status = self._leaving.session.status() if self._leaving is not None else None
            if status is None or status.bytes_written == written:
                return False
            written = status.bytes_written
        return True

    def _on_answered(self) -> None:
        self._asked -= 1

    def _announce(self, state: State) -> None:
        self._state = state
        self.state_changed.emit(state)

    # -- on the worker thread -------------------------------------------------------------------------

    def _with_rig(self, job: Callable[[CameraRig], None]) -> None:
        if self._rig is None:
            self._messages.post(Severity.WARNING, "no camera is connected; press Connect first")
            return
        job(self._rig)

    def _alarm(self, alarm: Alarm) -> None:
        self._messages.post(Severity.INFO if alarm.over else Severity.WARNING, alarm.text)
        self.alarmed.emit(alarm)

    def _connect(self) -> None:
        if self._rig is not None:
            if self._rig.session.state is not State.DISCONNECTED:
                return
            # A camera left and the session waits for it: start afresh with what is there now.
            self._disconnect()
        try:
            rig = self._open_rig(self._chosen)
        except WhichCameraError as error:
            self._messages.post(Severity.WARNING, str(error))
            self.choice_needed.emit(error.cameras)
            return
        rig.session.on_state(self._entered.emit)
        rig.session.on_alarm(self._alarm)
        try:
            identities = rig.session.connect(rig.serials)
            rig.session.configure(rig.settings)
        except BaseException:
            rig.release()
            raise
        self._rig = rig
        if rig.note:
            self._messages.post(Severity.INFO, rig.note)
        self.identified.emit(identities)
        self._tell_configured(rig)
        self._start_live(rig)

    def _disconnect(self) -> None:
        rig, self._rig = self._rig, None
        if rig is None:
            return
        try:
            rig.release()
        finally:
            self._entered.emit(State.DISCONNECTED)
            self.identified.emit({})

    def _start_live(self, rig: CameraRig) -> None:
        rig.session.start_live()
        self.live_started.emit()

    def _tell_configured(self, rig: CameraRig) -> None:
        settings = rig.session.settings
        if settings is None:
            return
        # Limits first: a panel that shows a value must be able to hold it.
        self._regions = {role: camera.region() for role, camera in rig.cameras.items()}
        self._limits = {role: rig.limits(role) for role in Role}
        self._tell_plan(rig)
        self.configured.emit(settings)

    def _tell_plan(self, rig: CameraRig) -> None:
        settings = rig.session.settings
        if settings is None:
            return
        for role, limits in self._limits.items():
            longest = _exposure_limits(settings, role, limits["ExposureTime"])
            self.limits_changed.emit(role, {**limits, "ExposureTime": longest})
            self.plan_changed.emit(role, settings.fps(role), longest.maximum)

    def _apply(self, role: Role, change: Callable[[CameraRig], tuple[Applied, ...]]) -> None:
        def apply(rig: CameraRig) -> None:
            try:
                values = change(rig)
            except Exception:
                # The panel asked for something that is not so: it shows again what is.
                self.configured.emit(rig.session.settings)
                raise
            for applied in values:
                self.applied.emit(role, applied)

        self._with_rig(apply)

    def _reconfigure(self, rig: CameraRig, change: Callable[[SessionSettings], SessionSettings]) -> None:
        settings = rig.session.settings
        if settings is None:
            return
        for role in rig.session.away:
            serial = rig.serials[role]
            # The panels asked for something that is not so: they show again what is.
            self.configured.emit(settings)
            raise SessionError(f"camera {serial} has left; plug it in before you change how both run")
        live = rig.session.state is State.LIVE
        wanted = change(settings)
        if live:
            rig.session.stop_live()
        try:
            rig.session.configure(wanted)
        finally:
            # A refusal leaves both as they were: the operator keeps the picture and sees the reason.
            self._tell_configured(rig)
            if live:
                self._start_live(rig)


def _move(rig: CameraRig, baseline_mm: float) -> None:
    if rig.virtual is not None:
        rig.virtual.baseline_mm = baseline_mm


def _exposure_limits(settings: SessionSettings, role: Role, limits: Limits) -> Limits:
    """What the camera accepts and the time between two frames leaves room for [us]."""
    return replace(limits, maximum=min(limits.maximum, settings.longest_exposure_us(role)))
