"""Frame rates as files name them: the exact fraction behind a measured or a wished one."""

from __future__ import annotations

from fractions import Fraction


def nominal_rate(fps: float) -> Fraction:
    """The usual rate that a measured one stands for: 239.98 -> 240, 29.97 -> 30000/1001, else to 1/1000."""
    for candidate in (Fraction(round(fps)), Fraction(round(fps * 1.001) * 1000, 1001)):
        if candidate > 0 and abs(fps - candidate) < 2e-4 * fps:
            return candidate
    return Fraction(fps).limit_denominator(1000)


def playback_rate(fps: float) -> Fraction:
    """The rate written into a file for a wished one: the nearest with a denominator of at most 1001."""
    return Fraction(fps).limit_denominator(1001)
