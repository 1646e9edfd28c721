"""SpinnakerException with the codes and texts of the real library."""

from __future__ import annotations

from enum import IntEnum


class ErrorCode(IntEnum):
    """Values of Spinnaker's `Error` enumeration that the emulator can raise."""

    ERROR = -1001
    NOT_INITIALIZED = -1002
    NOT_IMPLEMENTED = -1003
    RESOURCE_IN_USE = -1004
    ACCESS_DENIED = -1005
    INVALID_HANDLE = -1006
    NO_DATA = -1008
    INVALID_PARAMETER = -1009
    IO = -1010
    TIMEOUT = -1011
    ABORT = -1012
    INVALID_BUFFER = -1013
    NOT_AVAILABLE = -1014
    INVALID_ADDRESS = -1015
    PARSING_CHUNK_DATA = -1018
    REMOVED = -1024
    """What Spinnaker 4 says of a camera that has left."""
    GENICAM_INVALID_ARGUMENT = -2001
    GENICAM_OUT_OF_RANGE = -2002
    GENICAM_ACCESS = -2006


class SpinnakerException(Exception):  # noqa: N818 - the name that PySpin programs catch
    """What every PySpin call raises; `str()` reads `Spinnaker: <text> [<code>]`."""

    def __init__(self, text: str, code: ErrorCode) -> None:
        super().__init__(f"Spinnaker: {text} [{int(code)}]")
        self.errorcode = int(code)
        self.message = text


def access_error(node: str, call: str, state: str) -> SpinnakerException:
    """AccessException: `state` is "writable", "readable" or "available"."""
    return SpinnakerException(
        f"GenICam::AccessException= Node is not {state} : AccessException thrown in node '{node}' "
        f"while calling '{node}.{call}()'",
        ErrorCode.GENICAM_ACCESS,
    )


def range_error(node: str, call: str, reason: str) -> SpinnakerException:
    """OutOfRangeException with GenApi's own reason."""
    return SpinnakerException(
        f"GenICam::OutOfRangeException= {reason} : OutOfRangeException thrown in node '{node}' "
        f"while calling '{node}.{call}()'",
        ErrorCode.GENICAM_OUT_OF_RANGE,
    )


def argument_error(node: str, call: str, reason: str) -> SpinnakerException:
    """InvalidArgumentException with GenApi's own reason."""
    return SpinnakerException(
        f"GenICam::InvalidArgumentException= {reason} : InvalidArgumentException thrown in node '{node}' "
        f"while calling '{node}.{call}()'",
        ErrorCode.GENICAM_INVALID_ARGUMENT,
    )
