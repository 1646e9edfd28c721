"""A pulse box set and started by hand: it may run at other rates, and it goes on after the take."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.capture import CaptureJob, run_job
from app.session import RigSetup, TakeReport
from drivers import Role
from drivers.spinnaker_emulator import VirtualRig, install


@pytest.fixture
def rig() -> Iterator[VirtualRig]:
    """Cameras that the program takes for real ones: it knows their serial numbers and no box."""
    rig = install(real_time=True)
    yield rig
    rig.box.stop()
    rig.uninstall()


def record(
    rig: VirtualRig, out: Path, hz: float, ratio: int, *, swapped: bool = False, after_s: float = 0.1
) -> tuple[TakeReport, list[str]]:
    """Record half a second while the box, started when the program asks for it, runs and runs."""
    alarms: list[str] = []
    serials = rig.serials[Role.HSR], rig.serials[Role.LSR]
    setup = RigSetup(serials=serials[::-1] if swapped else serials, hsr_size=(96, 80), lsr_size=(48, 40))

    def say(text: str) -> None:
        if text.startswith("Start the pulse box"):
            threading.Timer(after_s, rig.box.start, (hz, ratio)).start()

    return run_job(CaptureJob(setup, out, 0.5), say=say, alarm=alarms.append), alarms


def test_the_take_has_the_length_that_was_asked_for(rig: VirtualRig, tmp_path: Path) -> None:
    report, alarms = record(rig, tmp_path / "take", 240, 8)
    assert (report.frames(Role.HSR), report.frames(Role.LSR)) == (15, 120)
    assert report.recording.warnings == ()
    assert alarms == []


def test_the_operator_has_time_to_walk_to_the_box(
    rig: VirtualRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A silence that ends a running take does not end one whose box has not been started."""
    monkeypatch.setattr("app.session.take_run.SILENCE_S", 0.4)
    report, _ = record(rig, tmp_path / "take", 240, 8, after_s=1.5)
    assert (report.frames(Role.HSR), report.frames(Role.LSR)) == (15, 120)
    assert report.stop_reason is None


def test_a_box_that_nobody_starts_is_told(
    rig: VirtualRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.session.take_run.STARTING_S", 0.5)
    report, _ = record(rig, tmp_path / "take", 240, 8, after_s=60.0)
    assert "no pulse came" in (report.stop_reason or "")


def test_swapped_cameras_are_told_while_they_run(rig: VirtualRig, tmp_path: Path) -> None:
    report, alarms = record(rig, tmp_path / "take", 240, 8, swapped=True)
    assert any("swap the two wires" in text for text in alarms)
    assert any("swap the two wires" in text for text in report.recording.warnings)


def test_a_box_at_half_the_rate_is_told(rig: VirtualRig, tmp_path: Path) -> None:
    report, alarms = record(rig, tmp_path / "take", 120, 8)
    for texts in (alarms, report.recording.warnings):
        assert any("LSR: 120.0 pulses per second, half of the planned 240" in text for text in texts)


def test_a_box_at_another_ratio_is_told(rig: VirtualRig, tmp_path: Path) -> None:
    report, alarms = record(rig, tmp_path / "take", 240, 4)
    assert any("HSR: 60.0 pulses per second instead of 30" in text for text in alarms)
    assert any("says 8" in text for text in report.recording.warnings)
