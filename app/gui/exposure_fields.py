"""The numbers of the exposure panel: what was asked for, and what the camera made of it."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QLabel, QSlider
from superqt.utils import signals_blocked

from app.gui.exposure import Control, ExposurePresenter, Quantity, log_position, log_value
from app.gui.number_field import NumberField
from app.gui.raw_pane import TITLES
from app.gui.theme import set_flag
from drivers import Limits

STEPS = 1000
_NAMES = {
    Quantity.EXPOSURE: "Exposure",
    Quantity.GAIN: "Gain",
    Quantity.BLACK_LEVEL: "Black level",
    Quantity.RED: "Red",
    Quantity.BLUE: "Blue",
    Quantity.FRAME_RATE: "Frame rate",
}
_UNITS = {
    Quantity.EXPOSURE: " ms",
    Quantity.GAIN: " dB",
    Quantity.BLACK_LEVEL: " %",
    Quantity.FRAME_RATE: " fps",
}
_DECIMALS = {Quantity.EXPOSURE: 3, Quantity.GAIN: 1, Quantity.BLACK_LEVEL: 2}
_DISPLAY = {Quantity.EXPOSURE: 1e-3}
_LIMITS = {Quantity.BLACK_LEVEL: Limits(0.0, 12.5, 0.0)}
_UNKNOWN = Limits(0.0, 1.0, 0.0)
_TIPS = {
    Quantity.EXPOSURE: "Selected camera: [ and ] for a third of a stop",
    Quantity.GAIN: "Selected camera: Shift+[ and Shift+] for 1 dB",
    Quantity.BLACK_LEVEL: "The live view stops for a moment",
    Quantity.RED: "Factor on the red pixels",
    Quantity.BLUE: "Factor on the blue pixels",
    Quantity.FRAME_RATE: "Of a free-running camera; otherwise the pulses set it: see Trigger and sync",
}


class Field(NumberField):
    """The number of one control, with its unit; it acts when the entry is finished.

    Args:
        control: What it sets.
        presenter: The panel's logic.

    """

    def __init__(self, control: Control, presenter: ExposurePresenter) -> None:
        super().__init__()
        quantity = control.quantity
        self._control, self._presenter = control, presenter
        self._factor = _DISPLAY.get(quantity, 1.0)
        self._places = _DECIMALS.get(quantity, 3)
        self.limits = _LIMITS.get(quantity, _UNKNOWN)
        self.requested = 0.0
        self.setKeyboardTracking(False)
        self.setDecimals(self._places)
        self.setSuffix(_UNITS.get(quantity, ""))
        self.setObjectName(f"{control.role}_{quantity.value}_field")
        self.setAccessibleName(f"{_NAMES[quantity]} {TITLES[control.role]}")
        self.setToolTip(f"{_TIPS[quantity]}\nGenICam {quantity.value}")
        self.applied = QLabel("")
        self.applied.setObjectName(f"{control.role}_{quantity.value}_applied")
        self.applied.setToolTip(f"{quantity.value} as the camera took it")
        set_flag(self.applied, "dim", "true")
        self.set_limits(self.limits)
        self.valueChanged.connect(self._changed)

    def _changed(self, shown: float) -> None:
        self._presenter.begin_gesture()
        self._presenter.set_value(self._control, shown / self._factor)

    def set_limits(self, limits: Limits) -> None:
        """Follow the camera and the trigger plan."""
        self.limits = limits
        with signals_blocked(self):
            self.setRange(limits.minimum * self._factor, limits.maximum * self._factor)
        self.show_requested(self.requested)

    def show_requested(self, value: float) -> None:
        """Show what was asked for, without asking again."""
        self.requested = value
        shown, step = value * self._factor, max(abs(value) * self._factor * 0.05, 10.0**-self._places)
        # Either call writes the text anew, also over a number that is just being typed.
        with signals_blocked(self):
            if self.singleStep() != step:
                self.setSingleStep(step)
            if self.textFromValue(self.value()) != self.textFromValue(shown):
                self.setValue(shown)

    def show_applied(self, value: float) -> None:
        """Show what the camera made of it."""
        self.applied.setText(f"set {value * self._factor:.{self._places}f}")

    def set_enabled(self, enabled: bool) -> None:
        """Allow or forbid changes."""
        self.setEnabled(enabled)


class SlidingField(Field):
    """A field with a slider; that of the exposure is logarithmic."""

    def __init__(self, control: Control, presenter: ExposurePresenter) -> None:
        self._logarithmic = control.quantity is Quantity.EXPOSURE
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, STEPS)
        super().__init__(control, presenter)
        self.slider.setPageStep(STEPS // 20)
        self.slider.setObjectName(f"{control.role}_{control.quantity.value}_slider")
        self.slider.setAccessibleName(self.accessibleName())
        self.slider.setToolTip(self.toolTip())
        self.slider.sliderPressed.connect(presenter.begin_gesture)
        self.slider.valueChanged.connect(self._slid)

    def _slid(self, position: int) -> None:
        if not self.slider.isSliderDown():
            self._presenter.begin_gesture()
        low, high = self.limits.minimum, self.limits.maximum
        linear = low + (high - low) * position / STEPS
        value = log_value(position, self.limits, STEPS) if self._logarithmic else linear
        self._presenter.set_value(self._control, value)

    def show_requested(self, value: float) -> None:
        """Show what was asked for, without asking again."""
        super().show_requested(value)
        limits = self.limits
        span = max(limits.maximum - limits.minimum, 1e-9)
        if self._logarithmic:
            position = log_position(value, limits, STEPS)
        else:
            position = round((value - limits.minimum) / span * STEPS)
        with signals_blocked(self.slider):
            if not self.slider.isSliderDown():
                self.slider.setValue(position)

    def set_enabled(self, enabled: bool) -> None:
        """Allow or forbid changes."""
        super().set_enabled(enabled)
        self.slider.setEnabled(enabled)
