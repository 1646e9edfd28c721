"""The pulses that two triggered cameras share: over hours, and with counters of either kind."""

from __future__ import annotations

import numpy as np
import pytest

from drivers import ClockLatch, PhaseBasis
from drivers.pairing import fit_hardware_clocks, pair_pulses


class WarmingRig:
    """An hour at 240 and 30 fps without a loss; the LSR crystal warms up by 12 ppm within 20 minutes."""

    M, HOUR_S, PPM, TAU_S = 8, 3600, 12.0, 1200.0

    def __init__(self) -> None:
        lsr_s = np.arange(self.HOUR_S * 240) / 240
        self.hsr_ns = np.rint(lsr_s[:: self.M] * 1e9 * (1 + 11e-6)).astype(np.int64) + 7 * 10**12
        self.lsr_ns = self.lsr_clock(lsr_s)
        self.hsr_ids, self.lsr_ids = np.arange(len(self.hsr_ns)), np.arange(len(self.lsr_ns))

    def lsr_clock(self, seconds: np.ndarray) -> np.ndarray:
        warmed = seconds - self.TAU_S * (1 - np.exp(-seconds / self.TAU_S))
        reading = seconds * 1e9 * (1 - 14e-6) + self.PPM * 1e3 * warmed
        return np.rint(reading).astype(np.int64) + 3 * 10**12


def test_an_hour_with_a_crystal_that_warms_up_is_paired_by_its_pulses() -> None:
    """A straight line through both clocks is 3.8 ms off at its ends, nearly a whole LSR frame."""
    rig = WarmingRig()
    # The clocks were read 3 s before the first pulse.
    latch = ClockLatch(int(rig.hsr_ns[0]) - 3_000_033_000, int(rig.lsr_ns[0]) - 2_999_958_000, 100.0)
    fit = fit_hardware_clocks(rig.hsr_ids, rig.hsr_ns, rig.lsr_ids, rig.lsr_ns, 8.0, latch=latch)
    assert (fit.phase, fit.basis, fit.warning) == (0, PhaseBasis.CLOCKS, "")
    assert np.abs(fit.to_lsr(rig.hsr_ns) - rig.lsr_ns[:: rig.M]).max() <= 1
    middle = fit.to_lsr((rig.hsr_ns[:-1] + rig.hsr_ns[1:]) // 2)
    assert np.abs(middle - rig.lsr_ns[rig.M // 2 : -rig.M : rig.M]).max() < 100
    found = pair_pulses(fit, np.zeros(len(rig.hsr_ns), int), np.zeros(len(rig.lsr_ns), int), 8.0)
    starts = np.array([gop.lsr_indices[gop.distances.index(0)] for gop in found.gops])
    np.testing.assert_array_equal(starts, rig.hsr_ids * rig.M)
    assert (found.missing_lsr, found.missing_hsr) == (0, 0)


def test_clocks_that_jump_against_each_other_are_reported() -> None:
    rig = WarmingRig()
    hsr, lsr = slice(60), slice(480)
    streams = rig.hsr_ids[hsr], rig.hsr_ns[hsr], rig.lsr_ids[lsr]
    assert fit_hardware_clocks(*streams, rig.lsr_ns[lsr], 8.0).warning == ""
    late = np.where(rig.lsr_ids[lsr] >= 240, 1_000_000, 0)
    warning = fit_hardware_clocks(*streams, rig.lsr_ns[lsr] + late, 8.0).warning
    assert "jump by 1.0" in warning
    assert "1.00 s after the first common pulse" in warning


@pytest.mark.parametrize("first", [0, 1])
def test_counters_begin_at_0_or_1(first: int) -> None:
    rig = WarmingRig()
    hsr, lsr = slice(60), slice(480)
    streams = rig.hsr_ids[hsr] + first, rig.hsr_ns[hsr], rig.lsr_ids[lsr] + first, rig.lsr_ns[lsr]
    latch = ClockLatch(int(rig.hsr_ns[0]), int(rig.lsr_ns[0]), 100.0)
    for fit in (fit_hardware_clocks(*streams, 8.0), fit_hardware_clocks(*streams, 8.0, latch=latch)):
        assert (fit.phase, fit.warning) == (0, "")
        np.testing.assert_array_equal(fit.hsr_pulses, 8 * rig.hsr_ids[hsr])
    # From the middle of a live view, where the first frames say nothing.
    later = [column[n:] for column, n in zip(streams, (20, 20, 163, 163), strict=True)]
    for told in ({"first_id": first}, {"first_id": first, "latch": latch}):
        fit = fit_hardware_clocks(*later, 8.0, **told)
        assert (fit.phase, fit.warning) == (0, "")


def test_counters_alone_and_pulses_started_by_hand_are_doubtful() -> None:
    rig = WarmingRig()
    hsr, lsr = slice(60), slice(480)
    streams = rig.hsr_ids[hsr], rig.hsr_ns[hsr], rig.lsr_ids[lsr], rig.lsr_ns[lsr]
    latch = ClockLatch(int(rig.hsr_ns[0]), int(rig.lsr_ns[0]), 100.0)
    assert "started by hand" in fit_hardware_clocks(*streams, 8.0, by_hand=True).warning
    assert fit_hardware_clocks(*streams, 8.0, latch=latch, by_hand=True).warning == ""
