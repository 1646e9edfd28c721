"""Playing a take: the slider moves on by itself, from wherever it stands; Space starts and stops it."""

from __future__ import annotations

import time
from collections.abc import Callable

from PyQt6.QtCore import QEvent, QObject, Qt, QTimer
from PyQt6.QtGui import QKeyEvent, QShortcut
from PyQt6.QtWidgets import QAbstractButton, QApplication, QPushButton, QSlider, QWidget

from app.gui.number_field import NumberField

_FPS = 30.0
_TICK_MS = 25


class Playback(QObject):
    """The play button, the speed, and the key for both.

    Args:
        page: Where Space plays, whatever has the focus, unless it is another button.
        slider: Shows the moment, and moves to another one.
        part: First and last moment to play.

    """

    def __init__(self, page: QWidget, slider: QSlider, part: Callable[[], tuple[int, int]]) -> None:
        super().__init__(page)
        self._slider, self._part = slider, part
        self._place, self._then = 0.0, 0.0
        self.play = QPushButton("Play")
        self.play.setCheckable(True)
        self.play.setToolTip("Play the part, again and again, or pause (Space)")
        self.speed = NumberField()
        self.speed.setRange(0.1, 1000)
        self.speed.setValue(_FPS)
        self.speed.setSuffix(" fps")
        self.speed.setAccessibleName("Speed of playing")
        self._timer = QTimer(self)
        self._timer.setInterval(_TICK_MS)
        self._timer.timeout.connect(self._advance)
        self.play.toggled.connect(self._switch)
        # Not the button's own shortcut: that is forgotten with every new text of the button.
        space = QShortcut(Qt.Key.Key_Space, page)
        space.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        space.setAutoRepeat(False)
        space.activated.connect(self._press)
        page.installEventFilter(self)

    def stop(self) -> None:
        """Stand still."""
        self.play.setChecked(False)

    def eventFilter(self, page: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Leave Space to a button that has the focus; what it does not want comes by here."""
        if (
            isinstance(event, QKeyEvent)
            and event.type() == QEvent.Type.ShortcutOverride
            and event.key() == Qt.Key.Key_Space
            and isinstance(QApplication.focusWidget(), QAbstractButton)
        ):
            event.accept()
            return True
        return super().eventFilter(page, event)

    def _press(self) -> None:
        # A list that has popped up has the keys to itself.
        if QApplication.activePopupWidget() is None:
            self.play.click()

    def _switch(self, on: bool) -> None:
        self.play.setText("Pause" if on else "Play")
        if not on:
            self._timer.stop()
            return
        low, high = self._part()
        if not low <= self._slider.value() < high:
            self._slider.setValue(low)
        self._place, self._then = float(self._slider.value()), time.monotonic()
        self._timer.start()

    def _advance(self) -> None:
        now = time.monotonic()
        passed, self._then = now - self._then, now
        held = self._slider.isSliderDown()
        if held or self._slider.value() != int(self._place):
            # The operator has moved it, and it goes on from there.
            self._place = float(self._slider.value())
        if held:
            return
        self._place += passed * self.speed.value()
        low, high = self._part()
        if not low <= int(self._place) <= high:
            self._place = float(low)
        self._slider.setValue(int(self._place))
