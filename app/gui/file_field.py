"""A text field for a file: one dropped on it from a file manager becomes its path."""

from __future__ import annotations

from PyQt6.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent
from PyQt6.QtWidgets import QLineEdit


def _path(event: QDropEvent | None) -> str:
    """The first file that is dragged, "" when it is something else."""
    data = event.mimeData() if event is not None else None
    return next((url.toLocalFile() for url in data.urls()), "") if data is not None else ""


class FileField(QLineEdit):
    """Takes typed text as it is, and a dropped file as its path instead of as its address."""

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:  # noqa: N802
        """Let files in, which are no text to Qt."""
        super().dragEnterEvent(event)
        if event is not None and _path(event):
            event.acceptProposedAction()

    def dragMoveEvent(self, event: QDragMoveEvent | None) -> None:  # noqa: N802
        """Go on letting them in."""
        super().dragMoveEvent(event)
        if event is not None and _path(event):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:  # noqa: N802
        """Show the path of a dropped file; anything else is dropped as text."""
        path = _path(event)
        if event is None or not path:
            super().dropEvent(event)
            return
        self.setText(path)
        event.acceptProposedAction()
