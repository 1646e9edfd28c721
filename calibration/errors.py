"""Errors of the calibration package; every message says what was seen and what to do."""


class CalibrationError(Exception):
    """Base of everything this package raises for a cause the operator can act on."""
