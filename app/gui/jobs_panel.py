"""The list of jobs with progress, time left, and buttons to stop, resume, open and remove."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import Qt, QUrl
from PyQt6.QtGui import QDesktopServices
from PyQt6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from app.gui.jobs import Job, JobQueue, JobState
from app.gui.raw_pane import chip
from app.gui.theme import set_chip, set_flag

_CHIPS = {
    JobState.QUEUED: "plain",
    JobState.RUNNING: "info",
    JobState.DONE: "good",
    JobState.CANCELLED: "warn",
    JobState.FAILED: "bad",
}


def duration(seconds: float) -> str:
    """5 s, 3 min 20 s or 2 h 5 min."""
    whole = int(seconds + 0.5)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


class JobRow(QFrame):
    """One job."""

    def __init__(self, job: Job, queue: JobQueue, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.job = job
        self._shown: tuple[object, ...] = ()
        self.state = chip()
        self.name = QElidingLabel(f"{job.number}  {job.out.name}")
        self.name.setToolTip(str(job.out))
        self.name.setMinimumWidth(120)
        self.bar = QProgressBar()
        self.bar.setMaximumWidth(220)
        self.text = QElidingLabel("")
        set_flag(self.text, "dim", "true")
        self.stop = QPushButton("Stop")
        self.resume = QPushButton("Resume")
        self.open = QPushButton("Open")
        self.remove = QPushButton("Remove")
        self.stop.clicked.connect(lambda: queue.cancel(job))
        self.resume.clicked.connect(lambda: queue.resume(job))
        self.open.clicked.connect(lambda: _show(job.out))
        self.remove.clicked.connect(lambda: queue.remove(job))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(4, 1, 4, 1)
        layout.addWidget(self.state)
        layout.addWidget(self.name, 1)
        layout.addWidget(self.bar)
        layout.addWidget(self.text, 2)
        for button in (self.stop, self.resume, self.open, self.remove):
            layout.addWidget(button)
        self.refresh()

    def refresh(self) -> None:
        """Show where the job stands."""
        job = self.job
        running = job.state is JobState.RUNNING
        now = (job.state, job.text, job.part)
        if now == self._shown and not running:
            # Of a day's jobs all but one stand as they stood.
            return
        self._shown = now
        self.state.setText(job.state.value)
        set_chip(self.state, _CHIPS[job.state])
        self.bar.setVisible(running)
        self.bar.setRange(0, job.total)
        self.bar.setValue(job.done)
        left = job.seconds_left
        text = job.text
        if running and job.total:
            text = f"{job.done} of {job.total} frames" + (f", {duration(left)} left" if left else "")
        self.text.setText(text)
        self.text.setToolTip(job.text)
        self.stop.setVisible(job.state in (JobState.QUEUED, JobState.RUNNING))
        self.resume.setVisible(job.resumable)
        self.open.setVisible(job.state is JobState.DONE)
        self.remove.setVisible(job.state not in (JobState.QUEUED, JobState.RUNNING))


def _show(path: Path) -> None:
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))


class JobsPanel(QFrame):
    """All jobs.

    Args:
        queue: The jobs.

    """

    def __init__(self, queue: JobQueue, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        set_flag(self, "pane", "true")
        self._queue = queue
        self._rows: dict[Job, JobRow] = {}
        self._empty = QLabel("No jobs: choose a take and press Fuse or Export.")
        set_flag(self._empty, "dim", "true")
        inside = QWidget()
        self._list = QVBoxLayout(inside)
        self._list.setContentsMargins(2, 2, 2, 2)
        self._list.setSpacing(0)
        self._list.addWidget(self._empty)
        self._list.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidget(inside)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        title = QLabel("Jobs")
        set_flag(title, "heading", "true")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 3, 6, 3)
        layout.setSpacing(1)
        layout.addWidget(title)
        layout.addWidget(scroll, 1)
        self.setMinimumHeight(86)
        queue.changed.connect(self.refresh)

    @property
    def rows(self) -> tuple[JobRow, ...]:
        """One row a job, in the order of the list."""
        return tuple(self._rows[job] for job in self._queue.jobs if job in self._rows)

    def refresh(self) -> None:
        """Follow the queue."""
        jobs = self._queue.jobs
        for job in self._rows.keys() - set(jobs):
            row = self._rows.pop(job)
            self._list.removeWidget(row)
            row.deleteLater()
        for place, job in enumerate(jobs, start=1):
            if job not in self._rows:
                self._rows[job] = JobRow(job, self._queue)
            row = self._rows[job]
            if self._list.indexOf(row) != place:
                # A job that is resumed goes to the end of the list.
                self._list.removeWidget(row)
                self._list.insertWidget(place, row)
            row.refresh()
        self._empty.setVisible(not self._rows)
