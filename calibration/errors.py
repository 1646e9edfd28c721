"""Errors of the calibration package; every message says what was seen and what to do."""


class CalibrationError(Exception):
    """Base of everything this package raises for a cause the operator can act on."""


class ViewError(CalibrationError):
    """A picture cannot be used: blank, saturated, of the wrong size or type. Says which one."""


class TooFewFeaturesError(CalibrationError):
    """A picture shows too little texture, or too few points agree, to place one view in the other."""


class NoOverlapError(CalibrationError):
    """The two pictures do not show the same scene, or hardly any of it."""


class MirroredViewError(CalibrationError):
    """One picture is mirrored against the other."""


class RotatedViewError(CalibrationError):
    """One camera is turned by about a quarter or half turn against the other."""


class BoardError(CalibrationError):
    """A calibration board was not found, is not the stated one, or was not seen by both cameras."""


class RigFileError(CalibrationError):
    """A rig file cannot be read: missing, damaged, or of an unknown version."""


class StaleRigError(CalibrationError):
    """A rig file belongs to other cameras, lenses, regions or picture sizes."""
