"""The offset of two clips by eye: a frame of each until both show the same, or a timer read in both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from app.gui.image_view import ImageView
from app.gui.messages import sentence
from app.gui.number_field import NumberField
from app.gui.number_keys import EnterEndsNumbers
from app.gui.preview import Preview
from app.gui.preview_worker import make_preview
from app.gui.tasks import CancelToken, Tasks
from app.gui.theme import set_chip
from app.sync import TimerReading, TimerReadings, check_by_timer, open_synced
from drivers import StreamPair

_PICTURE_WIDTH = 1280


@dataclass(frozen=True, slots=True, eq=False)
class _Shown:
    frames: tuple[int, int]
    hsr: Preview
    lsr: Preview


class OffsetDialog(QDialog):
    """Shows one frame of each clip; the offset is the one at which both frames are of the same moment.

    Args:
        hsr: The sharp, slow clip.
        lsr: The coarse, fast clip.
        capture_factor: Of the LSR clip; None finds it.
        offset_ms: To begin with [ms].
        tasks: Where clips are opened and decoded.

    """

    chosen = pyqtSignal(float)
    """The operator wants this offset [ms]."""

    def __init__(
        self,
        hsr: Path,
        lsr: Path,
        capture_factor: float | None,
        offset_ms: float,
        tasks: Tasks,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Offset by eye")
        self._tasks = tasks
        self._pair: StreamPair | None = None
        self._times: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] = (np.zeros(1), np.zeros(1))
        self._loading = self._closed = False
        self._offset_ms = offset_ms
        self.views = (ImageView("HSR"), ImageView("LSR"))
        self.frames = (QSpinBox(), QSpinBox())
        self.sliders = (QSlider(Qt.Orientation.Horizontal), QSlider(Qt.Orientation.Horizontal))
        self.timers = (_milliseconds(), _milliseconds())
        self.use_timer = QPushButton("Set by timer")
        self.use_timer.setToolTip("Type what a filmed timer shows in each picture, then press")
        self.text = QLabel("Opening both clips")
        self.text.setObjectName("offset_text")
        self.text.setWordWrap(True)
        self.use, self.shut = QPushButton("Use this offset"), QPushButton("Close")
        self.use.setDefault(True)
        self._lay_out()
        self._enable(False)
        self.sliders[0].valueChanged.connect(self._hsr_moved)
        self.sliders[1].valueChanged.connect(self._lsr_moved)
        for slider, box in zip(self.sliders, self.frames, strict=True):
            box.valueChanged.connect(slider.setValue)
            slider.valueChanged.connect(box.setValue)
        for timer in self.timers:
            timer.valueChanged.connect(self._tell)
        self.use_timer.clicked.connect(self._by_timer)
        self.use.clicked.connect(self._choose)
        self.shut.clicked.connect(self.close)

        def work(_: CancelToken) -> StreamPair:
            synced = open_synced(hsr, lsr, offset_ms=offset_ms, capture_factor=capture_factor, deep=False)
            return synced.pair

        tasks.start("open-clips", work, self._opened, self._failed)

    @property
    def offset_ms(self) -> float:
        """Time of the first HSR frame minus that of the first LSR frame, as the dialog stands [ms]."""
        return self._offset_ms

    def _lay_out(self) -> None:
        grid = QGridLayout()
        titles = ("HSR frame", "LSR frame")
        for column, title in enumerate(titles):
            row = QHBoxLayout()
            row.addWidget(QLabel(title))
            row.addWidget(self.frames[column])
            row.addWidget(self.sliders[column], 1)
            row.addWidget(QLabel("Timer"))
            row.addWidget(self.timers[column])
            self.views[column].setMinimumSize(400, 230)
            self.frames[column].setObjectName(f"offset_frame_{column}")
            self.timers[column].setObjectName(f"offset_timer_{column}")
            grid.addWidget(self.views[column], 0, column)
            grid.addLayout(row, 1, column)
            grid.setColumnStretch(column, 1)
        grid.setRowStretch(0, 1)
        buttons = QHBoxLayout()
        buttons.addWidget(self.text, 1)
        for button in (self.use_timer, self.use, self.shut):
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        layout.addLayout(grid, 1)
        layout.addLayout(buttons)
        self.resize(1100, 460)
        EnterEndsNumbers(self)

    def _enable(self, on: bool) -> None:
        for widget in (*self.frames, *self.sliders, *self.timers, self.use_timer, self.use):
            widget.setEnabled(on)

    def _opened(self, pair: StreamPair) -> None:
        if self._closed:
            _close(pair)
            return
        self._pair = pair
        hsr, lsr = ((s.mid_exposure_ns - int(s.mid_exposure_ns[0])) / 1e6 for s in (pair.hsr, pair.lsr))
        self._times = hsr, lsr
        for times, slider, box in zip(self._times, self.sliders, self.frames, strict=True):
            slider.setMaximum(len(times) - 1)
            box.setMaximum(len(times) - 1)
        self._enable(True)
        both = np.flatnonzero((hsr + self._offset_ms >= 0) & (hsr + self._offset_ms <= lsr[-1]))
        self.sliders[0].setValue(int(both[len(both) // 2]) if len(both) else 0)
        self._hsr_moved()

    def _failed(self, error: Exception) -> None:
        self.text.setText(sentence(error))
        set_chip(self.text, "bad")

    def _hsr_moved(self) -> None:
        """Another moment, the same offset."""
        there = self._times[0][self.sliders[0].value()] + self._offset_ms
        slider = self.sliders[1]
        slider.blockSignals(True)
        slider.setValue(int(np.argmin(np.abs(self._times[1] - there))))
        slider.blockSignals(False)
        self.frames[1].blockSignals(True)
        self.frames[1].setValue(slider.value())
        self.frames[1].blockSignals(False)
        self._load()

    def _lsr_moved(self) -> None:
        """Another offset, the same HSR frame."""
        j, i = (slider.value() for slider in self.sliders)
        self._offset_ms = float(self._times[1][i] - self._times[0][j])
        self._load()

    def _by_timer(self) -> None:
        if self._pair is not None:
            self._offset_ms = check_by_timer(self._pair, self._readings()).offset_ms
            self._hsr_moved()

    def _readings(self) -> TimerReadings:
        hsr, lsr = (
            TimerReading(slider.value(), timer.value())
            for slider, timer in zip(self.sliders, self.timers, strict=True)
        )
        return TimerReadings(hsr, lsr)

    def _tell(self) -> None:
        """What the offset is, and whether the timer agrees."""
        text, level = f"Offset {self._offset_ms:.3f} ms", "plain"
        if self._pair is not None and any(timer.value() for timer in self.timers):
            check = check_by_timer(self._pair, self._readings())
            apart = self._offset_ms - check.offset_ms
            agrees = check.warning(self._offset_ms) is None
            text += f"; timer {check.offset_ms:.1f} ms, {abs(apart):.1f} ms {'less' if apart > 0 else 'more'}"
            text += f": {'agrees within' if agrees else 'more than'} {check.tolerance_ms:.1f} ms"
            level = "good" if agrees else "warn"
        self.text.setText(text)
        set_chip(self.text, level)

    def _load(self) -> None:
        """Decode the two frames; while some are being decoded, only the newest wish is remembered."""
        self._tell()
        pair, wanted = self._pair, (self.sliders[0].value(), self.sliders[1].value())
        if pair is None or self._loading or self._closed:
            return
        self._loading = True

        def work(_: CancelToken) -> _Shown:
            hsr, lsr = (
                make_preview(source.read(index), _PICTURE_WIDTH, mark=False, with_statistics=False)
                for source, index in zip((pair.hsr, pair.lsr), wanted, strict=True)
            )
            return _Shown(wanted, hsr, lsr)

        self._tasks.start("offset-frames", work, self._show, self._not_shown)

    def _show(self, shown: _Shown) -> None:
        self._finish_loading()
        if self._closed:
            return
        self.views[0].show_picture(shown.hsr.rgb)
        self.views[1].show_picture(shown.lsr.rgb)
        if shown.frames != (self.sliders[0].value(), self.sliders[1].value()):
            self._load()

    def _not_shown(self, error: Exception) -> None:
        self._finish_loading()
        self._failed(error)

    def _finish_loading(self) -> None:
        self._loading = False
        if self._closed and self._pair is not None:
            _close(self._pair)
            self._pair = None

    def _choose(self) -> None:
        self.chosen.emit(self._offset_ms)
        self.close()

    def done(self, result: int) -> None:
        """Give the clips back, once nothing is decoded any more."""
        self._closed = True
        if not self._loading:
            self._finish_loading()
        super().done(result)


def _close(pair: StreamPair) -> None:
    pair.hsr.close()
    pair.lsr.close()


def _milliseconds() -> NumberField:
    box = NumberField()
    box.setRange(0, 1e9)
    box.setDecimals(1)
    box.setSuffix(" ms")
    box.setButtonSymbols(NumberField.ButtonSymbols.NoButtons)
    return box
