"""The pulse test after wiring a box."""

from __future__ import annotations

import pytest

from app.pulse_test import pulse_test
from app.session import Session, State
from drivers import Role
from drivers.spinnaker_emulator import VirtualRig
from drivers.spinnaker_emulator.stream import Wiring


def test_right_wiring(session: Session) -> None:
    findings = pulse_test(session)
    assert all(f.ok for f in findings.values())
    assert findings[Role.LSR].seen_hz == pytest.approx(240, rel=1e-3)
    assert findings[Role.HSR].jitter_us < 1
    assert session.state is State.IDLE


def test_swapped_wires(session: Session, rig: VirtualRig) -> None:
    for role in Role:
        rig.devices[role].wiring = Wiring(frozenset({"Line0"}), slow=role is Role.LSR)
    findings = pulse_test(session)
    assert not any(f.ok for f in findings.values())
    assert "swap the two wires" in findings[Role.HSR].text


def test_one_wire_is_missing(session: Session, rig: VirtualRig) -> None:
    rig.devices[Role.HSR].wiring = Wiring(frozenset(), slow=True)
    findings = pulse_test(session)
    assert "no pulse came" in findings[Role.HSR].text
    assert findings[Role.LSR].ok


def test_every_second_pulse_is_ignored(session: Session, rig: VirtualRig) -> None:
    rig.devices[Role.LSR].nodes.force("ExposureTime", 6000.0)
    findings = pulse_test(session)
    assert "half of the planned 240" in findings[Role.LSR].text
    assert findings[Role.LSR].seen_hz == pytest.approx(120, rel=1e-3)
