"""Errors of the drivers package; every message says what is wrong, where, and what to do."""


class DriverError(Exception):
    """Base of everything this package raises for a cause the operator can act on."""


class SourceError(DriverError):
    """A clip or take cannot be read: missing, not a video, damaged, empty. Names the file."""


class SwappedClipsError(SourceError):
    """The clip given as HSR is the coarse, fast one and the other way round."""


class TakeError(SourceError):
    """A take folder cannot be read or written. Names the folder and the file in it."""


class TakeExistsError(TakeError):
    """Something has the name of the take that is to be recorded already."""


class OverwrittenError(DriverError):
    """A frame was asked of a ring buffer after the writer had reused its slot."""


class CameraError(DriverError):
    """Base of the camera errors."""


class CameraNotFoundError(CameraError):
    """No camera with the wanted serial number (or none at all) is connected."""


class CameraInUseError(CameraError):
    """Another program holds the camera."""


class CameraDisconnectedError(CameraError):
    """The camera left while it was in use; re-open it by the same serial number."""


class CameraSettingError(CameraError):
    """A setting is out of range, off its increment, locked, or missing on this model."""


class DriverMissingError(CameraError):
    """PySpin is not installed, or was built for another Python or NumPy."""


class TriggerPlanError(DriverError):
    """A pair of frame rates cannot be triggered; the message lists the nearest ones that can."""


class PairingError(DriverError):
    """Two streams cannot be put on one time line: no overlap, no ids, contradictory counts."""
