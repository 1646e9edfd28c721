"""Both cameras' clocks read at one moment: which pulse of one camera is which of the other.

Frame ids begin with the first pulse that a camera takes. When that pulse is lost on one wire, all its ids are
one too low, and nothing in the ids or in the spacing of the times shows it. Two clock readings do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from drivers._time_grid import TimeGrid

_UNKNOWN_DRIFT = 100e-6
"""How far two crystals may run apart where the frames are too few to tell; 50 ppm each."""
_CHANGING_DRIFT = 2e-6
"""How much the drift may change with the temperature while a take waits for its first pulse."""
_DELAYS_NS = 100_000.0
"""What opto inputs may delay one camera's pulse against the other's [ns]."""
_MOST = 1000
"""More pulses than this are not lost before a first frame: the clocks are not what they seem."""


@dataclass(frozen=True, slots=True)
class ClockReading:
    """A camera's clock at a moment of the host's.

    Attributes:
        camera_ns: The clock that stamps the frames [ns].
        host_ns: Host monotonic clock at the same moment [ns].
        error_ns: How far apart the two moments may be [ns].
        tick_ns: What the clock counts in when it is read; frames may be stamped finer [ns].

    """

    camera_ns: int
    host_ns: int
    error_ns: int
    tick_ns: int = 0


@dataclass(frozen=True, slots=True)
class ClockLatch:
    """Both cameras' clocks at one moment near the beginning of a recording.

    Attributes:
        hsr_ns: The HSR camera's clock [ns].
        lsr_ns: The LSR camera's clock [ns].
        error_us: How far apart the two moments may be [us].

    """

    hsr_ns: int
    lsr_ns: int
    error_us: float

    @classmethod
    def of(cls, hsr: ClockReading, lsr: ClockReading) -> ClockLatch:
        """Two readings, one soon after the other, as one moment."""
        return cls(
            hsr_ns=hsr.camera_ns,
            lsr_ns=lsr.camera_ns + hsr.host_ns - lsr.host_ns,
            error_us=(hsr.error_ns + hsr.tick_ns + lsr.error_ns + lsr.tick_ns) / 1e3,
        )


class PhaseBasis(str, Enum):
    """What says which LSR pulse belongs to an HSR pulse."""

    CLOCKS = "clocks"
    """The cameras' clocks, read near the beginning; they find pulses lost before the first frame."""
    COUNTERS = "counters"
    """Frame ids alone: a pulse lost before a camera's first frame would not be seen."""
    DOUBTFUL = "doubtful"
    """Frame ids, and the clocks contradict them by more than lost pulses can explain."""

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Phase:
    """LSR pulses before the first HSR pulse, in frame ids, and what says so."""

    pulses: int
    basis: PhaseBasis


def find_phase(
    latch: ClockLatch | None, hsr: TimeGrid, lsr: TimeGrid, between: float, ratio: float, planned: int
) -> Phase:
    """Which LSR pulse came with the first HSR frame, by the clocks where they can tell, else as planned.

    Args:
        latch: Both clocks at one moment; None when nobody read them.
        hsr: Pulses of the HSR frames.
        lsr: Pulses of the LSR frames.
        between: First HSR frame minus first LSR frame by the ids, in LSR pulses.
        ratio: m, LSR pulses per HSR pulse.
        planned: Phase of the trigger plan.

    """
    period = lsr.period_ns
    if latch is None or not period > 0:
        return Phase(planned, PhaseBasis.COUNTERS)
    drift, unsure = _drift(hsr, lsr, ratio)
    first = hsr.origin_ns + hsr.start_ns
    elapsed = first - latch.hsr_ns
    expected = latch.lsr_ns - latch.hsr_ns + drift * elapsed
    counted = lsr.origin_ns + lsr.start_ns - first + period * between
    pulses = (expected - counted) / period
    whole = round(pulses)
    error = latch.error_us * 1e3 + unsure * abs(elapsed)
    if error >= period / 2 or abs(pulses - whole) * period > error + _DELAYS_NS:
        return Phase(planned, PhaseBasis.COUNTERS)
    if abs(whole - planned) > _MOST:
        return Phase(planned, PhaseBasis.DOUBTFUL)
    return Phase(whole, PhaseBasis.CLOCKS)


def _drift(hsr: TimeGrid, lsr: TimeGrid, ratio: float) -> tuple[float, float]:
    """How much faster the LSR clock runs, as a factor minus 1, and how sure that is."""
    spans = [grid.period_ns * float(grid.numbers[-1]) for grid in (hsr, lsr) if len(grid.numbers) > 1]
    if len(spans) < 2:
        return 0.0, _UNKNOWN_DRIFT
    # Three standard errors of a slope through N frames that are off by up to `worst_ns`, evenly spread.
    each = (6.0 / math.sqrt(len(g.numbers)) * g.worst_ns for g in (hsr, lsr))
    unsure = sum(worst / span for worst, span in zip(each, spans, strict=True)) + _CHANGING_DRIFT
    if unsure > _UNKNOWN_DRIFT:
        return 0.0, _UNKNOWN_DRIFT
    return lsr.period_ns * ratio / hsr.period_ns - 1.0, unsure


def lost_before_first(phase: int, planned: int, ratio: float) -> str:
    """One sentence on pulses that a camera missed before its first frame; "" when none is."""
    late = phase - planned
    if late == 0:
        return ""
    hsr = max(0, -(-late // max(1, round(ratio))))
    lsr = hsr * max(1, round(ratio)) - late
    lost = [f"{n} {name} pulse{'s'[: n != 1]}" for n, name in ((hsr, "HSR"), (lsr, "LSR")) if n]
    return f"{' and '.join(lost)} came before the camera's first frame; the cameras' clocks show it"
