"""The exposure panel: per camera a slider and a field for each value, with what the camera made of it."""

from __future__ import annotations

from functools import partial

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QGridLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from app.gui.exposure import Control, ExposurePresenter, Quantity, log_position, log_value
from app.gui.raw_pane import TITLES
from app.gui.theme import set_flag
from drivers import Limits, Role

STEPS = 1000
_AUTO_WIDTH = 64
_NAMES = {Quantity.EXPOSURE: "Exposure", Quantity.GAIN: "Gain", Quantity.BLACK_LEVEL: "Black level"}
_UNITS = {Quantity.EXPOSURE: " ms", Quantity.GAIN: " dB", Quantity.BLACK_LEVEL: " %"}
_DECIMALS = {Quantity.EXPOSURE: 3, Quantity.GAIN: 1, Quantity.BLACK_LEVEL: 2}
_DISPLAY = {Quantity.EXPOSURE: 1e-3, Quantity.GAIN: 1.0, Quantity.BLACK_LEVEL: 1.0}
_BLACK_LIMITS = Limits(0.0, 12.5, 0.0)


class _Row:
    """Slider, field and applied value of one control."""

    def __init__(self, control: Control, presenter: ExposurePresenter, grid: QGridLayout, row: int) -> None:
        quantity = control.quantity
        self._control = control
        self._presenter = presenter
        self._limits = _BLACK_LIMITS if quantity is Quantity.BLACK_LEVEL else Limits(0.0, 1.0, 0.0)
        self._factor = _DISPLAY[quantity]
        self._requested = 0.0
        name = f"{control.role}_{quantity.value}"
        self.label = QLabel(_NAMES[quantity])
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, STEPS)
        self.slider.setPageStep(STEPS // 20)
        self.slider.setObjectName(f"{name}_slider")
        self.slider.setAccessibleName(f"{_NAMES[quantity]} {TITLES[control.role]}")
        self.field = QDoubleSpinBox()
        self.field.setKeyboardTracking(False)
        self.field.setDecimals(_DECIMALS[quantity])
        self.field.setSuffix(_UNITS[quantity])
        self.field.setObjectName(f"{name}_field")
        self.field.setAccessibleName(self.slider.accessibleName())
        self.applied = QLabel("")
        self.applied.setObjectName(f"{name}_applied")
        self.applied.setToolTip(f"{quantity.value} as the camera took it")
        set_flag(self.applied, "dim", "true")
        self.label.setToolTip(f"GenICam {quantity.value}")
        grid.addWidget(self.label, row, 0)
        grid.addWidget(self.slider, row, 1)
        grid.addWidget(self.field, row, 2)
        grid.addWidget(self.applied, row, 3)
        if quantity is Quantity.BLACK_LEVEL:
            self.set_limits(_BLACK_LIMITS)
        self.slider.sliderPressed.connect(presenter.begin_gesture)
        self.slider.valueChanged.connect(self._slider_moved)
        self.field.valueChanged.connect(self._field_changed)

    def _slider_moved(self, position: int) -> None:
        if not self.slider.isSliderDown():
            self._presenter.begin_gesture()
        if self._control.quantity is Quantity.EXPOSURE:
            value = log_value(position, self._limits, STEPS)
        else:
            span = self._limits.maximum - self._limits.minimum
            value = self._limits.minimum + span * position / STEPS
        self._presenter.set_value(self._control, value)

    def _field_changed(self, shown: float) -> None:
        self._presenter.begin_gesture()
        self._presenter.set_value(self._control, shown / self._factor)

    def set_limits(self, limits: Limits) -> None:
        """Follow the camera and the trigger plan."""
        self._limits = limits
        with signals_blocked(self.field):
            self.field.setRange(limits.minimum * self._factor, limits.maximum * self._factor)
        self.show_requested(self._requested)

    def show_requested(self, value: float) -> None:
        """Show what was asked for, without asking again."""
        self._requested = value
        limits = self._limits
        if self._control.quantity is Quantity.EXPOSURE:
            position = log_position(value, limits, STEPS)
        else:
            position = round((value - limits.minimum) / max(limits.maximum - limits.minimum, 1e-9) * STEPS)
        with signals_blocked(self.slider), signals_blocked(self.field):
            if not self.slider.isSliderDown():
                self.slider.setValue(position)
            self.field.setSingleStep(
                max(abs(value) * self._factor * 0.05, 10.0 ** -_DECIMALS[self._control.quantity])
            )
            self.field.setValue(value * self._factor)

    def show_applied(self, value: float) -> None:
        """Show what the camera made of it."""
        shown = value * self._factor
        self.applied.setText(f"set {shown:.{_DECIMALS[self._control.quantity]}f}")

    def set_enabled(self, enabled: bool) -> None:
        """Allow or forbid changes."""
        for widget in (self.slider, self.field):
            widget.setEnabled(enabled)


class ExposurePanel(QWidget):
    """Exposure, gain and black level of both cameras.

    Args:
        presenter: Its logic.

    """

    def __init__(self, presenter: ExposurePresenter, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._presenter = presenter
        self._rows: dict[Control, _Row] = {}
        self._autos: list[QPushButton] = []
        self._limit_notes: dict[Role, QLabel] = {}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 2, 4, 2)
        self.link = QCheckBox("Link exposures (keep their ratio)")
        self.link.setObjectName("link_exposures")
        self.link.toggled.connect(presenter.set_linked)
        presenter.linked_changed.connect(self.link.setChecked)
        for role in Role:
            box = QGroupBox(TITLES[role])
            grid = QGridLayout(box)
            grid.setContentsMargins(6, 4, 6, 4)
            grid.setHorizontalSpacing(6)
            grid.setVerticalSpacing(3)
            grid.setColumnStretch(1, 1)
            for row, quantity in enumerate(Quantity):
                control = Control(role, quantity)
                self._rows[control] = _Row(control, presenter, grid, row)
            note = QLabel("")
            set_flag(note, "dim", "true")
            auto = QPushButton("Auto")
            auto.setObjectName(f"{role}_auto")
            auto.setToolTip("Find a good exposure once, from the next pictures")
            auto.clicked.connect(partial(self._find_exposure, role))
            auto.setMaximumWidth(_AUTO_WIDTH)
            below = QHBoxLayout()
            below.addWidget(note, 1)
            below.addWidget(auto)
            grid.addLayout(below, len(Quantity), 0, 1, 4)
            self._autos.append(auto)
            self._limit_notes[role] = note
            layout.addWidget(box)
        bottom = QHBoxLayout()
        bottom.addWidget(self.link)
        bottom.addStretch(1)
        layout.addLayout(bottom)
        presenter.requested.connect(lambda control, value: self._rows[control].show_requested(value))
        presenter.applied.connect(lambda control, value: self._rows[control].show_applied(value))
        presenter.limits_changed.connect(lambda control, limits: self._rows[control].set_limits(limits))
        presenter.plan_changed.connect(self._show_plan)

    def _find_exposure(self, role: Role, *_: object) -> None:
        self._presenter.auto(role)

    def add(self, widget: QWidget) -> None:
        """Put something below, such as the presets."""
        layout = self.layout()
        if layout is not None:
            layout.addWidget(widget)

    def _show_plan(self, role: Role, fps: float, longest_us: float) -> None:
        self._limit_notes[role].setText(f"at most {longest_us / 1000:.3f} ms at {fps:g} per second")

    def set_allowed(self, *, exposure: bool, black_level: bool, auto: bool) -> None:
        """What may be changed in the present state; finding an exposure needs pictures."""
        for button in self._autos:
            button.setEnabled(auto)
        for control, row in self._rows.items():
            row.set_enabled(black_level if control.quantity is Quantity.BLACK_LEVEL else exposure)
