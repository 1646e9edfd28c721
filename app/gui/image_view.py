"""One picture that can be zoomed and panned; several views can show the same part of the same field."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from PyQt6.QtCore import QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QImage, QPainter
from PyQt6.QtWidgets import QGraphicsRectItem, QLabel, QWidget

from app.gui.theme import set_flag

FIELD_WIDTH = 1000.0
"""Views share coordinates of the field, not of a sensor: every picture is this wide."""


class _Box(pg.ViewBox):  # type: ignore[misc]
    """A view box in which a rectangle can be drawn instead of panning."""

    drawn = pyqtSignal(object, bool)
    """QRectF of the field, and whether the mouse was let go."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.drawing = False

    def mouseDragEvent(self, event: Any, axis: int | None = None) -> None:  # noqa: N802
        """Pan, or draw."""
        if not self.drawing or event.button() != Qt.MouseButton.LeftButton:
            super().mouseDragEvent(event, axis)
            return
        event.accept()
        corners = self.mapToView(event.buttonDownPos()), self.mapToView(event.pos())
        self.drawn.emit(QRectF(*corners).normalized(), event.isFinish())


class _Picture(pg.GraphicsObject):  # type: ignore[misc]
    """An RGB picture in its place of the field, drawn from the array's own memory.

    pyqtgraph's `ImageItem` makes each QImage from an address, and PyQt6 6.11 loses about a hundred bytes with
    every one of those: half a megabyte a minute for three live views.
    """

    def __init__(self) -> None:
        super().__init__()
        self._place = QRectF()
        self._rgb: npt.NDArray[np.uint8] | None = None
        self._image: QImage | None = None

    def show_rgb(self, rgb: npt.NDArray[np.uint8]) -> None:
        """Draw (H, W, 3) uint8 from now on."""
        self._rgb = rgb = np.ascontiguousarray(rgb)
        height, width = rgb.shape[:2]
        form = QImage.Format.Format_RGB888
        # PyQt6 takes any buffer; its type hints know only addresses.
        self._image = QImage(rgb.data, width, height, rgb.strides[0], form)  # type: ignore[call-overload]
        self.update()

    def clear(self) -> None:
        """Draw nothing."""
        self._rgb = self._image = None
        self.update()

    def set_place(self, place: QRectF) -> None:
        """Where in the field the picture lies."""
        self.prepareGeometryChange()
        self._place = place

    def boundingRect(self) -> QRectF:  # noqa: N802
        """The picture's place."""
        return QRectF(self._place)

    def paint(self, painter: QPainter | None, *_: object) -> None:
        """Draw the picture."""
        if painter is not None and self._image is not None:
            painter.drawImage(self._place, self._image)


class ImageView(pg.GraphicsView):  # type: ignore[misc]
    """Shows uint8 RGB pictures as they are, without levels.

    Wheel zooms at the pointer, dragging pans, double-click shows all.

    Args:
        hint: Shown while there is no picture.

    """

    range_dragged = pyqtSignal(object)
    """QRectF of the field that the operator chose here."""
    region_drawn = pyqtSignal(object)
    """(x, y, width, height) of the rectangle drawn, as fractions of the picture's sides."""

    def __init__(self, hint: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent, background="default")
        self._hint = QLabel(hint, self)
        self._hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._hint.setWordWrap(True)
        self._hint.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        set_flag(self._hint, "onpicture", "true")
        self._box = _Box(lockAspect=True, invertY=True, enableMenu=False, defaultPadding=0.0)
        self._image = _Picture()
        self._grid: list[Any] = []
        self._aspect = 0.0
        self._shape: tuple[int, ...] = ()
        self._full_width = 0
        self._box.addItem(self._image)
        self.setCentralItem(self._box)
        self.setMinimumSize(120, 90)
        self._box.sigRangeChangedManually.connect(self._report)
        self._frame = QGraphicsRectItem()
        self._frame.setPen(pg.mkPen("#ffd54a", width=2))
        self._frame.hide()
        self._box.addItem(self._frame, ignoreBounds=True)
        self._box.drawn.connect(self._draw)

    @property
    def box(self) -> pg.ViewBox:
        """The view box, for items on top of the picture."""
        return self._box

    @property
    def shown_width(self) -> int:
        """Screen pixels across the whole picture at the present zoom."""
        span = self._box.viewRect().width()
        share = FIELD_WIDTH / span if span > 0 else 1.0
        return int(self.width() * self.devicePixelRatioF() * max(share, 0.1))

    @property
    def shown_part(self) -> tuple[float, float, float, float]:
        """x, y, width and height of what can be seen of the picture, as fractions of its sides."""
        if not self._aspect:
            return 0.0, 0.0, 1.0, 1.0
        height = FIELD_WIDTH * self._aspect
        seen = self._box.viewRect().intersected(QRectF(0, 0, FIELD_WIDTH, height))
        return seen.x() / FIELD_WIDTH, seen.y() / height, seen.width() / FIELD_WIDTH, seen.height() / height

    def show_picture(self, rgb: npt.NDArray[np.uint8], full_width: int | None = None) -> None:
        """Show a picture.

        Args:
            rgb: (H, W, 3) uint8; the array must not change while it is shown.
            full_width: Columns of what it was made of [px]; None for `rgb` itself.

        """
        self._full_width = full_width or rgb.shape[1]
        self._hint.hide()
        self._image.show_rgb(rgb)
        aspect = rgb.shape[0] / rgb.shape[1]
        if rgb.shape[:2] != self._shape:
            self._image.set_place(QRectF(0, 0, FIELD_WIDTH, FIELD_WIDTH * aspect))
            self._shape = rgb.shape[:2]
        if abs(aspect - self._aspect) > 5e-3:
            self._aspect = aspect
            self.show_all()

    def show_all(self) -> None:
        """Zoom out to the whole picture."""
        if self._aspect:
            self._box.setRange(QRectF(0, 0, FIELD_WIDTH, FIELD_WIDTH * self._aspect), padding=0.0)

    def show_actual(self) -> None:
        """Zoom until one pixel of the recorded picture covers one pixel of the screen."""
        if not self._full_width:
            return
        shown, scale = self._box.viewRect(), FIELD_WIDTH / (self._full_width / self.devicePixelRatioF())
        rect = QRectF(0, 0, self.width() * scale, self.height() * scale)
        rect.moveCenter(shown.center())
        self.show_field(rect)
        self._report()

    def show_field(self, rect: QRectF) -> None:
        """Show the part of the field that another view chose."""
        self._box.setRange(rect, padding=0.0)

    def set_hint(self, hint: str) -> None:
        """What is said while there is no picture."""
        self._hint.setText(hint)

    def clear_picture(self, hint: str | None = None) -> None:
        """Show nothing but `hint`, from now on; None for the one that is known."""
        self.hide_picture(hint)
        self._aspect = 0.0
        self._shape = ()

    def hide_picture(self, hint: str | None = None) -> None:
        """The same while one picture of several is missing: the next one is zoomed as the one before."""
        if hint is not None:
            self._hint.setText(hint)
        self._image.clear()
        self._hint.show()

    def resizeEvent(self, event: Any) -> None:  # noqa: N802
        """Keep the hint in the middle."""
        super().resizeEvent(event)
        if event is not None:  # pyqtgraph calls this with None before there is a hint
            self._hint.setGeometry(self.rect())

    def pick_region(self, picking: bool) -> None:
        """Let the next drag draw a rectangle, or take the rectangle away."""
        self._box.drawing = picking
        self._frame.hide()
        self.setCursor(Qt.CursorShape.CrossCursor if picking else Qt.CursorShape.ArrowCursor)

    def _draw(self, rect: QRectF, finished: bool) -> None:
        height = FIELD_WIDTH * self._aspect
        rect = rect.intersected(QRectF(0, 0, FIELD_WIDTH, height))
        self._frame.setRect(rect)
        self._frame.show()
        if finished and rect.width() > 0 and rect.height() > 0:
            self._box.drawing = False
            self.setCursor(Qt.CursorShape.ArrowCursor)
            self.region_drawn.emit(
                (
                    rect.x() / FIELD_WIDTH,
                    rect.y() / height,
                    rect.width() / FIELD_WIDTH,
                    rect.height() / height,
                )
            )

    def show_grid(self, shown: bool) -> None:
        """Lines at thirds of the field and a cross in the middle."""
        if shown and not self._grid:
            height = FIELD_WIDTH * (self._aspect or 0.75)
            pen = pg.mkPen((255, 255, 255, 90), width=1)
            for part in (1 / 3, 1 / 2, 2 / 3):
                self._grid.append(pg.InfiniteLine(part * FIELD_WIDTH, angle=90, pen=pen))
                self._grid.append(pg.InfiniteLine(part * height, angle=0, pen=pen))
            for line in self._grid:
                self._box.addItem(line)
        for line in self._grid:
            line.setVisible(shown)

    def mouseDoubleClickEvent(self, event: Any) -> None:  # noqa: N802
        """Show all."""
        self.show_all()
        self._report()
        super().mouseDoubleClickEvent(event)

    def _report(self, *_: object) -> None:
        self.range_dragged.emit(self._box.viewRect())
