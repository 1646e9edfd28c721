"""Exact offset of two clips whose views differ by parallax, from single points that move.

A point that moves by v from LSR frame to LSR frame, compared s frames from its true time, lies v s away from
where it should be, and another d e away for its depth: d unknown, e the direction of the baseline in the
picture. Across e only time moves points. Along e, depth stands still where time does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_OFF_PLANE_PX = 1.0
_FEWEST = 20
_FEWEST_SHARED = 100
_SMALLEST_SHARE = 0.12
_ONE_DIRECTION = 0.85
_MOVES_PX = 0.15
_FEWEST_INSTANTS = 4
_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class PointSync:
    """What single points say about the time.

    Attributes:
        late_frames: By how much later the HSR frames belong than was assumed [LSR frames].
        error_frames: Standard error of it [LSR frames]; infinite where motion cannot be told from depth.
        parallax_px: Typical displacement of the points off the common plane [LSR px].

    """

    late_frames: float
    error_frames: float
    parallax_px: float


def sync_points(residual: FloatArray, velocity: FloatArray, instant: IntArray) -> PointSync | None:
    """Tell time from depth.

    Args:
        residual: Where a point of the HSR view lies in the LSR view by the common plane, minus where it lies
            in the LSR view at the assumed time, shape (N, 2) [LSR px].
        velocity: Its motion there, shape (N, 2) [LSR px per LSR frame].
        instant: Which HSR frame it was found in, shape (N,).

    Returns:
        None where practically all points lie on one plane, so that there is no parallax.

    """
    size = np.linalg.norm(residual, axis=1)
    off = size > _OFF_PLANE_PX
    if len(size) < _FEWEST_SHARED or int(off.sum()) < _SMALLEST_SHARE * len(size):
        return None
    along = _direction(residual[off], velocity[off])
    if along is None:
        return None
    parallax = float(np.median(size[off]))
    across = np.array([-along[1], along[0]])
    moving = np.linalg.norm(velocity, axis=1) > _MOVES_PX
    near = moving & off
    slopes = [
        _slope(velocity[moving] @ across, residual[moving] @ across, instant[moving]),
        _slope(velocity[near] @ along, residual[near] @ along, instant[near]),
    ]
    known = [(slope, error) for slope, error in slopes if np.isfinite(error)]
    if not known:
        return PointSync(0.0, float("inf"), parallax)
    weight = np.array([1 / max(error, 1e-3) ** 2 for _, error in known])
    values = np.array([slope for slope, _ in known])
    late = float((weight * values).sum() / weight.sum())
    apart = float(np.sqrt((weight * (values - late) ** 2).sum() / weight.sum()))
    return PointSync(late, float(np.hypot(1 / np.sqrt(weight.sum()), apart)), parallax)


def _direction(residual: FloatArray, velocity: FloatArray) -> FloatArray | None:
    """Unit vector along which depth displaces points; None where they are displaced in all directions."""
    still = np.linalg.norm(velocity, axis=1) <= _MOVES_PX
    unit = residual / np.linalg.norm(residual, axis=1, keepdims=True)
    # Points at rest are displaced by depth alone; where few are, or wrong ones prevail, all must do.
    for chosen in (unit[still], unit):
        if len(chosen) >= _FEWEST:
            strength, axes = np.linalg.eigh(chosen.T @ chosen)
            if strength[1] >= _ONE_DIRECTION * strength.sum():
                direction: FloatArray = axes[:, 1]
                return direction
    return None


def _slope(x: FloatArray, y: FloatArray, instant: IntArray) -> tuple[float, float]:
    """Robust slope of y over x, and its standard error by leaving out one instant at a time."""
    instants = np.unique(instant)
    if len(instants) < _FEWEST_INSTANTS or len(x) < _FEWEST:
        return 0.0, float("inf")
    best = _line(x, y)
    left = np.array([_line(x[instant != one], y[instant != one]) for one in instants])
    if best is None or any(slope is None for slope in left):
        return 0.0, float("inf")
    count = len(instants)
    spread = np.asarray(left, np.float64)
    return best, float(np.sqrt((count - 1) / count * ((spread - spread.mean()) ** 2).sum()))


def _line(x: FloatArray, y: FloatArray) -> float | None:
    """Slope of the line through most points (Cauchy weights); None where x does not vary."""
    weight = np.ones(len(x))
    slope = 0.0
    for _ in range(_ROUNDS):
        total = weight.sum()
        dx = x - (weight * x).sum() / total
        spread = float((weight * dx**2).sum())
        if spread < 1e-4 * total:
            return None
        level = (weight * y).sum() / total
        slope = float((weight * dx * (y - level)).sum() / spread)
        rest = y - level - slope * dx
        scale = max(1.4826 * float(np.median(np.abs(rest))), 0.05)
        weight = 1 / (1 + (rest / (2 * scale)) ** 2)
    return slope
