"""A filmed millisecond timer as a check of the offset: read in one frame of each clip, by the operator."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.errors import InputError
from app.outputs import write_picture
from drivers import FrameSource, StreamPair, to_rgb8

SCREEN_STEP_MS = 1000 / 60
"""How long a screen with 60 pictures a second shows the same reading [ms]."""


@dataclass(frozen=True, slots=True)
class TimerReading:
    """What the timer shows in one frame.

    Attributes:
        frame: Index of the frame in its clip.
        shown_ms: The time that it shows [ms].

    """

    frame: int
    shown_ms: float


@dataclass(frozen=True, slots=True)
class TimerReadings:
    """The same timer in both clips.

    Attributes:
        hsr: In a frame of the HSR clip.
        lsr: In a frame of the LSR clip.
        step_ms: How long the timer shows the same reading [ms].

    """

    hsr: TimerReading
    lsr: TimerReading
    step_ms: float = SCREEN_STEP_MS


@dataclass(frozen=True, slots=True)
class TimerCheck:
    """What the timer says about the offset.

    Attributes:
        offset_ms: Time of the first HSR frame minus that of the first LSR frame, by the timer alone [ms].
        tolerance_ms: What it can tell: a step of the timer and one LSR frame [ms].

    """

    offset_ms: float
    tolerance_ms: float

    def warning(self, found_ms: float) -> str | None:
        """One sentence where an offset differs by more than the timer can be off; None where they agree."""
        apart = found_ms - self.offset_ms
        if abs(apart) <= self.tolerance_ms:
            return None
        return (
            f"the filmed timer says {self.offset_ms:.1f} ms, {abs(apart):.1f} ms "
            f"{'less' if apart > 0 else 'more'} than the offset used and more than its own "
            f"{self.tolerance_ms:.1f} ms; read it again, or give --offset-ms {self.offset_ms:.1f}"
        )


def check_by_timer(pair: StreamPair, readings: TimerReadings) -> TimerCheck:
    """The offset of two streams by a timer that both have filmed.

    Args:
        pair: Both streams; their clock offset is not looked at.
        readings: One of each.

    Raises:
        InputError: A clip has no such frame.

    """
    hsr_ms = _since_first_ms(pair.hsr, readings.hsr)
    lsr_ms = _since_first_ms(pair.lsr, readings.lsr)
    return TimerCheck(
        offset_ms=lsr_ms - hsr_ms + readings.hsr.shown_ms - readings.lsr.shown_ms,
        tolerance_ms=readings.step_ms + 1e3 / max(pair.lsr.info.fps, 1e-9),
    )


def moment_of_both(pair: StreamPair, offset_ms: float) -> tuple[int, int]:
    """Indices of an HSR frame in the middle and of the LSR frame that shows the same moment.

    Args:
        pair: Both streams; their clock offset is not looked at.
        offset_ms: Time of the first HSR frame minus that of the first LSR frame [ms].

    """
    hsr_ms, lsr_ms = (
        (s.mid_exposure_ns - int(s.mid_exposure_ns[0])) / 1e6 + start
        for s, start in ((pair.hsr, offset_ms), (pair.lsr, 0.0))
    )
    both = np.flatnonzero((hsr_ms >= lsr_ms[0]) & (hsr_ms <= lsr_ms[-1]))
    middle = int(both[len(both) // 2]) if len(both) else len(hsr_ms) // 2
    return middle, int(np.argmin(np.abs(lsr_ms - hsr_ms[middle])))


def write_timer_pictures(pair: StreamPair, offset_ms: float, folder: Path) -> tuple[Path, Path]:
    """Write one frame of each stream at the same moment, named by their indices, to read a timer in.

    Args:
        pair: Both streams.
        offset_ms: Time of the first HSR frame minus that of the first LSR frame, as known so far [ms].
        folder: Where to; made if it is not there.

    Raises:
        OSError: The folder cannot be written.

    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for source, index in zip((pair.hsr, pair.lsr), moment_of_both(pair, offset_ms), strict=True):
        path = folder / f"{source.info.role.value}_frame_{index}.png"
        write_picture(path, to_rgb8(source.read(index)))
        paths.append(path)
    return paths[0], paths[1]


def _since_first_ms(source: FrameSource, reading: TimerReading) -> float:
    count = source.info.frame_count
    if not 0 <= reading.frame < count:
        raise InputError(
            f"{source.info.name}: has no frame {reading.frame} to read the timer in; "
            f"its frames are 0 to {count - 1}"
        )
    times = source.mid_exposure_ns
    return float(times[reading.frame] - times[0]) / 1e6
