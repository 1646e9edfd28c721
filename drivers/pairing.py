"""Times or pulses of both streams' frames -> GoPs: which HSR frame serves which LSR frames.

A GoP-m is one HSR frame with the m LSR frames around its mid-exposure: ceil(m/2)-1 before, floor(m/2) after
(Cheng et al., "A Dual Camera System for High Spatiotemporal Resolution Video Acquisition", section 3.2).
Where m is not whole, each LSR frame goes to the nearest mid-exposure (their section 6, 100 against 30 fps).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np

from drivers._clock_fit import ClockFit, fit_hardware_clocks
from drivers._take_metadata import TriggerMetadata
from drivers._time_grid import FloatArray, IntArray, fit_grid
from drivers.errors import PairingError
from drivers.source import StreamPair

__all__ = [
    "ClockFit",
    "Gop",
    "Pairing",
    "fit_hardware_clocks",
    "pair_gops",
    "pair_pulses",
    "pair_streams",
    "regular_times",
]

_WHOLE = 0.02  # a ratio this near to a whole number is one; the rest is clock drift
_REGULAR = 0.35  # times within this part of a period of a regular grid are that grid, rounded or jittered
_TIE = 1e-6
_TOGETHER = 0.1  # LSR periods by which two frames of one instant may be apart


@dataclass(frozen=True, slots=True)
class Gop:
    """One HSR frame and the LSR frames that it serves.

    Attributes:
        hsr_index: Index of the HSR frame in its source.
        lsr_indices: Indices of the LSR frames in their source, ascending, at least one.
        distances: For each of them, LSR periods from the LSR frame nearest to the HSR mid-exposure:
            negative before, 0 the synchronised one, positive after; ascending and all different. Of a
            variable rate, the nearest whole numbers that are.
        subframe: HSR mid-exposure minus the time of distance 0, in LSR periods, -0.5..0.5.
        missing: LSR frames that belong here and were lost.

    """

    hsr_index: int
    lsr_indices: tuple[int, ...]
    distances: tuple[int, ...]
    subframe: float = 0.0
    missing: int = 0

    @property
    def nearest_lsr(self) -> int:
        """LSR frame that is closest to the HSR frame's mid-exposure."""
        return min(zip(self.distances, self.lsr_indices, strict=True), key=lambda pair: abs(pair[0]))[1]

    @property
    def away(self) -> tuple[float, ...]:
        """Periods from the HSR mid-exposure to each LSR frame; `distances` where one was filmed with it."""
        apart = self.subframe if abs(self.subframe) > _TOGETHER else 0.0
        return tuple(distance - apart for distance in self.distances)


@dataclass(frozen=True, slots=True)
class Pairing:
    """All GoPs of a recording in order, and what is missing.

    Attributes:
        gops: At least one; together they hold the LSR frames of `lsr_range`, each once and ascending.
        lsr_range: First LSR index in a GoP and one past the last.
        ratio: m, LSR frames per HSR frame, as measured or as the trigger plan says.
        lsr_period_ns: Time between LSR frames [ns].
        missing_lsr: LSR frames lost inside `lsr_range`, also those whose whole GoP was lost.
        missing_hsr: HSR frames lost between the first and the last one.
        clock: Fit of the two camera clocks; None for times that were on one clock.

    """

    gops: tuple[Gop, ...]
    lsr_range: tuple[int, int]
    ratio: float
    lsr_period_ns: float
    missing_lsr: int
    missing_hsr: int
    clock: ClockFit | None = None


@runtime_checkable
class TriggeredSource(Protocol):
    """A recorded stream of a hardware-triggered camera, such as `drivers.TakeStream`."""

    @property
    def frame_ids(self) -> IntArray:
        """Camera counters, shape (frame_count,)."""
        ...

    @property
    def mid_exposure_ns(self) -> IntArray:
        """Mid-exposure of each frame on the camera's clock, shape (frame_count,) [ns]."""
        ...

    @property
    def pulse_ns(self) -> IntArray:
        """Trigger pulse of each frame on the camera's clock, shape (frame_count,) [ns]."""
        ...

    @property
    def trigger(self) -> TriggerMetadata | None:
        """The plan; None when the cameras ran free."""
        ...


def regular_times(times_ns: IntArray) -> FloatArray:
    """Frame times without the rounding to a container's ticks and without jitter [ns].

    Times that lie near a regular grid are put on it; a truly variable rate is returned as it is.

    Args:
        times_ns: Ascending times, shape (N,) [ns].

    Raises:
        PairingError: Times go backwards or are all equal.

    """
    grid = fit_grid(times_ns)
    if len(times_ns) < 2 or grid.worst_ns >= _REGULAR * grid.period_ns:
        return times_ns.astype(np.float64)
    return np.asarray(grid.origin_ns + grid.start_ns + grid.period_ns * grid.numbers, np.float64)


def pair_gops(
    hsr_mid_ns: IntArray,
    lsr_mid_ns: IntArray,
    *,
    ratio: float | None = None,
    lsr_period_ns: float | None = None,
) -> Pairing:
    """Share the LSR frames out among the HSR frames.

    Every LSR frame between two HSR frames belongs to exactly one GoP, also where HSR frames were lost; before
    the first and after the last HSR frame, those within one HSR period do. Times rounded to a container's
    ticks are put back on their regular grid first; a truly variable rate is taken as it is.

    Args:
        hsr_mid_ns: Mid-exposure times, ascending, shape (H,) [ns].
        lsr_mid_ns: Mid-exposure times on the same clock, ascending, shape (L,) [ns].
        ratio: m, where it is known; measured when None.
        lsr_period_ns: Time between LSR frames, where it is known [ns]; measured when None.

    Raises:
        PairingError: A stream is empty, times go backwards, the HSR stream is the faster one, or the streams
            do not overlap.

    """
    if len(hsr_mid_ns) == 0 or len(lsr_mid_ns) == 0:
        raise PairingError(f"the {'LSR' if len(hsr_mid_ns) else 'HSR'} stream has no frames")
    lsr = fit_grid(lsr_mid_ns, period_ns=lsr_period_ns, settled=True, name="LSR")
    slow = None if ratio is None or lsr_period_ns is None else ratio * lsr_period_ns
    hsr = fit_grid(hsr_mid_ns, period_ns=slow, settled=True, name="HSR")
    period = lsr.period_ns if len(lsr_mid_ns) > 1 else hsr.period_ns / (ratio or 1.0)
    if not period > 0:
        raise PairingError("one frame in each stream says nothing about time; use longer clips")
    measured = hsr.period_ns / period if len(hsr_mid_ns) > 1 else float("nan")
    m = ratio if ratio is not None else measured
    if np.isnan(m):
        m = float(len(lsr_mid_ns))
    if m < 1 - _WHOLE:
        raise PairingError(
            f"the HSR stream is faster than the LSR stream ({1e9 / hsr.period_ns:.2f} against "
            f"{1e9 / period:.2f} fps); are the two swapped?"
        )

    hsr_times: FloatArray = (hsr_mid_ns - lsr.origin_ns).astype(np.float64)
    missing_hsr = hsr.missing if hsr.worst_ns < _REGULAR * hsr.period_ns else 0
    if len(hsr_mid_ns) > 1 and hsr.worst_ns < _REGULAR * period:
        shift = hsr.origin_ns - lsr.origin_ns + hsr.start_ns
        hsr_times = np.asarray(shift + hsr.period_ns * hsr.numbers, np.float64)
    x: FloatArray = (hsr_times - lsr.start_ns) / period
    if lsr.worst_ns < _REGULAR * period:
        places = lsr.numbers.astype(np.float64)
    else:
        places = ((lsr_mid_ns - lsr.origin_ns).astype(np.float64) - lsr.start_ns) / period
    found = _share(x, places, m, period)
    if found is None:
        raise PairingError(_no_overlap(hsr_mid_ns, lsr_mid_ns))
    return replace(found, ratio=m if np.isnan(measured) else measured, missing_hsr=missing_hsr)


def pair_pulses(clock: ClockFit, hsr_after_ns: IntArray, lsr_after_ns: IntArray, ratio: float) -> Pairing:
    """Share the LSR frames out by the pulses that both cameras followed.

    No time is compared over more than one exposure, so it does not matter how the clocks run.

    Args:
        clock: The pulse of each frame.
        hsr_after_ns: From the pulse to the mid-exposure of each HSR frame, shape (H,) [ns].
        lsr_after_ns: The same of each LSR frame, shape (L,) [ns].
        ratio: m of the trigger plan.

    Raises:
        PairingError: One frame in each stream, or LSR frames near no HSR frame.

    """
    period = clock.lsr_period_ns
    if not period > 0:
        raise PairingError("one frame in each stream says nothing about time; record longer")
    places = clock.lsr_pulses.astype(np.float64)
    beside = np.interp(clock.hsr_pulses, places, lsr_after_ns.astype(np.float64))
    found = _share(clock.hsr_pulses + (hsr_after_ns - beside) / period, places, ratio, period)
    if found is None:
        raise PairingError("no LSR frame was taken near an HSR frame; the recordings do not overlap")
    return replace(found, missing_hsr=clock.missing_hsr, clock=clock)


def _share(x: FloatArray, places: FloatArray, m: float, period: float) -> Pairing | None:
    """Share the LSR frames at `places` among the HSR frames at `x`, in periods; None when none is near."""
    slots, centre = np.floor(places + 0.5 + _TIE), np.floor(x + 0.5 + _TIE)
    if abs(m - round(m)) < _WHOLE:
        last_slot = centre[:-1] + np.floor(np.diff(centre) / 2)
    else:
        last_slot = np.floor((x[:-1] + x[1:]) / 2 + _TIE)
    reach = np.floor(m + 0.5)
    inside = (slots >= centre[0] - reach) & (slots <= centre[-1] + reach)
    owner = np.searchsorted(last_slot, slots, side="left")
    gops = []
    for j in np.unique(owner[inside]):
        members = np.flatnonzero(inside & (owner == j)) if len(x) == 1 else _members(owner, inside, int(j))
        gops.append((int(j), members, places[members] - x[j]))
    return _assemble(gops, slots, last_slot, m, period) if gops else None


def _distances(away: FloatArray) -> tuple[tuple[int, ...], float]:
    """Distances of the frames of one GoP, and its subframe.

    Args:
        away: Places of its LSR frames from the HSR frame's, ascending [LSR periods].

    """
    nearest = int(np.argmin(np.abs(away)))
    at = np.ceil(away - 0.5 - _TIE).astype(np.int64)
    subframe = float(at[nearest] - away[nearest])
    # Where a variable rate is fast, several frames lie in one step: those farther out give way.
    order = np.arange(len(at)) - nearest
    at -= order
    at[nearest:] = np.maximum.accumulate(at[nearest:])
    at[nearest::-1] = np.minimum.accumulate(at[nearest::-1])
    return tuple(int(distance) for distance in at + order), subframe


def _members(owner: IntArray, inside: np.ndarray[tuple[int], np.dtype[np.bool_]], j: int) -> IntArray:
    """LSR indices of GoP j; `owner` ascends, so they are one run."""
    start, stop = np.searchsorted(owner, [j, j + 1])
    members: IntArray = start + np.flatnonzero(inside[start:stop])
    return members


def _assemble(
    parts: list[tuple[int, IntArray, FloatArray]],
    slots: FloatArray,
    last_slot: FloatArray,
    m: float,
    period: float,
) -> Pairing:
    first, stop = int(parts[0][1][0]), int(parts[-1][1][-1]) + 1
    gops = []
    for j, members, away in parts:
        low = slots[first] if j == parts[0][0] else last_slot[j - 1] + 1
        high = slots[stop - 1] if j == parts[-1][0] else last_slot[j]
        wanted = int(high - low) + 1
        distances, subframe = _distances(away)
        gops.append(
            Gop(
                hsr_index=j,
                lsr_indices=tuple(int(i) for i in members),
                distances=distances,
                subframe=subframe,
                missing=max(0, wanted - len(members)),
            )
        )
    return Pairing(
        gops=tuple(gops),
        lsr_range=(first, stop),
        ratio=m,
        lsr_period_ns=period,
        missing_lsr=max(0, int(slots[stop - 1] - slots[first]) + 1 - (stop - first)),
        missing_hsr=0,
    )


def _no_overlap(hsr_ns: IntArray, lsr_ns: IntArray) -> str:
    start = int(lsr_ns[0])
    return (
        "the streams do not overlap in time: on the LSR clock, LSR frames lie at "
        f"0..{(int(lsr_ns[-1]) - start) / 1e9:.3f} s and HSR frames at {(int(hsr_ns[0]) - start) / 1e9:.3f}.."
        f"{(int(hsr_ns[-1]) - start) / 1e9:.3f} s; check the offset"
    )


def hsr_times_on_lsr_clock(pair: StreamPair) -> IntArray:
    """Mid-exposure of every HSR frame on the LSR stream's clock [ns], shape (HSR frames,).

    Raises:
        PairingError: As `pair_streams`.

    """
    if pair.clock_offset_ns is not None:
        return pair.hsr_on_lsr_clock
    hsr, lsr, trigger = _triggered(pair)
    return _hardware_clock(hsr, lsr, trigger).to_lsr(pair.hsr.mid_exposure_ns)


def pair_streams(pair: StreamPair) -> Pairing:
    """GoPs of a take or of two clips.

    With a known `clock_offset_ns` the mid-exposure times decide, freed from the drift. Without it, both
    streams must come from hardware-triggered cameras: then frame ids and trigger times say which pulse each
    frame belongs to, and the pulses decide.

    Raises:
        PairingError: As `pair_gops`, `pair_pulses` and `fit_hardware_clocks`, or nothing says how the clocks
            relate.

    """
    if pair.clock_offset_ns is not None:
        return pair_gops(pair.hsr_on_lsr_clock, pair.lsr.mid_exposure_ns)
    hsr, lsr, trigger = _triggered(pair)
    clock = _hardware_clock(hsr, lsr, trigger)
    hsr_after, lsr_after = hsr.mid_exposure_ns - hsr.pulse_ns, lsr.mid_exposure_ns - lsr.pulse_ns
    return pair_pulses(clock, hsr_after, lsr_after, trigger.ratio)


def _triggered(pair: StreamPair) -> tuple[TriggeredSource, TriggeredSource, TriggerMetadata]:
    """Both streams and their plan, where they have one."""
    hsr, lsr = pair.hsr, pair.lsr
    if not (isinstance(hsr, TriggeredSource) and isinstance(lsr, TriggeredSource)) or hsr.trigger is None:
        raise PairingError(
            f"{hsr.info.name} and {lsr.info.name} have no common clock and no trigger; find their "
            "offset with `twinrate sync` or give it with --offset-ms"
        )
    return hsr, lsr, hsr.trigger


def _hardware_clock(hsr: TriggeredSource, lsr: TriggeredSource, trigger: TriggerMetadata) -> ClockFit:
    return fit_hardware_clocks(
        hsr.frame_ids,
        hsr.pulse_ns,
        lsr.frame_ids,
        lsr.pulse_ns,
        trigger.ratio,
        phase=trigger.phase,
        latch=trigger.latch,
        lsr_fps=trigger.hsr_rate * trigger.ratio,
        first_id=trigger.first_id,
        by_hand=trigger.by_hand,
    )
