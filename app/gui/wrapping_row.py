"""A row of small widgets that goes on in a second line where the first is full."""

from __future__ import annotations

from PyQt6.QtWidgets import QSizePolicy, QWidget
from superqt import QFlowLayout


class WrappingRow(QWidget):
    """Never wider than its place: growing figures neither push the panels out of the window nor are cut off.

    Args:
        spacing: Between two widgets [px].

    """

    def __init__(self, spacing: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self._row = QFlowLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setHorizontalSpacing(spacing)
        self._row.setVerticalSpacing(2)

    def add(self, widget: QWidget) -> None:
        """Put a widget at the end."""
        self._row.addWidget(widget)
