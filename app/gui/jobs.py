"""Fusions and exports beside the live view: one at a time, with progress, cancel and resume."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import count
from pathlib import Path

from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from app.errors import CancelledError
from app.fuse_job import FuseJob, FuseResult
from app.gui.loading import load_torch
from app.gui.messages import Messages, sentence
from app.gui.tasks import CancelToken, Tasks
from app.outputs import partial_path, sidecar_path
from app.raw_export import RawExportJob, RawExportResult, run_raw_export

_POLL_MS = 200


class JobState(Enum):
    """Where a job stands."""

    QUEUED = "waiting"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "stopped"
    FAILED = "failed"


@dataclass(slots=True, eq=False)
class Job:
    """One job in the list.

    Attributes:
        number: Its number in this session.
        request: What to do.
        state: Where it stands.
        text: What it is doing, or why it ended.
        done: Frames written.
        total: Frames in all; 0 while that is not known.
        part: Whether it has ended with a part that it can go on from.

    """

    number: int
    request: FuseJob | RawExportJob
    state: JobState = JobState.QUEUED
    text: str = ""
    done: int = 0
    total: int = 0
    part: bool = False
    _began: float = 0.0
    _resumed: int = 0
    token: CancelToken | None = field(default=None, repr=False)

    @property
    def out(self) -> Path:
        """What it writes."""
        return self.request.out

    @property
    def resumable(self) -> bool:
        """Whether it can go on where it was stopped."""
        return self.state in (JobState.CANCELLED, JobState.FAILED) and self.part

    @property
    def seconds_left(self) -> float | None:
        """Time to go [s]; None while nobody knows."""
        made = self.done - self._resumed
        if self.state is not JobState.RUNNING or not self.total or made < 1:
            return None
        return (time.monotonic() - self._began) / made * (self.total - self.done)

    def begin(self, text: str, total: int, done: int) -> None:
        """Told by the worker when the frames begin."""
        self.text, self.total, self.done, self._resumed = text, total, done, done
        self._began = time.monotonic()

    def look_for_part(self) -> None:
        """Find out what it has left; a part from before it began is another job's."""
        note = sidecar_path(partial_path(self.out))
        self.part = isinstance(self.request, FuseJob) and self._began > 0 and note.is_file()

    def advance(self) -> None:
        """Told by the worker after each frame."""
        self.done += 1


class JobQueue(QObject):
    """All jobs of this session, in order.

    Args:
        tasks: Where they run.
        messages: For results and failures.

    """

    changed = pyqtSignal()
    """A job was added, went on, or ended."""

    def __init__(self, tasks: Tasks, messages: Messages, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._tasks, self._messages = tasks, messages
        self._jobs: list[Job] = []
        self._numbers = count(1)
        self._timer = QTimer(self)
        self._timer.setInterval(_POLL_MS)
        self._timer.timeout.connect(self.changed)

    @property
    def jobs(self) -> tuple[Job, ...]:
        """Every job, oldest first."""
        return tuple(self._jobs)

    @property
    def active(self) -> int:
        """Jobs that wait or run."""
        return sum(job.state in (JobState.QUEUED, JobState.RUNNING) for job in self._jobs)

    @property
    def outputs(self) -> frozenset[Path]:
        """What waiting and running jobs write."""
        return frozenset(
            job.out.absolute() for job in self._jobs if job.state in (JobState.QUEUED, JobState.RUNNING)
        )

    def add(self, request: FuseJob | RawExportJob) -> Job:
        """Queue a job."""
        job = Job(next(self._numbers), request)
        self._jobs.append(job)
        self._next()
        return job

    def cancel(self, job: Job) -> None:
        """Stop a job; what a fusion has written can be resumed."""
        if job.state is JobState.QUEUED:
            job.state, job.text = JobState.CANCELLED, "stopped before it began"
            self.changed.emit()
        elif job.token is not None:
            job.text = "stopping"
            job.token.cancel()

    def resume(self, job: Job) -> None:
        """Queue a stopped fusion again; it goes on where it was."""
        if job.resumable and isinstance(job.request, FuseJob):
            job.request = replace(job.request, resume=True)
            job.state, job.text = JobState.QUEUED, ""
            self._jobs.remove(job)
            self._jobs.append(job)
            self._next()

    def remove(self, job: Job) -> None:
        """Take an ended job off the list; its files stay."""
        if job.state not in (JobState.QUEUED, JobState.RUNNING):
            self._jobs.remove(job)
            self.changed.emit()

    def _next(self) -> None:
        running = any(job.state is JobState.RUNNING for job in self._jobs)
        waiting = next((job for job in self._jobs if job.state is JobState.QUEUED), None)
        if waiting is not None and not running:
            self._run(waiting)
        if self.active:
            self._timer.start()
        else:
            self._timer.stop()
        self.changed.emit()

    def _run(self, job: Job) -> None:
        job.state, job.text, job.done, job.total = JobState.RUNNING, "preparing", 0, 0
        job.token = self._tasks.start(
            f"job {job.number}",
            _work(job),
            lambda result: self._finished(job, result),
            lambda error: self._failed(job, error),
        )

    def _finished(self, job: Job, result: FuseResult | RawExportResult) -> None:
        self._ended(job, JobState.DONE, f"{job.out.name}: {job.done} frames")
        for text in result.warnings:
            self._messages.warning(f"{job.out.name}: {text}")

    def _failed(self, job: Job, error: Exception) -> None:
        if isinstance(error, CancelledError):
            self._ended(job, JobState.CANCELLED, sentence(error))
            return
        self._messages.error(error)
        self._ended(job, JobState.FAILED, sentence(error))

    def _ended(self, job: Job, state: JobState, text: str) -> None:
        job.state, job.text, job.token = state, text, None
        job.look_for_part()
        if state is JobState.DONE:
            self._messages.info(f"written: {job.out}")
        self._next()


def _work(job: Job) -> Callable[[CancelToken], FuseResult | RawExportResult]:
    request = job.request

    def work(token: CancelToken) -> FuseResult | RawExportResult:
        def cancelled() -> bool:
            return token.cancelled

        if isinstance(request, FuseJob):
            load_torch()
            from app.fuse import run_job

            return run_job(request, on_start=job.begin, on_frame=job.advance, cancelled=cancelled)
        return run_raw_export(request, on_start=job.begin, on_frame=job.advance, cancelled=cancelled)

    return work
