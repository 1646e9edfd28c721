"""The column of panels on the right: sections that fold, and a scroll bar when they are too many."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QDockWidget, QScrollArea, QVBoxLayout, QWidget
from superqt import QCollapsible

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
            section = QCollapsible(title)
            section.setDuration(0)
            section.addWidget(panel)
            section.expand(animate=False)
            column.addWidget(section)
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
        """Scroll until a panel can be seen."""
        self._area.ensureWidgetVisible(panel)
