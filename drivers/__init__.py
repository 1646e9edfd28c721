"""Frames in, with exact time: cameras, takes and clips. No Qt, no torch."""

from drivers.camera import Applied, Camera, CameraIdentity, CameraSettings, Limits, StreamCounters
from drivers.errors import (
    CameraDisconnectedError,
    CameraError,
    CameraInUseError,
    CameraNotFoundError,
    CameraSettingError,
    DriverError,
    DriverMissingError,
    OverwrittenError,
    PairingError,
    SourceError,
    TakeError,
    TriggerPlanError,
)
from drivers.frame import Frame, FrameFlag, Image, PixelFormat, Role
from drivers.source import FrameSource, SourceInfo, StreamPair

__all__ = [
    "Applied",
    "Camera",
    "CameraDisconnectedError",
    "CameraError",
    "CameraIdentity",
    "CameraInUseError",
    "CameraNotFoundError",
    "CameraSettingError",
    "CameraSettings",
    "DriverError",
    "DriverMissingError",
    "Frame",
    "FrameFlag",
    "FrameSource",
    "Image",
    "Limits",
    "OverwrittenError",
    "PairingError",
    "PixelFormat",
    "Role",
    "SourceError",
    "SourceInfo",
    "StreamCounters",
    "StreamPair",
    "TakeError",
    "TriggerPlanError",
]
