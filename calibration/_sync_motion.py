"""Rough offset of two silent clips: both see the scene move and rest at the same moments."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Thumbnail = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float64]

_MIN_OVERLAP_S = 0.25
_MIN_OVERLAP_PART = 0.25
_STILL = 0.05
_CANDIDATES = 4


@dataclass(frozen=True, slots=True)
class MotionSync:
    """What the amount of motion says.

    Attributes:
        shift_s: What to add to an HSR time to get the LSR time of the same instant [s].
        correlation: Normalised correlation of both motion curves at that shift, -1..1.
        peak_ratio: That correlation over the best one at least 1.5 HSR periods away; below 1.15 the motion
            repeats itself or says nothing.
        variation: Standard deviation of the HSR motion curve over its mean; 0 for still or steady scenes.
        candidates: The best shifts at least 1.5 HSR periods apart, best first [s].

    """

    shift_s: float
    correlation: float
    peak_ratio: float
    variation: float
    candidates: tuple[float, ...] = ()

    @property
    def confidence(self) -> float:
        """0..1; below 0.5 the motion should not be believed."""
        clear = np.clip((self.peak_ratio - 1.0) / 0.3, 0.0, 1.0)
        alike = np.clip((self.correlation - 0.5) / 0.4, 0.0, 1.0)
        lively = np.clip(self.variation / _STILL, 0.0, 1.0)
        return float(clear * alike * lively)


def motion_curve(thumbnails: Iterable[Thumbnail], lag: int) -> FloatArray:
    """Mean absolute difference of frames `lag` apart after matching their brightness, shape (N - lag,).

    Args:
        thumbnails: Grey frames in order, each (h, w); only `lag` of them are held.
        lag: Frames between the two that are compared, at least 1.

    """
    held: deque[npt.NDArray[np.float32]] = deque(maxlen=lag)
    energies = []
    for thumbnail in thumbnails:
        level = thumbnail.astype(np.float32)
        level -= level.mean()
        if len(held) == lag:
            energies.append(float(np.abs(level - held[0]).mean()))
        held.append(level)
    return np.array(energies)


def motion_times(times_s: FloatArray, lag: int) -> FloatArray:
    """Instant that each sample of `motion_curve` belongs to: the middle between both frames, (N - lag,)."""
    middle: FloatArray = 0.5 * (times_s[lag:] + times_s[:-lag])
    return middle


def sync_motion(
    slow: FloatArray,
    slow_at: FloatArray,
    fast: FloatArray,
    fast_at: FloatArray,
) -> MotionSync:
    """Find the shift at which both clips move alike.

    Args:
        slow: `motion_curve` of the HSR frames with lag 1, shape (H,).
        slow_at: Its `motion_times`, shape (H,) [s].
        fast: `motion_curve` of the LSR frames with a lag of one HSR period, so that both measure the same
            motion, shape (L,).
        fast_at: Its `motion_times`, shape (L,) [s].

    """
    nothing = MotionSync(0.0, 0.0, 1.0, 0.0)
    if len(slow) < 4 or len(fast) < 4:
        return nothing
    hsr_period = float(np.ptp(slow_at)) / (len(slow_at) - 1)
    lsr_period = float(np.ptp(fast_at)) / (len(fast_at) - 1)
    variation = float(slow.std() / max(float(slow.mean()), 1e-9))

    needed = max(_MIN_OVERLAP_S, _MIN_OVERLAP_PART * min(np.ptp(slow_at), np.ptp(fast_at)))
    low, high = fast_at[0] - slow_at[-1] + needed, fast_at[-1] - slow_at[0] - needed
    if high <= low:
        return nothing
    shifts = np.arange(low, high + lsr_period, lsr_period)
    scores = np.array([_correlation(slow, slow_at + s, fast, fast_at) for s in shifts])
    best = int(np.argmax(scores))
    candidates: list[float] = []
    open_scores = scores.copy()
    while len(candidates) < _CANDIDATES and open_scores.max() > 0:
        at = int(np.argmax(open_scores))
        candidates.append(float(shifts[at]))
        open_scores[np.abs(shifts - shifts[at]) <= 1.5 * hsr_period] = -1.0
    rival = scores[np.abs(shifts - shifts[best]) > 1.5 * hsr_period]
    second = float(rival.max()) if len(rival) else 0.0
    top = float(scores[best])
    fine = shifts[best]
    if 0 < best < len(scores) - 1:
        left, right = float(scores[best - 1]), float(scores[best + 1])
        bend = left - 2 * top + right
        if bend < 0:
            fine += 0.5 * (left - right) / bend * lsr_period
    return MotionSync(
        shift_s=float(fine),
        correlation=top,
        peak_ratio=top / max(second, 1e-6) if top > 0 else 1.0,
        variation=variation,
        candidates=(float(fine), *candidates[1:]),
    )


def _correlation(slow: FloatArray, at: FloatArray, fast: FloatArray, fast_at: FloatArray) -> float:
    inside = (at >= fast_at[0]) & (at <= fast_at[-1])
    if int(inside.sum()) < 4:
        return -1.0
    a = slow[inside]
    b = np.interp(at[inside], fast_at, fast)
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / norm if norm > 0 else 0.0
