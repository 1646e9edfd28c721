"""Frame rates as files name them: the exact fraction behind a measured or a wished one."""

from __future__ import annotations

from fractions import Fraction


def usual_rates(fps: float) -> list[Fraction]:
    """The usual rates next to one: a whole number, and one of television's (30000/1001); none is 0."""
    candidates = (Fraction(round(fps)), Fraction(round(fps * 1.001) * 1000, 1001))
    return [rate for rate in candidates if rate > 0]


def nominal_rate(fps: float) -> Fraction:
    """The usual rate that a measured or wished one stands for: 239.98 -> 240, 29.97 -> 30000/1001.

    What stands for none is taken to the nearest fraction with a denominator of at most 1000.
    """
    for candidate in usual_rates(fps):
        if abs(fps - candidate) < 2e-4 * fps:
            return candidate
    return Fraction(fps).limit_denominator(1000)
