"""Numbers the pulses behind a list of frame times, whatever was lost or rounded on the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivers.errors import PairingError

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

_UNSURE = 0.25  # farther than this from a whole number of periods, a time step alone does not decide

_ENOUGH = 4  # so many steps in a row that all miss a pulse are no accident
_SHORT = 8  # pulses that a rough period counts without doubt
_AGREEING = 0.9  # of all steps must be whole numbers of a period that comes from elsewhere
_LINE = 8  # frames that a line needs at least


@dataclass(frozen=True, slots=True)
class TimeGrid:
    """Regular pulses behind frame times: t = origin + start + period * number.

    Attributes:
        numbers: Pulse number of each frame from 0, strictly ascending, shape (N,).
        origin_ns: Time of the first frame [ns].
        start_ns: Where the fitted line crosses number 0, relative to `origin_ns` [ns].
        period_ns: Fitted time between pulses [ns].
        worst_ns: Largest distance of a frame from the line [ns].

    """

    numbers: IntArray
    origin_ns: int
    start_ns: float
    period_ns: float
    worst_ns: float

    @property
    def missing(self) -> int:
        """Pulses between the first and the last frame that have no frame."""
        return int(self.numbers[-1]) + 1 - len(self.numbers)

    def position(self, times_ns: IntArray) -> FloatArray:
        """Times as real pulse numbers."""
        return ((times_ns - self.origin_ns).astype(np.float64) - self.start_ns) / self.period_ns


def beginning(grid: TimeGrid, times_ns: IntArray, span_ns: float) -> TimeGrid:
    """The first `span_ns` of a grid on a line of their own: crystals that warm up bend a line through hours.

    Args:
        grid: The whole grid.
        times_ns: The times that it was fitted to, shape (N,) [ns].
        span_ns: How much of them [ns]; more where this holds too few frames.

    """
    relative = (times_ns - grid.origin_ns).astype(np.float64)
    count = max(int(np.searchsorted(relative, span_ns, side="right")), _LINE)
    if count >= len(times_ns):
        return grid
    numbers, relative = grid.numbers[:count], relative[:count]
    start, period = robust_line(numbers.astype(np.float64), relative)
    worst = float(np.abs(relative - start - period * numbers).max())
    return TimeGrid(numbers, grid.origin_ns, start, period, worst)


def check_ascending(times_ns: IntArray, name: str) -> None:
    """Refuse times that go backwards.

    Raises:
        PairingError: They do; the message names the frame.

    """
    steps = np.diff(times_ns)
    if np.any(steps < 0):
        at = int(np.argmax(steps < 0)) + 1
        raise PairingError(
            f"{name}: the clock jumps back by {-int(steps[at - 1])} ns at frame {at}; the camera was "
            "restarted or the file is damaged, use the part before or after"
        )


def robust_line(x: FloatArray, y: FloatArray) -> tuple[float, float]:
    """Intercept and slope of y over x by least squares after two rounds of leaving out outliers (6 MAD)."""
    keep = np.ones(len(x), bool)
    intercept, slope = float(np.median(y)), 0.0
    for _ in range(3):
        if np.ptp(x[keep]) == 0:
            return float(np.median(y[keep])), 0.0
        centre = x[keep].mean()
        dx = x[keep] - centre
        slope = float(dx @ y[keep] / (dx @ dx))
        intercept = float(y[keep].mean() - slope * centre)
        residual = np.abs(y - intercept - slope * x)
        limit = 6.0 * max(float(np.median(residual)), 1.0)
        keep = residual <= limit
    return intercept, slope


def fit_grid(
    times_ns: IntArray,
    *,
    frame_ids: IntArray | None = None,
    period_ns: float | None = None,
    settled: bool = False,
    name: str = "stream",
) -> TimeGrid:
    """Find the regular pulses behind the times of frames.

    The time between two frames says how many pulses passed; where it is not near a whole number, the step of
    the frame ids decides. So lost frames, triggers that a camera ignored without counting them, and counters
    that wrapped or restarted all end at the right pulse.

    Args:
        times_ns: Ascending times, shape (N,), N >= 1 [ns]. Rounding and jitter below a quarter of the period
            do no harm.
        frame_ids: Camera counters, shape (N,); None for clips.
        period_ns: Time between pulses as far as it is known from elsewhere [ns]. It decides where so many
            pulses were lost that the frames alone could follow a slower train; times that contradict it win.
        settled: `period_ns` is no plan but was found from more than these frames: a row of steps that all
            miss a pulse is then a row of losses.
        name: The stream, for messages.

    Raises:
        PairingError: Times go backwards or all are equal.

    """
    check_ascending(times_ns, name)
    origin = int(times_ns[0])
    if len(times_ns) == 1:
        return TimeGrid(np.zeros(1, np.int64), origin, 0.0, float("nan"), 0.0)
    steps = np.diff(times_ns).astype(np.float64)
    if not np.any(steps > 0):
        raise PairingError(
            f"{name}: all {len(times_ns)} frames have the same time; the file carries no times"
        )
    id_steps = np.diff(frame_ids) if frame_ids is not None else None
    period = _first_period(steps, id_steps)
    if period_ns is not None and _agrees(steps, period_ns, settled=settled):
        period = period_ns
    period = _by_short_steps(steps, period)
    for _ in range(2):
        ratio = steps / period
        counts = np.maximum(np.rint(ratio), 1.0)
        if id_steps is not None:
            unsure = (np.abs(ratio - counts) > _UNSURE) & (id_steps > 0)
            counts = np.where(unsure, id_steps, counts)
        numbers: IntArray = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        start, period = robust_line(numbers.astype(np.float64), (times_ns - origin).astype(np.float64))
    error = (times_ns - origin) - start - period * numbers
    return TimeGrid(numbers, origin, start, period, float(np.abs(error).max()))


def _first_period(steps: FloatArray, id_steps: IntArray | None) -> float:
    """The period that most steps show, when nothing but the frames themselves is known."""
    period = float(np.median(steps[steps > 0]))
    if id_steps is not None:
        counted = (id_steps > 0) & (steps > 0)
        if counted.any():
            period = float(np.median(steps[counted] / id_steps[counted]))
    near = (steps >= 0.5 * period) & (steps <= 1.5 * period)
    return float(steps[near].mean()) if near.any() else period


def _by_short_steps(steps: FloatArray, period: float) -> float:
    """The period as steps of a few pulses show it: a crystal that is off by some ppm miscounts a long gap."""
    counts = np.rint(steps / period)
    short = (counts >= 1) & (counts <= _SHORT) & (np.abs(steps / period - counts) <= _UNSURE)
    return float(steps[short].sum() / counts[short].sum()) if short.any() else period


def _agrees(steps: FloatArray, period_ns: float, *, settled: bool) -> bool:
    """Whether nearly every step is a whole number of these periods, and not all of them are several."""
    ratio = steps / period_ns
    if not settled and len(ratio) >= _ENOUGH and ratio.min() > 1.5:
        # A slower train than expected, such as a box set to another rate, and no row of losses.
        return False
    off = np.abs(ratio - np.maximum(np.rint(ratio), 1.0))
    return float(np.quantile(off, _AGREEING)) <= _UNSURE
