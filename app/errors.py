"""Errors of the program itself; every message says what is wrong, where, and what to do."""


class AppError(Exception):
    """Base of everything the program raises for a cause the operator can act on."""


class OutputError(AppError):
    """The output cannot be written: it exists, no such folder, the disk is full, the codec is unknown."""


class InputError(AppError):
    """The inputs do not make a job: wrong number of files, contradictory options."""


class CancelledError(AppError):
    """The operator stopped the work; the message names what was kept."""
