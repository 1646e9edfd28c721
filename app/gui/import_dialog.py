"""Two phone clips, or any other two, become a take: which files, how slow, which offset."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QCheckBox,
    QDialog,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.errors import CancelledError, CaptureFactorError, OffsetError
from app.gui.file_field import FileField
from app.gui.messages import Messages, Severity, sentence
from app.gui.number_field import NumberField
from app.gui.number_keys import EnterEndsNumbers
from app.gui.offset_dialog import OffsetDialog
from app.gui.recording import name_problem
from app.gui.rows import row
from app.gui.tasks import CancelToken, Tasks
from app.gui.theme import set_chip, set_flag
from app.import_clips import ImportResult, import_clips
from drivers import SwappedClipsError

_USUAL_FACTOR = 8.0  # 240 fps shown at 30
_CLIPS = "Clips (*.mov *.mp4 *.m4v *.mkv *.avi *.MOV *.MP4);;All files (*)"


class ImportDialog(QDialog):
    """Asks for two clips and imports them on a worker thread.

    Args:
        folder: Says where takes go now.
        tasks: Where the import runs.
        messages: For warnings.

    """

    imported = pyqtSignal(object)
    """Path of the new take."""
    _progressed = pyqtSignal(float)

    def __init__(
        self, folder: Callable[[], Path], tasks: Tasks, messages: Messages, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Import clips")
        self._folder, self._tasks, self._messages = folder, tasks, messages
        self._running = False
        self._token = CancelToken()
        self.hsr, self.lsr = FileField(), FileField()
        self.hsr.setObjectName("import_hsr")
        self.lsr.setObjectName("import_lsr")
        self.name = QLineEdit("import_001")
        self.name.setObjectName("import_name")
        self.find_offset = QCheckBox("Find by sound, motion and pictures")
        self.find_offset.setChecked(True)
        self.offset = NumberField()
        self.offset.setRange(-1e6, 1e6)
        self.offset.setDecimals(3)
        self.offset.setSuffix(" ms")
        self.offset.setToolTip("Time of the first HSR frame minus that of the first LSR frame")
        self.by_eye = QPushButton("By eye ...")
        self.by_eye.setToolTip("Compare a frame of each clip, or read a filmed timer in both")
        self.nudge = NumberField()
        self.nudge.setRange(-1000, 1000)
        self.nudge.setDecimals(2)
        self.nudge.setSingleStep(0.1)
        self.nudge.setSuffix(" ms")
        self.nudge.setToolTip("Added to the offset, to correct it by eye")
        self.find_factor = QCheckBox("Find it")
        self.find_factor.setChecked(True)
        self.factor = NumberField()
        self.factor.setRange(1, 100)
        self.factor.setValue(1)
        self.factor.setToolTip("How many times slower the LSR clip plays than it was filmed")
        # A label of the form names no field that shares its row.
        for field, spoken in (
            (self.hsr, "HSR clip"),
            (self.lsr, "LSR clip"),
            (self.offset, "Offset"),
            (self.nudge, "Nudge"),
            (self.factor, "LSR slow motion"),
        ):
            field.setAccessibleName(spoken)
        self.transcode = QCheckBox("Store raw frames, independent of the clips (large)")
        self.notes = QLineEdit()
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.hide()
        self.text = QLabel("The clips stay where they are; the take refers to them.")
        self.text.setObjectName("import_text")
        self.text.setWordWrap(True)
        set_flag(self.text, "dim", "true")
        self.swap = QPushButton("Swap the clips")
        self.swap.hide()
        self.go, self.shut = QPushButton("Import"), QPushButton("Close")
        self.go.setDefault(True)
        form = QFormLayout()
        form.addRow("HSR clip (sharp, slow)", self._file(self.hsr))
        form.addRow("LSR clip (coarse, fast)", self._file(self.lsr))
        form.addRow("Name of the take", self.name)
        form.addRow("Offset", row(self.find_offset, self.offset, self.by_eye))
        form.addRow("Nudge", row(self.nudge))
        form.addRow("LSR slow motion", row(self.find_factor, self.factor))
        form.addRow("", self.transcode)
        form.addRow("Notes", self.notes)
        buttons = QHBoxLayout()
        buttons.addWidget(self.swap)
        buttons.addStretch(1)
        buttons.addWidget(self.go)
        buttons.addWidget(self.shut)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self.bar)
        layout.addWidget(self.text)
        layout.addLayout(buttons)
        self.setMinimumWidth(560)
        EnterEndsNumbers(self)
        self.find_offset.toggled.connect(lambda on: self.offset.setEnabled(not on))
        self.find_factor.toggled.connect(lambda on: self.factor.setEnabled(not on))
        self.offset.setEnabled(False)
        self.factor.setEnabled(False)
        self.go.clicked.connect(self.start)
        self.swap.clicked.connect(self._swap)
        self.by_eye.clicked.connect(self._open_offset_dialog)
        self.shut.clicked.connect(lambda: self._stop() if self._running else self.close())
        self._progressed.connect(lambda share: self.bar.setValue(round(share * 1000)))

    def _file(self, field: QLineEdit) -> QHBoxLayout:
        browse = QPushButton("Browse")

        def choose() -> None:
            chosen, _ = QFileDialog.getOpenFileName(self, "Choose a clip", field.text(), _CLIPS)
            if chosen:
                field.setText(chosen)

        browse.clicked.connect(choose)
        return row(field, browse)

    @property
    def running(self) -> bool:
        """Whether clips are being imported."""
        return self._running

    def start(self) -> None:
        """Import what the fields say."""
        hsr, lsr, name = self.hsr.text().strip(), self.lsr.text().strip(), self.name.text()
        problem = name_problem(name) if hsr and lsr else "choose both clips"
        if problem:
            self._say(problem, "warn")
            return
        offset = None if self.find_offset.isChecked() else self.offset.value()
        factor = None if self.find_factor.isChecked() else self.factor.value()
        nudge = self.nudge.value()
        transcode, notes, out = self.transcode.isChecked(), self.notes.text(), self._folder() / name

        def work(token: CancelToken) -> ImportResult:
            out.parent.mkdir(parents=True, exist_ok=True)
            return import_clips(
                Path(hsr).expanduser(),
                Path(lsr).expanduser(),
                out,
                offset_ms=offset,
                nudge_ms=nudge,
                sure=True,
                capture_factor=factor,
                transcode=transcode,
                notes=notes,
                on_progress=self._progressed.emit,
                cancelled=lambda: token.cancelled,
            )

        self.swap.hide()
        self._say("Looking at both clips", "plain")
        self._set_running(True)
        self._token = self._tasks.start("import", work, self._done, self._failed)

    def _stop(self) -> None:
        self._token.cancel()
        self.shut.setEnabled(False)
        self.shut.setText("Stopping ...")

    def _done(self, result: ImportResult) -> None:
        self._set_running(False)
        for warning in result.warnings:
            self._messages.post(Severity.WARNING, warning)
        text = (
            f"{result.path.name}: {result.hsr_frames} + {result.lsr_frames} frames, "
            f"{result.ratio:.3f} LSR frames per HSR frame, offset {result.offset_ms:.3f} ms, "
            f"confidence {result.confidence:.0%}"
        )
        self._say(text, "good")
        self._messages.info(text)
        self.imported.emit(result.path)

    def _failed(self, error: Exception) -> None:
        """Say what is wrong, and offer what helps."""
        self._set_running(False)
        if isinstance(error, CancelledError):
            self._say("Stopped; nothing of the take is kept.", "plain")
            return
        if isinstance(error, SwappedClipsError):
            self.swap.show()
            text = "The HSR clip is the coarse, fast one: the clips look swapped."
        elif isinstance(error, CaptureFactorError):
            self.find_factor.setChecked(False)
            self.factor.setValue(_USUAL_FACTOR)
            self.factor.setFocus()
            text = (
                "The motion does not tell by how much the LSR clip was slowed down. Say it (8 for 240 fps "
                "shown at 30), then import."
            )
        elif isinstance(error, OffsetError):
            self.find_offset.setChecked(False)
            self.offset.setValue(error.guess_ms or 0.0)
            self.offset.setFocus()
            guess = "" if error.guess_ms is None else "; the best guess is filled in"
            text = (
                f"Sound and pictures do not tell the offset surely{guess}. Enter it, or find it by eye, then "
                "import."
            )
        else:
            self._messages.error(error)
            self._say(sentence(error), "bad")
            return
        self._say(text, "warn")
        if not self.isVisible():
            self._messages.warning(f"the clips are not imported; go on in Import clips (Ctrl+I): {text}")

    def _swap(self) -> None:
        hsr, lsr = self.hsr.text(), self.lsr.text()
        self.hsr.setText(lsr)
        self.lsr.setText(hsr)
        self.swap.hide()
        self.start()

    def _open_offset_dialog(self) -> None:
        hsr, lsr = self.hsr.text().strip(), self.lsr.text().strip()
        if not (hsr and lsr):
            self._say("choose both clips", "warn")
            return
        dialog = OffsetDialog(
            Path(hsr).expanduser(),
            Path(lsr).expanduser(),
            None if self.find_factor.isChecked() else self.factor.value(),
            self.offset.value(),
            self._tasks,
            self,
        )
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.chosen.connect(self._use_offset)
        dialog.open()

    def _use_offset(self, offset_ms: float) -> None:
        self.find_offset.setChecked(False)
        self.offset.setValue(offset_ms)

    def _set_running(self, running: bool) -> None:
        self._running = running
        self.bar.setValue(0)
        self.bar.setVisible(running)
        self.go.setEnabled(not running)
        self.go.setText("Importing ..." if running else "Import")
        self.shut.setEnabled(True)
        self.shut.setText("Stop" if running else "Close")
        self.shut.setToolTip("End the import; nothing of the take is kept" if running else "")

    def _say(self, text: str, level: str) -> None:
        self.text.setText(text)
        set_flag(self.text, "dim", "true" if level == "plain" else "")
        set_chip(self.text, level)
