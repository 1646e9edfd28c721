"""What take.json says: who recorded what with which settings. Validated at the file's edge."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, PositiveInt, model_validator

from drivers.clock_latch import ClockLatch
from drivers.frame import PixelFormat, Role

FORMAT_VERSION = 2
"""Newest version of the take format that this program reads.

Version 2 came with packed frames and with pulses through a divider. A take is written with the oldest version
that describes it, so that older programs read what they can.
"""

SEGMENT_BYTES = 4 * 1024**3 - 1
"""Upper bound of one frames_NNNN.raw file [bytes]: the largest that FAT32 takes."""


class CameraMetadata(BaseModel):
    """One stream of a take: the device, its geometry and its settings when the take began.

    Attributes:
        serial: Serial number of the device; empty for clips.
        model: Model name of the device, or of the phone.
        vendor: Maker.
        firmware: Firmware version.
        width: SFNC Width [px].
        height: SFNC Height [px].
        pixel_format: PFNC name.
        offset_x: SFNC OffsetX [px].
        offset_y: SFNC OffsetY [px].
        binning: Pixels summed along each axis.
        exposure_us: SFNC ExposureTime at the start [us]; the index has it for every frame.
        gain_db: SFNC Gain at the start [dB].
        frame_rate: Rate that the trigger plan or the camera was set to [1/s]; 0 when unknown.
        pixel_aspect: Width of a pixel and its height as it is to be shown, as two whole numbers.
        nodes: Other GenICam nodes by name, as text.

    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    serial: str = ""
    model: str = ""
    vendor: str = ""
    firmware: str = ""
    width: int = Field(ge=1, le=65535)
    height: int = Field(ge=1, le=65535)
    pixel_format: PixelFormat
    offset_x: int = Field(default=0, ge=0)
    offset_y: int = Field(default=0, ge=0)
    binning: int = Field(default=1, ge=1)
    exposure_us: float = Field(default=0.0, ge=0)
    gain_db: float = 0.0
    frame_rate: float = Field(default=0.0, ge=0)
    pixel_aspect: tuple[PositiveInt, PositiveInt] = (1, 1)
    nodes: dict[str, str] = Field(default_factory=dict)

    @property
    def stride(self) -> int:
        """Bytes of one frame on disk."""
        return self.pixel_format.frame_bytes(self.height, self.width)

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Shape of one frame's array on disk, as `PixelFormat.shape` gives it."""
        return self.pixel_format.shape(self.height, self.width)

    @model_validator(mode="after")
    def _holds_whole_pairs(self) -> CameraMetadata:
        if self.pixel_format.packed and self.width % 2:
            raise ValueError(f"{self.pixel_format} needs an even width, not {self.width}")
        return self


class TriggerMetadata(BaseModel):
    """The trigger plan that the take was recorded with.

    Attributes:
        hsr_rate: f, pulses per second to the HSR camera [1/s].
        ratio: m, LSR pulses per HSR pulse.
        source: Where the pulses come from, in words.
        phase: LSR pulses before the first HSR pulse; 0 when both lines start with the same pulse, None when
            the pulses come through a divider that may stand anywhere.
        latch: Both cameras' clocks at one moment near the beginning; None when they were not read.
        first_id: Frame id that both cameras' counters begin with; None where the take itself begins with the
            first pulse, and in takes of older programs.
        by_hand: The program did not start the pulses.
        hsr_delay_us: SFNC TriggerDelay of the HSR camera [us].
        lsr_delay_us: SFNC TriggerDelay of the LSR camera [us].

    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    hsr_rate: float = Field(gt=0)
    ratio: float = Field(ge=1)
    source: str = ""
    phase: int | None = 0
    latch: ClockLatch | None = None
    first_id: int | None = None
    by_hand: bool = False
    hsr_delay_us: float = Field(default=0.0, ge=0)
    lsr_delay_us: float = Field(default=0.0, ge=0)


class ClipReference(BaseModel):
    """A video file that stands for a stream of raw frames.

    Attributes:
        path: The file, absolute.
        relative: The same from the take's folder, so that both can be moved together; may be empty.
        size: Bytes of the file when it was imported.
        capture_factor: How many times slower the file plays than it was filmed.

    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    path: str
    relative: str = ""
    size: int = Field(ge=1)
    capture_factor: float = Field(default=1.0, gt=0)


class TakeMetadata(BaseModel):
    """Everything that take.json holds; written before the first frame.

    Attributes:
        format_version: Version of the format; a newer one than FORMAT_VERSION is refused.
        name: Name of the take for people.
        created: Date and time in ISO 8601, empty when it does not matter.
        hsr: The sharp, slow stream.
        lsr: The coarse, fast stream.
        trigger: The trigger plan; None for free-running cameras and for clips.
        clock_offset_ns: What to add to an HSR time to put it on the LSR clock [ns]; None when both
            cameras have clocks of their own and `pairing` finds it from frame ids.
        clock_drift_ppm: How much faster the LSR clock runs [ppm]; 0 where it was not measured.
        rig_hash: SHA-256 of the rig file in use, which tells whether a take is aligned by another one later.
        software_version: Version of this program.
        simulated: True when emulated cameras made the frames.
        notes: Free text of the operator.
        segment_bytes: Upper bound of one frames_NNNN.raw file [bytes].
        hsr_clip: The video file that the HSR stream is read from; None for recorded frames.
        lsr_clip: The same for the LSR stream.
        extra: Anything else as JSON, such as the emulated scene's parameters.

    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: Literal["twinrate take"] = "twinrate take"
    format_version: int = Field(default=1, ge=1)
    name: str = ""
    created: str = ""
    hsr: CameraMetadata
    lsr: CameraMetadata
    trigger: TriggerMetadata | None = None
    clock_offset_ns: int | None = None
    clock_drift_ppm: float = Field(default=0.0, ge=-1e4, le=1e4)
    rig_hash: str | None = None
    software_version: str = ""
    simulated: bool = False
    notes: str = ""
    segment_bytes: int = Field(default=SEGMENT_BYTES, ge=1)
    hsr_clip: ClipReference | None = None
    lsr_clip: ClipReference | None = None
    extra: dict[str, JsonValue] = Field(default_factory=dict)

    def clip(self, role: Role) -> ClipReference | None:
        """The video file of one stream; None for recorded frames."""
        return self.hsr_clip if role is Role.HSR else self.lsr_clip

    def camera(self, role: Role) -> CameraMetadata:
        """The entry of one stream."""
        return self.hsr if role is Role.HSR else self.lsr

    def with_version(self) -> TakeMetadata:
        """The same with the oldest `format_version` that describes it."""
        new = any(camera.pixel_format.packed for camera in (self.hsr, self.lsr))
        if self.trigger is not None and self.trigger.phase is None:
            new = True
        return self.model_copy(update={"format_version": 2 if new else 1})

    def frames_per_segment(self, role: Role) -> int:
        """Whole frames in one frames_NNNN.raw file."""
        return max(1, self.segment_bytes // self.camera(role).stride)
