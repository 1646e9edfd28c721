"""Light, colour and free rate of both cameras: what was asked for, what was applied, link and undo."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from enum import Enum

from PyQt6.QtCore import QObject, pyqtSignal
from PyQt6.QtGui import QUndoCommand, QUndoStack

from app.gui.auto_exposure import STEPS, next_exposure
from app.gui.controller import STREAMING, SessionController
from app.gui.preview import Preview
from app.gui.undo import CameraStep
from app.session import Alarm, SessionSettings, State
from drivers import Applied, Limits, Role

THIRD_STOP = 2.0 ** (1 / 3)
_SAME = 1e-6
_ARRIVED = 0.01
_STALE_S = 2.0


class Quantity(Enum):
    """What the panel sets, by its SFNC name."""

    EXPOSURE = "ExposureTime"
    GAIN = "Gain"
    BLACK_LEVEL = "BlackLevel"
    RED = "BalanceRatioRed"
    BLUE = "BalanceRatioBlue"
    FRAME_RATE = "AcquisitionFrameRate"


BALANCE = (Quantity.RED, Quantity.BLUE)
_ONE_A_TAKE = {
    Quantity.BLACK_LEVEL: "black level",
    Quantity.RED: "white balance",
    Quantity.BLUE: "white balance",
    Quantity.FRAME_RATE: "frame rate",
}


@dataclass(frozen=True, slots=True)
class Control:
    """One control: which camera and what."""

    role: Role
    quantity: Quantity


def log_position(value: float, limits: Limits, steps: int) -> int:
    """Slider position 0..steps of a value on a logarithmic scale."""
    low, high = max(limits.minimum, 1e-3), limits.maximum
    if high <= low:
        return 0
    share = math.log(min(max(value, low), high) / low) / math.log(high / low)
    return round(share * steps)


def log_value(position: int, limits: Limits, steps: int) -> float:
    """Value of a slider position; the ends give exactly the limits."""
    low, high = max(limits.minimum, 1e-3), limits.maximum
    if position <= 0 or high <= low:
        return low
    if position >= steps:
        return high
    return float(low * (high / low) ** (position / steps))


class _SetValues(CameraStep):
    """One change of one or, when linked, two controls; a slider's moves merge into one step."""

    def __init__(
        self,
        presenter: ExposurePresenter,
        controller: SessionController,
        before: dict[Control, float],
        after: dict[Control, float],
        gesture: int,
    ) -> None:
        quantity = next(iter(before)).quantity
        changed = frozenset(control.role for control in before)
        # A new black level stops the live view, and starting it again needs both cameras.
        needed = frozenset(Role) if quantity is Quantity.BLACK_LEVEL else changed
        text = f"{quantity.value} of the {' and the '.join(role.name for role in changed)} camera"
        super().__init__(text, controller, needed, _ONE_A_TAKE.get(quantity, ""))
        self._presenter = presenter
        self._free_only = quantity is Quantity.FRAME_RATE
        self._before = before
        self._after = after
        self._gesture = gesture

    def id(self) -> int:
        """Commands with the same id are offered to `mergeWith`."""
        return 1

    def mergeWith(self, other: QUndoCommand | None) -> bool:  # noqa: N802
        """Take over a later value of the same gesture."""
        if not isinstance(other, _SetValues) or other._gesture != self._gesture:
            return False
        self._after = other._after
        return True

    def hindrance(self) -> str:
        """Why not now; the pulses also hinder a change of a free rate."""
        reason, settings = super().hindrance(), self._controller.settings
        if not reason and self._free_only and settings is not None and not settings.free_running:
            return "the frame rate follows the pulses, switch Free run on first"
        return reason

    def redo(self) -> None:
        """Send the new values."""
        self._presenter.send(self._after)

    def undo(self) -> None:
        """Send the old values."""
        self._presenter.send(self._before)


class ExposurePresenter(QObject):
    """Logic of the exposure panel; it knows no widget.

    Args:
        controller: Where values are sent.
        undo: The window's undo stack.

    """

    requested = pyqtSignal(object, float)
    """Control and the value that was asked for."""
    applied = pyqtSignal(object, float)
    """Control and the value as the camera took it."""
    limits_changed = pyqtSignal(object, object)
    """Control and its Limits."""
    plan_changed = pyqtSignal(object, float, float)
    """Role, frames per second, longest exposure [us]."""
    configured = pyqtSignal(object)
    """SessionSettings that both cameras have accepted."""
    linked_changed = pyqtSignal(bool)
    selected_changed = pyqtSignal(object)
    """Role that keys act on."""
    held = pyqtSignal(str)
    """Why an exposure did not change."""

    def __init__(
        self, controller: SessionController, undo: QUndoStack, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._controller = controller
        self._undo = undo
        self._values: dict[Control, float] = {}
        self._limits: dict[Control, Limits] = {}
        self._linked = False
        self._selected = Role.HSR
        self._gesture = 0
        self._auto: dict[Role, int] = {}
        self._seen: dict[Role, float] = {}
        controller.alarmed.connect(self._on_alarm)
        controller.state_changed.connect(self._on_state)
        controller.configured.connect(self._on_configured)
        controller.applied.connect(self._on_applied)
        controller.limits_changed.connect(self._on_limits)
        controller.plan_changed.connect(self.plan_changed)

    def value(self, control: Control) -> float | None:
        """What was last asked for; None before a camera is configured."""
        return self._values.get(control)

    def limits(self, control: Control) -> Limits | None:
        """What the control accepts; None before it is known."""
        return self._limits.get(control)

    @property
    def linked(self) -> bool:
        """Whether a change of one exposure changes the other by the same factor."""
        return self._linked

    def set_linked(self, linked: bool) -> None:
        """Link or unlink the exposures of both cameras; their ratio stays."""
        if linked != self._linked:
            self._linked = linked
            self.linked_changed.emit(linked)

    @property
    def selected(self) -> Role:
        """The camera that keys act on."""
        return self._selected

    def select(self, role: Role) -> None:
        """Choose the camera that keys act on."""
        if role is not self._selected:
            self._selected = role
            self.selected_changed.emit(role)

    def begin_gesture(self) -> None:
        """Values set from now on are one undo step, until the next call."""
        self._gesture += 1

    def set_value(self, control: Control, value: float) -> None:
        """Ask for a value inside the limits, which can be undone; for an exposure it ends `auto`."""
        if control.quantity is Quantity.EXPOSURE:
            for role in Role if self._linked else (control.role,):
                self._auto.pop(role, None)
        self._set(control, value)

    def _set(self, control: Control, value: float) -> None:
        old = self._values.get(control)
        if old is None:
            return
        value = self._inside(control, value)
        if math.isclose(value, old, rel_tol=_SAME, abs_tol=_SAME):
            return
        before, after = {control: old}, {control: value}
        if self._linked and control.quantity is Quantity.EXPOSURE:
            other = Control(control.role.other, Quantity.EXPOSURE)
            partner = self._values.get(other)
            if partner is not None:
                # Where one of the two reaches its end both stop, or their ratio would not be kept.
                reached = self._inside(other, partner * value / old)
                before[other], after[other] = partner, reached
                after[control] = old * reached / partner
                if math.isclose(reached, partner, rel_tol=_SAME):
                    name = str(other.role).upper()
                    self.held.emit(f"the {name} camera's exposure is at its end; unlink to change one alone")
                    self.requested.emit(control, old)
                    return
        self._undo.push(_SetValues(self, self._controller, before, after, self._gesture))

    def step(self, quantity: Quantity, up: bool) -> None:
        """One key press: a third of a stop of exposure, or 1 dB of gain, of the selected camera."""
        control = Control(self._selected, quantity)
        old = self._values.get(control)
        if old is None:
            return
        self.begin_gesture()
        if quantity is Quantity.EXPOSURE:
            self.set_value(control, old * THIRD_STOP if up else old / THIRD_STOP)
        else:
            self.set_value(control, old + 1 if up else old - 1)

    def auto(self, role: Role) -> None:
        """Find a good exposure in a few steps from the next pictures, then leave it alone."""
        if time.monotonic() - self._seen.get(role, -math.inf) > _STALE_S:
            self.held.emit(f"no pictures come from the {str(role).upper()} camera: no exposure can be found")
            return
        self.begin_gesture()
        self._auto[role] = STEPS

    def balance(self, role: Role) -> None:
        """Let a camera find its white balance once."""
        self._controller.white_balance_once(role)

    def observe(self, role: Role, preview: Preview) -> None:
        """Look at a new picture for `auto`."""
        self._seen[role] = time.monotonic()
        left = self._auto.get(role, 0)
        control = Control(role, Quantity.EXPOSURE)
        asked = self._values.get(control)
        if left <= 0 or preview.histogram is None or asked is None:
            return
        if abs(preview.exposure_us - asked) > _ARRIVED * asked:
            # Exposed before the last step reached the camera.
            return
        better = next_exposure(preview.histogram, asked)
        self._auto[role] = left - 1 if better is not None else 0
        if better is not None:
            self._set(control, better)

    def send(self, values: dict[Control, float]) -> None:
        """Send values to the cameras without an undo step of their own."""
        for control, value in values.items():
            self._values[control] = value
            self.requested.emit(control, value)
            if control.quantity is Quantity.EXPOSURE:
                self._controller.set_exposure(control.role, value)
            elif control.quantity is Quantity.GAIN:
                self._controller.set_gain(control.role, value)
            elif control.quantity is Quantity.FRAME_RATE:
                self._controller.set_frame_rate(control.role, value)
            elif control.quantity in BALANCE:
                red, blue = (self._values[Control(control.role, colour)] for colour in BALANCE)
                self._controller.set_white_balance(control.role, red, blue)
            else:
                self._controller.set_black_level(control.role, value)

    def _inside(self, control: Control, value: float) -> float:
        limits = self._limits.get(control)
        return value if limits is None else min(max(value, limits.minimum), limits.maximum)

    def _on_alarm(self, alarm: Alarm) -> None:
        if alarm.role is not None and not alarm.over:
            # Left waiting, it would change the exposure when the camera comes back.
            self._auto.pop(alarm.role, None)

    def _on_state(self, state: State) -> None:
        if state not in STREAMING:
            self._auto.clear()

    def _on_configured(self, settings: SessionSettings) -> None:
        for role in Role:
            camera = settings.camera(role)
            for quantity, value in (
                (Quantity.EXPOSURE, camera.exposure_us),
                (Quantity.GAIN, camera.gain_db),
                (Quantity.BLACK_LEVEL, camera.black_level_percent),
                (Quantity.RED, camera.red_balance),
                (Quantity.BLUE, camera.blue_balance),
                (Quantity.FRAME_RATE, settings.fps(role)),
            ):
                self._take_over(Control(role, quantity), value)
        self.configured.emit(settings)

    def _take_over(self, control: Control, value: float) -> None:
        self._values[control] = value
        self.requested.emit(control, value)
        self.applied.emit(control, value)

    def _on_applied(self, role: Role, applied: Applied) -> None:
        control = Control(role, Quantity(applied.name))
        if control.quantity in BALANCE:
            # The camera may have found it by itself.
            self._take_over(control, applied.applied)
        else:
            self.applied.emit(control, applied.applied)

    def _on_limits(self, role: Role, found: dict[str, Limits]) -> None:
        for name, limits in found.items():
            control = Control(role, Quantity(name))
            self._limits[control] = limits
            self.limits_changed.emit(control, limits)
