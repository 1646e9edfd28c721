"""Streams that die or fall silent in a take: the operator hears of it, the report counts what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.session import Session, State, TakeReport
from drivers import Frame, RingBuffer, Role
from drivers.spinnaker_emulator import VirtualRig, install
from drivers.trigger import ExternalPulses
from emulated import SETUP, heard, until


@pytest.fixture
def rig() -> Iterator[VirtualRig]:
    rig = install(real_time=True)
    yield rig
    rig.box.stop()
    rig.uninstall()


@pytest.fixture
def session(rig: VirtualRig) -> Iterator[Session]:
    """A live session whose pulses nobody counts: the box is started out of its sight."""
    with Session(ExternalPulses()) as session:
        session.connect(rig.serials)
        session.configure(SETUP.settings())
        session.start_live()
        rig.box.start(240, 8)
        assert until(lambda: session.counters(Role.HSR).received > 5)
        yield session


def received_more(session: Session, role: Role, count: int) -> bool:
    goal = session.counters(role).received + count
    return until(lambda: session.counters(role).received > goal)


def part(report: TakeReport, role: Role) -> tuple[int, int]:
    return report.frames(role), report.expected(role)


@pytest.mark.parametrize("role", list(Role))
def test_a_wire_that_comes_off_during_a_live_take(
    session: Session, rig: VirtualRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, role: Role
) -> None:
    alarms = heard(session)
    monkeypatch.setattr("app.session.watch.SILENCE_S", 0.5)
    other = Role.LSR if role is Role.HSR else Role.HSR
    session.start_recording(tmp_path / "take")
    assert received_more(session, role, 10)
    rig.faults(role).wire_off = True
    assert until(lambda: any(f"no pulse came at the {role.name} camera" in a.text for a in alarms))
    assert session.state is State.RECORDING
    assert received_more(session, other, 20)
    report = session.stop_recording()
    assert not report.recording.ok
    # On a slow machine they may begin late as well.
    told = [text for text in report.recording.warnings if text.startswith(f"{role.name}: its frames ")]
    assert any(" end " in text for text in told)
    hsr, lsr = report.expected(Role.HSR), report.expected(Role.LSR)
    assert abs(hsr * 8 - lsr) <= 3 * 8
    frames, expected = part(report, role)
    assert report.frames_lost >= expected - frames > (12 if role is Role.HSR else 100)


def test_a_wire_that_comes_on_late(session: Session, rig: VirtualRig, tmp_path: Path) -> None:
    rig.faults(Role.LSR).wire_off = True
    count = session.counters(Role.LSR).received
    session.start_recording(tmp_path / "take")
    assert received_more(session, Role.HSR, 15)
    rig.faults(Role.LSR).wire_off = False
    assert received_more(session, Role.LSR, 60)
    assert session.counters(Role.LSR).received > count
    report = session.stop_recording()
    assert any("LSR: its frames begin" in text for text in report.recording.warnings)
    frames, expected = part(report, Role.LSR)
    assert expected - frames > 80


def test_a_sound_live_take_has_nothing_to_tell(session: Session, tmp_path: Path) -> None:
    alarms = heard(session)
    session.start_recording(tmp_path / "take", pre_seconds=0.1)
    assert received_more(session, Role.HSR, 20)
    report = session.stop_recording()
    assert report.recording.warnings == ()
    assert alarms == []


def test_whatever_ends_a_grab_thread_is_told(
    session: Session, rig: VirtualRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alarms = heard(session)
    append, failed = RingBuffer.append, []

    def failing(ring: RingBuffer, frame: Frame) -> int | None:
        if frame.role is Role.LSR and not failed:
            failed.append(frame)
            raise RuntimeError("nobody thought of this")
        return append(ring, frame)

    session.start_recording(tmp_path / "take")
    assert received_more(session, Role.HSR, 3)
    monkeypatch.setattr(RingBuffer, "append", failing)
    assert until(lambda: any("nobody thought of this" in alarm.text for alarm in alarms))
    assert until(lambda: Role.LSR not in session.away)
    assert received_more(session, Role.LSR, 10)
    [absence] = session.stop_recording().absences
    assert absence.role is Role.LSR
