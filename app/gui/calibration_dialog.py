"""Calibration by a board: show it to both cameras, collect views, judge, save, use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QDialog,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from app.gui.board_calibration import BoardNotSeenError, Calibrated, calibrate, look
from app.gui.image_view import ImageView
from app.gui.messages import Messages, sentence
from app.gui.number_field import NumberField
from app.gui.number_keys import EnterEndsNumbers
from app.gui.question import confirmed
from app.gui.raw_pane import chip
from app.gui.rows import row
from app.gui.tasks import CancelToken, Tasks
from app.gui.theme import set_chip, set_flag
from calibration import Board, BoardPair, CalibrationError, CameraId
from drivers import Frame

_PAIR = Qt.ItemDataRole.UserRole
_CAMERAS = Qt.ItemDataRole.UserRole + 1
_VERDICTS = {"good": "good", "usable": "warn", "redo": "bad"}
_HELP = (
    "Show the board to both cameras in many places and tilts, also in the corners of the picture, and add a "
    "view of each. Leave out views with a tall bar. The verdict says whether the result is worth saving."
)

Grab = Callable[[], "tuple[Frame, Frame] | None"]
Identify = Callable[[], "tuple[CameraId, CameraId] | None"]


class CalibrationDialog(QDialog):
    """Collects views and calibrates.

    Args:
        grab: Copies the newest HSR and LSR frame of one pulse; called on a worker thread.
        identify: Says what the HSR and the LSR camera are.
        tasks: Where the work runs.
        messages: For results.

    """

    used = pyqtSignal(object)
    """Rig that the operator wants to use for the live view."""

    def __init__(
        self, grab: Grab, identify: Identify, tasks: Tasks, messages: Messages, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Calibrate with a board")
        self.resize(1080, 680)
        self._grab, self._identify, self._tasks, self._messages = grab, identify, tasks, messages
        self._count = 0
        self._result: Calibrated | None = None
        self.columns, self.rows = QSpinBox(), QSpinBox()
        for count, value in ((self.columns, 9), (self.rows, 6)):
            count.setRange(3, 50)
            count.setValue(value)
            # The question whether the views may go waits for the whole number.
            count.setKeyboardTracking(False)
        self._counts = (self.columns.value(), self.rows.value())
        self.square = NumberField()
        self.square.setRange(0.1, 1000)
        self.square.setDecimals(2)
        self.square.setValue(40)
        self.square.setSuffix(" mm")
        self.list = QListWidget()
        self.list.setObjectName("board_views")
        self.add = QPushButton("Add view")
        self.add.setObjectName("board_add")
        self.remove = QPushButton("Remove")
        self.run = QPushButton("Calibrate")
        self.run.setObjectName("board_calibrate")
        self.save = QPushButton("Save rig ...")
        self.use = QPushButton("Use for live view")
        self.use.setObjectName("board_use")
        self.verdict = chip("no result yet")
        self.verdict.setObjectName("board_verdict")
        self.text = QLabel(_HELP)
        self.text.setObjectName("board_text")
        self.text.setWordWrap(True)
        set_flag(self.text, "dim", "true")
        self.report = ImageView("the report of the calibration appears here")
        form = QFormLayout()
        form.addRow("Inner corners across", self.columns)
        form.addRow("Inner corners down", self.rows)
        form.addRow("Side of a square", self.square)
        left = QVBoxLayout()
        left.addLayout(form)
        left.addWidget(self.list, 1)
        left.addLayout(row(self.add, self.remove, fill=True))
        left.addWidget(self.run)
        right = QVBoxLayout()
        right.addWidget(self.report, 1)
        body = QHBoxLayout()
        body.addLayout(left, 1)
        body.addLayout(right, 3)
        close = QPushButton("Close")
        close.clicked.connect(self.close)
        bottom = row(self.verdict, fill=True)
        bottom.addStretch(1)
        for button in (self.save, self.use, close):
            bottom.addWidget(button)
        layout = QVBoxLayout(self)
        layout.addWidget(self.text)
        layout.addLayout(body, 1)
        layout.addLayout(bottom)
        self.add.clicked.connect(self._add)
        self.remove.clicked.connect(self._remove)
        self.run.clicked.connect(self._calibrate)
        self.save.clicked.connect(self._save)
        self.use.clicked.connect(self._use)
        self.list.itemChanged.connect(self._forget_result)
        for count in (self.columns, self.rows):
            count.valueChanged.connect(self._counts_changed)
        # The views hold corners in pixels: they stay right, only the result is of another scale.
        self.square.valueChanged.connect(self._forget_result)
        EnterEndsNumbers(self)
        self._forget_result()

    @property
    def _board(self) -> Board:
        return Board(self.columns.value(), self.rows.value(), self.square.value())

    @property
    def pairs(self) -> list[BoardPair]:
        """The views that are ticked."""
        return [item.data(_PAIR) for item in self._ticked]

    @property
    def _ticked(self) -> list[QListWidgetItem]:
        items = [self.list.item(i) for i in range(self.list.count())]
        return [item for item in items if item is not None and item.checkState() is Qt.CheckState.Checked]

    def _add(self) -> None:
        board, grab, cameras = self._board, self._grab, self._identify()
        self._count += 1
        name = f"view {self._count}"

        def work(_: CancelToken) -> BoardPair:
            frames = grab()
            if frames is None:
                raise BoardNotSeenError("there are no frames of one pulse; start the live view first")
            return look(name, *frames, board)

        self.add.setEnabled(False)
        # A large picture without a board is searched for seconds.
        self._say("looking for the board ...", "info")

        def done(pair: BoardPair) -> None:
            now = self._board
            if (now.columns, now.rows, self._identify()) == (board.columns, board.rows, cameras):
                self._added(pair, cameras)
            else:
                self.add.setEnabled(True)
                self._say("the board or the cameras were changed meanwhile; add the view again", "warn")

        self._tasks.start("find board", work, done, self._failed)

    def _added(self, pair: BoardPair, cameras: tuple[CameraId, CameraId] | None) -> None:
        self.add.setEnabled(True)
        item = QListWidgetItem(pair.name)
        item.setData(_PAIR, pair)
        item.setData(_CAMERAS, cameras)
        item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
        item.setCheckState(Qt.CheckState.Checked)
        self.list.addItem(item)
        self._say(f"{pair.name}: {len(pair.hsr.ids)} and {len(pair.lsr.ids)} corners", "good")
        self._forget_result()

    def _failed(self, error: Exception) -> None:
        self.add.setEnabled(True)
        self.run.setEnabled(bool(self.pairs))
        known = isinstance(error, (BoardNotSeenError, CalibrationError))
        self._say(str(error) if known else sentence(error), "warn" if known else "bad")
        if not known:
            self._messages.error(error)

    def _remove(self) -> None:
        self.list.takeItem(self.list.currentRow())
        self._forget_result()

    def _counts_changed(self, *_: object) -> None:
        count = self.list.count()
        question = f"Corners of another board do not fit. Remove the {count} view(s) collected so far?"
        if count and not confirmed(self, "Another board", question):
            for field, value in zip((self.columns, self.rows), self._counts, strict=True):
                with signals_blocked(field):
                    field.setValue(value)
            return
        self._counts = (self.columns.value(), self.rows.value())
        self.list.clear()
        self._forget_result()

    def _calibrate(self) -> None:
        cameras, pairs, board = self._identify(), self.pairs, self._board
        if cameras is None:
            self._say("connect the cameras first", "warn")
            return
        # A region that was moved since leaves no trace in the corners.
        other = [item.text() for item in self._ticked if item.data(_CAMERAS) not in (None, cameras)]
        if other:
            self._say(f"{', '.join(other)}: of other cameras or regions; remove what is not of these", "warn")
            return
        self.run.setEnabled(False)
        self._say("calibrating ...", "info")

        def done(result: Calibrated) -> None:
            if (self._board, self.pairs) == (board, pairs):
                self._done(result)
            else:
                self._say("the board or its views were changed meanwhile; calibrate again", "warn")

        self._tasks.start("calibrate", lambda _: calibrate(pairs, board, *cameras), done, self._failed)

    def _done(self, result: Calibrated) -> None:
        self._result = result
        quality = result.quality
        self.run.setEnabled(True)
        self.report.show_picture(result.report)
        self.verdict.setText(quality.verdict)
        set_chip(self.verdict, _VERDICTS[quality.verdict])
        text = (
            f"baseline {quality.baseline_mm:.2f} +- {quality.baseline_sigma_mm:.2f} mm, reprojection "
            f"{quality.stereo_rms_px:.2f} px, epipolar p95 {quality.epipolar_p95_px:.2f} px"
        )
        self._say("; ".join((text, *quality.reasons)), _VERDICTS[quality.verdict])
        self._messages.info(f"calibration {quality.verdict}: {text}")
        for button in (self.save, self.use):
            button.setEnabled(True)

    def _forget_result(self, *_: object) -> None:
        self._result = None
        self.run.setEnabled(bool(self.pairs))
        self.remove.setEnabled(self.list.count() > 0)
        for button in (self.save, self.use):
            button.setEnabled(False)
        self.verdict.setText("no result yet")
        set_chip(self.verdict, "plain")

    def _save(self) -> None:
        result = self._result
        chosen, _ = QFileDialog.getSaveFileName(self, "Save rig", "rig.json", "Rig files (*.json)")
        if result is None or not chosen:
            return
        path = Path(chosen)
        self._tasks.start(
            "save rig",
            lambda _: result.rig.save(path),
            lambda _: self._say(f"saved {path}", "good"),
            self._failed,
        )

    def _use(self) -> None:
        if self._result is not None:
            self.used.emit(self._result.rig)

    def _say(self, text: str, level: str) -> None:
        self.text.setText(text)
        set_chip(self.text, level)
