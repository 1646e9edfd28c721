"""What the window tells the operator: one line with cause and next step, details on demand."""

from __future__ import annotations

import logging
import traceback
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from PyQt6.QtCore import QObject, pyqtSignal

from app.errors import AppError
from app.gui.words import in_window_words
from app.memory_short import memory_problem
from calibration.errors import CalibrationError
from drivers.errors import DriverError
from fusion.errors import FusionError

KEPT = 500
logger = logging.getLogger("twinrate")


class Severity(IntEnum):
    """How bad it is."""

    INFO = logging.INFO
    WARNING = logging.WARNING
    ERROR = logging.ERROR


@dataclass(frozen=True, slots=True)
class Message:
    """One line for the operator.

    Attributes:
        severity: Colour and word of the line.
        text: One sentence: what happened and what to do.
        details: Traceback or figures; shown on demand, "" when there are none.
        time: When it was posted.

    """

    severity: Severity
    text: str
    details: str = ""
    time: str = ""


class Messages(QObject):
    """The last messages, and a signal for each new one. Posting is allowed from any thread."""

    posted = pyqtSignal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._log: list[Message] = []

    @property
    def log(self) -> tuple[Message, ...]:
        """The newest messages, oldest first."""
        return tuple(self._log)

    def count(self, severity: Severity) -> int:
        """Messages of one severity among the kept ones."""
        return sum(m.severity is severity for m in self._log)

    def post(self, severity: Severity, text: str, details: str = "") -> None:
        """Add a message."""
        message = Message(severity, text, details, datetime.now().strftime("%H:%M:%S"))
        self._log.append(message)
        del self._log[:-KEPT]
        logger.log(int(severity), "%s%s", text, f"\n{details}" if details else "")
        self.posted.emit(message)

    def info(self, text: str) -> None:
        """Add an information."""
        self.post(Severity.INFO, text)

    def warning(self, text: str) -> None:
        """Add a warning."""
        self.post(Severity.WARNING, text)

    def error(self, error: BaseException) -> None:
        """Add an exception: its own sentence where it has one for operators, the type and text where not."""
        details = "".join(traceback.format_exception(error))
        self.post(Severity.ERROR, sentence(error), details)


def sentence(error: BaseException) -> str:
    """One line for the operator."""
    if isinstance(error, (AppError, DriverError, CalibrationError, FusionError)):
        return in_window_words(" ".join(str(error).split()))
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}; check the path, its permissions and the free disk space"
    return memory_problem(error) or f"internal error, please report it: {type(error).__name__}: {error}"
