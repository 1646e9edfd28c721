"""When frames are shown: the rate behind their times, and the place of each on its regular grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from app.rates import nominal_rate, usual_rates
from drivers import FrameSource, Pairing, PairingError, Role, StreamPair, pair_streams
from drivers.pairing import regular_times

IntArray = npt.NDArray[np.int64]

_PARTS = 16  # of a step, to which the times of a variable rate are rounded
_WHOLE = 0.01  # steps this near to whole numbers of periods are those of a grid
_SAME_STEP_NS = 1000  # times are whole nanoseconds of ticks that are not
TOLD_NS = 500
"""Half of a microsecond, to which files beside clips tell times."""


@dataclass(frozen=True, slots=True, eq=False)
class Timing:
    """How a stream's frames follow each other.

    Attributes:
        rate: Frames per second where none is missing.
        slots: Place of each frame in steps of 1 / `rate`, from 0, strictly ascending: whole numbers, with
            gaps where frames are missing; of a truly variable rate, parts of steps.

    """

    rate: Fraction
    slots: tuple[Fraction, ...]


def read_timing(times_ns: IntArray, period_ns: float) -> Timing:
    """Rate and places behind the times of frames.

    Args:
        times_ns: Ascending times, shape (N,), N >= 1 [ns]; rounded to a container's ticks or not.
        period_ns: Time between frames where none is missing, as far as it is known [ns].

    """
    times = regular_times(times_ns)
    steps = np.diff(times) / period_ns
    whole = np.maximum(np.rint(steps), 1)
    if np.all(np.abs(steps - whole) < _WHOLE * whole):
        slots: IntArray = np.concatenate([[0], np.cumsum(whole)]).astype(np.int64)
        return Timing(_rate(times_ns, slots, period_ns), tuple(Fraction(int(slot)) for slot in slots))
    order = np.arange(len(times))
    parts = np.rint((times - times[0]) * (_PARTS / period_ns)).astype(np.int64)
    parts = np.maximum.accumulate(parts - order) + order
    return Timing(nominal_rate(1e9 / period_ns), tuple(Fraction(int(part), _PARTS) for part in parts))


def stream_timing(pair: StreamPair, role: Role, pairing: Pairing | None = None) -> Timing:
    """Rate and places of all frames of one stream of a pair; it has a frame.

    Args:
        pair: Both streams.
        role: Which of them.
        pairing: What `pair_streams` found, where that is known already.

    Raises:
        PairingError: Times go backwards or are all equal.

    """
    source = pair.hsr if role is Role.HSR else pair.lsr
    times = source.mid_exposure_ns
    if len(times) < 2:
        return read_timing(times, 1e9 / rate_to_show(source))
    try:
        pairing = pairing or pair_streams(pair)
        period = pairing.lsr_period_ns * (pairing.ratio if role is Role.HSR else 1.0)
    except PairingError:
        # One stream can be shown where both cannot be fused: there, most of its own steps tell.
        period = float(np.median(np.diff(regular_times(times))))
    return read_timing(times, period)


def rate_to_show(source: FrameSource) -> float:
    """Mean rate of a stream [frames/s]; a clip of one frame has none, and shows it for a second."""
    return source.info.fps or 1.0


def between(
    passed_ns: IntArray, start_s: float, end_s: float | None, *, leeway_ns: int = TOLD_NS
) -> npt.NDArray[np.bool_]:
    """Which frames lie between two moments: the first one belongs to the part, the last one does not.

    Args:
        passed_ns: When each frame was filmed, after the moment from which both are counted [ns].
        start_s: The first moment [s]; it may have been read from the file beside a clip.
        end_s: The last moment [s]; None = the end.
        leeway_ns: How much earlier than told both moments may be [ns].

    """
    end = math.inf if end_s is None else end_s
    first, last = (np.rint(limit * 1e9) - leeway_ns for limit in (start_s, end))
    inside: npt.NDArray[np.bool_] = (passed_ns >= first) & (passed_ns < last)
    return inside


def missing_frames(slots: Sequence[Fraction], name: str, done: str) -> str:
    """One sentence for the operator where frames are missing between these places; "" where none is.

    Args:
        slots: Places of the frames that are there, as in `Timing`.
        name: The stream.
        done: What is done with the frames.

    """
    lost = sum(int(after - before) - 1 for before, after in pairwise(slots) if after - before >= 2)
    if not lost:
        return ""
    return (
        f"{lost} {name} frames are missing among those that are {done}: a clip shows the frame before a gap "
        "until it ends"
    )


def _rate(times_ns: IntArray, slots: IntArray, period_ns: float) -> Fraction:
    """The usual rate that these times on a grid can be rounded from, else the one next to the measured one.

    A few frames in coarse ticks measure a rate badly, but rule out most others.
    """
    fps = 1e9 / period_ns
    # Steps of rounded times differ by a tick.
    ticks = np.diff(np.unique(np.diff(times_ns)))
    ticks = ticks[ticks > _SAME_STEP_NS]
    if len(ticks):
        since = (times_ns - times_ns[0]).astype(np.float64)
        for rate in usual_rates(fps):
            if np.ptp(since - slots * (1e9 / float(rate))) <= ticks.min() + _SAME_STEP_NS:
                return rate
    return nominal_rate(fps)
