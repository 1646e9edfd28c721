"""Do the pulses arrive where they should? What an operator asks after wiring the box."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from app.session.crew import SessionError
from app.session.session import Session
from drivers import Role
from drivers.trigger import judge_rate

_PERIODS = 12
_STILL_S = 30.0
"""Pulses that wait for their reader have stopped when nothing has come for so long [s]."""


@dataclass(frozen=True, slots=True)
class PulseFinding:
    """One camera's answer.

    Attributes:
        wanted_hz: Rate of the trigger plan [1/s].
        seen_hz: Rate of the frames that came [1/s]; 0 when fewer than two came.
        jitter_us: RMS deviation of the pulses from a regular train [us].
        text: What it means, one sentence.
        ok: Whether this camera is triggered as planned.

    """

    wanted_hz: float
    seen_hz: float
    jitter_us: float
    text: str
    ok: bool


def pulse_test(session: Session, *, patience_s: float = 2.0) -> dict[Role, PulseFinding]:
    """Run live for a dozen slow periods and compare what each camera got with the trigger plan.

    Args:
        session: Idle and configured; it is Idle again afterwards.
        patience_s: How long the first pulse may take, such as that of a box which is started by hand [s].

    Raises:
        SessionError: The session is not Idle or not configured.
        CameraError: A camera gave up.

    """
    settings = session.settings
    if settings is None:
        raise SessionError("the cameras are not configured yet; call configure first")
    if settings.free_running:
        raise SessionError("the cameras run free and wait for no pulses; configure them for the trigger plan")
    plan = settings.plan
    session.start_live()
    try:
        wanted = {Role.HSR: _PERIODS, Role.LSR: _PERIODS * plan.ratio // 2}
        if session.paced:
            _follow(
                session, {role: 4 * _PERIODS * round(plan.fps(role) / plan.hsr_fps) for role in Role}, wanted
            )
        else:
            _wait(session, wanted, patience_s, 4 * _PERIODS * plan.period_us(Role.HSR) * 1e-6)
        times = {role: _times(session, role) for role in Role}
    finally:
        session.stop_live()
    findings = {}
    planned = {role: plan.fps(role) for role in Role}
    for role in Role:
        stamps = times[role]
        seen = jitter = 0.0
        if len(stamps) > 1:
            period = float(np.median(np.diff(stamps)))
            seen = 1e9 / period
            number = np.rint((stamps - stamps[0]) / period)
            line = np.polyfit(number, stamps - stamps[0], 1)
            jitter = float(np.sqrt(np.mean((np.polyval(line, number) - (stamps - stamps[0])) ** 2)) / 1e3)
        if len(stamps) == 1:
            trouble = (
                f"{role.name}: only one frame came in time, too few to tell the rate; close other programs, "
                "check that the box runs on, and try again"
            )
        else:
            trouble = judge_rate(role, seen, planned)
        text = trouble or f"{role.name}: {seen:.1f} pulses per second, as planned"
        findings[role] = PulseFinding(planned[role], seen, jitter, text, not trouble)
    return findings


def _received(session: Session) -> dict[Role, int]:
    return {role: session.counters(role).received for role in Role}


def _wait(session: Session, wanted: Mapping[Role, int], patience_s: float, longest_s: float) -> None:
    """Until both cameras have their frames, or `longest_s` after the first one."""
    end = time.monotonic() + patience_s + longest_s
    heard = False
    while time.monotonic() < end:
        counts = _received(session)
        if any(counts.values()) and not heard:
            heard, end = True, time.monotonic() + longest_s
        if all(counts[role] >= wanted[role] for role in Role):
            return
        time.sleep(0.02)


def _follow(session: Session, most: Mapping[Role, int], wanted: Mapping[Role, int]) -> None:
    """The same for pulses that wait for their reader: frames count, not seconds."""
    before, moved = _received(session), time.monotonic()
    while time.monotonic() - moved < _STILL_S:
        counts = _received(session)
        if counts != before:
            before, moved = counts, time.monotonic()
        done = all(counts[role] >= wanted[role] for role in Role)
        if done or any(counts[role] >= most[role] for role in Role):
            return
        time.sleep(0.02)


def _times(session: Session, role: Role) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    ring = session.ring(role)
    newest, oldest = ring.latest(), ring.oldest()
    if newest is None or oldest is None:
        return np.zeros(0)
    heads = [ring.head(i) for i in range(max(oldest + ring.capacity // 4 * bool(oldest), 0), newest + 1)]
    stamps = np.asarray([h.mid_exposure_ns - round(h.exposure_us * 500) for h in heads], np.int64)
    return (stamps - stamps[0]).astype(np.float64) if len(stamps) else np.zeros(0)
