"""Is everything ready to record? Checked in one click, each point with its reason and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PyQt6.QtCore import QObject, pyqtSignal
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from app.gui.alignment_lock import LockState
from app.gui.baseline import BaselinePresenter
from app.gui.controller import SessionController
from app.gui.raw_pane import chip
from app.gui.status import minutes_left, planned_rate
from app.gui.sync_check import SyncVerdict, check_sync, no_common_pulses, recent_pulses
from app.gui.tasks import CancelToken, Newest, Tasks
from app.gui.theme import set_chip
from app.session import SessionSettings
from drivers import Role, TakeError

_ENOUGH_MINUTES = 2.0
_ORDER = ("good", "warn", "bad")


@dataclass(frozen=True, slots=True)
class Check:
    """One point.

    Attributes:
        name: What was looked at.
        level: "good", "warn" or "bad".
        text: What was found, and what to do.

    """

    name: str
    level: str
    text: str


def check_disk(folder: Path, settings: SessionSettings) -> Check:
    """How long the disk lasts."""
    try:
        minutes = minutes_left(folder, settings)
    except TakeError as error:
        return Check("disk", "bad", f"{error}; choose another folder")
    if minutes <= 0:
        return Check("disk", "bad", f"{folder}: full; free space or choose another folder")
    level = "good" if minutes >= _ENOUGH_MINUTES else "warn"
    return Check("disk", level, f"{minutes:.1f} min at {planned_rate(settings) / 1e6:.0f} MB/s")


def check_pulses(verdict: SyncVerdict) -> Check:
    """Whether both cameras follow the same pulses."""
    last = verdict.lines[-1] if verdict.lines else ""
    return Check("sync", verdict.level, f"{verdict.headline}; {last}")


def check_alignment(state: LockState) -> Check:
    """Whether fusion has an alignment to start from."""
    if state is LockState.OK:
        return Check("views", "good", "aligned")
    if state is LockState.STALE:
        return Check("views", "warn", "alignment is stale; correct the baseline or align again")
    return Check("views", "warn", "not aligned; fusing finds it by the scene, Shift+F6 shows it now")


class Checklist(QObject):
    """Runs the checks.

    Args:
        controller: The session.
        baseline: The alignment.
        tasks: Where the checks run.

    """

    done = pyqtSignal(object)
    """list[Check]"""

    def __init__(
        self,
        controller: SessionController,
        baseline: BaselinePresenter,
        tasks: Tasks,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._controller, self._baseline = controller, baseline
        self._work = Newest(tasks, "check list")

    def run(self, folder: Path) -> None:
        """Check everything."""
        controller = self._controller
        settings, rings = controller.settings, self._baseline.rings()
        refused = no_common_pulses(controller.left, settings)
        if settings is None or (rings is None and refused is None):
            self.done.emit([Check("cameras", "bad", "not live; press Connect, then Live")])
            return
        alignment = check_alignment(self._baseline.state)
        damaged = [
            f"{str(role).upper()}: {n.missing} missing, {n.incomplete} incomplete"
            for role in Role
            if (n := controller.numbers(role)).missing or n.incomplete
        ]
        frames = Check(
            "frames", "warn" if damaged else "good", "; ".join(damaged) or "none lost since the pulses began"
        )

        def work(_: CancelToken) -> list[Check]:
            verdict = refused
            if verdict is None and rings is not None:
                hsr, lsr = (recent_pulses(ring) for ring in rings)
                verdict = check_sync(hsr, lsr, settings.plan, controller.latch(), controller.first_id())
            streams = [check_pulses(verdict)] if verdict is not None else []
            return [*streams, frames, check_disk(folder, settings), alignment]

        self._work.start(work, self.done.emit)

    def forget(self) -> None:
        """What is being checked has changed: the result does not count any more."""
        self._work.forget()


class ChecklistPanel(QWidget):
    """A button and one line a point.

    Args:
        checklist: The checks.

    """

    def __init__(self, checklist: Checklist, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._checklist = checklist
        self.button = QPushButton("Check before recording")
        self.button.setObjectName("run_checks")
        self.verdict = chip("not checked")
        self.verdict.setObjectName("checks_verdict")
        self._lines = QVBoxLayout()
        self._lines.setSpacing(2)
        top = QHBoxLayout()
        top.addWidget(self.verdict)
        top.addStretch(1)
        top.addWidget(self.button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addLayout(top)
        layout.addLayout(self._lines)
        checklist.done.connect(self.show_checks)

    def forget(self) -> None:
        """Show that nothing is known."""
        self._checklist.forget()
        self._clear()
        self.verdict.setText("not checked")
        set_chip(self.verdict, "plain")

    def _clear(self) -> None:
        while (item := self._lines.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.deleteLater()

    def show_checks(self, checks: list[Check]) -> None:
        """Show what was found."""
        self._clear()
        for check in checks:
            row = QWidget()
            line = QHBoxLayout(row)
            line.setContentsMargins(0, 0, 0, 0)
            text = QLabel(check.text)
            text.setWordWrap(True)
            line.addWidget(chip(check.name, check.level))
            line.addWidget(text, 1)
            self._lines.addWidget(row)
        worst = max((check.level for check in checks), key=_ORDER.index)
        set_chip(self.verdict, worst)
        self.verdict.setText({"good": "ready", "warn": "look here", "bad": "not ready"}[worst])
