"""What the session does when cameras, cables, pulses or the disk misbehave."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from app.capture import emulated_session
from app.session import Session, SessionError, State
from app.session.channel import Channel
from app.session.crew import Crew
from drivers import (
    CameraDisconnectedError,
    CameraError,
    CameraInUseError,
    Role,
    Take,
    TakeWriter,
    pair_streams,
)
from drivers._take_index import Rows
from drivers.spinnaker_emulator import VirtualRig, install
from drivers.spinnaker_emulator.clock import CameraClock
from emulated import SETUP, heard, until


def test_lost_damaged_and_ignored_frames_are_all_counted(
    session: Session, rig: VirtualRig, tmp_path: Path
) -> None:
    faults = rig.faults(Role.LSR)
    faults.lost_frames |= {5, 6}
    faults.damaged_frames.add(20)
    faults.lost_pulses.add(30)
    rig.faults(Role.HSR).lost_frames.add(2)
    report = session.record(0.2, tmp_path / "take")
    assert report.expected(Role.LSR) == 48
    assert report.frames(Role.LSR) == 48 - 4
    assert report.recording.lsr.incomplete == 1
    assert {(g.after_id, g.count) for g in report.recording.lsr.gaps} >= {(4, 2)}
    assert report.frames(Role.HSR) == 5
    assert report.frames_lost == 5
    assert report.stop_reason is None
    with Take.open(tmp_path / "take") as take:
        assert 20 not in take.lsr.frame_ids


@pytest.mark.parametrize("gone", list(Role))
def test_a_take_goes_on_with_the_other_camera(
    session: Session, rig: VirtualRig, tmp_path: Path, gone: Role
) -> None:
    pulse = 3 if gone is Role.HSR else 20
    alarms = heard(session)
    rig.faults(gone).at_pulse[pulse] = lambda: rig.unplug(gone)
    report = session.record(0.2, tmp_path / "take")
    assert report.stop_reason is None
    counts = {Role.HSR: 6, Role.LSR: 48, gone: pulse}
    with Take.open(tmp_path / "take") as take:
        assert not take.recovered
        assert {role: take.stream(role).info.frame_count for role in Role} == counts
    assert report.expected(Role.HSR) == 6
    # Pulses after the last one that a camera follows are never given: the emulated box waits for its reader.
    assert report.expected(Role.LSR) == (48 if gone is Role.HSR else 41)
    [absence] = report.absences
    assert (absence.role, absence.until_s) == (gone, None)
    assert absence.from_s == pytest.approx(pulse / (30 if gone is Role.HSR else 240))
    assert rig.serials[gone] in absence.reason
    assert any(
        rig.serials[gone] in text and "did not come back" in text for text in report.recording.warnings
    )
    assert not report.recording.ok
    assert until(lambda: session.state is State.DISCONNECTED)
    rig.replug(gone)
    assert until(lambda: session.state is State.IDLE)
    again = session.record(0.1, tmp_path / "again")
    assert again.frames_lost == 0
    assert [a.role for a in alarms] == [gone, gone]


def test_both_cameras_gone_end_the_take_in_order(session: Session, rig: VirtualRig, tmp_path: Path) -> None:
    rig.faults(Role.HSR).at_pulse[2] = lambda: rig.unplug(Role.HSR)
    rig.faults(Role.LSR).at_pulse[30] = lambda: rig.unplug(Role.LSR)
    report = session.record(5.0, tmp_path / "take")
    assert report.stop_reason is not None
    assert [absence.role for absence in report.absences] == [Role.HSR, Role.LSR]
    with Take.open(tmp_path / "take") as take:
        assert not take.recovered
        assert take.lsr.info.frame_count == 30


def test_a_camera_that_was_away_joins_the_take_again(tmp_path: Path) -> None:
    rig = install(real_time=True)
    setup = replace(SETUP, hsr_fps=20.0, ratio=4)
    try:
        with emulated_session(rig) as session:
            session.connect(rig.serials)
            session.configure(setup.settings())
            session.start_recording(tmp_path / "take")
            for gone in Role:
                assert until(lambda: session.counters(Role.LSR).received > 80)
                rig.unplug(gone)
                assert until(lambda gone=gone: gone in session.away)  # type: ignore[misc]
                seen = session.counters(gone.other).received
                assert session.state is State.RECORDING
                # A camera without power starts with another clock.
                rig.devices[gone].clock = CameraClock(17, 20.0)
                rig.replug(gone)
                assert until(lambda gone=gone: session.recorded(gone))  # type: ignore[misc]
                assert session.counters(gone.other).received > seen
                goal = session.counters(gone).received + 20
                assert until(lambda gone=gone, goal=goal: session.counters(gone).received > goal)  # type: ignore[misc]
            report = session.stop_recording()
            last = {role: max(rig.devices[role].shots.items())[1].start_ns for role in Role}
    finally:
        rig.uninstall()
    assert report.stop_reason is None
    assert [absence.role for absence in report.absences] == list(Role)
    assert all(absence.until_s is not None for absence in report.absences)
    run = rig.box.runs[-1]
    with Take.open(tmp_path / "take") as take:
        for role in Role:
            pulse = (last[role] - run.start_ns) * 1e-9 * run.tick_hz / (run.ratio if role is Role.HSR else 1)
            assert take.stream(role).frame_ids[-1] == round(pulse)
        pairing = pair_streams(take.pair())
        for gop in pairing.gops:
            hsr, lsr = (int(take.hsr.frame_ids[gop.hsr_index]), take.lsr.frame_ids[list(gop.lsr_indices)])
            assert (lsr - hsr * run.ratio).tolist() == list(gop.distances)
    for role in Role:
        stream = report.recording.hsr if role is Role.HSR else report.recording.lsr
        assert len(stream.gaps) == 1
        assert report.frames(role) + stream.gaps[0].count == report.expected(role)


def test_a_camera_joins_again_though_the_index_takes_longer_than_the_ring_lasts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = TakeWriter.rows

    def slow(self: TakeWriter, role: Role, *chosen: npt.NDArray[np.int64]) -> Rows:
        rows = plain(self, role, *chosen)
        if threading.current_thread().name == "watch":
            time.sleep(1.0)
        return rows

    monkeypatch.setattr("app.session.channel._RING_SECONDS", 1.5)
    monkeypatch.setattr(TakeWriter, "rows", slow)
    rig = install(real_time=True)
    try:
        with emulated_session(rig) as session:
            session.connect(rig.serials)
            session.configure(replace(SETUP, hsr_fps=20.0, ratio=4).settings())
            session.start_recording(tmp_path / "take")
            assert until(lambda: session.counters(Role.LSR).received > 80)
            rig.unplug(Role.HSR)
            assert until(lambda: Role.HSR in session.away)
            rig.replug(Role.HSR)
            assert until(lambda: session.recorded(Role.HSR))
            session.stop_recording()
    finally:
        rig.uninstall()


def test_live_view_of_the_other_camera_never_stops(session: Session, rig: VirtualRig) -> None:
    states: list[State] = []
    session.on_state(states.append)
    session.start_live()
    assert until(lambda: session.counters(Role.LSR).received > 10)
    rig.unplug(Role.HSR)
    assert until(lambda: Role.HSR in session.away)
    seen = session.counters(Role.LSR).received
    assert until(lambda: session.counters(Role.LSR).received > seen + 20)
    with pytest.raises(SessionError, match=f"{rig.serials[Role.HSR]} has left"):
        session.start_recording(Path("never"))
    rig.replug(Role.HSR)
    assert until(lambda: session.state is State.LIVE and not session.away)
    assert until(lambda: session.counters(Role.HSR).received > 3)
    assert session.settings is not None
    frame = session.latest(Role.HSR)
    assert frame is not None
    assert frame.exposure_us == session.settings.hsr.exposure_us
    assert states == [State.LIVE, State.IDLE, State.LIVE]


def test_a_search_that_fails_does_not_end_the_watch(session: Session, rig: VirtualRig) -> None:
    session.start_live()
    assert until(lambda: session.counters(Role.LSR).received > 10)
    rig.system.failing_lists = 3
    rig.unplug(Role.HSR)
    assert until(lambda: rig.system.failing_lists == 0)
    rig.replug(Role.HSR)
    assert until(lambda: session.state is State.LIVE and not session.away)


def test_nothing_unforeseen_ends_the_watch(
    session: Session, rig: VirtualRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    alarms = heard(session)
    reopen, failed = Crew.reopen, []

    def failing(crew: Crew, role: Role) -> Channel:
        if len(failed) < 2:
            failed.append(role)
            raise RuntimeError("nobody thought of this")
        return reopen(crew, role)

    monkeypatch.setattr(Crew, "reopen", failing)
    session.start_live()
    assert until(lambda: session.counters(Role.LSR).received > 10)
    rig.unplug(Role.HSR)
    assert until(lambda: len(failed) == 2)
    rig.replug(Role.HSR)
    assert until(lambda: session.state is State.LIVE and not session.away)
    assert len([alarm for alarm in alarms if "nobody thought of this" in alarm.text]) == 1


def test_live_view_returns_after_both_cables_were_pulled(session: Session, rig: VirtualRig) -> None:
    session.start_live()
    assert until(lambda: session.counters(Role.LSR).received > 10)
    for role in Role:
        rig.unplug(role)
    assert until(lambda: session.state is State.DISCONNECTED)
    for role in Role:
        rig.replug(role)
    assert until(lambda: session.state is State.LIVE)
    assert until(lambda: session.counters(Role.LSR).received > 3)


def test_a_camera_unplugged_while_nothing_streams_is_taken_back(session: Session, rig: VirtualRig) -> None:
    alarms = heard(session)
    rig.unplug(Role.LSR)
    with pytest.raises(CameraDisconnectedError, match="check its cable and power"):
        session.start_live()
    assert until(lambda: Role.LSR in session.away)
    assert "taken back when you plug it in again" in alarms[-1].text
    rig.replug(Role.LSR)
    assert until(lambda: session.state is State.IDLE and not session.away)
    session.start_live()
    assert until(lambda: session.counters(Role.LSR).received > 3)


def test_closing_while_a_camera_is_away(session: Session, rig: VirtualRig) -> None:
    session.start_live()
    rig.unplug(Role.LSR)
    assert until(lambda: Role.LSR in session.away)
    session.close()
    rig.replug(Role.LSR)
    session.connect(rig.serials)
    assert session.state is State.IDLE


def test_settings_that_change_by_themselves_raise_an_alarm(session: Session, rig: VirtualRig) -> None:
    alarms = heard(session)
    session.start_live()
    assert until(lambda: session.counters(Role.LSR).received > 3)
    rig.devices[Role.LSR].nodes.force("ExposureTime", 500.0)
    assert until(lambda: any("ExposureTime is 500, should be 2000" in a.text for a in alarms))
    session.set_exposure_us(Role.LSR, 700.0)
    count = len(alarms)
    rig.reset_settings(Role.HSR)
    assert until(lambda: any(a.role is Role.HSR and "TriggerMode is Off" in a.text for a in alarms))
    assert all(a.role is Role.HSR for a in alarms[count:])


def test_a_register_that_does_not_answer_costs_no_frame(
    session: Session, rig: VirtualRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    alarms = heard(session)
    monkeypatch.setattr("app.session.channel._CHECK_EVERY_S", 0.02)
    failing = rig.faults(Role.LSR).failing_reads
    failing["ExposureTime"] = 2
    session.start_live()
    assert until(lambda: failing["ExposureTime"] == 0)
    seen = session.counters(Role.LSR).received
    assert until(lambda: session.counters(Role.LSR).received > seen + 20)
    assert not session.away
    assert session.counters(Role.LSR).missing == 0
    # It is told once for both.
    assert [a.role for a in alarms if "did not answer, its frames go on" in a.text] == [Role.LSR]


def test_a_camera_that_neither_answers_nor_delivers_is_gone(
    session: Session, rig: VirtualRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    alarms = heard(session)
    monkeypatch.setattr("app.session.channel._CHECK_EVERY_S", 0.02)
    session.start_live()
    assert until(lambda: session.counters(Role.LSR).received > 3)
    rig.faults(Role.LSR).stalled = True
    rig.faults(Role.LSR).failing_reads["ExposureTime"] = 10**6
    assert until(lambda: any(a.role is Role.LSR and "has left" in a.text for a in alarms))
    rig.faults(Role.LSR).stalled = False
    rig.faults(Role.LSR).failing_reads.clear()
    assert until(lambda: not session.away and session.counters(Role.LSR).received > 3)


def test_no_pulses_are_said_within_seconds(rig: VirtualRig) -> None:
    with emulated_session(rig) as session:
        alarms = heard(session)
        session.connect(rig.serials)
        session.configure(SETUP.settings())
        for role in Role:
            rig.devices[role].wiring = type(rig.devices[role].wiring)(frozenset(), slow=False)
        session.start_live()
        assert until(lambda: any("no pulse came" in a.text for a in alarms))


def test_a_take_without_pulses_says_so(session: Session, rig: VirtualRig, tmp_path: Path) -> None:
    for role in Role:
        rig.devices[role].wiring = type(rig.devices[role].wiring)(frozenset(), slow=False)
    report = session.record(0.1, tmp_path / "take")
    assert report.stop_reason is not None
    assert "no pulse came" in report.stop_reason


def test_a_camera_held_by_another_program(rig: VirtualRig) -> None:
    rig.faults(Role.HSR).held_elsewhere = True
    with pytest.raises(CameraInUseError, match="another program"):
        emulated_session(rig).connect(rig.serials)


def test_too_little_usb_memory(session: Session, rig: VirtualRig) -> None:
    rig.faults(Role.LSR).refuse_buffers = True
    with pytest.raises(CameraError, match="usbfs_memory_mb"):
        session.start_live()
    rig.faults(Role.LSR).refuse_buffers = False
    session.start_live()
    session.stop_live()


def test_a_slow_disk_ends_the_take_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = install(real_time=True)
    append = TakeWriter.append
    slow = threading.Event()

    def throttled(self: TakeWriter, frame: object) -> None:
        if slow.is_set():
            time.sleep(0.05)
        append(self, frame)  # type: ignore[arg-type]

    monkeypatch.setattr(TakeWriter, "append", throttled)
    monkeypatch.setattr("app.session.channel._RING_SECONDS", 0.3)
    try:
        with emulated_session(rig) as session:
            session.connect(rig.serials)
            session.configure(SETUP.settings())
            slow.set()
            report = session.record(30.0, tmp_path / "take", should_stop=None)
            slow.clear()
    finally:
        rig.uninstall()
    assert report.stop_reason is not None
    assert "too slow" in report.stop_reason
    with Take.open(tmp_path / "take") as take:
        assert not take.recovered
        ids = take.lsr.frame_ids.tolist()
        assert len(ids) >= 5
        assert ids == list(range(len(ids)))


def test_pre_trigger_keeps_what_has_just_passed(rig: VirtualRig, tmp_path: Path) -> None:
    with emulated_session(rig) as session:
        session.connect(rig.serials)
        session.configure(SETUP.settings())
        session.start_live()
        assert until(lambda: session.counters(Role.LSR).received > 150)
        session.start_recording(tmp_path / "take", pre_seconds=0.25)
        assert session.state is State.RECORDING
        seen = session.counters(Role.LSR).received
        assert until(lambda: session.counters(Role.LSR).received > seen + 20)
        report = session.stop_recording()
        assert session.state is State.LIVE
        session.stop_live()
    assert report.stop_reason is None
    with Take.open(tmp_path / "take") as take:
        assert take.lsr.frame_ids[0] < seen - 40
        assert take.lsr.info.frame_count > 60
