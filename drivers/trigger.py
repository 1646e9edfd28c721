"""The trigger plan: who makes the pulses, and what their rates leave for exposure and read-out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from drivers.errors import TriggerPlanError
from drivers.frame import Role
from drivers.sensor import readout_us

EXPOSURE_GUARD_US = 60.0
"""What must be left between the end of an exposure and the next pulse [us]."""
FREE_RUN_GUARD_US = 150.0
"""The same for a camera that makes its own frame rate; its firmware keeps some of it to itself [us]."""
INPUTS = ("Line0", "Line3")
"""Lines that pulses come in by: opto-isolated, and 3.3 V."""
MASTER_OUTPUT = "Line2"
"""Line of the fast camera that carries its exposures to the divider: 3.3 V, no pull-up needed."""
_NEAREST = 4
_RATE_TOLERANCE = 0.01
"""Boxes and crystals are exact to some ppm; what is farther off is another rate."""


def longest_exposure_us(fps: float) -> float:
    """Longest exposure that never meets the next frame at `fps` per second [us]."""
    return 1e6 / fps - EXPOSURE_GUARD_US


def check_exposure(role: Role, exposure_us: float, fps: float, longest_us: float) -> None:
    """Refuse an exposure that reaches into the next frame.

    Args:
        role: Which camera.
        exposure_us: SFNC ExposureTime [us].
        fps: Frames per second.
        longest_us: Longest that fits [us].

    Raises:
        TriggerPlanError: It is too long; the message says what is possible.

    """
    if exposure_us > longest_us:
        raise TriggerPlanError(
            f"an exposure of {exposure_us:g} us of the {role.name} camera does not fit between frames at "
            f"{fps:g} per second; use at most {longest_us:.0f} us or a lower rate"
        )


@dataclass(frozen=True, slots=True)
class TriggerPlan:
    """Pulses for both cameras. Make one with `plan_trigger`, which refuses impossible ones.

    Attributes:
        hsr_fps: f, pulses per second on the slow line [1/s].
        ratio: m, pulses of the fast line per pulse of the slow one.
        line: SFNC TriggerSource that the wire is connected to.
        activation: SFNC TriggerActivation.
        master: The LSR camera makes the pulses: it runs at its own rate, and an external divider hands every
            m-th of its exposures to the HSR camera. Otherwise a box makes both.

    """

    hsr_fps: float
    ratio: int
    line: str = "Line0"
    activation: str = "RisingEdge"
    master: bool = False

    @property
    def lsr_fps(self) -> float:
        """Rate of the fast line, and of the counter behind both [1/s]."""
        return self.hsr_fps * self.ratio

    def fps(self, role: Role) -> float:
        """Pulses per second to one camera [1/s]."""
        return self.hsr_fps if role is Role.HSR else self.lsr_fps

    def period_us(self, role: Role) -> float:
        """Time between two pulses to one camera [us]."""
        return 1e6 / self.fps(role)

    def max_exposure_us(self, role: Role) -> float:
        """Longest exposure that never meets the next pulse [us].

        A triggered camera accepts longer ones and then ignores pulses without any sign in its frame ids.
        """
        if self.master and role is Role.LSR:
            return self.period_us(role) - FREE_RUN_GUARD_US
        return longest_exposure_us(self.fps(role))

    @property
    def phase(self) -> int | None:
        """LSR pulses before the first HSR pulse; None for a divider, which may stand anywhere."""
        return None if self.master and self.ratio > 1 else 0

    def ticks(self, seconds: float) -> int:
        """Pulses of the fast line for `seconds`, in whole groups of m."""
        return max(1, math.ceil(seconds * self.hsr_fps - 1e-9)) * self.ratio

    def wiring(self) -> str:
        """How to connect the box, for the operator."""
        opto = self.line == "Line0"
        pin = "pin 1 (Line0, opto-isolated)" if opto else "pin 4 (Line3, 3.3 V)"
        ground = "pin 6 (OPTO_GND)" if opto else "pin 5 (GND)"
        edge = "rising" if self.activation == "RisingEdge" else "falling"
        if self.master:
            return (
                f"LSR camera pin 3 ({MASTER_OUTPUT}, 3.3 V output, {self.lsr_fps:g} exposures per second) -> "
                f"input of a divider by {self.ratio}, which counts rising edges.\n"
                f"Output of the divider, {self.hsr_fps:g} pulses per second -> HSR camera {pin}.\n"
                f"Ground of the divider -> pin 5 (GND) of the LSR camera and {ground} of the HSR camera.\n"
                f"The HSR camera sees the {edge} edge: let the divider give it together with the exposure "
                "that it counts, as a pulse shorter than the HSR camera's exposure; a square wave makes the "
                "camera run by itself.\n"
                "The program arms the HSR camera first and then lets the LSR camera run."
            )
        return (
            f"Fast output of the pulse box, {self.lsr_fps:g} pulses per second -> LSR camera {pin}.\n"
            f"Slow output, every {self.ratio}th pulse of the same counter, {self.hsr_fps:g} per second "
            f"-> HSR camera {pin}.\n"
            f"Ground of both outputs -> {ground} of each camera's 8-pin connector.\n"
            f"Both cameras see the {edge} edge; "
            "use the same kind of line on both, because opto inputs are late by some tens of microseconds.\n"
            "Each pulse must be shorter than the shortest exposure: with its input still active at the end "
            "of one, a camera takes the next frame at once.\n"
            "Start both cameras before the first pulse; stop the pulses first at the end."
        )


def _fits(hsr_fps: float, ratio: int, hsr_readout: float, lsr_readout: float) -> bool:
    return 1e6 / hsr_fps >= hsr_readout and 1e6 / (hsr_fps * ratio) >= lsr_readout


def plan_trigger(
    hsr_fps: float,
    *,
    hsr_rows: int,
    lsr_rows: int,
    ratio: float | None = None,
    lsr_fps: float | None = None,
    line: str = "Line0",
    activation: str = "RisingEdge",
    master: bool = False,
) -> TriggerPlan:
    """Check a pair of rates against the pulses (one counter) and the sensors (read-out).

    Args:
        hsr_fps: Rate of the HSR camera [1/s].
        hsr_rows: Sensor rows that the HSR camera reads (Height * binning).
        lsr_rows: Sensor rows that the LSR camera reads.
        ratio: m; give this or `lsr_fps`.
        lsr_fps: Rate of the LSR camera [1/s].
        line: SFNC TriggerSource of both cameras.
        activation: SFNC TriggerActivation of both cameras.
        master: The LSR camera makes the pulses, see `TriggerPlan`.

    Raises:
        TriggerPlanError: The rates are not positive, m is not a whole number, a sensor cannot be read that
            fast (the message lists the nearest plans that work), or pulses cannot come in by this line.

    """
    if (ratio is None) == (lsr_fps is None):
        raise TriggerPlanError("a trigger plan needs either the ratio m or the LSR rate, not both or none")
    wanted = hsr_fps * ratio if ratio is not None else lsr_fps
    if wanted is None or not (hsr_fps > 0 and wanted >= hsr_fps and math.isfinite(wanted)):
        raise TriggerPlanError(
            f"frame rates must be positive and the LSR camera at least as fast as the HSR camera, got "
            f"{hsr_fps:g} and {wanted if wanted is not None else 0:g} per second"
        )
    if line not in INPUTS:
        raise TriggerPlanError(f"{line} is no trigger input of this rig; use {' or '.join(INPUTS)}")
    m = wanted / hsr_fps
    hsr_readout, lsr_readout = readout_us(hsr_rows), readout_us(lsr_rows)
    whole = round(m)
    if abs(m - whole) > 1e-6:
        raise TriggerPlanError(
            f"{wanted:g}:{hsr_fps:g} is not a whole ratio, one counter cannot make both; the nearest that "
            f"work: {_nearest(hsr_fps, wanted, hsr_readout, lsr_readout)}"
        )
    if not _fits(hsr_fps, whole, hsr_readout, lsr_readout):
        slow = 1e6 / hsr_fps < hsr_readout
        role, rate, rows = ("HSR", hsr_fps, hsr_rows) if slow else ("LSR", wanted, lsr_rows)
        fastest = 1e6 / readout_us(rows)
        raise TriggerPlanError(
            f"the {role} camera cannot read {rows} rows {rate:g} times a second, {fastest:.1f} at most; use "
            f"fewer rows or one of: {_nearest(hsr_fps, wanted, hsr_readout, lsr_readout)}"
        )
    return TriggerPlan(hsr_fps, whole, line, activation, master)


def _nearest(hsr_fps: float, lsr_fps: float, hsr_readout: float, lsr_readout: float) -> str:
    """Possible pairs, the closest to the wanted one first, as text."""
    found: dict[tuple[float, float], float] = {}
    top = min(lsr_fps * 1.5, 1e6 / lsr_readout)
    slow_top = 1e6 / hsr_readout
    for ratio in range(1, math.ceil(lsr_fps / hsr_fps) + 3):
        for slow in (hsr_fps, lsr_fps / ratio, math.floor(min(slow_top, top / ratio))):
            if slow <= 0 or slow * ratio > top or not _fits(slow, ratio, hsr_readout, lsr_readout):
                continue
            if abs(slow - round(slow)) > 1e-9:
                continue
            change = abs(math.log(slow / hsr_fps)) + abs(math.log(slow * ratio / lsr_fps))
            found[(slow * ratio, slow)] = change
    best = sorted(found, key=lambda pair: (found[pair], pair))[:_NEAREST]
    return ", ".join(f"{fast:g}:{slow:g}" for fast, slow in best) or "none with this region"


def judge_rate(role: Role, seen_hz: float, planned: Mapping[Role, float]) -> str:
    """What is wrong with the rate of a camera's frames, and what to do; "" when it is the planned one.

    Args:
        role: The camera.
        seen_hz: Frames per second, 0 when none came.
        planned: Pulses per second of both cameras.

    """
    wanted, other = planned[role], planned[role.other]
    if seen_hz <= 0:
        return f"{role.name}: no pulse came; check the wire of this camera and that the box runs"
    if abs(seen_hz / wanted - 1) < _RATE_TOLERANCE:
        return ""
    seen = f"{role.name}: {seen_hz:.1f} pulses per second"
    if abs(seen_hz / other - 1) < _RATE_TOLERANCE:
        return f"{seen} are the other camera's; swap the two wires, or the two serial numbers"
    if abs(seen_hz / wanted - 0.5) < _RATE_TOLERANCE:
        return (
            f"{seen}, half of the planned {wanted:g}: shorten the exposure or the region, or set the box "
            "to the plan"
        )
    if seen_hz > wanted:
        hint = "make the pulses shorter than the exposure, "
    else:
        # Pulses that come while the camera still reads begin late, and some of them never.
        hint = "use fewer rows, " if seen_hz > wanted / 2 else ""
    return f"{seen} instead of {wanted:g}; {hint}set the box to the plan, or the plan to the box"


class PulseSource(Protocol):
    """Whatever makes the trigger pulses."""

    @property
    def name(self) -> str:
        """What the operator calls it."""
        ...

    @property
    def counts_pulses(self) -> bool:
        """Whether it stops by itself after `ticks` and knows how many it gave."""
        ...

    def start(self, tick_hz: float, ratio: int, ticks: int | None = None) -> None:
        """Begin; tick 0 is on both lines.

        Args:
            tick_hz: Rate of the fast line [1/s].
            ratio: Fast pulses per slow pulse.
            ticks: Fast pulses in all; None until `stop`.

        """
        ...

    def divide(self, ratio: int) -> None:
        """Hand every `ratio`-th exposure of the fast camera to the slow one, instead of making pulses."""
        ...

    def stop(self) -> None:
        """No further pulse. Safe to call twice."""
        ...

    def ticks_given(self) -> int | None:
        """Fast pulses since the last start; None when the source cannot tell."""
        ...


class ExternalPulses:
    """A pulse box, or a divider behind the fast camera, that the operator sets by hand.

    Attributes:
        expected: Fast rate [1/s], None for a divider, and ratio that the operator was asked to set.

    """

    name = "pulse box started by hand"

    def __init__(self) -> None:
        self.expected: tuple[float | None, int] | None = None

    @property
    def counts_pulses(self) -> bool:
        """It neither counts nor stops by itself."""
        return False

    def start(self, tick_hz: float, ratio: int, ticks: int | None = None) -> None:
        """Remember what the operator was asked to set; the box itself is started by hand."""
        self.expected = (tick_hz, ratio)

    def divide(self, ratio: int) -> None:
        """Remember what the operator was asked to set."""
        self.expected = (None, ratio)

    def stop(self) -> None:
        """Forget it; the operator stops the box."""
        self.expected = None

    def ticks_given(self) -> int | None:
        """Return None: nobody counts."""
        return None
