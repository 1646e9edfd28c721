"""Puts the clocks of two hardware-triggered cameras on one line, from frame ids and time stamps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivers._time_grid import IntArray, TimeGrid, fit_grid, robust_line
from drivers.errors import PairingError

_RATIO_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class ClockFit:
    """How the LSR camera's clock runs against the HSR camera's.

    Attributes:
        offset_ns: LSR clock minus HSR clock at `reference_ns` [ns].
        drift_ppm: How much faster the LSR clock runs [parts per million].
        residual_us: RMS distance of the common pulses from the line [us].
        reference_ns: HSR time that `offset_ns` belongs to [ns].
        phase: k in LSR id = m * HSR id + k.
        missing_hsr: HSR pulses without a frame between the first and the last frame.
        missing_lsr: LSR pulses without a frame between the first and the last frame.
        lsr_period_ns: Time between LSR pulses on the LSR clock [ns]; NaN when one frame says nothing.

    """

    offset_ns: int
    drift_ppm: float
    residual_us: float
    reference_ns: int
    phase: int
    missing_hsr: int
    missing_lsr: int
    lsr_period_ns: float

    def to_lsr(self, hsr_ns: IntArray) -> IntArray:
        """HSR times [ns] on the LSR clock."""
        drift = np.rint((hsr_ns - self.reference_ns) * (self.drift_ppm * 1e-6)).astype(np.int64)
        on_lsr: IntArray = hsr_ns + self.offset_ns + drift
        return on_lsr


def fit_hardware_clocks(
    hsr_ids: IntArray,
    hsr_ns: IntArray,
    lsr_ids: IntArray,
    lsr_ns: IntArray,
    ratio: float,
    *,
    phase: int = 0,
    expected_offset_ns: int | None = None,
    lsr_fps: float | None = None,
) -> ClockFit:
    """Fit offset and drift between two cameras that follow the same pulse train.

    Two regular pulse trains on unrelated clocks look alike at every whole shift, so the integer phase comes
    from outside: from the counters, which both start with the first common pulse (`phase`), or from a rough
    idea of the offset (`expected_offset_ns`, good to half an LSR period), for which all phases are searched.

    Args:
        hsr_ids: Frame ids, shape (H,); they may wrap, restart or have gaps.
        hsr_ns: Times of the trigger pulses (start of exposure) on the HSR camera's clock, shape (H,) [ns].
        lsr_ids: Frame ids, shape (L,).
        lsr_ns: Times of the trigger pulses on the LSR camera's clock, shape (L,) [ns].
        ratio: m, LSR pulses per HSR pulse; need not be a whole number.
        phase: LSR pulses that came before the first HSR pulse, when the counters decide.
        expected_offset_ns: LSR clock minus HSR clock, roughly [ns]; overrules `phase`.
        lsr_fps: LSR pulses per second of the trigger plan; numbers the pulses of short recordings where most
            were lost. None when nobody knows.

    Raises:
        PairingError: A stream is empty, times go backwards, the rates contradict `ratio`, or no pulse is
            common to both.

    """
    if len(hsr_ids) == 0 or len(lsr_ids) == 0:
        raise PairingError("one stream has no frames; record again with both cameras triggered")
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
    hsr_pulse = (int(hsr_ids[0]) + hsr.numbers).astype(np.float64) * ratio
    lsr_pulse = (int(lsr_ids[0]) + lsr.numbers).astype(np.float64)
    k = phase
    if expected_offset_ns is not None and len(lsr_ids) > 1:
        at_zero = lsr.origin_ns + lsr.start_ns - hsr.origin_ns - hsr.start_ns
        shift = at_zero + lsr.period_ns * (hsr_pulse[0] - lsr_pulse[0])
        k = round((expected_offset_ns - shift) / lsr.period_ns)
    offsets, at = _offsets(hsr, hsr_ns, hsr_pulse + k, lsr, lsr_ns, lsr_pulse)
    reference = int(at[len(at) // 2])
    relative = (at - reference).astype(np.float64)
    base = int(offsets[len(offsets) // 2])
    intercept, slope = robust_line(relative, (offsets - base).astype(np.float64))
    residual = (offsets - base) - intercept - slope * relative
    return ClockFit(
        offset_ns=base + round(intercept),
        drift_ppm=slope * 1e6,
        residual_us=float(np.sqrt(np.mean(residual**2))) / 1e3,
        reference_ns=reference,
        phase=k,
        missing_hsr=hsr.missing,
        missing_lsr=lsr.missing,
        lsr_period_ns=lsr.period_ns,
    )


def _offsets(
    hsr: TimeGrid,
    hsr_ns: IntArray,
    hsr_pulse: np.ndarray[tuple[int], np.dtype[np.float64]],
    lsr: TimeGrid,
    lsr_ns: IntArray,
    lsr_pulse: np.ndarray[tuple[int], np.dtype[np.float64]],
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
