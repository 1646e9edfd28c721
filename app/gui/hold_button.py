"""A button that starts at once but stops only when it is held, so that no take ends by a stray click."""

from __future__ import annotations

import time

from PyQt6.QtCore import QTimer, pyqtSignal
from PyQt6.QtGui import QAction, QColor, QPainter, QPaintEvent
from PyQt6.QtWidgets import QToolButton, QWidget

from app.gui.theme import set_flag

HOLD_MS = 500
_FRAME_MS = 30


class HoldButton(QToolButton):
    """Shows a checkable action: a click switches it on, half a second of pressing switches it off.

    Args:
        action: What is switched; its text, tool tip and state are shown.

    """

    too_short = pyqtSignal()
    """The button was let go before it could stop anything."""

    def __init__(self, action: QAction, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._action = action
        self._since: float | None = None
        self._stops = False
        self.setObjectName(f"button_{action.objectName()}")
        set_flag(self, "danger", "true")
        self._timer = QTimer(self)
        self._timer.setInterval(_FRAME_MS)
        self._timer.timeout.connect(self._held)
        self.pressed.connect(self._press)
        self.released.connect(self._release)
        action.changed.connect(self._follow)
        self._follow()

    def _follow(self) -> None:
        action = self._action
        self.setText(action.text())
        self.setToolTip(action.toolTip())
        self.setEnabled(action.isEnabled())
        set_flag(self, "on", "true" if action.isChecked() else "false")

    def _press(self) -> None:
        self._stops = self._action.isChecked()
        if self._stops:
            self._since = time.monotonic()
            self._timer.start()

    def _held(self) -> None:
        if self._since is not None and (time.monotonic() - self._since) * 1000 >= HOLD_MS:
            self._end()
            self._action.trigger()
        self.update()

    def _release(self) -> None:
        if not self._stops:
            self._action.trigger()
        elif self._since is not None:
            self._end()
            self.too_short.emit()

    def _end(self) -> None:
        self._since = None
        self._timer.stop()
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Fill up while the button is held."""
        super().paintEvent(event)
        if self._since is not None:
            share = min(1.0, (time.monotonic() - self._since) * 1000 / HOLD_MS)
            painter = QPainter(self)
            painter.fillRect(0, self.height() - 4, round(share * self.width()), 4, QColor("white"))
            painter.end()
