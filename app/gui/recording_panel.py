"""Name, notes and folder of the next take, and the card of the last one."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import QUrl, pyqtSignal
from PyQt6.QtGui import QDesktopServices
from PyQt6.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QGridLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from app.gui.checks import Checklist, ChecklistPanel
from app.gui.raw_pane import TITLES, chip
from app.gui.recording import RecordingPresenter, name_problem
from app.gui.theme import set_chip
from app.session import TakeReport
from drivers import Role


class TakeCard(QGroupBox):
    """Frames expected, written and missing of a take that just ended."""

    look = pyqtSignal(object)
    """Path of the take, to look at it in the browser."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Last take", parent)
        self._path: Path | None = None
        self.verdict = chip()
        self._name = QElidingLabel("")
        self._grid = QGridLayout()
        self._cells: list[QLabel] = []
        for column, head in enumerate(("", "expected", "written", "damaged", "missing")):
            self._grid.addWidget(QLabel(head), 0, column)
        for row, title in enumerate(TITLES.values(), start=1):
            self._grid.addWidget(QLabel(title), row, 0)
            for column in range(1, 5):
                cell = QLabel("-")
                self._cells.append(cell)
                self._grid.addWidget(cell, row, column)
        self.findings = QLabel("")
        self.findings.setWordWrap(True)
        self.open_folder = QPushButton("Open folder")
        self.open_folder.clicked.connect(self._open)
        top = QHBoxLayout()
        top.addWidget(self._name, 1)
        top.addWidget(self.verdict)
        self.browse = QPushButton("Look at it")
        self.browse.clicked.connect(self._look)
        bottom = QHBoxLayout()
        bottom.addStretch(1)
        bottom.addWidget(self.open_folder)
        bottom.addWidget(self.browse)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.addLayout(top)
        layout.addLayout(self._grid)
        layout.addWidget(self.findings)
        layout.addLayout(bottom)
        self.hide()

    def show_report(self, report: TakeReport) -> None:
        """Show one take's figures; those of the take before stay where this one is not kept."""
        if not report.kept:
            return
        self._path = report.path
        megabytes = report.recording.bytes_written / 1e6
        self._name.setText(f"{report.path.name}  {report.seconds:.2f} s  {megabytes:.0f} MB")
        self._name.setToolTip(str(report.path))
        cells = iter(self._cells)
        for role, damaged in (
            (Role.HSR, report.recording.hsr.incomplete),
            (Role.LSR, report.recording.lsr.incomplete),
        ):
            expected, frames = report.expected(role), report.frames(role)
            for number in (expected, frames, damaged, max(0, expected - frames)):
                next(cells).setText(str(number))
        self.findings.setText(_sync_text(report))
        lost = report.frames_lost
        self.verdict.setText("complete" if not lost else f"{lost} missing")
        set_chip(self.verdict, "good" if not lost else "bad")
        self.show()

    def _look(self) -> None:
        if self._path is not None:
            self.look.emit(self._path)

    def _open(self) -> None:
        if self._path is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._path)))


def _sync_text(report: TakeReport) -> str:
    residual = report.recording.sync_residual_us
    parts = [] if residual is None else [f"synchronised within {residual:.1f} us"]
    if report.stop_reason:
        parts.append(f"ended by itself: {report.stop_reason}")
    return "; ".join([*parts, *report.recording.warnings])


class RecordingPanel(QWidget):
    """What to call the next take and where to put it.

    Args:
        presenter: Its logic.
        checklist: What is checked before recording.

    """

    def __init__(
        self, presenter: RecordingPresenter, checklist: Checklist, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._presenter = presenter
        self.name = QLineEdit(presenter.name)
        self.name.setObjectName("take_name")
        self.problem = QLabel("")
        self.problem.setWordWrap(True)
        self.problem.hide()
        set_chip(self.problem, "warn")
        self.notes = QPlainTextEdit()
        self.notes.setObjectName("take_notes")
        self.notes.setPlaceholderText("Notes, stored in the take")
        self.notes.setFixedHeight(54)
        self.notes.setTabChangesFocus(True)
        self.folder = QElidingLabel(str(presenter.folder))
        self.folder.setToolTip(str(presenter.folder))
        self.choose = QPushButton("Change")
        self.choose.clicked.connect(self._choose_folder)
        row = QHBoxLayout()
        row.addWidget(self.folder, 1)
        row.addWidget(self.choose)
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Name", self.name)
        form.addRow("", self.problem)
        form.addRow("Notes", self.notes)
        form.addRow("Folder", row)
        self.checks = ChecklistPanel(checklist)
        self.checks.button.clicked.connect(lambda: checklist.run(presenter.folder))
        self.card = TakeCard()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 2, 4, 2)
        layout.addLayout(form)
        layout.addWidget(self.checks)
        layout.addWidget(self.card)
        self.name.textChanged.connect(self._name_edited)
        self.notes.textChanged.connect(self._notes_edited)
        presenter.name_changed.connect(self._show_name)
        presenter.finished.connect(self.card.show_report)

    def _name_edited(self, name: str) -> None:
        problem = name_problem(name)
        self.problem.setText(problem)
        self.problem.setVisible(bool(problem))
        self._presenter.set_name(name)

    def _show_name(self, name: str) -> None:
        if self.name.text() != name:
            self.name.setText(name)

    def _notes_edited(self) -> None:
        self._presenter.notes = self.notes.toPlainText()

    def _choose_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder for takes", str(self._presenter.folder))
        if chosen:
            self.set_folder(Path(chosen))

    def set_folder(self, folder: Path) -> None:
        """Put takes somewhere else."""
        self._presenter.folder = folder
        self.folder.setText(str(folder))
        self.folder.setToolTip(str(folder))

    def set_allowed(self, allowed: bool) -> None:
        """Name and folder are fixed while a take runs."""
        for widget in (self.name, self.notes, self.choose):
            widget.setEnabled(allowed)
