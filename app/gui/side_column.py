"""The column of panels on the right: sections that fold, and a scroll bar when they are too many."""

from __future__ import annotations

from PyQt6.QtCore import Qt, QTimer
from PyQt6.QtWidgets import QDockWidget, QScrollArea, QToolButton, QVBoxLayout, QWidget

from app.gui.theme import set_flag

_WIDTH = 384
_SCROLL_BAR = 16


class SideColumn(QDockWidget):
    """Panels one below the other.

    Args:
        panels: By title, from above.

    """

    def __init__(self, panels: dict[str, QWidget], parent: QWidget | None = None) -> None:
        super().__init__("Controls", parent)
        self.setObjectName("dock_controls")
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(2, 0, 2, 0)
        column.setSpacing(2)
        for title, panel in panels.items():
            column.addWidget(_header(title, panel))
            column.addWidget(panel)
        column.addStretch(1)
        self._area = QScrollArea()
        self._area.setWidget(inside)
        self._area.setWidgetResizable(True)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._area.setFixedWidth(_WIDTH)
        inside.setMaximumWidth(_WIDTH - _SCROLL_BAR)
        self.setWidget(self._area)
        self.setTitleBarWidget(QWidget())
        self.setFeatures(QDockWidget.DockWidgetFeature.NoDockWidgetFeatures)

    def show_panel(self, panel: QWidget) -> None:
        """Scroll until a panel can be seen, once it has its place."""
        QTimer.singleShot(0, lambda: self._area.ensureWidgetVisible(panel))


def _header(title: str, panel: QWidget) -> QToolButton:
    """A button that folds a panel away and back."""
    header = QToolButton()
    header.setText(title)
    header.setObjectName(f"section_{title.split()[0].lower()}")
    header.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    header.setCheckable(True)
    header.setChecked(True)
    header.setAutoRaise(True)
    set_flag(header, "section", "true")

    def fold(shown: bool) -> None:
        header.setArrowType(Qt.ArrowType.DownArrow if shown else Qt.ArrowType.RightArrow)
        panel.setVisible(shown)

    header.toggled.connect(fold)
    fold(True)
    return header
