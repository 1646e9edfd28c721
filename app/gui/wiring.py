"""The wiring picture: pulse box, two wires with their rates, two cameras with their pins."""

from __future__ import annotations

from PyQt6.QtCore import QPointF, QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PyQt6.QtWidgets import QDialog, QLabel, QVBoxLayout, QWidget

from app.gui.raw_pane import TITLES
from drivers import Role
from drivers.trigger import TriggerPlan

_COLORS = {Role.HSR: QColor("#4c9be8"), Role.LSR: QColor("#e0a32e")}


class WiringPicture(QWidget):
    """Draws one plan."""

    def __init__(self, plan: TriggerPlan, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._plan = plan
        self.setMinimumSize(560, 240)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Wide enough for the words."""
        return QSize(640, 260)

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Draw boxes, wires, and a pulse train on each wire."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().windowText().color()
        height, width = self.height(), self.width()
        box = QRectF(10, height * 0.25 - 45, 130, height * 0.5 + 90)
        self._block(painter, box, text, "Pulse box\n\none counter,\ntwo outputs")
        opto = self._plan.line == "Line0"
        pin = "pin 1, opto-isolated" if opto else "pin 4, 3.3 V"
        ground = "pin 6, ground" if opto else "pin 5, ground"
        for role, y in ((Role.HSR, height * 0.25), (Role.LSR, height * 0.75)):
            camera = QRectF(width - 190, y - 45, 180, 90)
            self._block(painter, camera, text, f"{TITLES[role]}\n{pin}\n{ground}")
            start, end = QPointF(box.right(), y), QPointF(camera.left(), y)
            painter.setPen(QPen(_COLORS[role], 2.5))
            painter.drawLine(start, end)
            rate = self._plan.fps(role)
            every = f", every {self._plan.ratio}th pulse" if role is Role.HSR else ""
            painter.setPen(text)
            room = QRectF(box.right() + 8, y + 3, camera.left() - box.right() - 16, 20)
            painter.drawText(room, Qt.AlignmentFlag.AlignCenter, f"{rate:g} per second{every}")
            self._train(painter, box.right() + 20, camera.left() - 12, y - 8, role)

    def _train(self, painter: QPainter, left: float, right: float, base: float, role: Role) -> None:
        """Two slow periods of this line's pulses."""
        count = 2 if role is Role.HSR else min(2 * self._plan.ratio, 24)
        step = (right - left) / count
        points: list[QPointF] = []
        for i in range(count):
            x = left + i * step
            for dx, up in ((0.0, 0), (0.0, 1), (min(6.0, step / 3), 1), (min(6.0, step / 3), 0)):
                points.append(QPointF(x + dx, base - 14 * up))
        points.append(QPointF(right, base))
        painter.setPen(QPen(_COLORS[role], 1.3))
        painter.drawPolyline(QPolygonF(points))

    def _block(self, painter: QPainter, rect: QRectF, color: QColor, words: str) -> None:
        painter.setPen(QPen(color, 1.2))
        painter.setBrush(self.palette().button())
        painter.drawRoundedRect(rect, 6, 6)
        painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, words)


class WiringDialog(QDialog):
    """Picture and words."""

    def __init__(self, plan: TriggerPlan, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Wiring")
        self.words = QLabel(plan.wiring())
        self.words.setWordWrap(True)
        self.words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout = QVBoxLayout(self)
        layout.addWidget(WiringPicture(plan), 1)
        layout.addWidget(self.words)
