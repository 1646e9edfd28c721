"""GoPs of an LSR stream that keeps no rate at all, as phones and screen recorders write them."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from drivers.pairing import pair_gops, regular_times

PERIOD_NS = 1e9 / 240


@settings(deadline=None)
@example(seed=1, unrest=0.3, sudden=False)
@example(seed=1, unrest=0.0, sudden=True)
@given(seed=st.integers(0, 10**6), unrest=st.floats(0.05, 0.95), sudden=st.booleans())
def test_every_frame_has_a_distance_of_its_own(seed: int, unrest: float, sudden: bool) -> None:
    """Steps that vary by themselves, a rate that falls on the way as in poor light, and stalls."""
    rng = np.random.default_rng(seed)
    steps = 1 + rng.uniform(-unrest, unrest, 300)
    if sudden:
        steps[100:] *= 1.25
    steps[rng.integers(300, size=2)] = 9.0
    lsr = np.cumsum(steps * PERIOD_NS).astype(np.int64)
    assume(np.array_equal(regular_times(lsr), lsr))
    hsr = np.cumsum(rng.uniform(3, 9, 30) * PERIOD_NS).astype(np.int64)
    found = pair_gops(hsr, lsr)
    members = [i for gop in found.gops for i in gop.lsr_indices]
    assert members == list(range(*found.lsr_range))
    for gop in found.gops:
        assert np.all(np.diff(gop.distances) >= 1)
        away = (lsr[list(gop.lsr_indices)] - hsr[gop.hsr_index]) / found.lsr_period_ns
        nearest = int(np.argmin(np.abs(away)))
        assert abs(gop.distances[nearest] - away[nearest]) <= 0.5 + 1e-3
        if np.abs(away[nearest]) < 0.499:
            assert gop.distances[nearest] == 0
            assert abs(gop.subframe + away[nearest]) < 1e-3
