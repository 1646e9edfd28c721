"""Makes the process fit for PyQt6, once, before the first Qt import.

opencv-python carries its own Qt 5 and points Qt's plug-in and font folders at it when it is imported. Qt 6
then finds no usable platform plug-in and aborts. Importing OpenCV here, first, and taking its settings back
is the only place in the program that deals with this.
"""

from __future__ import annotations

import os
import sys

from app.errors import AppError
from app.gui._screens import screen_answers

_SET_BY_OPENCV = ("QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR")
_SCREENS = {"wayland": "WAYLAND_DISPLAY", "xcb": "DISPLAY"}  # Qt platform: what names its screen
_SIZE_HINTS = "This plugin does not support propagateSizeHints()"


def prepare_qt(*, picture_only: bool = False) -> None:
    """Choose PyQt6 for every binding layer, undo OpenCV's settings, and check that there is a screen.

    Args:
        picture_only: The window is only made for a screenshot; without a screen it is drawn off screen.

    Raises:
        AppError: There is no screen to open a window on, or it does not answer.

    """
    wanted = {name: os.environ.get(name) for name in _SET_BY_OPENCV}
    import cv2

    for name, value in wanted.items():
        # A value from an OpenCV that was imported earlier is as wrong as one set just now.
        if value is None or os.path.dirname(cv2.__file__) in value:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    os.environ["QT_API"] = "pyqt6"
    os.environ["PYQTGRAPH_QT_LIB"] = "PyQt6"
    if not _has_screen():
        if not picture_only:
            raise AppError(
                f"{_what_is_missing()}; log in on a desktop, forward one with ssh -X, or make a picture of "
                "the window with --screenshot FILE"
            )
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    # Only there: on a real screen no message of Qt's threads should have to wait for Python.
    if os.environ.get("QT_QPA_PLATFORM", "").startswith("offscreen"):
        _silence_size_hints()


def _silence_size_hints() -> None:
    """Keep back what Qt says of every window off screen; all else that it says goes where it went before.

    The message has no logging category of its own, so no logging rule can pick it out.
    """
    from PyQt6.QtCore import QMessageLogContext, QtMsgType, qFormatLogMessage, qInstallMessageHandler

    def handler(kind: QtMsgType, context: QMessageLogContext, message: str | None) -> None:
        if message == _SIZE_HINTS:
            return
        if before is not None:
            before(kind, context, message)
        else:
            print(qFormatLogMessage(kind, context, message), file=sys.stderr, flush=True)

    before = qInstallMessageHandler(handler)


def _has_screen() -> bool:
    """Whether Qt will find a screen; of two that are named, one that does not answer is kept from it."""
    if not sys.platform.startswith("linux"):
        return True
    chosen = os.environ.get("QT_QPA_PLATFORM")
    if chosen:
        return any(screen_answers(platform.partition(":")[0]) for platform in chosen.split(";"))
    named = [platform for platform, variable in _SCREENS.items() if os.environ.get(variable)]
    answering = [platform for platform in named if screen_answers(platform)]
    if answering and answering != named:
        os.environ["QT_QPA_PLATFORM"] = answering[0]
    return bool(answering)


def _what_is_missing() -> str:
    variables = ("QT_QPA_PLATFORM", *_SCREENS.values())
    named = [f"{variable}={os.environ[variable]}" for variable in variables if os.environ.get(variable)]
    if not named:
        return "there is no screen to open a window on"
    return f"the screen to open a window on does not answer ({', '.join(named)})"
