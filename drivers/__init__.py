"""Frames in, with exact time: cameras, takes and clips. No Qt, no torch."""

from drivers._clip_audio import ClipSound
from drivers.camera import Applied, Camera, CameraIdentity, CameraSettings, Limits, StreamCounters
from drivers.clock_latch import ClockLatch, ClockReading, PhaseBasis
from drivers.demosaic import to_rgb8
from drivers.disk import disk_free_bytes, disk_seconds_left
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
    SwappedClipsError,
    TakeError,
    TriggerPlanError,
)
from drivers.frame import Frame, FrameFlag, Image, PixelFormat, RgbImage, Role
from drivers.iphone import VideoClip, open_clip, open_clip_pair
from drivers.pairing import (
    ClockFit,
    Gop,
    Pairing,
    fit_hardware_clocks,
    hsr_times_on_lsr_clock,
    pair_gops,
    pair_streams,
)
from drivers.recorder import (
    Recorder,
    RecorderStatus,
    RecordingReport,
    StreamReport,
)
from drivers.ring_buffer import RingBuffer
from drivers.source import FrameSource, SourceInfo, StreamPair
from drivers.take import (
    CameraMetadata,
    ClipReference,
    Take,
    TakeMetadata,
    TakeStream,
    TakeWriter,
    TriggerMetadata,
    is_take,
    write_clip_take,
)

__all__ = [
    "Applied",
    "Camera",
    "CameraDisconnectedError",
    "CameraError",
    "CameraIdentity",
    "CameraInUseError",
    "CameraMetadata",
    "CameraNotFoundError",
    "CameraSettingError",
    "CameraSettings",
    "ClipReference",
    "ClipSound",
    "ClockFit",
    "ClockLatch",
    "ClockReading",
    "DriverError",
    "DriverMissingError",
    "Frame",
    "FrameFlag",
    "FrameSource",
    "Gop",
    "Image",
    "Limits",
    "OverwrittenError",
    "Pairing",
    "PairingError",
    "PhaseBasis",
    "PixelFormat",
    "Recorder",
    "RecorderStatus",
    "RecordingReport",
    "RgbImage",
    "RingBuffer",
    "Role",
    "SourceError",
    "SourceInfo",
    "StreamCounters",
    "StreamPair",
    "StreamReport",
    "SwappedClipsError",
    "Take",
    "TakeError",
    "TakeMetadata",
    "TakeStream",
    "TakeWriter",
    "TriggerMetadata",
    "TriggerPlanError",
    "VideoClip",
    "disk_free_bytes",
    "disk_seconds_left",
    "fit_hardware_clocks",
    "hsr_times_on_lsr_clock",
    "is_take",
    "open_clip",
    "open_clip_pair",
    "pair_gops",
    "pair_streams",
    "to_rgb8",
    "write_clip_take",
]
