"""Random troubles: the session never hangs, never pairs wrongly, never loses a frame without saying so."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from app.capture import emulated_session
from app.session import RigSetup, Session, State, TakeReport
from drivers import PairingError, Role, SourceError, Take, TakeStream, pair_streams
from drivers.spinnaker_emulator import VirtualRig, install
from drivers.spinnaker_emulator.clock import CameraClock
from drivers.spinnaker_emulator.faults import Faults
from emulated import heard, until

SCHEDULES = 30
SECONDS = 0.2
SLOW, FAST = 6, 48
RATIO = 8


def some(rng: random.Random, among: range, most: int) -> set[int]:
    return set(rng.sample(among, rng.randint(0, most)))


def schedule(
    rng: random.Random, rig: VirtualRig
) -> tuple[dict[Role, set[int]], dict[Role, set[int]], Role | None]:
    """Give both cameras random troubles; return lost pulses, lost or damaged frames, and who is unplugged."""
    pulses: dict[Role, set[int]] = {}
    frames: dict[Role, set[int]] = {}
    for role, count in ((Role.HSR, SLOW), (Role.LSR, FAST)):
        faults = Faults()
        device = rig.devices[role]
        device.faults = faults
        device.clock = CameraClock(rng.randint(10**9, 10**14), rng.uniform(-35.0, 35.0))
        faults.lost_pulses = some(rng, range(count), count // 8 if rng.random() < 0.5 else 0)
        left = count - len(faults.lost_pulses)
        faults.lost_frames = some(rng, range(left), left // 6 if rng.random() < 0.6 else 0)
        faults.damaged_frames = some(rng, range(left), left // 6) - faults.lost_frames
        faults.jitter_ns = rng.choice([0, 0, 20_000])
        faults.timestamp_step_ns = rng.choice([1, 1, 1000])
        pulses[role] = set(faults.lost_pulses)
        frames[role] = faults.lost_frames | faults.damaged_frames
    gone = rng.choice([None, None, None, None, Role.HSR, Role.LSR])
    if gone is not None:
        at = rng.randrange(1, SLOW if gone is Role.HSR else FAST)
        rig.faults(gone).at_pulse[at] = lambda: rig.unplug(gone)
    return pulses, frames, gone


def check_losses(report: TakeReport, pulses: dict[Role, set[int]], frames: dict[Role, set[int]]) -> None:
    for role, count in ((Role.HSR, SLOW), (Role.LSR, FAST)):
        assert report.expected(role) == count
        assert report.frames(role) == count - len(pulses[role]) - len(frames[role])


def check_pairs(take: Take, rig: VirtualRig, *, short: bool) -> bool:
    """Every LSR frame of a GoP was truly exposed nearest to that GoP's HSR frame; False without a pair."""
    try:
        found = pair_streams(take.pair())
    except (PairingError, SourceError):
        # What a pulled cable left of both may have no pulse in common, but is never paired wrongly.
        assert short
        return False
    times = {
        role: [rig.devices[role].shots[int(i)].start_ns for i in take.stream(role).frame_ids] for role in Role
    }
    period = 1e9 / 240
    for gop in found.gops:
        centre = times[Role.HSR][gop.hsr_index]
        for index, distance in zip(gop.lsr_indices, gop.distances, strict=True):
            assert abs(times[Role.LSR][index] - centre - distance * period) < 0.1 * period
    return True


def one(rng: random.Random, rig: VirtualRig, session: Session, folder: Path) -> bool:
    pulses, frames, gone = schedule(rng, rig)
    report = session.record(SECONDS, folder)
    with Take.open(folder) as take:
        if gone is None:
            assert report.stop_reason is None
            check_losses(report, pulses, frames)
            assert not take.recovered
        else:
            assert report.stop_reason is None
            [absence] = report.absences
            assert (absence.role, absence.until_s) == (gone, None)
            assert rig.serials[gone] in absence.reason
            stays = gone.other
            count = SLOW if stays is Role.HSR else FAST
            assert report.frames(stays) == count - len(pulses[stays]) - len(frames[stays])
            assert not take.recovered
        paired = check_pairs(take, rig, short=gone is not None)
        for stream in (take.hsr, take.lsr):
            for frame in stream.frames():
                assert frame.image.any()
    if gone is not None:
        rig.devices[gone].faults = Faults()
        assert until(lambda: session.state is State.DISCONNECTED)
        rig.replug(gone)
        assert until(lambda: session.state is State.IDLE)
    return gone is not None and paired


def away_and_back(rng: random.Random, rig: VirtualRig, session: Session, folder: Path) -> bool:
    """A take in real time, one camera is pulled and put back; True when it joined the take again."""
    gone = rng.choice(list(Role))
    stays = gone.other
    for role in Role:
        rig.devices[role].clock = CameraClock(rng.randint(10**9, 10**14), rng.uniform(-35.0, 35.0))
        faults = rig.devices[role].faults = Faults(timestamp_step_ns=rng.choice([1, 1000]))
        faults.lost_frames = some(rng, range(3, 40), 4)
        faults.damaged_frames = some(rng, range(3, 40), 4) - faults.lost_frames
    alarms = heard(session)
    session.start_recording(folder)
    assert until(lambda: session.counters(Role.HSR).received > rng.randint(10, 20))
    rig.unplug(gone)
    assert until(lambda: gone in session.away)
    rig.devices[gone].clock = CameraClock(rng.randint(0, 10**9), rng.uniform(-35.0, 35.0))
    seen = session.counters(stays).received
    assert until(lambda: session.counters(stays).received > seen + 5)
    assert session.state is State.RECORDING
    rig.replug(gone)
    assert until(lambda: gone not in session.away)
    assert until(lambda: session.recorded(gone) or any("not in the take" in a.text for a in alarms))
    joined = session.recorded(gone)
    for role in Role:
        goal = session.counters(role).received + 4
        assert until(lambda role=role, goal=goal: session.counters(role).received > goal)  # type: ignore[misc]
    report = session.stop_recording()
    assert report.stop_reason is None
    [absence] = report.absences
    assert (absence.role, absence.until_s is not None) == (gone, joined)
    run = rig.box.runs[-1]
    with Take.open(folder) as take:
        ids = {role: take.stream(role).frame_ids for role in Role}
        for role in Role if joined else (stays,):
            last = max(rig.devices[role].shots.items())[1].start_ns
            pulse = (last - run.start_ns) * 1e-9 * run.tick_hz / (run.ratio if role is Role.HSR else 1)
            stream = take.stream(role)
            assert isinstance(stream, TakeStream)
            # The last frame may be a damaged one, which only the index knows.
            assert stream.rows["frame_id"][-1] == round(pulse)
        for gop in pair_streams(take.pair()).gops:
            apart = ids[Role.LSR][list(gop.lsr_indices)] - ids[Role.HSR][gop.hsr_index] * run.ratio
            assert apart.tolist() == list(gop.distances)
    return joined


@pytest.mark.timeout(200)
def test_cameras_that_are_pulled_and_put_back_during_takes(tmp_path: Path) -> None:
    setup = RigSetup(emulate=True, hsr_size=(48, 40), lsr_size=(24, 20), hsr_fps=20, ratio=4)
    rig = install(real_time=True)
    joined = 0
    try:
        with emulated_session(rig) as session:
            session.connect(rig.serials)
            session.configure(setup.settings())
            for seed in range(8):
                joined += away_and_back(random.Random(seed), rig, session, tmp_path / f"{seed}")
    finally:
        rig.uninstall()
    assert joined


@pytest.mark.timeout(400)
def test_random_fault_schedules(tmp_path: Path) -> None:
    setup = RigSetup(emulate=True, hsr_size=(48, 40), lsr_size=(24, 20))
    rig = install()
    left = 0
    try:
        with emulated_session(rig) as session:
            session.connect(rig.serials)
            session.configure(setup.settings())
            for seed in range(SCHEDULES):
                left += one(random.Random(seed), rig, session, tmp_path / f"{seed}")
    finally:
        rig.uninstall()
    assert left > SCHEDULES // 10
