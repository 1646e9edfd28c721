"""Errors of the program itself; every message says what is wrong, where, and what to do."""


class AppError(Exception):
    """Base of everything the program raises for a cause the operator can act on."""


class OutputError(AppError):
    """The output cannot be written: it exists, no such folder, the disk is full, the codec is unknown."""


class InputError(AppError):
    """The inputs do not make a job: wrong number of files, contradictory options."""


class CaptureFactorError(InputError):
    """By how much a clip was slowed down cannot be found; the operator must say it."""


class OffsetError(InputError):
    """The offset between two clips cannot be found surely; the operator must give or confirm it.

    Attributes:
        guess_ms: The best guess [ms]; None where there is none.

    """

    def __init__(self, message: str, guess_ms: float | None) -> None:
        super().__init__(message)
        self.guess_ms = guess_ms


class CancelledError(AppError):
    """The operator stopped the work; the message names what was kept."""
