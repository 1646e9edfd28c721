"""The exposure panel: light, colour and free rate of both cameras."""

from __future__ import annotations

from functools import partial

from PyQt6.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.gui.exposure import BALANCE, Control, ExposurePresenter, Quantity
from app.gui.exposure_fields import Field, SlidingField
from app.gui.raw_pane import TITLES
from app.gui.theme import set_flag
from app.session import SessionSettings
from drivers import Role

_SLIDING = (
    (0, "Exposure", Quantity.EXPOSURE),
    (2, "Gain", Quantity.GAIN),
    (3, "Black", Quantity.BLACK_LEVEL),
)

_WIDEST = "000.000 ms"
_ARROWS = 32


class ExposurePanel(QWidget):
    """Exposure, gain, black level, white balance and free frame rate of both cameras.

    Args:
        presenter: Its logic.

    """

    def __init__(self, presenter: ExposurePresenter, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._presenter = presenter
        self._fields: dict[Control, Field] = {}
        self._autos: list[QPushButton] = []
        self._balances: list[QPushButton] = []
        self._limit_notes: dict[Role, QLabel] = {}
        self._free = False
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 2, 4, 2)
        self.link = QCheckBox("Link exposures (keep their ratio)")
        self.link.setObjectName("link_exposures")
        self.link.setToolTip("A change of one exposure changes the other by the same factor (L)")
        self.link.toggled.connect(presenter.set_linked)
        presenter.linked_changed.connect(self.link.setChecked)
        for role in Role:
            layout.addWidget(self._camera(role))
        layout.addWidget(self.link)
        presenter.requested.connect(lambda control, value: self._fields[control].show_requested(value))
        presenter.applied.connect(lambda control, value: self._fields[control].show_applied(value))
        presenter.limits_changed.connect(lambda control, limits: self._fields[control].set_limits(limits))
        presenter.plan_changed.connect(self._show_plan)
        presenter.configured.connect(self._show_mode)

    def _camera(self, role: Role) -> QGroupBox:
        box = QGroupBox(TITLES[role])
        grid = QGridLayout(box)
        grid.setContentsMargins(6, 4, 6, 4)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(3)
        grid.setColumnStretch(1, 1)
        # Both cameras' fields stand below each other, whatever their limits are.
        grid.setColumnMinimumWidth(2, self.fontMetrics().horizontalAdvance(_WIDEST) + _ARROWS)
        for row, name, quantity in _SLIDING:
            sliding = SlidingField(Control(role, quantity), self._presenter)
            self._fields[Control(role, quantity)] = sliding
            for column, widget in enumerate((QLabel(name), sliding.slider, sliding, sliding.applied)):
                grid.addWidget(widget, row, column)
        note = self._limit_notes[role] = QLabel("")
        set_flag(note, "dim", "true")
        auto = _button(f"{role}_auto", "Auto", "Find a good exposure once, from the next pictures (A)")
        auto.clicked.connect(partial(self._find_exposure, role))
        self._autos.append(auto)
        grid.addWidget(note, 1, 0, 1, 3)
        grid.addWidget(auto, 1, 3)
        colours = QHBoxLayout()
        for colour, prefix in zip(BALANCE, ("R ", "B "), strict=True):
            field = self._fields[Control(role, colour)] = Field(Control(role, colour), self._presenter)
            field.setPrefix(prefix)
            colours.addWidget(field)
        balance = _button(
            f"{role}_balance", "Balance", "Find the white balance once: show the camera something grey"
        )
        balance.clicked.connect(partial(self._balance, role))
        self._balances.append(balance)
        grid.addWidget(QLabel("White"), 4, 0)
        grid.addLayout(colours, 4, 1, 1, 2)
        grid.addWidget(balance, 4, 3)
        rate = self._fields[Control(role, Quantity.FRAME_RATE)] = Field(
            Control(role, Quantity.FRAME_RATE), self._presenter
        )
        grid.addWidget(QLabel("Rate"), 5, 0)
        grid.addWidget(rate, 5, 1, 1, 2)
        grid.addWidget(rate.applied, 5, 3)
        return box

    def _find_exposure(self, role: Role, *_: object) -> None:
        self._presenter.auto(role)

    def _balance(self, role: Role, *_: object) -> None:
        self._presenter.balance(role)

    def add(self, widget: QWidget) -> None:
        """Put something below, such as the presets."""
        layout = self.layout()
        if layout is not None:
            layout.addWidget(widget)

    def _show_plan(self, role: Role, fps: float, longest_us: float) -> None:
        self._limit_notes[role].setText(f"at most {longest_us / 1000:.3f} ms at {fps:g} fps")

    def _show_mode(self, settings: SessionSettings) -> None:
        self._free = settings.free_running
        for control, field in self._fields.items():
            if control.quantity is Quantity.FRAME_RATE:
                field.set_enabled(self._free)
                field.applied.setText("free" if self._free else "pulses")

    def set_allowed(self, *, exposure: bool, calm: bool, auto: bool) -> None:
        """What may be changed in the present state.

        Args:
            exposure: Exposure and gain.
            calm: What a take has only one of: black level, white balance, rate.
            auto: Finding an exposure, which needs pictures.

        """
        for button in self._autos:
            button.setEnabled(auto)
        for button in self._balances:
            button.setEnabled(auto and calm)
        for control, field in self._fields.items():
            if control.quantity in (Quantity.EXPOSURE, Quantity.GAIN):
                field.set_enabled(exposure)
            else:
                field.set_enabled(calm and (self._free or control.quantity is not Quantity.FRAME_RATE))


def _button(name: str, text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(name)
    button.setToolTip(tip)
    return button
