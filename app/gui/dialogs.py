"""The windows beside the window: messages, help, import, calibration, notes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PyQt6.QtCore import QObject, Qt
from PyQt6.QtWidgets import QFileDialog, QInputDialog, QWidget

from app.gui.baseline import BaselinePresenter
from app.gui.calibration_dialog import CalibrationDialog
from app.gui.camera_dialog import CameraDialog
from app.gui.help_page import HelpPage
from app.gui.import_dialog import ImportDialog
from app.gui.message_line import LogWindow
from app.gui.messages import Messages
from app.gui.recording import RecordingPresenter
from app.gui.snapshot import save_snapshot
from app.gui.tasks import CancelToken, Tasks
from drivers import CameraIdentity


class Dialogs(QObject):
    """Opens each dialog once and brings it to the front again later.

    Args:
        window: Their parent.
        baseline: The live alignment.
        recording: Where takes go.
        tasks: Where their work runs.
        messages: What the log shows.
        log_file: Where messages are kept.
        show_take: Shows a take in the browser.

    """

    def __init__(
        self,
        window: QWidget,
        baseline: BaselinePresenter,
        recording: RecordingPresenter,
        tasks: Tasks,
        messages: Messages,
        log_file: Path,
        show_take: Callable[[Path], None],
    ) -> None:
        super().__init__(window)
        self._window, self._baseline, self._recording = window, baseline, recording
        self._tasks, self._messages, self._log_file = tasks, messages, log_file
        self._show_take = show_take
        self._made: dict[str, QWidget] = {}

    def log(self) -> None:
        """All messages with details."""
        self._open("log", lambda: LogWindow(self._messages, str(self._log_file), self._window))

    def help(self) -> None:
        """Keys and actions."""
        self._open("help", lambda: HelpPage(self._window))

    def choose_cameras(
        self,
        cameras: tuple[CameraIdentity, ...],
        saved: tuple[str, str] | None,
        use: Callable[[tuple[str, str]], None],
    ) -> None:
        """Ask which camera is which, and use the answer."""
        dialog = CameraDialog(cameras, saved, self._window)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.accepted.connect(lambda: use(dialog.serials))
        dialog.open()

    def note(self) -> None:
        """Ask for a note to the frames of this moment; the take goes on meanwhile."""
        mark = self._recording.mark()
        if mark is None:
            self._messages.warning("there is no take that a note could belong to; write it into Notes")
            return
        dialog = QInputDialog(self._window)
        dialog.setObjectName("note_dialog")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setWindowTitle("Note")
        dialog.setLabelText(f"Note at LSR frame {mark.lsr_frame_id}, HSR frame {mark.hsr_frame_id}:")
        dialog.resize(420, dialog.sizeHint().height())

        def keep(text: str) -> None:
            if text.strip():
                self._recording.add_note(replace(mark, text=text.strip()))

        dialog.textValueSelected.connect(keep)
        dialog.open()

    def import_clips(self) -> None:
        """Two clips to a take."""

        def make() -> QWidget:
            dialog = ImportDialog(lambda: self._recording.folder, self._tasks, self._messages, self._window)
            dialog.imported.connect(lambda path: self._show_imported(path, looked_for=dialog.isVisible()))
            return dialog

        self._open("import", make)

    def _show_imported(self, path: Path, *, looked_for: bool) -> None:
        """Show it to an operator who waits for it, but take no live view away from a take."""
        if looked_for and not self._recording.open_for:
            self._show_take(path)
        else:
            self._messages.info(f"{path} is imported; look at it in Takes (F3)")

    @property
    def importing(self) -> bool:
        """Whether clips are being imported."""
        dialog = self._made.get("import")
        return isinstance(dialog, ImportDialog) and dialog.running

    def calibrate(self) -> None:
        """Calibration by a board."""

        def make() -> QWidget:
            baseline = self._baseline
            dialog = CalibrationDialog(
                baseline.newest_frames, baseline.cameras, self._tasks, self._messages, self._window
            )
            dialog.used.connect(baseline.use_rig)
            return dialog

        self._open("calibrate", make)

    def open_rig(self) -> None:
        """Ask for a rig file and use it."""
        kinds = "Rig files (*.json);;All files (*)"
        chosen, _ = QFileDialog.getOpenFileName(self._window, "Open rig", "", kinds)
        if chosen:
            self._baseline.open_rig(Path(chosen))

    def snapshot(self) -> None:
        """Save one picture of each camera."""
        baseline, name = self._baseline, self._recording.name
        folder = self._recording.folder / "snapshots"

        def work(_: CancelToken) -> list[Path]:
            frames = baseline.newest_frames()
            return save_snapshot(list(frames), folder, name) if frames is not None else []

        def done(paths: list[Path]) -> None:
            if paths:
                self._messages.info(f"snapshot: {' and '.join(path.name for path in paths)} in {folder}")
            else:
                self._messages.warning(f"no frames of one pulse to save; {baseline.advice}")

        self._tasks.start("snapshot", work, done)

    def _open(self, key: str, make: Callable[[], QWidget]) -> None:
        if key not in self._made:
            self._made[key] = make()
        self._made[key].show()
        self._made[key].raise_()
