"""The session on the emulated rig: states, recording, refusals, interruption."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.capture import CaptureJob, emulated_session, run_job
from app.session import RigSetup, Session, SessionError, State
from drivers import CameraNotFoundError, CameraSettingError, Role, TakeError, TriggerPlanError
from drivers.spinnaker_emulator import VirtualRig, truth_from_take
from drivers.take import Take
from emulated import heard

SMALL = RigSetup(emulate=True, hsr_size=(384, 320), lsr_size=(96, 80))


def test_a_take_holds_every_pulse_and_pairs_by_id(tmp_path: Path) -> None:
    report = run_job(CaptureJob(SMALL, tmp_path / "take", 0.2))
    assert report.frames_lost == 0
    with Take.open(tmp_path / "take") as take:
        assert take.metadata.simulated
        assert not take.recovered
        assert take.hsr.frame_ids.tolist() == list(range(6))
        assert take.lsr.frame_ids.tolist() == list(range(48))
        slope = np.diff(take.lsr.mid_exposure_ns).mean()
        assert slope == pytest.approx(1e9 / 240, rel=1e-4)


def test_a_second_run_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        run_job(CaptureJob(SMALL, tmp_path / name, 0.1))
    for path in [*sorted((tmp_path / "a").rglob("*.raw")), tmp_path / "a" / "take.json"]:
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


def test_truth_from_a_take_matches_the_picture(tmp_path: Path) -> None:
    run_job(CaptureJob(SMALL, tmp_path / "take", 0.05))
    with Take.open(tmp_path / "take") as take:
        truth = truth_from_take(take)
        frame = take.lsr.read(7)
        true = truth.frame(frame, 80, 96).astype(float)
        seen = frame.image[0::2, 1::2].astype(float)
        assert np.abs(true[0::2, 1::2, 1] - seen).mean() < 4
        other = truth.frame(take.lsr.read(0), 80, 96).astype(float)
        assert np.abs(other - true).max() > 20


def test_states_follow_the_actions(session: Session, tmp_path: Path) -> None:
    seen: list[State] = []
    session.on_state(seen.append)
    session.configure(SMALL.settings())
    session.record(0.05, tmp_path / "t")
    assert seen == [State.ARMED, State.RECORDING, State.FINISHING, State.IDLE]
    with pytest.raises(SessionError, match="Idle"):
        session.stop_live()


def test_exposure_changes_the_live_picture(session: Session, tmp_path: Path) -> None:
    session.configure(SMALL.settings())
    session.start_live()
    try:
        ring = session.ring(Role.LSR)
        assert ring.wait(3, 20)
        before = ring.read(ring.latest() or 0)
        session.set_exposure_us(Role.LSR, 500.0)
        assert ring.wait((ring.latest() or 0) + 8, 20)
        after = ring.read(ring.latest() or 0)
    finally:
        session.stop_live()
    assert after.exposure_us == 500.0
    assert after.image.mean() < 0.5 * before.image.mean()


def test_refusals_say_what_to_do(session: Session, rig: VirtualRig, tmp_path: Path) -> None:
    blurred = replace(SMALL, lsr_exposure_us=5000.0)
    with pytest.raises(TriggerPlanError, match="at most 4107 us"):
        session.configure(blurred.settings())
    with pytest.raises(SessionError, match="Disconnected"):
        session.connect(rig.serials)
    (tmp_path / "there").mkdir()
    session.configure(SMALL.settings())
    with pytest.raises(TakeError, match="already exists"):
        session.record(0.1, tmp_path / "there")
    assert session.state is State.IDLE


def test_what_one_camera_refuses_changes_neither(session: Session, tmp_path: Path) -> None:
    before = SMALL.settings()
    session.configure(before)
    session.record(0.2, tmp_path / "before")
    refused = replace(
        before,
        hsr=replace(before.hsr, black_level_percent=5.0),
        lsr=replace(before.lsr, exposure_us=900.0, gain_db=99.0),
    )
    with pytest.raises(CameraSettingError):
        session.configure(refused)
    assert session.settings == before
    with pytest.raises(SessionError, match="name holds what is no text"):
        session.record(0.1, tmp_path / "no", name="ball \udcff")
    alarms = heard(session)
    session.record(0.2, tmp_path / "after")
    assert not alarms
    with Take.open(tmp_path / "before") as first, Take.open(tmp_path / "after") as second:
        assert second.lsr.read(3).exposure_us == first.lsr.read(3).exposure_us
        assert second.hsr.read(0).image.mean() == pytest.approx(first.hsr.read(0).image.mean(), abs=3)


def test_a_missing_camera_leaves_none_open(rig: VirtualRig) -> None:
    session = emulated_session(rig)
    with pytest.raises(CameraNotFoundError, match="16290002"):
        session.connect({Role.HSR: rig.serials[Role.HSR], Role.LSR: "1"})
    assert session.state is State.DISCONNECTED
    session.connect(rig.serials)
    session.close()


def test_a_killed_capture_reads_back(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from app.capture import CaptureJob, run_job;"
        "from app.session import RigSetup;"
        "setup = RigSetup(emulate=True, hsr_size=(384, 320), lsr_size=(96, 80));"
        f"run_job(CaptureJob(setup, Path({str(tmp_path / 'take')!r}), 60))"
    )
    child = subprocess.Popen([sys.executable, "-c", code])
    index = tmp_path / "take" / "lsr" / "index.bin"
    while not (index.exists() and index.stat().st_size > 2000):
        time.sleep(0.05)
        assert child.poll() is None
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    with Take.open(tmp_path / "take") as take:
        assert take.recovered
        for stream in (take.hsr, take.lsr):
            assert stream.info.frame_count > 0
            assert stream.frame_ids.tolist() == list(range(stream.info.frame_count))
            for frame in stream.frames():
                assert frame.image.any()
