"""Looks now and then whether a take that another program records has ended; no other take is looked at."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from PyQt6.QtCore import QTimer, pyqtSignal
from PyQt6.QtWidgets import QWidget

from app.gui.tasks import CancelToken, Newest, Tasks
from drivers import is_being_recorded

_EVERY_MS = 2000


class TakeWatch(QTimer):
    """Runs while there is such a take, and looks while the page is shown.

    A program that was killed leaves nothing in the folder that a `QFileSystemWatcher` could notice.

    Args:
        page: Where the takes are listed.
        tasks: Where the disk is asked.

    """

    ended = pyqtSignal()
    """One of them is not being recorded any more."""

    def __init__(self, page: QWidget, tasks: Tasks) -> None:
        super().__init__(page)
        self._page = page
        self._looks = Newest(tasks, "look for the end of takes")
        self._takes: tuple[Path, ...] = ()
        self.setInterval(_EVERY_MS)
        self.timeout.connect(self._look)

    def follow(self, takes: Iterable[Path]) -> None:
        """These are being recorded elsewhere, as far as is known."""
        self._takes = tuple(takes)
        self._looks.forget()
        if self._takes:
            self.start()
        else:
            self.stop()

    def _look(self) -> None:
        if self._page.isVisible():
            takes = self._takes
            self._looks.start(lambda token: _one_ended(takes, token), self._tell)

    def _tell(self, one_ended: bool) -> None:
        if one_ended:
            self.ended.emit()


def _one_ended(takes: Iterable[Path], token: CancelToken) -> bool:
    return any(not token.cancelled and not is_being_recorded(take) for take in takes)
