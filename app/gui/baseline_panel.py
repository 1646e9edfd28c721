"""The baseline panel: distance between the cameras, working distance, and whether the pictures agree."""

from __future__ import annotations

from PyQt6.QtWidgets import (
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from app.gui.alignment_lock import STALE_PX, LockState
from app.gui.baseline import BaselinePresenter
from app.gui.controller import SessionController
from app.gui.number_field import NumberField
from app.gui.raw_pane import chip
from app.gui.theme import set_chip

_CHIPS = {LockState.NONE: "plain", LockState.OK: "good", LockState.STALE: "warn"}


def number(low: float, high: float, value: float, decimals: int, suffix: str, name: str) -> NumberField:
    """A field for a number with its unit, which acts when the entry is finished."""
    field = NumberField()
    field.setRange(low, high)
    field.setDecimals(decimals)
    field.setSuffix(suffix)
    field.setValue(value)
    field.setKeyboardTracking(False)
    field.setObjectName(name)
    return field


class BaselinePanel(QWidget):
    """Fields, read-outs and the lock.

    Args:
        presenter: Its logic.
        controller: For the emulated rail.

    """

    def __init__(
        self, presenter: BaselinePresenter, controller: SessionController, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._presenter, self._controller = presenter, controller
        geometry = presenter.geometry
        self.baseline = number(1, 1000, geometry.baseline_mm, 1, " mm", "baseline_mm")
        self.baseline.setToolTip("Distance between the two cameras, as the rail's scale says")
        self.distance = number(0.05, 1000, geometry.distance_m, 3, " m", "distance_m")
        self.distance.setSingleStep(0.05)
        self.distance.setToolTip("Distance of the plane that shall coincide in both views")
        self.lens = number(1, 500, geometry.lens_mm, 1, " mm", "lens_mm")
        self.lens.setToolTip("Focal length of the HSR camera's lens")
        self.rail = number(1, 1000, geometry.baseline_mm, 1, " mm", "rail_mm")
        self.rail.setToolTip("Where the emulated rail really stands: move it and see the overlay fall apart")
        self.state = chip(LockState.NONE.value)
        self.state.setObjectName("lock_state")
        self.predicted = QLabel("")
        self.overlap = QLabel("")
        self.overlap.setToolTip("Share of the LSR view that the HSR camera sees as well")
        self.measured = QLabel("")
        self.measured.setObjectName("measured_shift")
        self.relock = QPushButton("Align views")
        self.relock.setObjectName("relock")
        self.relock.setToolTip("Measure the alignment from the newest pair of frames (R)")
        self.region = QPushButton("Region")
        self.region.setObjectName("lock_region")
        self.region.setCheckable(True)
        self.region.setToolTip(
            "Draw a rectangle on the LSR view: what lies in it shall coincide; again for the main plane"
        )
        self.undo = QPushButton("Undo")
        self.undo.setToolTip("Back to the alignment before")
        self._form = form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Baseline", self.baseline)
        form.addRow("Distance", self.distance)
        form.addRow("HSR lens", self.lens)
        form.addRow("Emulated rail", self.rail)
        form.addRow("Predicted shift", self.predicted)
        form.addRow("Measured shift", self.measured)
        form.addRow("Seen by both", self.overlap)
        form.addRow("Alignment", self._rig_state())
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(self.undo)
        row.addWidget(self.region)
        row.addWidget(self.relock)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 2, 4, 2)
        layout.addLayout(form)
        layout.addLayout(row)
        self.baseline.valueChanged.connect(presenter.set_baseline)
        self.distance.valueChanged.connect(presenter.set_distance)
        self.lens.valueChanged.connect(presenter.set_lens)
        self.rail.valueChanged.connect(controller.move_rail)
        self.relock.clicked.connect(presenter.relock)
        self.undo.clicked.connect(presenter.undo_relock)
        presenter.changed.connect(self.refresh)
        presenter.busy_changed.connect(self._show_busy)
        controller.identified.connect(self._show_rail)
        self._live = False
        self._show_rail()
        self.refresh()

    def _rig_state(self) -> QWidget:
        inside = QWidget()
        row = QHBoxLayout(inside)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.state)
        row.addStretch(1)
        return inside

    def refresh(self) -> None:
        """Show what the presenter knows."""
        presenter, geometry = self._presenter, self._presenter.geometry
        for field, value in (
            (self.baseline, geometry.baseline_mm),
            (self.distance, geometry.distance_m),
            (self.lens, geometry.lens_mm),
        ):
            _show(field, value)
        overlap = presenter.overlap
        self.overlap.setText(f"{overlap:.0%} of the LSR view" if overlap is not None else "-")
        self.predicted.setText(f"{geometry.shift_px:.1f} px")
        measured, residual = presenter.measured_shift_px, presenter.residual_px
        if measured is None or residual is None:
            self.measured.setText(f"- ({presenter.unmeasured})")
        else:
            across = presenter.across_px or 0.0
            down = f", {across:+.1f} px down" if abs(across) > STALE_PX else ""
            self.measured.setText(f"{measured:.1f} px, off by {residual:+.1f} px{down}")
        self.undo.setEnabled(presenter.can_undo)
        state = presenter.state
        self.state.setText(state.value)
        set_chip(self.state, _CHIPS[state])
        self.state.setToolTip(
            "The pictures disagree with the fields by more than 2 px: correct the baseline or align again"
            if state is LockState.STALE
            else ""
        )

    def set_allowed(self, streaming: bool) -> None:
        """Aligning needs pictures."""
        self._live = streaming
        self.relock.setEnabled(streaming)
        self.region.setEnabled(streaming or self.region.isChecked())

    def _show_busy(self, busy: bool) -> None:
        self.relock.setText("Aligning ..." if busy else "Align views")
        self.relock.setEnabled(self._live and not busy)

    def _show_rail(self, *_: object) -> None:
        rail = self._controller.rail_mm
        self._form.setRowVisible(self.rail, rail is not None)
        if rail is not None:
            _show(self.rail, rail)


def _show(field: NumberField, value: float) -> None:
    """Show a value without acting on it; where it is shown already, what is being typed stays."""
    if field.textFromValue(field.value()) != field.textFromValue(value):
        with signals_blocked(field):
            field.setValue(value)
