"""A camera that comes back with another clock and another counter: the right pulse, or none."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from drivers import Role, TriggerMetadata
from drivers.rejoin import Arrivals, Shift, find_shift, telling_rows

PLAN = TriggerMetadata(hsr_rate=30.0, ratio=8)
PERIOD = 1e9 / 240


def frames(
    pulses: npt.NDArray[np.int64],
    *,
    first_id: int,
    clock: tuple[int, float],
    transfer_ns: float,
    scatter_ns: float,
    rng: np.random.Generator,
) -> Arrivals:
    """Frames of one camera for these fast pulses: its clock is (offset [ns], drift [ppm]) from the host's."""
    host = pulses * PERIOD
    offset, drift = clock
    stamps = np.rint(host * (1 + drift * 1e-6)).astype(np.int64) + offset
    arrival = host + 2e6 + transfer_ns + rng.exponential(scatter_ns, len(pulses))
    end = stamps + 2_000_000
    return Arrivals(first_id + np.arange(len(pulses)), stamps, np.rint(arrival).astype(np.int64) - end)


def episode(
    role: Role, away: int, *, scatter_ns: float, ppm: float, seed: int = 0
) -> tuple[Shift | None, Shift]:
    """What is found for a camera that misses `away` of its frames, and what is true."""
    rng = np.random.default_rng(seed)
    step = 8 if role is Role.HSR else 1
    left, total = 480, 480 + away * step + 240
    clock, transfer = (7 * 10**12, ppm), 12e6 if role is Role.HSR else 1e6
    common = {"scatter_ns": scatter_ns, "rng": rng}
    before = frames(np.arange(0, left, step), first_id=0, clock=clock, transfer_ns=transfer, **common)
    other_step = 9 - step
    other = frames(
        np.arange(0, total, other_step),
        first_id=0,
        clock=(3 * 10**12, -ppm),
        transfer_ns=13e6 - transfer,
        **common,
    )
    pulses = np.arange(left + away * step, total, step)
    after = frames(pulses, first_id=0, clock=(5, ppm / 2), transfer_ns=transfer, **common)
    first = int(pulses[0])
    at = round(first * PERIOD * (1 + ppm * 1e-6)) + clock[0]
    return find_shift(role, before, other, after, PLAN), Shift(first // step, at - int(after.pulse_ns[0]))


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("away", [1, 30, 3_000])
def test_quiet_arrivals_tell_the_pulse(role: Role, away: int) -> None:
    found, true = episode(role, away, scatter_ns=1e5, ppm=40.0)
    assert found is not None
    assert found.ids == true.ids
    assert abs(found.ns - true.ns) < 0.1 * PERIOD


@settings(max_examples=200, deadline=None)
@given(
    role=st.sampled_from(list(Role)),
    away=st.integers(1, 4_000),
    scatter_ms=st.floats(0.0, 20.0),
    ppm=st.floats(-80.0, 80.0),
    seed=st.integers(0, 10**6),
)
def test_never_a_wrong_pulse(role: Role, away: int, scatter_ms: float, ppm: float, seed: int) -> None:
    found, true = episode(role, away, scatter_ns=scatter_ms * 1e6, ppm=ppm, seed=seed)
    assume(found is not None)
    assert found is not None
    assert found.ids == true.ids


@pytest.mark.parametrize("role", list(Role))
def test_few_rows_of_a_long_take_tell_the_same(role: Role) -> None:
    """An hour before the camera left, ten minutes without it, and pulses that the other one ignored."""
    rng = np.random.default_rng(3)
    step, other_step = (8, 1) if role is Role.HSR else (1, 8)
    left, back = 3600 * 240, 4200 * 240
    fps = {8: 30.0, 1: 240.0}
    common = {"scatter_ns": 1e5, "rng": rng}
    before = frames(np.arange(0, left, step), first_id=0, clock=(10**12, 20.0), transfer_ns=5e6, **common)
    pulses = np.arange(0, back + 480, other_step)
    # One of them in the hour, one while the camera was away: its ids do not count them.
    pulses = pulses[(pulses != 1000 * 240) & (pulses != 3900 * 240)]
    other = frames(pulses, first_id=0, clock=(3 * 10**12, -9.0), transfer_ns=2e6, **common)
    after = frames(np.arange(back, back + 480, step), first_id=0, clock=(5, 1.0), transfer_ns=5e6, **common)
    left_at = int((pulses < left).sum())
    chosen = telling_rows(len(other), left_at=left_at, fps=fps[other_step])
    last = telling_rows(len(before), left_at=len(before), fps=fps[step])
    assert len(chosen) < 11_000
    assert len(last) <= 10 * fps[step]
    found = find_shift(role, before.part(last), other.part(chosen), after, PLAN)
    assert found is not None
    assert found.ids == back // step


def test_arrivals_that_scatter_more_than_the_pulses_are_apart_tell_nothing() -> None:
    found, _ = episode(Role.LSR, 100, scatter_ns=8e6, ppm=20.0)
    assert found is None


@pytest.mark.parametrize("role", list(Role))
def test_without_arrival_times_nothing_is_guessed(role: Role) -> None:
    ids = np.arange(480)
    stamps = np.rint(ids * PERIOD).astype(np.int64)
    timeless = Arrivals(ids, stamps, -stamps)
    slow = Arrivals(ids[:60], stamps[::8], -stamps[::8])
    before, other = (slow, timeless) if role is Role.HSR else (timeless, slow)
    assert find_shift(role, before, other, before, PLAN) is None


def test_too_little_to_tell() -> None:
    found, _ = episode(Role.LSR, 10, scatter_ns=1e5, ppm=0.0)
    assert found is not None
    rng = np.random.default_rng(1)
    some = {"first_id": 0, "clock": (0, 0.0), "transfer_ns": 1e6, "scatter_ns": 1e5, "rng": rng}
    few, many = (frames(np.arange(n), **some) for n in (5, 300))  # type: ignore[arg-type]
    slow = frames(np.arange(0, 300, 8), **some)  # type: ignore[arg-type]
    assert find_shift(Role.LSR, few, slow, many, PLAN) is None
    assert find_shift(Role.LSR, many, slow, few, PLAN) is None
