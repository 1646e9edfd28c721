"""The third picture: both views laid over each other, or the live fusion, shown in several ways."""

from __future__ import annotations

import time
from enum import Enum

import cv2
import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import Qt, QTimer, pyqtSignal
from PyQt6.QtWidgets import QComboBox, QFrame, QHBoxLayout, QLabel, QSlider, QSpinBox, QVBoxLayout, QWidget
from superqt import QElidingLabel

from app.gui.image_view import ImageView
from app.gui.live_fusion import Choice, Fused
from app.gui.live_region import REGIONS
from app.gui.method_box import MethodBox
from app.gui.overlay_worker import Overlay, OverlayMode
from app.gui.raw_pane import chip
from app.gui.theme import set_chip, set_flag
from app.gui.wrapping_row import WrappingRow
from drivers import RgbImage

_FIRST_METHOD = "classical"
_FLICKER_MS = 400
_LATE_MS = 1500
_STEPS = 1000
_NO_LIMIT = 16777215  # QWIDGETSIZE_MAX, which PyQt does not name


class Show(Enum):
    """What the third picture is."""

    ANAGLYPH = "Alignment: red / cyan"
    BLEND = "Alignment: blend"
    FUSED = "Fused"
    WIPE = "Fused: wipe LSR | fused"
    FLICKER = "Fused: flicker"
    DIFFERENCE = "Fused: difference"
    WEIGHT = "Fused: sharp frame's share"
    FLOW = "Fused: motion"
    OFF = "Off"


OVERLAYS = {Show.ANAGLYPH: OverlayMode.ANAGLYPH, Show.BLEND: OverlayMode.BLEND}
FUSIONS = (Show.FUSED, Show.WIPE, Show.FLICKER, Show.DIFFERENCE, Show.WEIGHT, Show.FLOW)


def compose(fused: Fused, show: Show, wipe: float, flicker: bool) -> RgbImage:
    """The picture to show, uint8 RGB of the fused size.

    Args:
        fused: The newest picture.
        show: How.
        wipe: Place 0..1 of the border between the LSR and the fused picture.
        flicker: Whether flickering shows the LSR picture now.

    """
    if show is Show.WIPE:
        border = round(wipe * fused.image.shape[1])
        out = fused.image.copy()
        out[:, :border] = fused.upscaled[:, :border]
        out[:, max(0, border - 1) : border + 1] = 255
        return out
    if show is Show.FLICKER and flicker:
        return fused.upscaled
    if show is Show.DIFFERENCE:
        return np.asarray(cv2.convertScaleAbs(cv2.absdiff(fused.image, fused.upscaled), alpha=4.0), np.uint8)
    if show is Show.WEIGHT and fused.weight is not None:
        grey = np.clip(fused.weight * 255, 0, 255).astype(np.uint8)
        return np.asarray(cv2.applyColorMap(grey, cv2.COLORMAP_VIRIDIS)[:, :, ::-1])
    if show is Show.FLOW and fused.flow is not None:
        return flow_colours(fused.flow)
    return fused.image


def flow_colours(flow: npt.NDArray[np.float32]) -> RgbImage:
    """Motion as colours: direction is the hue, length the brightness, full at the 99th percentile."""
    length, angle = cv2.cartToPolar(flow[:, :, 0], flow[:, :, 1])
    full = max(float(np.percentile(length, 99)), 1.0)
    hsv = np.empty((*flow.shape[:2], 3), np.uint8)
    hsv[:, :, 0] = angle * (90 / np.pi)
    hsv[:, :, 1] = 255
    hsv[:, :, 2] = np.clip(length * (255 / full), 0, 255)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.uint8)


class FusedPane(QFrame):
    """Picture, switches and figures."""

    show_changed = pyqtSignal(object)
    """Show: what the operator wants to see."""
    choice_changed = pyqtSignal(object)
    """Choice: what to fuse and how."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        set_flag(self, "pane", "true")
        self.setObjectName("pane_fused")
        self.view = ImageView("waiting for the alignment of both views")
        self.mode = QComboBox()
        self.mode.setObjectName("third_view")
        for show in Show:
            self.mode.addItem(show.value, show)
        self.mode.setCurrentIndex(self.mode.findData(Show.OFF))
        self.method = MethodBox()
        self.method.setObjectName("live_method")
        self.method.choose(_FIRST_METHOD)
        self.region = QComboBox()
        self.region.setObjectName("live_region")
        self.region.addItems(list(REGIONS))
        self.region.setCurrentText("Centre, a quarter")
        self.distance = QSpinBox()
        self.distance.setObjectName("live_distance")
        self.distance.setRange(0, 15)
        self.distance.setValue(1)
        self.distance.setPrefix("+")
        self.distance.setSuffix(" frames")
        self.distance.setToolTip(
            "Which LSR frame is fused, counted from its HSR frame: +0 is the synchronised one, half the "
            "ratio is the hardest"
        )
        self.references = QComboBox()
        self.references.setObjectName("live_references")
        for count, words in ((1, "1 sharp frame"), (2, "2 sharp frames")):
            self.references.addItem(words, count)
        self.references.setToolTip("Also use the next HSR frame: sharper when things turn up, one GoP later")
        self.recurrent = QComboBox()
        self.recurrent.setObjectName("live_recursion")
        for value, words in ((False, "direct"), (True, "recurrent")):
            self.recurrent.addItem(words, value)
        self.recurrent.setToolTip(
            "Direct: from the HSR frame itself; recurrent: from the frame fused just before, as in the paper"
        )
        self.wipe = QSlider(Qt.Orientation.Horizontal)
        self.wipe.setRange(0, _STEPS)
        self.wipe.setValue(_STEPS // 2)
        self.wipe.setMinimumWidth(120)
        self.wipe.setToolTip("Place of the border: left LSR, right fused")
        for chooser, spoken in (
            (self.mode, "Combined picture"),
            (self.method, "Live fusion method"),
            (self.region, "Part that is fused live"),
            (self.distance, "LSR frame that is fused live"),
            (self.references, "Sharp frames for live fusion"),
            (self.recurrent, "Recursion of live fusion"),
            (self.wipe, "Border between LSR and fused picture"),
        ):
            chooser.setAccessibleName(spoken)
        self.rate = chip("-", tip="Fused pictures per second, and how long one takes")
        self.age = chip("", tip="From the arrival of the LSR frame to the finished picture")
        self.dropped = chip("", tip="GoPs that live fusion had no time for; recordings keep them all")
        for label in (self.age, self.dropped):
            label.hide()
        self.hint = QElidingLabel("")
        set_flag(self.hint, "dim", "true")
        self._fusing = (self.method, self.region, self.distance, self.references, self.recurrent)
        controls = WrappingRow(spacing=6)
        title = QLabel("Combined")
        set_flag(title, "heading", "true")
        title.setMinimumHeight(self.mode.sizeHint().height())
        for widget in (title, self.mode, *self._fusing):
            controls.add(widget)
        bottom = QHBoxLayout()
        bottom.setSpacing(4)
        for label in (self.rate, self.age, self.dropped):
            bottom.addWidget(label)
        bottom.addWidget(self.hint, 1)
        bottom.addWidget(self.wipe)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.setSpacing(3)
        layout.addWidget(controls)
        layout.addWidget(self.view, 1)
        layout.addLayout(bottom)
        self.newest_overlay: Overlay | None = None
        self.newest_fused: Fused | None = None
        self._reason = ""
        self._times: list[float] = []
        self._skipped = 0
        self._flicker = False
        self._flicker_timer = QTimer(self)
        self._flicker_timer.setInterval(_FLICKER_MS)
        self._flicker_timer.timeout.connect(self._flip)
        self.mode.currentIndexChanged.connect(self._mode_changed)
        self.method.currentIndexChanged.connect(self._choice_changed)
        self.region.currentIndexChanged.connect(self._choice_changed)
        self.distance.valueChanged.connect(self._choice_changed)
        self.references.currentIndexChanged.connect(self._choice_changed)
        self.recurrent.currentIndexChanged.connect(self._choice_changed)
        self.wipe.valueChanged.connect(self._redraw)
        self._mode_changed()

    @property
    def shown(self) -> Show:
        """What is shown."""
        show = self.mode.currentData()
        return show if isinstance(show, Show) else Show.OFF

    @property
    def choice(self) -> Choice:
        """What is fused, and how."""
        return Choice(
            self.method.method or _FIRST_METHOD,
            REGIONS[self.region.currentText()],
            self.distance.value(),
            self.references.currentData(),
            self.recurrent.currentData(),
            self.shown is Show.FLOW,
        )

    def set_shown(self, show: Show) -> None:
        """Show something else."""
        self.mode.setCurrentIndex(self.mode.findData(show))

    def clear(self) -> None:
        """Show no picture until the next one comes."""
        self._times.clear()
        self._skipped = 0
        self.newest_fused = None
        self.view.clear_picture()
        self.rate.setText("-")
        for label in (self.age, self.dropped):
            # They appear with the first figures.
            label.hide()

    def set_hint(self, text: str) -> None:
        """Say why there is no picture, or no newer one."""
        self.view.set_hint(text)
        self._reason = text
        self._say()

    def _say(self) -> None:
        fused = self.newest_fused
        text = (self._reason or fused.note) if fused is not None else ""
        self.hint.setText(text)
        self.hint.setToolTip(text)

    def show_overlay(self, overlay: Overlay) -> None:
        """Show the newest overlay."""
        if self.shown in OVERLAYS:
            self.view.show_picture(overlay.rgb)
            self.newest_overlay = overlay
            self._count()
            self.rate.setText(f"{self._rate():.0f} fps")

    def show_fused(self, fused: Fused) -> None:
        """Show the newest fused picture."""
        if self.shown not in FUSIONS:
            return
        self.newest_fused = fused
        self._skipped += fused.skipped
        self._count()
        self._redraw()
        self._say()
        self.rate.setText(f"{self._rate():.1f} fps, {fused.seconds * 1000:.0f} ms on {fused.device}")
        for label in (self.age, self.dropped):
            label.show()
        self.age.setText(f"age {fused.age_ms:.0f} ms")
        set_chip(self.age, "warn" if fused.age_ms > _LATE_MS else "plain")
        self.dropped.setText(f"skipped {self._skipped}")
        set_chip(self.dropped, "info" if self._skipped else "plain")

    def _count(self) -> None:
        self._times.append(time.monotonic())

    def _rate(self) -> float:
        now = time.monotonic()
        self._times = [t for t in self._times if now - t <= 5.0]
        span = now - self._times[0] if len(self._times) > 1 else 0.0
        return (len(self._times) - 1) / span if span > 0 else 0.0

    def _redraw(self, *_: object) -> None:
        if self.newest_fused is not None and self.shown in FUSIONS:
            place = self.wipe.value() / _STEPS
            self.view.show_picture(compose(self.newest_fused, self.shown, place, self._flicker))

    def _flip(self) -> None:
        self._flicker = not self._flicker
        self._redraw()

    def _mode_changed(self, *_: object) -> None:
        show = self.shown
        fusing = show in FUSIONS
        for widget in self._fusing:
            widget.setVisible(fusing)
        self.wipe.setVisible(show is Show.WIPE)
        self.rate.setVisible(show is not Show.OFF)
        if show is Show.FLICKER:
            self._flicker_timer.start()
        else:
            self._flicker_timer.stop()
            self._flicker = False
        self.clear()
        self.view.setVisible(show is not Show.OFF)
        self.hint.setVisible(show is not Show.OFF)
        # Nothing but its switch: the other pictures get the room.
        self.setMaximumHeight(self.sizeHint().height() if show is Show.OFF else _NO_LIMIT)
        self.show_changed.emit(show)

    def _choice_changed(self, *_: object) -> None:
        for box in (self.references, self.recurrent):
            box.setEnabled(self.choice.method != "bicubic")
        self._times.clear()
        self._skipped = 0
        self.choice_changed.emit(self.choice)
