"""The fast camera makes the pulses, a divider hands every m-th of its exposures to the slow one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.capture import emulated_session
from app.session import Session, SessionSettings, State
from drivers import CameraSettingError, Role, Take, TriggerPlanError, pair_streams
from drivers.spinnaker_emulator import VirtualRig, install
from emulated import SETUP, heard, until

MASTER = replace(SETUP, master=True)


@pytest.fixture(params=[False, True], ids=["paced", "real time"])
def rig(request: pytest.FixtureRequest) -> Iterator[VirtualRig]:
    rig = install(real_time=request.param)
    yield rig
    rig.uninstall()


@pytest.fixture
def session(rig: VirtualRig) -> Iterator[Session]:
    with emulated_session(rig) as session:
        session.connect(rig.serials)
        session.configure(MASTER.settings())
        yield session


def check_pairs(take: Take, rig: VirtualRig) -> None:
    """By the moments at which the emulated cameras really exposed."""
    starts = {
        role: [rig.devices[role].shots[int(i)].start_ns for i in take.stream(role).frame_ids] for role in Role
    }
    found = pair_streams(take.pair())
    for gop in found.gops:
        centre = starts[Role.HSR][gop.hsr_index]
        for index, distance in zip(gop.lsr_indices, gop.distances, strict=True):
            assert starts[Role.LSR][index] - centre == pytest.approx(distance * 1e9 / 240, abs=10)


@pytest.mark.parametrize("stands_at", [0, 5])
def test_wherever_the_divider_stands_the_pairs_are_right(
    session: Session, rig: VirtualRig, tmp_path: Path, stands_at: int
) -> None:
    rig.box.divider_phase = stands_at
    report = session.record(0.3, tmp_path / "take")
    assert report.stop_reason is None
    assert report.frames(Role.HSR) >= 9
    assert report.frames(Role.LSR) >= 72
    assert report.frames_lost == 0
    assert session.state is State.IDLE
    with Take.open(tmp_path / "take") as take:
        trigger = take.metadata.trigger
        assert trigger is not None
        assert (trigger.phase, trigger.source) == (None, "LSR camera through a divider by 8")
        assert take.metadata.format_version == 2
        clock = pair_streams(take.pair()).clock
        assert clock is not None
        assert (clock.phase, clock.warning) == (stands_at, "")
        check_pairs(take, rig)


def test_no_exposure_before_the_take_is_fired(session: Session, rig: VirtualRig, tmp_path: Path) -> None:
    session.start_recording(tmp_path / "take", wait=True)
    assert session.state is State.ARMED
    assert not until(lambda: session.counters(Role.LSR).received > 0, 0.3)
    session.fire()
    assert until(lambda: session.counters(Role.HSR).received > 4)
    assert session.stop_recording().frames_lost == 0
    with Take.open(tmp_path / "take") as take:
        assert take.lsr.frame_ids[0] == 0
        check_pairs(take, rig)
    session.start_recording(tmp_path / "given up", wait=True)
    session.stop_recording()
    assert session.state is State.IDLE


def test_rates_and_exposures_belong_to_the_plan(session: Session) -> None:
    with pytest.raises(CameraSettingError, match="trigger plan sets the frame rate"):
        session.set_frame_rate(Role.LSR, 100.0)
    with pytest.raises(TriggerPlanError, match="4050 us of the LSR camera"):
        session.set_exposure_us(Role.LSR, 4050.0)


@pytest.mark.parametrize(
    ("settings", "longest"),
    [
        (SETUP.settings(), 4107),
        (MASTER.settings(), 4017),
        (replace(MASTER.settings(), free_running=True), 13273),
    ],
    ids=["box", "master", "free"],
)
def test_the_longest_exposure_is_the_last_that_is_taken(settings: SessionSettings, longest: float) -> None:
    settings = settings.with_camera(Role.LSR, replace(settings.lsr, frame_rate=75.0))
    assert settings.longest_exposure_us(Role.LSR) == pytest.approx(longest, abs=0.5)
    settings.check_exposure(Role.LSR, settings.longest_exposure_us(Role.LSR))
    with pytest.raises(TriggerPlanError, match=f"use at most {longest} us"):
        settings.check_exposure(Role.LSR, settings.longest_exposure_us(Role.LSR) + 0.1)


def test_a_divider_that_gives_nothing_ends_the_take(tmp_path: Path) -> None:
    rig = install(real_time=True)
    try:
        with emulated_session(rig) as session:
            session.connect(rig.serials)
            session.configure(MASTER.settings())
            rig.faults(Role.HSR).lost_pulses |= set(range(10_000))
            report = session.record(30.0, tmp_path / "take")
            assert report.stop_reason is not None
            assert "no pulse came at the HSR camera" in report.stop_reason
            assert report.frames(Role.LSR) > 100
    finally:
        rig.uninstall()


def test_without_its_master_a_take_ends(tmp_path: Path) -> None:
    rig = install(real_time=True)
    try:
        with emulated_session(rig) as session:
            alarms = heard(session)
            session.connect(rig.serials)
            session.configure(MASTER.settings())
            rig.faults(Role.LSR).at_pulse[100] = lambda: rig.unplug(Role.LSR)
            report = session.record(30.0, tmp_path / "take")
            assert report.stop_reason is not None
            assert rig.serials[Role.LSR] in report.stop_reason
            assert any("made the pulses of both" in alarm.text for alarm in alarms)
            with Take.open(tmp_path / "take") as take:
                check_pairs(take, rig)
    finally:
        rig.uninstall()
