"""What can go wrong with a camera, on demand and at exact pulses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from drivers.frame import Image
from drivers.spinnaker_emulator.errors import ErrorCode, SpinnakerException
from drivers.spinnaker_emulator.image import Header

_CYCLE_TIMER_NS = 128 * 10**9


@dataclass(slots=True, eq=False)
class Faults:
    """Troubles of one virtual camera; set before or while it streams.

    Pulses and frame ids count from the start of acquisition.

    Attributes:
        lost_pulses: Pulses that never reach the camera: no exposure, and no gap in the frame ids.
        lost_frames: Frame ids that are exposed but lost on the way: a gap in the frame ids.
        damaged_frames: Frame ids that arrive incomplete.
        damaged_header: Frame id and time stamp that these show instead of their own [ns]: no leader came.
        damaged_rows: Rows of these that the client gets, 0 for no picture at all; None for all.
        bad_chunks: Frame ids that arrive whole, but whose chunk data cannot be parsed.
        wire_off: No pulse reaches the camera.
        failing_reads: How often reading a feature still times out, by its name.
        at_pulse: Run just before the pulse is looked at, such as `lambda: rig.unplug(role)`.
        stalled: Frames are exposed but none arrives.
        first_id: Frame id of the first frame.
        id_bits: Width of the frame counter; it wraps to 0.
        timestamp_step_ns: Resolution of the time stamps [ns].
        jitter_ns: Time stamps are off by up to this much, in a fixed pattern [ns].
        ahead_frames: Frame ids whose time stamps come out 128 s ahead. The seconds of a GS3's cycle timer
            wrap after 128 s, and a frame just before that was seen with the next turn's stamp: "Hardware
            quirks" in CLAUDE.md of https://github.com/NeLy-EPFL/octacam.
        refuse_buffers: BeginAcquisition fails as with too little usbfs memory.
        held_elsewhere: Init fails as while another program has the camera.
        removal: Code of every call once the cable was pulled; None for what the call itself would say. Of
            Spinnaker 4 it is -1024: docs/incident_20260403_oom_crash.md of
            https://github.com/BCM-Neurosurgery/MultiCameraTracking.

    """

    lost_pulses: set[int] = field(default_factory=set)
    lost_frames: set[int] = field(default_factory=set)
    damaged_frames: set[int] = field(default_factory=set)
    damaged_header: tuple[int, int] | None = None
    damaged_rows: int | None = None
    bad_chunks: set[int] = field(default_factory=set)
    wire_off: bool = False
    failing_reads: dict[str, int] = field(default_factory=dict)
    at_pulse: dict[int, Callable[[], None]] = field(default_factory=dict)
    stalled: bool = False
    first_id: int = 0
    id_bits: int = 64
    timestamp_step_ns: int = 1
    jitter_ns: int = 0
    ahead_frames: set[int] = field(default_factory=set)
    refuse_buffers: bool = False
    held_elsewhere: bool = False
    removal: ErrorCode | None = None

    def stamp(self, reading_ns: int, frame_id: int) -> int:
        """A clock reading as the camera puts it on a frame [ns]."""
        if self.jitter_ns:
            # The golden ratio spreads the pattern evenly without a random generator.
            reading_ns += round((frame_id * 0.6180339887 % 1.0 - 0.5) * 2 * self.jitter_ns)
        if frame_id in self.ahead_frames:
            reading_ns += _CYCLE_TIMER_NS
        return reading_ns // self.timestamp_step_ns * self.timestamp_step_ns

    def as_sent(self, pixels: Image, header: Header) -> tuple[Image, Header]:
        """A frame as the client gets it."""
        if header.complete:
            return pixels, replace(header, chunks_readable=header.frame_id not in self.bad_chunks)
        if self.damaged_header is not None:
            frame_id, timestamp_ns = self.damaged_header
            header = replace(header, frame_id=frame_id, timestamp_ns=timestamp_ns)
        return pixels[: self.damaged_rows], header

    def before_read(self, name: str) -> None:
        """A client reads a feature.

        Raises:
            SpinnakerException: It is one that fails now (-1011).

        """
        left = self.failing_reads.get(name, 0)
        if left:
            self.failing_reads[name] = left - 1
            raise SpinnakerException("Failed to read register: time-out.", ErrorCode.TIMEOUT)
