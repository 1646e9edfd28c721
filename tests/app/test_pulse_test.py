"""The pulse test after wiring a box."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from app.session import Session, State
from app.session.pulse_test import pulse_test
from drivers import Role
from drivers.frame import Image
from drivers.spinnaker_emulator import RigGeometry, VirtualRig, painter
from drivers.spinnaker_emulator.scene import Scene
from drivers.spinnaker_emulator.stream import Wiring
from emulated import SETUP


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


def test_a_busy_computer_is_no_missing_wire(
    session: Session, rig: VirtualRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The HSR camera's pictures are drawn slower than they would be due; its pulses wait for them."""
    session.configure(replace(SETUP, hsr_fps=120.0, ratio=2).settings())
    draw = painter.picture

    def slowly(scene: Scene, geometry: RigGeometry, shot: painter.Shot, seed: int) -> Image:
        time.sleep(0.3 if shot.role is Role.HSR else 0.0)
        return draw(scene, geometry, shot, seed)

    monkeypatch.setattr(painter, "picture", slowly)
    findings = pulse_test(session)
    assert findings[Role.HSR].ok, findings[Role.HSR].text
    assert findings[Role.HSR].seen_hz == pytest.approx(120, rel=1e-3)


def test_a_single_frame_is_told_from_none(session: Session, rig: VirtualRig) -> None:
    rig.faults(Role.HSR).lost_pulses |= set(range(1, 1000))
    findings = pulse_test(session)
    assert "only one frame came in time" in findings[Role.HSR].text
    assert not findings[Role.HSR].ok


def test_every_second_pulse_is_ignored(session: Session, rig: VirtualRig) -> None:
    rig.devices[Role.LSR].nodes.force("ExposureTime", 6000.0)
    findings = pulse_test(session)
    assert "half of the planned 240" in findings[Role.LSR].text
    assert findings[Role.LSR].seen_hz == pytest.approx(120, rel=1e-3)
