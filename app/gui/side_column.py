"""The column of panels on the right: sections that fold, and a scroll bar when they are too many."""

from __future__ import annotations

from PyQt6.QtCore import QChildEvent, QEvent, QObject, Qt, QTimer
from PyQt6.QtWidgets import (
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QDockWidget,
    QScrollArea,
    QScrollBar,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.gui.theme import set_flag

_WIDTH = 384
_TURNED = (QAbstractSpinBox, QAbstractSlider, QComboBox)


class SideColumn(QDockWidget):
    """Panels one below the other, as wide as their texts need.

    The wheel scrolls the column; it turns only the field that was chosen by click or key.

    Args:
        panels: By title, from above.

    """

    def __init__(self, panels: dict[str, QWidget], parent: QWidget | None = None) -> None:
        super().__init__("Controls", parent)
        self.setObjectName("dock_controls")
        self._inside = QWidget()
        column = QVBoxLayout(self._inside)
        column.setContentsMargins(2, 0, 2, 0)
        column.setSpacing(2)
        for title, panel in panels.items():
            column.addWidget(_header(title, panel))
            column.addWidget(panel)
        column.addStretch(1)
        self._area = QScrollArea()
        self._area.setWidget(self._inside)
        self._area.setWidgetResizable(True)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._area.setFixedWidth(_WIDTH)
        self.setWidget(self._area)
        self.setTitleBarWidget(QWidget())
        self.setFeatures(QDockWidget.DockWidgetFeature.NoDockWidgetFeatures)
        self._watch(self._inside)
        self._follow_content()

    def show_panel(self, panel: QWidget) -> None:
        """Scroll until a panel can be seen, once it has its place."""
        QTimer.singleShot(0, lambda: self._area.ensureWidgetVisible(panel))

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Keep the wheel from fields without focus, and follow what the panels hold and need."""
        kind = event.type() if event is not None else None
        if event is not None and kind is QEvent.Type.Wheel and isinstance(watched, _TURNED):
            if not watched.hasFocus():
                event.ignore()
                return True
        elif isinstance(event, QChildEvent) and kind is QEvent.Type.ChildPolished:
            child = event.child()
            if isinstance(child, QWidget):
                self._watch(child)
        elif watched is self._inside and kind is QEvent.Type.LayoutRequest:
            self._follow_content()
        elif watched is self._inside and kind in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            # The panels inside hear of it after this, and what they need is known once they did.
            QTimer.singleShot(0, self._measure_anew)
        return super().eventFilter(watched, event)

    def _watch(self, top: QWidget) -> None:
        """Look at the wheel of the fields in `top`, and at what is added to it later."""
        for widget in (top, *top.findChildren(QWidget)):
            if widget.focusPolicy() is Qt.FocusPolicy.WheelFocus:
                widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            turned = isinstance(widget, _TURNED) and not isinstance(widget, QScrollBar)
            if turned or widget.layout() is not None:
                widget.installEventFilter(self)

    def _measure_anew(self) -> None:
        self._area.setFixedWidth(_WIDTH)
        self._follow_content()

    def _follow_content(self) -> None:
        bar = self._area.verticalScrollBar()
        beside = 2 * self._area.frameWidth() + (bar.sizeHint().width() if bar is not None else 0)
        needed = self._inside.minimumSizeHint().width() + beside
        # Growing only: the pictures must not move with every digit more or less.
        width = max(self._area.minimumWidth(), needed)
        self._area.setFixedWidth(width)
        self._inside.setMaximumWidth(width - beside)


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
