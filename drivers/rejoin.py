"""Finds the pulses that a camera follows after it has left a recording and come back.

Its clock has started anew and its counter says nothing, but the other camera went on counting the same
pulses, and the host noted when each frame of both arrived. How much later one camera's frames arrive than the
other's is known from before; so the quickest arrivals afterwards tell the pulse, as long as enough of them
agree to a part of the time between pulses. Where that is not so, nothing is guessed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivers._take_index import Rows
from drivers._take_metadata import TriggerMetadata
from drivers._time_grid import IntArray, fit_grid
from drivers.errors import OverwrittenError, PairingError
from drivers.frame import FrameFlag, Role
from drivers.ring_buffer import RingBuffer

_BEFORE_S = 3.0
_KEPT_S = 10.0
_BETWEEN_S = 0.25
_LEAST_FRAMES = 6
_LEAST_S = 0.4
_SURE = 0.25  # of a period: how far arrivals may be from a whole pulse
_NEAR_LEAST = 0.15  # of all frames must arrive nearly as quickly as the quickest
_HEADROOM = 4


@dataclass(frozen=True, slots=True)
class Shift:
    """What is added to a camera's counter and clock so that both go on as if it had never been away.

    Attributes:
        ids: Added to frame ids.
        ns: Added to times on the camera's clock [ns].

    """

    ids: int
    ns: int


@dataclass(frozen=True, slots=True, eq=False)
class Arrivals:
    """What frames say about time.

    Attributes:
        ids: Frame ids, shape (N,).
        pulse_ns: Start of each exposure on the camera's clock, shape (N,) [ns].
        lag_ns: Arrival on the host's clock minus end of the exposure on the camera's clock, shape (N,) [ns].

    """

    ids: IntArray
    pulse_ns: IntArray
    lag_ns: IntArray

    @classmethod
    def of_rows(cls, rows: Rows) -> Arrivals:
        """Those of whole frames in a take's index."""
        rows = rows[(rows["flags"] & int(FrameFlag.INCOMPLETE)) == 0]
        half = np.rint(rows["exposure_us"] * 500.0).astype(np.int64)
        middle = rows["mid_exposure_ns"].astype(np.int64)
        host = rows["host_ns"].astype(np.int64)
        return cls(rows["frame_id"].astype(np.int64), middle - half, host - middle - half)

    @classmethod
    def of_ring(cls, ring: RingBuffer) -> Arrivals:
        """Those of the whole frames in a ring; no picture is copied."""
        newest, oldest = ring.latest(), ring.oldest()
        found: list[tuple[int, int, int]] = []
        if newest is not None and oldest is not None:
            for index in range(oldest + _HEADROOM if oldest else 0, newest + 1):
                try:
                    head = ring.head(index)
                except OverwrittenError:
                    found.clear()
                    continue
                if head.flags & FrameFlag.INCOMPLETE:
                    continue
                half = round(head.exposure_us * 500)
                middle = head.mid_exposure_ns
                found.append((head.frame_id, middle - half, head.host_ns - middle - half))
        columns = np.array(found, np.int64).reshape(-1, 3).T
        return cls(*columns)

    def __len__(self) -> int:
        return len(self.ids)

    def arrived_until(self, host_ns: int) -> Arrivals:
        """Those that had arrived by this moment of the host's clock [ns]."""
        arrival = self.pulse_ns + self.lag_ns
        return self.part(arrival <= host_ns)

    def part(self, chosen: npt.NDArray[np.bool_] | slice) -> Arrivals:
        """Some of them."""
        return Arrivals(self.ids[chosen], self.pulse_ns[chosen], self.lag_ns[chosen])


def telling_rows(count: int, *, left_at: int, fps: float) -> IntArray:
    """Numbers of the rows that tell how a stream went on since another camera left; few, whatever the length.

    All of the time around the leaving and of the newest, and some of the time between, by which the pulses
    are counted on.

    Args:
        count: Rows of the stream now.
        left_at: Rows of the stream when the other camera left.
        fps: Frames per second of the stream [1/s].

    """
    near, far = max(1, round(_KEPT_S * fps)), max(1, round(_BETWEEN_S * fps))
    begin, end = max(0, left_at - near), max(0, count - near)
    parts = (
        np.arange(begin, min(left_at + near, count)),
        np.arange(begin, end, far),
        np.arange(max(begin, end), count),
    )
    return np.unique(np.concatenate(parts)).astype(np.int64)


def find_shift(
    role: Role, before: Arrivals, other: Arrivals, after: Arrivals, trigger: TriggerMetadata
) -> Shift | None:
    """Put a camera that came back in step again.

    Args:
        role: The camera that was away.
        before: Its frames of this recording until it left.
        other: The other camera's frames of this recording until now.
        after: Its frames since it is back.
        trigger: The plan that both follow.

    Returns:
        None where it is not certain: too few frames, no arrival times, or arrivals that scatter too much.

    """
    # An unknown phase may be any: it is the same before and after.
    slow, fast = (trigger.ratio, trigger.phase or 0), (1.0, 0)
    (step, phase), (other_step, other_phase) = (slow, fast) if role is Role.HSR else (fast, slow)
    if min(len(before), len(other), len(after)) < _LEAST_FRAMES:
        return None
    period = 1e9 / (trigger.hsr_rate * trigger.ratio)
    if (after.pulse_ns[-1] - after.pulse_ns[0]) < _LEAST_S * 1e9:
        return None
    try:
        ours, theirs = _Train(before, step, phase, period), _Train(other, other_step, other_phase, period)
        back = fit_grid(after.pulse_ns, frame_ids=after.ids, period_ns=step * period, name=role.name)
    except PairingError:
        return None
    recent = before.pulse_ns >= before.pulse_ns[-1] - round(_BEFORE_S * 1e9)
    slack = _SURE * step * period
    later = _usual_delay(ours, np.flatnonzero(recent), theirs, slack)
    if later is None:
        return None
    firsts = []
    for half in (slice(None, len(after) // 2), slice(len(after) // 2, None)):
        place = _place(after.part(half), theirs, later, slack)
        if place is None:
            return None
        firsts.append((place - phase) / step - float(np.median(back.numbers[half])))
    first = round(firsts[0])
    if any(abs(found - first) > _SURE for found in firsts):
        return None
    passed = first - ours.last_number
    if passed < 1:
        return None
    start_ns = int(before.pulse_ns[-1]) + round(passed * ours.period_ns)
    return Shift(int(before.ids[-1]) + passed - int(after.ids[0]), start_ns - int(after.pulse_ns[0]))


class _Train:
    """Frames of one camera as places on the common row of pulses, in LSR pulses."""

    def __init__(self, frames: Arrivals, step: float, phase: int, period_ns: float) -> None:
        grid = fit_grid(frames.pulse_ns, frame_ids=frames.ids, period_ns=step * period_ns)
        self.frames = frames
        numbers = int(frames.ids[0]) + grid.numbers
        self.places = np.asarray(numbers * step + phase, np.float64)
        self.last_number = int(numbers[-1])
        self.period_ns = grid.period_ns
        self.origin_ns = int(frames.pulse_ns[0])

    def time(self, place: float) -> float:
        """Pulse `place` on the camera's clock, relative to `origin_ns` [ns]."""
        times = (self.frames.pulse_ns - self.origin_ns).astype(np.float64)
        return float(np.interp(place, self.places, times))


def _quickest(lags: IntArray, slack: float) -> int | None:
    """The delay that the host adds at least [ns]; None when too few frames come near it to be sure of it."""
    if len(lags) < _LEAST_FRAMES // 2:
        return None
    least = int(lags.min())
    return least if float(np.quantile(lags, _NEAR_LEAST)) - least <= slack / 2 else None


def _usual_delay(ours: _Train, recent: IntArray, theirs: _Train, slack: float) -> float | None:
    """How much later than the other's our frames arrive, beyond the pulses' distance [ns]."""
    places = ours.places[recent]
    together = np.flatnonzero((theirs.places >= places[0]) & (theirs.places <= places[-1]))
    mine = _quickest(ours.frames.lag_ns[recent], slack)
    other = _quickest(theirs.frames.lag_ns[together], slack)
    if mine is None or other is None:
        return None
    at = int(recent[len(recent) // 2])
    there = theirs.time(float(ours.places[at]))
    return (int(ours.frames.pulse_ns[at]) - theirs.origin_ns) - there + (mine - other)


def _place(after: Arrivals, theirs: _Train, later: float, slack: float) -> float | None:
    """Where on the row of pulses the middle frame of `after` belongs, by its arrival."""
    mine = _quickest(after.lag_ns, slack)
    if mine is None:
        return None
    host = after.pulse_ns + after.lag_ns
    other_host = theirs.frames.pulse_ns + theirs.frames.lag_ns
    together = np.flatnonzero((other_host >= host[0]) & (other_host <= host[-1]))
    other = _quickest(theirs.frames.lag_ns[together], slack)
    if other is None:
        return None
    at = float(np.median(after.pulse_ns.astype(np.float64) - int(after.pulse_ns[0])))
    there = (int(after.pulse_ns[0]) - theirs.origin_ns) + at + (mine - other) - later
    times = (theirs.frames.pulse_ns - theirs.origin_ns).astype(np.float64)
    if not times[0] <= there <= times[-1]:
        return None
    return float(np.interp(there, times, theirs.places))
