"""One-shot automatic exposure: a few steps towards a bright but unsaturated picture, then manual again."""

from __future__ import annotations

import numpy as np

from app.gui.preview import BINS, Bins

TARGET = 0.78
"""Where the brightest hundredth of the samples shall lie, of full scale."""
CLOSE = 0.05
STEPS = 5
_BRIGHTEST = 0.99
_TOO_BRIGHT = 0.97
_LARGEST_STEP = 4.0


def brightness(bins: Bins) -> float:
    """Where the brightest hundredth of the brightest channel begins, 0..1 of full scale.

    Args:
        bins: Counts of shape (3, BINS).

    """
    levels = []
    for channel in bins:
        share = np.cumsum(channel) / max(1, int(channel.sum()))
        levels.append((int(np.searchsorted(share, _BRIGHTEST)) + 0.5) / BINS)
    return max(levels)


def next_exposure(bins: Bins, exposure_us: float) -> float | None:
    """A better exposure than `exposure_us` [us]; None when the picture is right.

    A saturated picture does not say by how much, so the exposure is halved and looked at again.
    """
    level = brightness(bins)
    if abs(level - TARGET) <= CLOSE:
        return None
    factor = 0.5 if level >= _TOO_BRIGHT else TARGET / max(level, 0.5 / BINS)
    return exposure_us * float(np.clip(factor, 1 / _LARGEST_STEP, _LARGEST_STEP))
