"""Do both cameras follow the same pulses? Judged from ids and time stamps in the rings, in one click."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.session import SessionSettings
from drivers import (
    ClockFit,
    ClockLatch,
    OverwrittenError,
    PairingError,
    PhaseBasis,
    RingBuffer,
    Role,
    fit_hardware_clocks,
)
from drivers.trigger import TriggerPlan

_LEAST_HSR = 5
_GOOD_RESIDUAL_US = 20.0
_RATE_TOLERANCE = 0.02
_SAFETY = 16
_FIRST_PULSE = {
    PhaseBasis.CLOCKS: "both cameras count from the same pulse, their clocks say so",
    PhaseBasis.COUNTERS: "whether both cameras count from the same pulse could not be seen from their clocks",
    PhaseBasis.DOUBTFUL: "the cameras' clocks contradict their frame ids",
}


@dataclass(frozen=True, slots=True)
class SyncVerdict:
    """What the check found.

    Attributes:
        level: "good", "warn" or "bad".
        headline: A few words.
        lines: Figures and advice, one a line.
        fit: The clocks' relation; None when it could not be found.

    """

    level: str
    headline: str
    lines: tuple[str, ...]
    fit: ClockFit | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Pulses:
    """What one camera reports about the last pulses: ids and pulse times on its clock [ns]."""

    ids: npt.NDArray[np.int64]
    times_ns: npt.NDArray[np.int64]

    @property
    def rate(self) -> float:
        """Pulses per second; 0 for fewer than two frames."""
        if len(self.ids) < 2:
            return 0.0
        return float((self.ids[-1] - self.ids[0]) * 1e9 / (self.times_ns[-1] - self.times_ns[0]))


def no_common_pulses(left: Mapping[Role, str], settings: SessionSettings | None) -> SyncVerdict | None:
    """Why the cameras cannot follow the same pulses, whatever their last frames say; None when they can.

    Args:
        left: Serial numbers of the cameras that have left.
        settings: What the cameras are set to.

    """
    for serial in left.values():
        return SyncVerdict("bad", f"camera {serial} has left", ("plug it in again",))
    if settings is not None and settings.free_running:
        return SyncVerdict("bad", "free run is on", ("takes need pulses: switch Free run off",))
    return None


def recent_pulses(ring: RingBuffer) -> Pulses:
    """Ids and pulse times of the frames in a ring; no picture is copied."""
    ids: list[int] = []
    times: list[int] = []
    newest, oldest = ring.latest(), ring.oldest()
    if newest is not None and oldest is not None:
        first = oldest if oldest == 0 else min(newest, oldest + _SAFETY)
        for index in range(first, newest + 1):
            try:
                head = ring.head(index)
            except OverwrittenError:
                # The cameras are faster than this loop: what is left must not have a hole.
                ids.clear()
                times.clear()
                continue
            ids.append(head.frame_id)
            times.append(head.mid_exposure_ns - round(head.exposure_us * 500))
    return Pulses(np.array(ids, np.int64), np.array(times, np.int64))


def check_sync(
    hsr: Pulses,
    lsr: Pulses,
    plan: TriggerPlan,
    latch: ClockLatch | None = None,
    first_id: int | None = None,
) -> SyncVerdict:
    """Judge what both cameras report against the plan.

    Args:
        hsr: Pulses of the HSR camera.
        lsr: Pulses of the LSR camera.
        plan: What they should be.
        latch: Both clocks read at one moment; None if they were not.
        first_id: Frame id that the counters began with; None where that is not known.

    """
    for role, pulses in ((Role.HSR, hsr), (Role.LSR, lsr)):
        if len(pulses.ids) < 2:
            name = str(role).upper()
            return SyncVerdict(
                "bad",
                f"no pulses at the {name} camera",
                (f"The {name} camera waits for pulses and none comes: check its wire and start the box.",),
            )
    if len(hsr.ids) < _LEAST_HSR:
        return SyncVerdict("warn", "too early", ("Wait for a second of live view and check again.",))
    lines = [
        f"pulses seen: HSR {hsr.rate:.3f}, LSR {lsr.rate:.3f} per second "
        f"(plan {plan.hsr_fps:g} and {plan.lsr_fps:g})"
    ]
    if abs(lsr.rate / hsr.rate / plan.ratio - 1) > _RATE_TOLERANCE:
        lines.append(
            f"LSR : HSR = {lsr.rate / hsr.rate:.3f}, the plan says {plan.ratio}: set the box's divider to "
            f"{plan.ratio}, and check that no exposure reaches into the next pulse"
        )
        return SyncVerdict("bad", "wrong ratio", tuple(lines))
    try:
        fit = fit_hardware_clocks(
            hsr.ids,
            hsr.times_ns,
            lsr.ids,
            lsr.times_ns,
            plan.ratio,
            phase=plan.phase,
            latch=latch,
            first_id=first_id,
        )
    except PairingError as error:
        return SyncVerdict("bad", "not synchronised", (*lines, str(error)))
    lines.append(f"clocks: offset {fit.offset_ns / 1e9:.6f} s, drift {fit.drift_ppm:+.2f} ppm")
    lines.append(f"common pulses agree within {fit.residual_us:.2f} us (RMS)")
    if latch is not None:
        lines.append(fit.warning or _FIRST_PULSE[fit.basis])
    missing = fit.missing_hsr + fit.missing_lsr
    if missing:
        lines.append(f"lost frames: {fit.missing_hsr} HSR, {fit.missing_lsr} LSR; see the panes' chips")
    if fit.residual_us > _GOOD_RESIDUAL_US:
        lines.append("the pulses jitter: use the same kind of input on both cameras and short wires")
        return SyncVerdict("warn", "pulses jitter", tuple(lines), fit)
    if fit.warning:
        return SyncVerdict("warn", "first pulse missed", tuple(lines), fit)
    if missing:
        return SyncVerdict("warn", f"in step, {missing} frames lost", tuple(lines), fit)
    return SyncVerdict("good", "in step", tuple(lines), fit)
