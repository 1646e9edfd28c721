"""Finds which pulses two hardware-triggered cameras share, and so how their clocks run against each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from drivers._time_grid import FloatArray, IntArray, TimeGrid, beginning, fit_grid, robust_line
from drivers.clock_latch import ClockLatch, Phase, PhaseBasis, find_phase, lost_before_first
from drivers.errors import PairingError

_RATIO_TOLERANCE = 0.01
_DECISIVE = {"HSR": 3, "LSR": 8}  # with fewer frames, pulses lost in a row look like another rate
_STEADY_NS = 60e9  # for so long a crystal that warms up runs evenly [ns]
_JUMP = 0.2  # of an LSR period: more from one common pulse to the next is no jitter
_WARMING = 20e-6  # how far a cold crystal may run from its mean rate
_BY_HAND = (
    "only the frame numbers say which LSR frame belongs to which HSR frame, and the pulses were started by "
    "hand; check a fast motion in both streams"
)


def _found_first_id(hsr_id: int, lsr_id: int) -> int:
    """What the cameras' counters begin with, 0 or 1, by the ids of both streams' first whole frames.

    The first frame of one of them may be lost or damaged; of both, and the counters seem to begin with 1.
    """
    return 1 if min(hsr_id, lsr_id) == 1 else 0


@dataclass(frozen=True, slots=True, eq=False)
class ClockFit:
    """How the LSR camera's clock runs against the HSR camera's, and which pulse each frame belongs to.

    Attributes:
        offset_ns: LSR clock minus HSR clock at `reference_ns` [ns].
        drift_ppm: How much faster the LSR clock runs [parts per million].
        residual_us: RMS distance of the common pulses from that line [us]: jitter, and in long recordings
            how unevenly the clocks run while they warm up.
        reference_ns: HSR time that `offset_ns` belongs to [ns].
        phase: k in LSR id = m * HSR id + k, both ids counted from `first_id`.
        basis: What says so.
        warning: Pulses that came before a camera's first frame, or a doubt, in one sentence; "" if none.
        missing_hsr: HSR pulses without a frame between the first and the last frame.
        missing_lsr: LSR pulses without a frame between the first and the last frame.
        lsr_period_ns: Time between LSR pulses [ns]; NaN for one frame in each stream.
        hsr_pulses: Pulse of each HSR frame, counted in LSR pulses on the scale of `lsr_pulses`, shape (H,).
        lsr_pulses: Pulse of each LSR frame, shape (L,).
        common_ns: HSR times of the HSR pulses that lie between two LSR frames, ascending, shape (C,) [ns].
        offsets_ns: LSR clock minus HSR clock at each of them, shape (C,) [ns].

    """

    offset_ns: int
    drift_ppm: float
    residual_us: float
    reference_ns: int
    phase: int
    basis: PhaseBasis
    warning: str
    missing_hsr: int
    missing_lsr: int
    lsr_period_ns: float
    hsr_pulses: FloatArray = field(repr=False)
    lsr_pulses: IntArray = field(repr=False)
    common_ns: IntArray = field(repr=False)
    offsets_ns: IntArray = field(repr=False)

    def to_lsr(self, hsr_ns: IntArray) -> IntArray:
        """HSR times [ns] on the LSR clock: from common pulse to common pulse, by the mean drift beyond them.

        One straight line would be off by milliseconds after an hour in which one crystal warmed up.
        """
        at = (hsr_ns - self.reference_ns).astype(np.float64)
        known = (self.common_ns - self.reference_ns).astype(np.float64)
        more = np.interp(at, known, (self.offsets_ns - self.offset_ns).astype(np.float64))
        beyond = at - np.clip(at, known[0], known[-1])
        on_lsr: IntArray = (
            hsr_ns + self.offset_ns + np.rint(more + beyond * (self.drift_ppm * 1e-6)).astype(np.int64)
        )
        return on_lsr


def fit_hardware_clocks(
    hsr_ids: IntArray,
    hsr_ns: IntArray,
    lsr_ids: IntArray,
    lsr_ns: IntArray,
    ratio: float,
    *,
    phase: int | None = 0,
    latch: ClockLatch | None = None,
    lsr_fps: float | None = None,
    first_id: int | None = None,
    by_hand: bool = False,
) -> ClockFit:
    """Number the pulses of two cameras that follow the same pulse train, and fit offset and drift.

    Two regular pulse trains on unrelated clocks look alike at every whole shift, so the integer phase comes
    from outside: from the counters, which both start with the first common pulse unless a camera missed it
    (`phase`), and from both clocks read at one moment (`latch`), which show that too.

    Args:
        hsr_ids: Frame ids, shape (H,); they may wrap, restart or have gaps.
        hsr_ns: Times of the trigger pulses (start of exposure) on the HSR camera's clock, shape (H,) [ns].
        lsr_ids: Frame ids, shape (L,).
        lsr_ns: Times of the trigger pulses on the LSR camera's clock, shape (L,) [ns].
        ratio: m, LSR pulses per HSR pulse; need not be a whole number.
        phase: LSR pulses that come before the first HSR pulse by plan; None when only the clocks can tell.
        latch: Both clocks at one moment; overrules `phase` where it is exact enough.
        lsr_fps: LSR pulses per second of the trigger plan; numbers the pulses of short recordings where most
            were lost. None when nobody knows.
        first_id: Frame id of both cameras' first pulse; None finds it from the first frames.
        by_hand: The program did not start the pulses. Then counters alone deserve a warning: a box that ran
            before gave each camera another first pulse.

    Raises:
        PairingError: A stream is empty, times go backwards, the rates contradict `ratio`, too few frames
            contradict the plan, no pulse is common to both, or the phase is not known.

    """
    if len(hsr_ids) == 0 or len(lsr_ids) == 0:
        empty = "LSR" if len(hsr_ids) else "HSR"
        raise PairingError(f"the {empty} stream has no frames; record again with both cameras triggered")
    planned = 1e9 / lsr_fps if lsr_fps else None
    lsr = fit_grid(lsr_ns, frame_ids=lsr_ids, period_ns=planned, name="LSR")
    # One counter makes both trains: the fast one, with many frames, says how far apart the slow pulses are.
    slow = lsr.period_ns * ratio if len(lsr_ids) > 1 else planned and planned * ratio
    hsr = fit_grid(hsr_ns, frame_ids=hsr_ids, period_ns=slow, name="HSR")
    if len(hsr_ids) > 1 and len(lsr_ids) > 1:
        measured = hsr.period_ns / lsr.period_ns
        if abs(measured / ratio - 1.0) > _RATIO_TOLERANCE:
            raise PairingError(
                f"one HSR frame comes every {measured:.3f} LSR frames but the trigger plan says {ratio:g}; "
                "check the wiring of the trigger box"
            )
    if planned is not None and len(lsr_ids) > 1:
        _check_plan(lsr.period_ns, planned, {"HSR": len(hsr_ids), "LSR": len(lsr_ids)})
    if first_id is None:
        first_id = _found_first_id(int(hsr_ids[0]), int(lsr_ids[0]))
    hsr_pulse = (int(hsr_ids[0]) - first_id + hsr.numbers).astype(np.float64) * ratio
    lsr_pulse = (int(lsr_ids[0]) - first_id + lsr.numbers).astype(np.float64)
    planned_phase = 0 if phase is None else phase
    between = float(hsr_pulse[0] - lsr_pulse[0])
    early = (beginning(hsr, hsr_ns, _STEADY_NS), beginning(lsr, lsr_ns, _STEADY_NS))
    found = find_phase(latch, *early, between, ratio, planned_phase)
    if phase is None and found.basis is not PhaseBasis.CLOCKS:
        raise PairingError(
            "nothing says with which LSR frame the divider gave its first pulse; find the offset with "
            "`twinrate sync` or give it with --offset-ms"
        )
    k = found.pulses
    hsr_pulse += k
    offsets, at = _offsets(hsr_ns, hsr_pulse, lsr, lsr_ns, lsr_pulse)
    reference = int(at[len(at) // 2])
    relative = (at - reference).astype(np.float64)
    base = int(offsets[len(offsets) // 2])
    intercept, slope = robust_line(relative, (offsets - base).astype(np.float64))
    residual = (offsets - base) - intercept - slope * relative
    period = lsr.period_ns if len(lsr_ids) > 1 else hsr.period_ns / ratio
    doubts = (_warning(found, phase, ratio, by_hand=by_hand), _jump(at, residual, period))
    return ClockFit(
        offset_ns=base + round(intercept),
        drift_ppm=slope * 1e6,
        residual_us=float(np.sqrt(np.mean(residual**2))) / 1e3,
        reference_ns=reference,
        phase=k,
        basis=found.basis,
        warning="; ".join(doubt for doubt in doubts if doubt),
        missing_hsr=hsr.missing,
        missing_lsr=lsr.missing,
        lsr_period_ns=period,
        hsr_pulses=hsr_pulse,
        lsr_pulses=lsr_pulse.astype(np.int64),
        common_ns=at,
        offsets_ns=offsets,
    )


def _warning(found: Phase, planned: int | None, ratio: float, *, by_hand: bool) -> str:
    if found.basis is PhaseBasis.DOUBTFUL:
        return "the cameras' clocks contradict their frame ids; check a fast motion in both streams"
    if found.basis is PhaseBasis.COUNTERS and by_hand:
        return _BY_HAND
    return "" if planned is None else lost_before_first(found.pulses, planned, ratio)


def _jump(at: IntArray, residual: FloatArray, period_ns: float) -> str:
    """One sentence where the clocks jump against each other: a pulse was miscounted or a stamp is wrong."""
    if len(at) < 2:
        return ""
    steps = np.abs(np.diff(residual))
    worst = int(np.argmax(steps - _WARMING * np.diff(at)))
    if steps[worst] <= _JUMP * period_ns + _WARMING * (at[worst + 1] - at[worst]):
        return ""
    return (
        f"the cameras' clocks jump by {steps[worst] / 1e6:.1f} ms against each other "
        f"{(at[worst + 1] - at[0]) / 1e9:.2f} s after the first common pulse; check a fast motion before and "
        "after it in both streams"
    )


def _check_plan(period_ns: float, planned_ns: float, frames: Mapping[str, int]) -> None:
    """Refuse what a few frames say against the trigger plan; many are right against it."""
    few = [
        f"{count} {name} frame{'s'[: count != 1]}"
        for name, count in frames.items()
        if count < _DECISIVE[name]
    ]
    if few and abs(period_ns / planned_ns - 1.0) > _RATIO_TOLERANCE:
        raise PairingError(
            f"LSR frames came every {period_ns / 1e6:.3f} ms, the trigger plan says "
            f"{planned_ns / 1e6:.3f} ms, and {' and '.join(few)} cannot tell lost pulses from another rate; "
            "record longer"
        )


def _offsets(
    hsr_ns: IntArray, hsr_pulse: FloatArray, lsr: TimeGrid, lsr_ns: IntArray, lsr_pulse: FloatArray
) -> tuple[IntArray, IntArray]:
    """LSR minus HSR time of each HSR pulse that lies between two LSR frames, and the HSR times."""
    inside = (hsr_pulse >= lsr_pulse[0] - 1e-6) & (hsr_pulse <= lsr_pulse[-1] + 1e-6)
    if not inside.any():
        raise PairingError(
            f"no trigger pulse is common to both streams (HSR pulses {hsr_pulse[0]:g}..{hsr_pulse[-1]:g}, "
            f"LSR pulses {lsr_pulse[0]:g}..{lsr_pulse[-1]:g}, in LSR counts); the recordings do not overlap"
        )
    relative = (lsr_ns - lsr.origin_ns).astype(np.float64)
    there = np.interp(hsr_pulse[inside], lsr_pulse, relative)
    at = hsr_ns[inside]
    return lsr.origin_ns - at + np.rint(there).astype(np.int64), at
