"""What can go wrong with a camera, on demand and at exact pulses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Faults:
    """Troubles of one virtual camera; set before or while it streams.

    Pulses and frame ids count from the start of acquisition.

    Attributes:
        lost_pulses: Pulses that never reach the camera: no exposure, and no gap in the frame ids.
        lost_frames: Frame ids that are exposed but lost on the way: a gap in the frame ids.
        damaged_frames: Frame ids that arrive incomplete.
        at_pulse: Run just before the pulse is looked at, such as `lambda: rig.unplug(role)`.
        stalled: Frames are exposed but none arrives.
        first_id: Frame id of the first frame.
        id_bits: Width of the frame counter; it wraps to 0.
        timestamp_step_ns: Resolution of the time stamps [ns].
        jitter_ns: Time stamps are off by up to this much, in a fixed pattern [ns].
        refuse_buffers: BeginAcquisition fails as with too little usbfs memory.
        held_elsewhere: Init fails as while another program has the camera.

    """

    lost_pulses: set[int] = field(default_factory=set)
    lost_frames: set[int] = field(default_factory=set)
    damaged_frames: set[int] = field(default_factory=set)
    at_pulse: dict[int, Callable[[], None]] = field(default_factory=dict)
    stalled: bool = False
    first_id: int = 0
    id_bits: int = 64
    timestamp_step_ns: int = 1
    jitter_ns: int = 0
    refuse_buffers: bool = False
    held_elsewhere: bool = False

    def stamp(self, reading_ns: int, frame_id: int) -> int:
        """A clock reading as the camera puts it on a frame [ns]."""
        if self.jitter_ns:
            # The golden ratio spreads the pattern evenly without a random generator.
            reading_ns += round((frame_id * 0.6180339887 % 1.0 - 0.5) * 2 * self.jitter_ns)
        return reading_ns // self.timestamp_step_ns * self.timestamp_step_ns
