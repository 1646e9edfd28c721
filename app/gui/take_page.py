"""The take browser: the list of takes, both streams side by side at one moment, trim, fuse, export."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from PyQt6.QtCore import QSize, Qt, QUrl, pyqtSignal
from PyQt6.QtGui import QDesktopServices, QIcon, QImage, QPixmap, QShowEvent
from PyQt6.QtWidgets import (
    QComboBox,
    QDialog,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSlider,
    QSplitter,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel, QRangeSlider
from superqt.utils import signals_blocked

from app.gui.export_dialog import ExportDialog, Part
from app.gui.image_view import ImageView
from app.gui.jobs import JobQueue
from app.gui.jobs_panel import JobsPanel
from app.gui.messages import Messages
from app.gui.number_keys import NumberKeys
from app.gui.preview import Preview
from app.gui.raw_pane import TITLES
from app.gui.take_library import THUMBNAIL_WIDTH, TakeEntry, folder_problem, read_entry, scan
from app.gui.take_playback import Playback
from app.gui.take_player import Moment, OpenTake, TakePlayer
from app.gui.take_watch import TakeWatch
from app.gui.tasks import CancelToken, Newest, Tasks
from app.gui.theme import set_chip, set_flag
from drivers import RgbImage, Role

_ENTRY = Qt.ItemDataRole.UserRole
_EMPTY = "choose a take on the left"
_RECORDING = "it is being recorded; when it has ended, all of it can be seen, fused and exported"


def icon(rgb: RgbImage) -> QIcon:
    """A thumbnail for the list; Qt keeps its own copy."""
    height, width = rgb.shape[:2]
    image = QImage(rgb.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
    return QIcon(QPixmap.fromImage(image))


class TakePage(QWidget):
    """Everything about recorded takes.

    Args:
        folder: Where to look first.
        tasks: Where folders are read.
        queue: The jobs.
        messages: For failures.

    """

    _opened = pyqtSignal(object)

    def __init__(
        self, folder: Path, tasks: Tasks, queue: JobQueue, messages: Messages, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._folder, self._tasks, self._queue, self._messages = folder, tasks, queue, messages
        self._scans = Newest(tasks, "scan takes")
        self._watch = TakeWatch(self, tasks)
        self._running: Path | None = None
        self._shown: tuple[object, ...] | None = None
        self._known: dict[Path, TakeEntry] = {}
        self._had_takes = False
        self._open: OpenTake | None = None
        self._select: Path | None = None
        self._guest: Path | None = None
        self._moment: Moment | None = None
        self._opening = 0
        self.player = TakePlayer(self._opened.emit, messages.error)
        self.list = QListWidget()
        self.list.setObjectName("take_list")
        self.list.setIconSize(QSize(THUMBNAIL_WIDTH, THUMBNAIL_WIDTH * 5 // 6))
        self.list.setMinimumWidth(230)
        self.list.setWordWrap(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.where = QElidingLabel(str(folder))
        self.where.setToolTip(str(folder))
        self.problem = QLabel("")
        self.problem.setObjectName("take_folder_problem")
        self.problem.setWordWrap(True)
        self.problem.hide()
        set_chip(self.problem, "warn")
        self.refresh_button = QPushButton("Refresh")
        self.folder_button = QPushButton("Open folder")
        self.views = {role: ImageView(_EMPTY) for role in Role}
        self.labels = {role: QLabel(TITLES[role]) for role in Role}
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setObjectName("take_slider")
        self.slider.setToolTip("The moment that is shown")
        self.trim = QRangeSlider(Qt.Orientation.Horizontal)  # type: ignore[no-untyped-call]
        self.trim.setObjectName("take_trim")
        self.trim.setToolTip("The part to fuse or export: drag both ends")
        self.playback = Playback(self, self.slider, lambda: self.trimmed)
        self.play, self.speed = self.playback.play, self.playback.speed
        self.marks = QComboBox()
        self.marks.setObjectName("take_marks")
        self.marks.setToolTip("Notes made while the take ran: choose one to see its moment")
        self.marks.setAccessibleName("Notes of the take")
        self.marks.setPlaceholderText("Notes")
        self.marks.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.marks.setMinimumContentsLength(14)
        self.marks.hide()
        self.time = QLabel("")
        self.note = QElidingLabel("")
        set_flag(self.note, "dim", "true")
        self.fuse = QPushButton("Fuse ...")
        self.fuse.setObjectName("take_fuse")
        self.export = QPushButton("Export ...")
        self.export.setObjectName("take_export")
        self.jobs = JobsPanel(queue)
        self._arrange()
        NumberKeys(self)
        self._opened.connect(self._on_opened)
        self._watch.ended.connect(self.refresh)
        self.list.currentItemChanged.connect(self._chosen)
        self.slider.valueChanged.connect(self._seek)
        self.trim.valueChanged.connect(self._trimmed)
        self.marks.activated.connect(lambda _: self.slider.setValue(self.marks.currentData()))
        self.refresh_button.clicked.connect(lambda: self.refresh())
        self.folder_button.clicked.connect(self._open_folder)
        self.fuse.clicked.connect(lambda: self.ask(fused=True))
        self.export.clicked.connect(lambda: self.ask(fused=False))
        self._enable()

    def _arrange(self) -> None:
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.where)
        column.addWidget(self.problem)
        column.addWidget(self.list, 1)
        row = QHBoxLayout()
        row.addWidget(self.refresh_button)
        row.addWidget(self.folder_button)
        column.addLayout(row)
        pictures = QHBoxLayout()
        for role, view in self.views.items():
            pane = QFrame()
            set_flag(pane, "pane", "true")
            inside = QVBoxLayout(pane)
            inside.setContentsMargins(6, 4, 6, 4)
            inside.addWidget(self.labels[role])
            inside.addWidget(view, 1)
            pictures.addWidget(pane, 1)
        controls = QHBoxLayout()
        controls.addWidget(self.play)
        controls.addWidget(self.speed)
        controls.addWidget(self.time)
        controls.addWidget(self.marks)
        controls.addWidget(self.note, 1)
        controls.addWidget(self.fuse)
        controls.addWidget(self.export)
        right = QWidget()
        body = QVBoxLayout(right)
        body.setContentsMargins(0, 0, 0, 0)
        body.addLayout(pictures, 1)
        places = QFormLayout()
        places.addRow("Moment", self.slider)
        places.addRow("Part", self.trim)
        body.addLayout(places)
        body.addLayout(controls)
        across = QSplitter(Qt.Orientation.Horizontal)
        across.addWidget(left)
        across.addWidget(right)
        across.setStretchFactor(1, 1)
        across.setChildrenCollapsible(False)
        down = QSplitter(Qt.Orientation.Vertical)
        down.addWidget(across)
        down.addWidget(self.jobs)
        down.setStretchFactor(0, 1)
        down.setChildrenCollapsible(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(down)

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Let keys act on the takes at once."""
        super().showEvent(event)
        if event is not None and not event.spontaneous():
            self.list.setFocus()

    # -- the list -------------------------------------------------------------------------------------

    @property
    def chosen(self) -> TakeEntry | None:
        """The take that is looked at."""
        item = self.list.currentItem()
        entry = item.data(_ENTRY) if item is not None else None
        return entry if isinstance(entry, TakeEntry) else None

    def refresh(self, folder: Path | None = None, select: Path | None = None) -> None:
        """Read the folder anew.

        Args:
            folder: Another one from now on.
            select: Look at this take, wherever it lies; it stays in the list while it is there and the
                folder remains the same.

        """
        if folder is not None and folder != self._folder:
            self._folder, self._guest, self._had_takes = folder, None, False
            self.where.setText(str(folder))
            self.where.setToolTip(str(folder))
        chosen = self.chosen
        self._select = select or (chosen.path if chosen is not None else None)
        self._guest = select or self._guest
        folder, guest, running = self._folder, self._guest, self._running
        known, had_takes = self._known, self._had_takes

        def work(token: CancelToken) -> tuple[list[TakeEntry], str]:
            entries = scan(folder, running, known=known, cancelled=lambda: token.cancelled)
            if guest is not None and guest.exists() and all(entry.path != guest for entry in entries):
                entries.insert(0, read_entry(guest, running))
            return entries, folder_problem(folder, had_takes=had_takes)

        self._scans.start(work, self._fill)

    def set_running(self, path: Path | None) -> None:
        """Say which take is recorded from now on; None when it has ended, and is read anew."""
        ended = path is None and self._running is not None
        self._running = path
        if ended and self.isVisible():
            self.refresh()

    def _fill(self, found: tuple[list[TakeEntry], str]) -> None:
        entries, problem = found
        self.problem.setText(problem)
        self.problem.setVisible(bool(problem))
        self.folder_button.setEnabled(not problem)
        self._known = {entry.path: entry for entry in entries}
        self._watch.follow(e.path for e in entries if e.recording and e.path != self._running)
        self._had_takes |= any(path.parent == self._folder for path in self._known)
        with signals_blocked(self.list):
            self.list.clear()
            for entry in entries:
                item = QListWidgetItem(f"{entry.name}\n{entry.summary}")
                item.setData(_ENTRY, entry)
                item.setToolTip(entry.tip)
                if entry.thumbnail is not None:
                    item.setIcon(icon(entry.thumbnail))
                self.list.addItem(item)
        if self._guest is not None and all(entry.path != self._guest for entry in entries):
            self._messages.warning(f"{self._guest} is not there any more: it was moved, renamed or deleted")
            self._guest = None
        row = next((i for i, entry in enumerate(entries) if entry.path == self._select), 0 if entries else -1)
        self.list.setCurrentRow(row)
        self._chosen()

    def _chosen(self, *_: object) -> None:
        entry = self.chosen
        version = entry.version if entry is not None else None
        if version == self._shown:
            return
        self._shown = version
        path = entry.path if entry is not None and not entry.problem else None
        self.playback.stop()
        self._open = self._moment = None
        self._opening = self.player.open(path)
        for role, view in self.views.items():
            view.clear_picture(entry.hint if entry is not None else _EMPTY)
            self.labels[role].setText(TITLES[role])
        self._set_moments(0)
        self.time.setText("")
        self.marks.hide()
        self._say(entry.problem if entry is not None else "")
        self._enable()

    def _say(self, note: str) -> None:
        text = _RECORDING if self.chosen is not None and self.chosen.recording else note
        self.note.setText(text)
        self.note.setToolTip(text)

    def _set_moments(self, count: int) -> None:
        last = max(0, count - 1)
        with signals_blocked(self.slider), signals_blocked(self.trim):
            self.slider.setRange(0, last)
            self.trim.setRange(0, max(1, last))
            self.trim.setValue((0, max(1, last)))
            self.slider.setValue(0)

    def _on_opened(self, opened: OpenTake) -> None:
        if opened.opening != self._opening:
            return
        self._open = opened
        self._set_moments(opened.moments)
        self.marks.clear()
        for index, text in opened.marks:
            self.marks.addItem(text, index)
        self.marks.setCurrentIndex(-1)
        self.marks.setVisible(bool(opened.marks))
        self._say(opened.note)
        self._enable()
        self._seek(0)

    def _enable(self) -> None:
        ready, entry = self._open is not None and self._open.moments > 0, self.chosen
        for widget in (self.slider, self.trim, self.play, self.speed):
            widget.setEnabled(ready)
        usable = ready and entry is not None and not entry.recording
        self.export.setEnabled(usable)
        self.fuse.setEnabled(usable and entry is not None and entry.has_both)

    # -- looking --------------------------------------------------------------------------------------

    def _seek(self, index: int) -> None:
        if self._open is None:
            return
        self.player.max_width = self.views[Role.HSR].shown_width
        self.player.seek(index)
        times = self.chosen.times_s[index : index + 1] if self.chosen is not None else ()
        self.time.setText("".join(f"{seconds:.4f} s" for seconds in times))

    def _trimmed(self, ends: tuple[int, int]) -> None:
        value = self.slider.value()
        inside = min(max(value, ends[0]), ends[1])
        if inside != value:
            self.slider.setValue(inside)

    def drain(self) -> None:
        """Show the newest moment; called by the display timer."""
        moment = self.player.mailbox.take()
        if moment is None or moment.opening != self._opening:
            return
        self._moment = moment
        self._show(Role.LSR, moment.lsr, moment.index, moment.unread.get(Role.LSR, ""))
        self._show(Role.HSR, moment.hsr, moment.hsr_index, moment.unread.get(Role.HSR, ""))

    def _show(self, role: Role, preview: Preview | None, index: int, why: str) -> None:
        if preview is None:
            self.views[role].hide_picture(why or f"no {role.name} frame belongs to this moment")
            missing = f"frame {index} cannot be read" if why else "no frame at this moment"
            self.labels[role].setText(f"{TITLES[role]}  {missing}")
        else:
            self.views[role].show_picture(preview.rgb, preview.full_size[0])
            self.labels[role].setText(f"{TITLES[role]}  frame {index}, id {preview.frame_id}")

    @property
    def moment(self) -> Moment | None:
        """What is shown."""
        return self._moment

    # -- doing ----------------------------------------------------------------------------------------

    @property
    def trimmed(self) -> tuple[int, int]:
        """First and last LSR frame of the trimmed part."""
        low, high = cast("tuple[int, int]", self.trim.value())
        return low, high

    @property
    def part(self) -> Part:
        """The trimmed part [s]; frames at both ends are inside."""
        entry = self.chosen
        if self._open is None or entry is None or not len(entry.times_s):
            return Part()
        times = entry.times_s
        low, high = self.trimmed
        start = 0.0 if low == 0 else float(times[low - 1] + times[low]) / 2
        whole = high >= len(times) - 1
        return Part(start, None if whole else float(times[high] + times[high + 1]) / 2)

    def ask(self, *, fused: bool) -> None:
        """Open the export dialog for the chosen take."""
        entry = self.chosen
        if entry is None or self._open is None or not self.export.isEnabled():
            if entry is not None and self.note.text():
                self._messages.info(f"{entry.name} cannot be fused or exported: {self.note.text()}")
            return
        taken = self._queue.outputs
        dialog = ExportDialog(
            entry,
            self._open.fps,
            self.part,
            self._tasks,
            hsr_fps=self._open.hsr_fps,
            fused=fused,
            taken=taken,
            parent=self,
        )
        if dialog.exec() == QDialog.DialogCode.Accepted:
            self._queue.add(dialog.request)
        dialog.deleteLater()

    def _open_folder(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._folder)))

    def close_player(self) -> None:
        """End the player's thread."""
        self.playback.stop()
        self.player.close()
