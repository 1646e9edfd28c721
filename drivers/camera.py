"""The one interface that a live camera offers: configure -> arm -> start -> read -> stop -> close."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from drivers.clock_latch import ClockReading
from drivers.frame import Frame, PixelFormat, Role


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """What the operator wants of one camera, in SFNC terms.

    Attributes:
        width: SFNC Width [px].
        height: SFNC Height [px].
        offset_x: SFNC OffsetX [px]; None centres the region, snapped down to the increment.
        offset_y: SFNC OffsetY [px]; None centres the region.
        pixel_format: SFNC PixelFormat.
        exposure_us: SFNC ExposureTime [us].
        gain_db: SFNC Gain [dB].
        black_level_percent: SFNC BlackLevel [%].
        red_balance: SFNC BalanceRatio of red, a factor on the red pixels.
        blue_balance: SFNC BalanceRatio of blue.
        frame_rate: SFNC AcquisitionFrameRate [1/s], used when free-running.
        triggered: Wait for hardware pulses (TriggerMode On) rather than free-run.
        trigger_source: SFNC TriggerSource, such as Line0 or Line3.
        trigger_activation: SFNC TriggerActivation, RisingEdge or FallingEdge.
        exposure_output: SFNC line that carries ExposureActive out of a camera that makes the pulses, which
            begins with `start` only. None for every other camera.
        binning: 1 or 2, both axes (BinningVertical; BinningHorizontal follows).
        buffer_count: Stream buffers (StreamBufferCountManual).

    """

    width: int
    height: int
    offset_x: int | None = None
    offset_y: int | None = None
    pixel_format: PixelFormat = PixelFormat.BAYER_RG8
    exposure_us: float = 2000.0
    gain_db: float = 0.0
    black_level_percent: float = 0.0
    red_balance: float = 1.0
    blue_balance: float = 1.0
    frame_rate: float = 30.0
    triggered: bool = True
    trigger_source: str = "Line0"
    trigger_activation: str = "RisingEdge"
    exposure_output: str | None = None
    binning: int = 1
    buffer_count: int = 64


@dataclass(frozen=True, slots=True)
class Applied:
    """One value as it was asked for and as the camera took it."""

    name: str
    requested: float
    applied: float


@dataclass(frozen=True, slots=True)
class Limits:
    """What a numeric node accepts now: min, max and increment (0 = continuous), in the node's unit."""

    minimum: float
    maximum: float
    increment: float


@dataclass(frozen=True, slots=True)
class CameraIdentity:
    """Which device this is.

    Attributes:
        serial: Serial number.
        model: Model name.
        vendor: Who made it.
        firmware: Version of its firmware.
        simulated: True for the emulated rig; it travels into every file.
        link: Speed of its USB link by its GenICam name, such as SuperSpeed; "" where nobody says.

    """

    serial: str
    model: str
    vendor: str
    firmware: str
    simulated: bool
    link: str = ""


@dataclass(frozen=True, slots=True)
class StreamCounters:
    """What the stream has seen since start."""

    delivered: int
    incomplete: int
    lost: int
    buffers_in_use: int
    buffer_count: int


class Camera(Protocol):
    """A live camera; one thread owns it. While it streams only light, colour and a free rate are written."""

    role: Role

    @property
    def identity(self) -> CameraIdentity:
        """Serial, model and whether it is simulated."""
        ...

    def configure(self, settings: CameraSettings) -> tuple[Applied, ...]:
        """Write all settings in the order the camera needs; return requested and applied values.

        Raises:
            CameraSettingError: A value is out of range or off its increment; nothing is rounded silently.

        """
        ...

    def arm(self) -> None:
        """Begin acquisition so that the next pulse is the first frame."""
        ...

    def start(self) -> None:
        """Free-running cameras begin to deliver; triggered ones already wait."""
        ...

    def read(self, timeout_ms: int) -> Frame | None:
        """Next frame, copied out of the stream buffer; None when no pulse came within `timeout_ms`.

        Raises:
            CameraDisconnectedError: The camera is gone.

        """
        ...

    def borrow(self, timeout_ms: int) -> AbstractContextManager[Frame | None]:
        """Like `read`, but the picture is a view of the stream buffer, valid inside the `with` block only.

        Raises:
            CameraDisconnectedError: The camera is gone.

        """
        ...

    def stop(self) -> None:
        """End acquisition; frames already transferred can be read first. Safe to call twice."""
        ...

    def close(self) -> None:
        """Give the camera back. Safe to call twice."""
        ...

    def clock(self) -> ClockReading:
        """The clock that stamps the frames, beside the host's, streaming or not.

        Raises:
            CameraSettingError: The camera cannot tell.

        """
        ...

    def set_exposure_us(self, value: float) -> Applied:
        """Change SFNC ExposureTime while streaming."""
        ...

    def set_gain_db(self, value: float) -> Applied:
        """Change SFNC Gain while streaming."""
        ...

    def set_white_balance(self, red: float, blue: float) -> tuple[Applied, Applied]:
        """Change SFNC BalanceRatio of red and blue, factors on these pixels, while streaming or not."""
        ...

    def start_white_balance(self) -> None:
        """Let the camera find both ratios from the pictures it takes now (BalanceWhiteAuto Once)."""
        ...

    def settled_white_balance(self) -> tuple[Applied, Applied] | None:
        """Both ratios once the camera has found them; None while it still looks."""
        ...

    def set_frame_rate(self, value: float) -> Applied:
        """Change SFNC AcquisitionFrameRate of a free-running camera.

        Raises:
            CameraSettingError: Out of range, or the camera waits for pulses, which set the rate then.

        """
        ...

    def white_balance_limits(self) -> Limits:
        """Range of BalanceRatio."""
        ...

    def frame_rate_limits(self) -> Limits:
        """Range of AcquisitionFrameRate with the present region [1/s]."""
        ...

    def exposure_limits_us(self) -> Limits:
        """Range of ExposureTime now; the trigger period may ask for less (see `trigger`)."""
        ...

    def gain_limits_db(self) -> Limits:
        """Range of Gain now."""
        ...

    def region(self) -> tuple[int, int, int, int]:
        """OffsetX, OffsetY, Width and Height as they are now [px]."""
        ...

    def picture_features(self) -> dict[str, str]:
        """Features that change the picture and have no setting, by SFNC name, such as ReverseX."""
        ...

    def deviations(self) -> tuple[str, ...]:
        """Features that no longer have the value that was set, as `Name is X, should be Y`; empty if none."""
        ...

    def counters(self) -> StreamCounters:
        """Frames delivered, incomplete and lost since start."""
        ...
