"""What is on the screen while the program loads: the window itself takes some seconds."""

from __future__ import annotations

import time

from PyQt6.QtCore import QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QFont, QPainter, QPixmap
from PyQt6.QtWidgets import QApplication, QLabel

from app.gui.theme import COLORS, Theme

_SIZE = QSize(360, 140)
_LONGEST_WAIT_S = 0.5


def show_splash(app: QApplication, theme: Theme) -> QLabel:
    """Show the program's name at once; close what is returned when the window is there.

    Args:
        app: The application, which does not run yet.
        theme: Whose colours it has.

    """
    # QSplashScreen by itself waits a whole second in show().
    splash = QLabel(None, Qt.WindowType.SplashScreen | Qt.WindowType.FramelessWindowHint)
    splash.setPixmap(_picture(app.devicePixelRatio(), theme))
    splash.setAccessibleName("Twinrate is starting")
    splash.adjustSize()
    screen = app.primaryScreen()
    if screen is not None:
        splash.move(screen.availableGeometry().center() - splash.rect().center())
    splash.show()
    # What follows leaves no time for drawing, and a screen takes its time to give a window its place.
    end = time.monotonic() + _LONGEST_WAIT_S
    while time.monotonic() < end:
        app.processEvents()
        handle = splash.windowHandle()
        if handle is None or handle.isExposed():
            break
    splash.repaint()
    app.processEvents()
    return splash


def _picture(pixel_ratio: float, theme: Theme) -> QPixmap:
    picture = QPixmap(_SIZE * pixel_ratio)
    picture.setDevicePixelRatio(pixel_ratio)
    colors = COLORS[theme]
    picture.fill(QColor(colors.window))
    painter = QPainter(picture)
    area = QRectF(0, 0, _SIZE.width(), _SIZE.height())
    painter.setPen(QColor(colors.border))
    painter.drawRect(area.adjusted(0, 0, -1, -1))
    font = QFont()
    for text, points, color, place in (
        ("Twinrate", 24, colors.text, area.adjusted(0, 0, 0, -36)),
        ("starting ...", 11, colors.dim, area.adjusted(0, 52, 0, 0)),
    ):
        font.setPointSize(points)
        painter.setFont(font)
        painter.setPen(QColor(color))
        painter.drawText(place, Qt.AlignmentFlag.AlignCenter, text)
    painter.end()
    return picture
