"""One camera's live picture with its name, state, numbers and histogram."""

from __future__ import annotations

import time

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QMouseEvent
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget
from superqt import QElidingLabel

from app.gui.focus import REMEMBERED_S, Best
from app.gui.histogram import Histogram
from app.gui.image_view import ImageView
from app.gui.preview import Preview
from app.gui.requests import StreamNumbers
from app.gui.theme import set_chip, set_flag
from app.gui.wrapping_row import WrappingRow
from app.session import State
from drivers import CameraIdentity, Role

TITLES = {Role.HSR: "HSR-LFR", Role.LSR: "LSR-HFR"}
_STATE_CHIPS = {
    State.DISCONNECTED: "plain",
    State.IDLE: "plain",
    State.LIVE: "good",
    State.ARMED: "warn",
    State.RECORDING: "bad",
    State.FINISHING: "warn",
}
STATE_WORDS = {
    State.DISCONNECTED: "no camera",
    State.IDLE: "idle",
    State.LIVE: "LIVE",
    State.ARMED: "ARMED",
    State.RECORDING: "REC",
    State.FINISHING: "finishing",
}
_RUNNING = (State.LIVE, State.ARMED, State.RECORDING)
_SATURATION_WARNING = 0.01
_FULL_BUFFERS = 0.5
_SILENT_S = 1.0
_IN_FOCUS = 0.97
_FOCUS_TIP = (
    "Sharpness in the middle of what is shown, beside the highest of the last "
    f"{REMEMBERED_S:.0f} s. Turn the focus ring through the sharpest place and back to where this is green; "
    "zoom in to judge one thing. A blur of one pixel leaves about half"
)


def chip(text: str = "", level: str = "plain", tip: str = "") -> QLabel:
    """A small coloured label."""
    label = QLabel(text)
    label.setIndent(0)
    label.setToolTip(tip)
    set_chip(label, level)
    return label


class RawPane(QFrame):
    """One stream.

    Args:
        role: Which one.

    """

    chosen = pyqtSignal(object)
    """Role, when the operator clicks into the pane."""

    def __init__(self, role: Role, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.role = role
        self.setObjectName(f"pane_{role}")
        set_flag(self, "pane", "true")
        self.view = ImageView("no camera: press Connect (Ctrl+K)")
        self.histogram = Histogram()
        self._title = QElidingLabel(TITLES[role])
        set_flag(self._title, "heading", "true")
        self._simulated = chip("SIMULATED", "warn", "These pictures come from the emulated rig")
        self._simulated.hide()
        self.alarm_chip = chip("", "bad")
        self.alarm_chip.hide()
        self.state_chip = chip(STATE_WORDS[State.DISCONNECTED])
        self.fps_chip = chip("- fps", tip="Frames per second that arrive from the camera")
        self.shown_chip = chip("shown -", tip="Pictures per second in this view")
        self.missing_chip = chip("missing 0", tip="Frame ids that never arrived since the pulses began")
        self.incomplete_chip = chip("damaged 0", tip="Frames that arrived damaged (GenICam image status)")
        self.buffer_chip = chip("buf -", tip="Frames that wait in the camera's buffers for this program")
        self.saturated_chip = chip("sat -", tip="Pixels with a saturated channel")
        self.focus_chip = chip("focus -", tip=_FOCUS_TIP)
        top = QHBoxLayout()
        top.addWidget(self._title, 1)
        top.addWidget(self.alarm_chip)
        top.addWidget(self._simulated)
        top.addWidget(self.state_chip)
        chips = WrappingRow(spacing=3)
        for label in (
            self.fps_chip,
            self.shown_chip,
            self.missing_chip,
            self.incomplete_chip,
            self.buffer_chip,
            self.saturated_chip,
            self.focus_chip,
        ):
            chips.add(label)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.setSpacing(3)
        layout.addLayout(top)
        layout.addWidget(self.view, 1)
        layout.addWidget(self.histogram)
        layout.addWidget(chips)
        self.newest: Preview | None = None
        self._connected = False
        self._serial = ""
        self._state = State.DISCONNECTED
        self._numbers = StreamNumbers()
        self._sharpest = Best()
        self._judged: tuple[float, ...] = ()
        self._shown: list[float] = []
        self._last: tuple[float, int] | None = None

    @property
    def title(self) -> str:
        """Which camera this is."""
        return self._title.text()

    def identify(self, identity: CameraIdentity | None) -> None:
        """Name the camera."""
        # "Grasshopper3 GS3-U3-51S5C" is known by its family; the serial number must always be seen.
        family = identity.model.split()[-1].split("-")[0] if identity else ""
        self._title.setText(
            f"{TITLES[self.role]}  {family} #{identity.serial}" if identity else TITLES[self.role]
        )
        self._title.setToolTip(f"{identity.model}, serial number {identity.serial}" if identity else "")
        self._connected = identity is not None
        self._serial = identity.serial if identity is not None else ""
        self._simulated.setVisible(identity is not None and identity.simulated)
        if identity is None:
            self._forget_picture("no camera: press Connect (Ctrl+K)")
            self.show_alarm("")
            self.set_state(State.DISCONNECTED)

    def show_alarm(self, text: str) -> None:
        """Mark the pane until the camera is live again; an empty text takes the mark away."""
        self.alarm_chip.setText("! alarm" if text else "")
        self.alarm_chip.setToolTip(text)
        self.alarm_chip.setVisible(bool(text))
        self._show_state()

    def set_state(self, state: State) -> None:
        """Show the session's state in colour and word."""
        self._state = state
        if state not in _RUNNING:
            self._last = None
            self._numbers = StreamNumbers()
            self._forget_rate()
        self._show_state()

    def _forget_picture(self, hint: str) -> None:
        self.view.clear_picture(hint)
        self.histogram.clear()
        self.saturated_chip.setText("sat -")
        set_chip(self.saturated_chip, "plain")
        self._show_focus(None)

    def _show_focus(self, sharpness: float | None) -> None:
        part = self.view.shown_part
        if part != self._judged or sharpness is None:
            self._judged = part
            self._sharpest.forget()
        share = self._sharpest.share(sharpness) if sharpness is not None else 0.0
        self.focus_chip.setText("focus -" if sharpness is None else f"focus {share:.0%}")
        set_chip(self.focus_chip, "good" if share >= _IN_FOCUS else "plain")

    def _forget_rate(self) -> None:
        self.fps_chip.setText("- fps")
        set_chip(self.fps_chip, "plain")

    def _gone_text(self) -> str:
        return f"Camera {self._serial} has left.\nPlug it in again: it is taken back by itself."

    def _show_state(self) -> None:
        """The session's state, unless this camera is an exception to it."""
        word, level, tip = STATE_WORDS[self._state], _STATE_CHIPS[self._state], ""
        well = not self.alarm_chip.text()
        if self._state is State.DISCONNECTED and self._connected:
            self.view.clear_picture("Waiting for the other camera." if well else self._gone_text())
        if not self._numbers.alive:
            word, level, tip = "no camera", "bad", "This camera has left; the other one goes on"
        elif not self._numbers.recorded:
            word, level, tip = "not in the take", "warn", "Live, but its frames are not being recorded"
        elif self._state is State.DISCONNECTED and self._connected and well:
            word, tip = "waiting", "The other camera has left; plug it in again"
        self.state_chip.setText(word)
        self.state_chip.setToolTip(tip)
        set_chip(self.state_chip, level)

    def set_selected(self, selected: bool) -> None:
        """Mark the camera that keys act on."""
        set_flag(self, "selected", "true" if selected else "false")

    def show_preview(self, preview: Preview) -> None:
        """Show the newest picture."""
        self.view.show_picture(preview.rgb, preview.full_size[0])
        self.newest = preview
        now = time.monotonic()
        self._shown.append(now)
        if preview.histogram is not None:
            self.histogram.show_bins(preview.histogram)
            self._show_focus(preview.sharpness)
        if preview.saturated is not None:
            self.saturated_chip.setText(f"sat {preview.saturated:.1%}")
            set_chip(self.saturated_chip, "warn" if preview.saturated > _SATURATION_WARNING else "plain")

    @property
    def shown_rate(self) -> float:
        """Pictures per second over the last second."""
        now = time.monotonic()
        self._shown = [t for t in self._shown if now - t <= 1.0]
        return float(len(self._shown))

    def show_numbers(self, numbers: StreamNumbers, expected_fps: float, streaming: bool) -> None:
        """Renew the chips; called about twice a second."""
        now = time.monotonic()
        if self._last is None or numbers.received < self._last[1]:
            self._last = (now, numbers.received)
        elif now - self._last[0] >= _SILENT_S / 2:
            then, before = self._last
            fps = (numbers.received - before) / (now - then)
            self._last = (now, numbers.received)
            slow = streaming and fps < 0.9 * expected_fps
            self.fps_chip.setText(f"{fps:.1f} fps")
            set_chip(self.fps_chip, "warn" if slow else "plain")
            self.fps_chip.setToolTip(
                f"Frames per second that arrive from the camera; the trigger plan asks for {expected_fps:g}"
            )
        if not numbers.alive and self._numbers.alive:
            # A picture that stands still must not be taken for a live one.
            self._forget_picture(self._gone_text())
        if not numbers.alive:
            self._forget_rate()
        if (numbers.alive, numbers.recorded) != (self._numbers.alive, self._numbers.recorded):
            self._numbers = numbers
            self._show_state()
        self.shown_chip.setText(f"shown {self.shown_rate:.0f}" if streaming else "shown -")
        self.buffer_chip.setText(f"buf {numbers.buffered:.0%}" if streaming else "buf -")
        set_chip(self.buffer_chip, "warn" if numbers.buffered > _FULL_BUFFERS else "plain")
        for label, word, count in (
            (self.missing_chip, "missing", numbers.missing),
            (self.incomplete_chip, "damaged", numbers.incomplete),
        ):
            label.setText(f"{word} {count}")
            set_chip(label, "bad" if count else "plain")

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Choose this camera."""
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            self.chosen.emit(self.role)
        super().mousePressEvent(event)
