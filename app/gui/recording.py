"""Takes from the window: where they go, what they are called, starting and stopping them."""

from __future__ import annotations

import re
import time
from pathlib import Path

from PyQt6.QtCore import QObject, pyqtSignal

from app.gui.controller import SessionController
from app.gui.messages import Messages, Severity
from app.gui.requests import TakeRequest, next_name
from app.session import State, TakeReport
from app.session.take_notes import TakeNote, add_note
from drivers import Role

PAST_SECONDS = 2.0
"""What "save the last seconds" keeps [s]; the rings hold about three, a part of which absorbs the disk."""
_FORBIDDEN = re.compile(r'[\x00-\x1f<>:"/\\|?*]')


def name_problem(name: str) -> str:
    """What is wrong with a take's name as a folder on any system; "" when nothing is."""
    if not name.strip():
        return "a take needs a name"
    if _FORBIDDEN.search(name) or name != name.strip() or name.endswith("."):
        return 'a name must not have any of < > : " / \\ | ? * nor a blank or dot at its end'
    return ""


class RecordingPresenter(QObject):
    """Logic of recording; it knows no widget.

    Args:
        controller: The session.
        messages: For results and refusals.
        folder: Where takes go at first.

    """

    name_changed = pyqtSignal(str)
    finished = pyqtSignal(object)
    """TakeReport of the take that just ended."""
    running_changed = pyqtSignal(object)
    """Path of the take that is armed or recorded from now on; None when it has ended."""

    def __init__(
        self, controller: SessionController, messages: Messages, folder: Path, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._controller = controller
        self._messages = messages
        self.folder = folder
        self._name = "take_001"
        self.notes = ""
        self._began: float | None = None
        self._entered: float | None = None
        self._path: Path | None = None
        controller.take_started.connect(self._on_started)
        controller.take_finished.connect(self._on_finished)
        controller.state_changed.connect(self._on_state)

    @property
    def name(self) -> str:
        """Name of the next take, and of its folder."""
        return self._name

    def set_name(self, name: str) -> None:
        """Call the next take something else."""
        if name != self._name:
            self._name = name
            self.name_changed.emit(name)

    @property
    def seconds(self) -> float:
        """Length of the running take [s]; 0 when none runs."""
        return time.monotonic() - self._began if self._began is not None else 0.0

    @property
    def open_for(self) -> float:
        """How long a take has been armed, or running [s]; 0 when there is none."""
        return time.monotonic() - self._entered if self._entered is not None else 0.0

    def start(self) -> None:
        """Begin a take under the present name; the pulses of an armed one start now."""
        if self._controller.state is State.ARMED:
            self._controller.fire()
        else:
            self._request()

    def arm(self) -> None:
        """Make everything ready for a take that begins with the first pulse; armed already, give it up."""
        if self._controller.state is State.ARMED:
            self.stop()
        else:
            self._request(wait=True)

    def save_past(self) -> None:
        """Make a take of what has just passed."""
        self._request(pre_seconds=PAST_SECONDS, only_past=True)

    def _request(self, *, pre_seconds: float = 0.0, only_past: bool = False, wait: bool = False) -> None:
        problem = name_problem(self._name)
        if problem:
            self._messages.post(Severity.WARNING, f"{problem}; change it in Recording")
            return
        path = self.folder / self._name
        self._controller.start_recording(
            TakeRequest(path, self._name, self.notes, pre_seconds, only_past, wait)
        )

    def stop(self) -> None:
        """End the take."""
        self._controller.stop_recording()

    def toggle(self) -> None:
        """What the record key does."""
        if self._controller.state is State.RECORDING:
            self.stop()
        else:
            self.start()

    def follow_pulses(self) -> None:
        """An armed take whose frames come from a box outside is recording."""
        if self._controller.state is State.ARMED and self._controller.numbers(Role.LSR).received:
            self._controller.fire()

    def mark(self) -> TakeNote | None:
        """Where the running take stands now, for a note; None when no take runs."""
        if self._path is None:
            return None
        return TakeNote(self._newest_id(Role.LSR), self._newest_id(Role.HSR), "")

    def _newest_id(self, role: Role) -> int:
        ring = self._controller.ring(role)
        newest = ring.latest() if ring is not None else None
        return ring.head(newest).frame_id if ring is not None and newest is not None else -1

    def add_note(self, note: TakeNote) -> None:
        """Keep a note with the take that runs, or with the last one when it has just ended."""
        path = self._path
        if path is None:
            self._messages.warning("there is no take that a note could belong to; write it into Notes")
            return

        def write() -> None:
            add_note(path, note)
            self._messages.info(f"note at LSR frame {note.lsr_frame_id}: {note.text}")

        self._controller.run(write)

    def _on_started(self, request: TakeRequest) -> None:
        self._path = request.path
        self.running_changed.emit(request.path)
        self.set_name(request.name)
        if request.wait:
            self._messages.info(
                f"armed: {request.path.name} begins with the first pulse; F9 starts the pulses"
            )
        else:
            self._messages.info(f"recording {request.path}")

    def _on_state(self, state: State) -> None:
        now = time.monotonic()
        self._entered = now if state in (State.ARMED, State.RECORDING) else None
        if state is State.RECORDING:
            self._began = now
        elif state is not State.FINISHING:
            self._began = None
            if state is not State.ARMED:
                self.running_changed.emit(None)

    def _on_finished(self, report: TakeReport) -> None:
        lost = report.frames_lost
        frames = " + ".join(f"{report.frames(role)} {str(role).upper()}" for role in Role)
        text = f"{report.path.name}: {frames} frames, {report.seconds:.2f} s"
        if not report.kept:
            why = report.stop_reason or "it was stopped before the first pulse"
            self._messages.warning(f"{report.path.name} is not kept, it has no frames: {why}")
            self._path = None
            self.finished.emit(report)
            return
        if report.stop_reason:
            self._messages.post(Severity.WARNING, f"{text}; ended by itself: {report.stop_reason}")
        elif lost:
            gaps = "".join(f"; {absence}" for absence in report.absences)
            self._messages.post(Severity.WARNING, f"{text}; {lost} are missing or damaged{gaps}")
        else:
            self._messages.info(f"{text}; complete")
        self.set_name(next_name(self._name))
        self.finished.emit(report)
