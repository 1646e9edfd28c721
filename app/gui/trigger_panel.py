"""The trigger panel: both rates, what they leave for exposures, the wiring, and the check of both cameras."""

from __future__ import annotations

from dataclasses import replace

from PyQt6.QtCore import QObject, pyqtSignal
from PyQt6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from app.gui.baseline_panel import number
from app.gui.controller import SessionController
from app.gui.messages import sentence
from app.gui.raw_pane import chip
from app.gui.sync_check import SyncVerdict, check_sync, no_common_pulses, recent_pulses
from app.gui.tasks import CancelToken, Newest, Tasks
from app.gui.theme import set_chip, set_flag
from app.gui.wiring import WiringDialog
from app.session import SessionSettings
from drivers import Role, TriggerPlanError
from drivers.trigger import TriggerPlan, plan_trigger

_LINES = {"Line0 (opto-isolated)": "Line0", "Line3 (3.3 V)": "Line3"}
_MAKERS = {"pulse box": False, "LSR camera, through a divider": True}
_EDGES = {"rising": "RisingEdge", "falling": "FallingEdge"}


def planned(
    settings: SessionSettings, hsr_fps: float, ratio: int, line: str, activation: str, *, master: bool
) -> TriggerPlan:
    """A plan for the regions that the cameras are set to.

    Raises:
        TriggerPlanError: It cannot be triggered; the message lists what can.

    """
    return plan_trigger(
        hsr_fps,
        hsr_rows=settings.hsr.height * settings.hsr.binning,
        lsr_rows=settings.lsr.height * settings.lsr.binning,
        ratio=ratio,
        line=line,
        activation=activation,
        master=master,
    )


def with_free_run(settings: SessionSettings, free: bool) -> SessionSettings:
    """Settings of cameras that wait for no pulses, at the rates of the plan; or back to the plan."""
    rates = {role: settings.plan.fps(role) for role in Role}
    running = replace(
        settings,
        free_running=free,
        hsr=replace(settings.hsr, frame_rate=rates[Role.HSR]),
        lsr=replace(settings.lsr, frame_rate=rates[Role.LSR]),
    )
    return with_plan(running, settings.plan)


def with_plan(settings: SessionSettings, plan: TriggerPlan) -> SessionSettings:
    """Settings with another plan; exposures that would reach into the next pulse are shortened."""

    def fit(role: Role) -> float:
        return min(settings.camera(role).exposure_us, plan.max_exposure_us(role))

    return replace(
        settings,
        plan=plan,
        hsr=replace(settings.hsr, exposure_us=fit(Role.HSR)),
        lsr=replace(settings.lsr, exposure_us=fit(Role.LSR)),
    )


class TriggerPresenter(QObject):
    """Logic of the panel; it knows no widget.

    Args:
        controller: The session.
        tasks: Where the check runs.

    """

    checked = pyqtSignal(object)
    """SyncVerdict of the check that was asked for."""

    def __init__(self, controller: SessionController, tasks: Tasks, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._controller = controller
        self._work = Newest(tasks, "sync check")

    @property
    def settings(self) -> SessionSettings | None:
        """What the cameras are set to."""
        return self._controller.settings

    def apply(self, plan: TriggerPlan) -> None:
        """Use another plan; a live view is stopped for a moment."""
        self._controller.reconfigure(lambda settings: with_plan(settings, plan))

    def set_free_running(self, free: bool) -> None:
        """Let both cameras run without pulses, or wait for them again."""
        self._controller.reconfigure(lambda settings: with_free_run(settings, free))

    def check(self) -> None:
        """Judge the pulses of the last seconds."""
        hsr, lsr = self._controller.ring(Role.HSR), self._controller.ring(Role.LSR)
        settings = self._controller.settings
        refused = no_common_pulses(self._controller.left, settings)
        if refused is not None:
            self.checked.emit(refused)
            return
        if hsr is None or lsr is None or settings is None:
            return
        plan = settings.plan

        def work(_: CancelToken) -> SyncVerdict:
            latch, first_id = self._controller.latch(), self._controller.first_id()
            return check_sync(recent_pulses(hsr), recent_pulses(lsr), plan, latch, first_id)

        self._work.start(work, self.checked.emit)

    def forget(self) -> None:
        """What is being checked has changed: the verdict does not count any more."""
        self._work.forget()


class TriggerPanel(QWidget):
    """Rates, limits, wiring, check.

    Args:
        presenter: Its logic.
        controller: For what the cameras are set to.

    """

    def __init__(
        self, presenter: TriggerPresenter, controller: SessionController, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._presenter = presenter
        self._allowed = False
        self._shown: TriggerPlan | None = None
        self.hsr_fps = number(0.1, 500, 30.0, 3, " fps", "trigger_hsr_fps")
        self.ratio = QSpinBox()
        self.ratio.setObjectName("trigger_ratio")
        self.ratio.setRange(1, 64)
        self.ratio.setKeyboardTracking(False)
        self.maker = QComboBox()
        self.maker.setObjectName("trigger_maker")
        self.maker.addItems(list(_MAKERS))
        self.maker.setToolTip("What makes the pulses of both cameras; Wiring shows how to connect it")
        self.line, self.edge = QComboBox(), QComboBox()
        self.line.setAccessibleName("Trigger input")
        self.edge.setAccessibleName("Edge of the pulses")
        self.line.addItems(list(_LINES))
        self.edge.addItems(list(_EDGES))
        self.result = QLabel("")
        self.result.setObjectName("trigger_result")
        self.result.setWordWrap(True)
        self.apply = QPushButton("Apply")
        self.apply.setObjectName("trigger_apply")
        self.wiring = QPushButton("Wiring ...")
        self.check = QPushButton("Check sync")
        self.check.setObjectName("sync_check")
        self.check.setToolTip("Compare ids and time stamps of both cameras over the last seconds")
        self.free = QCheckBox("Free run: no pulses, to aim and focus")
        self.free.setObjectName("free_run")
        self.free.setToolTip("Each camera runs at its own rate (set it in Exposure); takes need pulses")
        self.verdict = chip("not checked")
        self.verdict.setObjectName("sync_verdict")
        self.details = QLabel("")
        self.details.setWordWrap(True)
        set_flag(self.details, "dim", "true")
        self.details.hide()
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Pulses from", self.maker)
        form.addRow("HSR rate f", self.hsr_fps)
        form.addRow("LSR per HSR m", self.ratio)
        form.addRow("Input", _pair(self.line, self.edge))
        row, below = QHBoxLayout(), QHBoxLayout()
        row.addStretch(1)
        row.addWidget(self.wiring)
        row.addWidget(self.apply)
        below.addWidget(self.verdict)
        below.addStretch(1)
        below.addWidget(self.check)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 2, 4, 2)
        layout.addLayout(form)
        layout.addWidget(self.result)
        layout.addLayout(row)
        layout.addWidget(self.free)
        layout.addLayout(below)
        layout.addWidget(self.details)
        self.hsr_fps.valueChanged.connect(self._review)
        self.ratio.valueChanged.connect(self._review)
        self.maker.currentIndexChanged.connect(self._review)
        self.line.currentIndexChanged.connect(self._review)
        self.edge.currentIndexChanged.connect(self._review)
        self.apply.clicked.connect(self._apply)
        self.wiring.clicked.connect(self._show_wiring)
        self.check.clicked.connect(presenter.check)
        self.free.clicked.connect(presenter.set_free_running)
        presenter.checked.connect(self._show_verdict)
        controller.configured.connect(self._show_settings)
        self._review()

    def set_allowed(self, *, change: bool, check: bool) -> None:
        """What the session's state allows."""
        self._allowed = change
        for widget in (self.maker, self.hsr_fps, self.ratio, self.line, self.edge, self.free):
            widget.setEnabled(change)
        self.check.setEnabled(check)
        self._review()

    def _plan(self) -> TriggerPlan | None:
        settings = self._presenter.settings
        if settings is None:
            return None
        return planned(
            settings,
            self.hsr_fps.value(),
            self.ratio.value(),
            _LINES[self.line.currentText()],
            _EDGES[self.edge.currentText()],
            master=_MAKERS[self.maker.currentText()],
        )

    def _review(self, *_: object) -> None:
        """Say what the fields would mean."""
        set_chip(self.result, "none")
        try:
            plan = self._plan()
        except TriggerPlanError as error:
            self.result.setText(sentence(error))
            set_chip(self.result, "warn")
            self.apply.setEnabled(False)
            return
        settings = self._presenter.settings
        if plan is None or settings is None:
            self.result.setText("")
        else:
            longest = [f"{plan.max_exposure_us(role) / 1000:.3f} ms {str(role).upper()}" for role in Role]
            self.result.setText(f"LSR {plan.lsr_fps:g} fps\nexposures up to {', '.join(longest)}")
        changed = settings is not None and plan != settings.plan
        self.apply.setEnabled(self._allowed and changed)
        self.wiring.setEnabled(plan is not None)

    def _apply(self) -> None:
        plan = self._plan()
        if plan is not None:
            self._presenter.apply(plan)

    def _show_settings(self, settings: SessionSettings) -> None:
        plan = settings.plan
        self.free.setChecked(settings.free_running)
        if plan == self._shown:
            # Something else was set: what the operator is about to apply stays in the fields.
            self._review()
            return
        self._shown = plan
        with signals_blocked(self.hsr_fps), signals_blocked(self.ratio):
            self.hsr_fps.setValue(plan.hsr_fps)
            self.ratio.setValue(plan.ratio)
        for box, words, value in (
            (self.maker, _MAKERS, plan.master),
            (self.line, _LINES, plan.line),
            (self.edge, _EDGES, plan.activation),
        ):
            with signals_blocked(box):
                box.setCurrentText(next(word for word, name in words.items() if name == value))
        self._review()

    def _show_wiring(self) -> None:
        plan = self._plan()
        if plan is not None:
            dialog = WiringDialog(plan, self)
            dialog.exec()
            dialog.deleteLater()

    def forget(self) -> None:
        """Show that nothing has been checked."""
        self._presenter.forget()
        self.verdict.setText("not checked")
        set_chip(self.verdict, "plain")
        self.details.hide()

    def _show_verdict(self, verdict: SyncVerdict) -> None:
        self.verdict.setText(verdict.headline)
        set_chip(self.verdict, verdict.level)
        self.details.setText("\n".join(verdict.lines))
        self.details.show()


def _pair(left: QWidget, right: QWidget) -> QWidget:
    both = QWidget()
    row = QHBoxLayout(both)
    row.setContentsMargins(0, 0, 0, 0)
    row.addWidget(left, 2)
    row.addWidget(right, 1)
    return both
