"""Errors of the fusion package; every message says what is wrong and what to do."""


class FusionError(Exception):
    """Base of everything this package raises for a cause the operator can act on."""


class MethodError(FusionError):
    """A fusion method, recursion or number of references does not exist or does not go together."""


class DeviceError(FusionError):
    """The wanted computing device is not there."""


class WeightsError(FusionError):
    """Network weights are missing, damaged, or were made for another layout. Names the file."""


class FusionInputError(FusionError):
    """Frames of a kind, size or count that cannot be fused."""


class TrainingError(FusionError):
    """Training data or a training run's folder cannot be used. Names the folder."""
