"""Rate and places of frames from their times: short clips, coarse ticks, gaps, variable rates."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from app.rates import nominal_rate
from app.timing import read_timing
from drivers.pairing import regular_times


@pytest.mark.parametrize("count", [32, 48, 300])
@pytest.mark.parametrize("rate", [24, 30, 50, 60, 120, 240])
@pytest.mark.parametrize("start", [0.0, 0.3, 0.6])
def test_a_few_frames_in_milliseconds_have_their_rate(count: int, rate: int, start: float) -> None:
    times = np.floor(start + np.arange(count) * 1000 / rate).astype(np.int64) * 1_000_000
    timing = read_timing(times, float(np.ptp(regular_times(times))) / (count - 1))
    assert timing.rate == rate
    assert list(timing.slots) == list(range(count))


@pytest.mark.parametrize("tick", [1e9 / 600, 1e9 / 90000, 1.0])
def test_televisions_rates_are_told_from_whole_ones(tick: float) -> None:
    rate = Fraction(60000, 1001)
    times = (np.floor(np.arange(1200) * 1e9 / float(rate) / tick) * tick).astype(np.int64)
    assert read_timing(times, float(np.ptp(times)) / 1199).rate == rate


def test_a_gap_keeps_its_length_and_the_rate() -> None:
    filmed = np.array([k for k in range(72) if not 30 <= k < 42])
    times = np.rint(filmed * 1000 / 120).astype(np.int64) * 1_000_000
    timing = read_timing(times, 1e9 / 120.1)
    assert timing.rate == 120
    assert list(timing.slots) == list(filmed)


def test_frames_of_a_variable_rate_stay_near_their_times() -> None:
    rng = np.random.default_rng(4)
    times = np.cumsum(rng.uniform(2e6, 14e6, 500)).astype(np.int64)
    period = float(np.ptp(times)) / 499
    slots = np.array(read_timing(times, period).slots, np.float64)
    assert np.all(np.diff(slots) > 0)
    assert np.abs(slots - (times - times[0]) / period).max() < 0.1


def test_one_frame_has_a_place() -> None:
    timing = read_timing(np.array([5_000_000]), 1e9 / 30)
    assert (timing.rate, list(timing.slots)) == (30, [0])


@pytest.mark.parametrize(
    ("fps", "rate"),
    [(29.97, Fraction(30000, 1001)), (59.94, Fraction(60000, 1001)), (23.976, Fraction(24000, 1001))],
)
def test_the_names_of_televisions_rates_mean_these(fps: float, rate: Fraction) -> None:
    assert nominal_rate(fps) == rate
