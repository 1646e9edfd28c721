"""What the operator changes while looking: white balance, and the rate of free-running cameras."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.session import Session, SessionError, State
from app.session.pulse_test import pulse_test
from drivers import CameraSettingError, Frame, Role, Take, TriggerPlanError
from drivers.spinnaker_emulator import VirtualRig, truth_from_take
from emulated import SETUP, heard, until


def newest(session: Session, role: Role) -> Frame:
    """A frame that was exposed after this call."""
    ring = session.ring(role)
    assert ring.wait((ring.latest() or 0) + 8, 20)
    frame = session.latest(role)
    assert frame is not None
    return frame


def colours(frame: Frame) -> tuple[float, float, float]:
    """Means of red, green and blue of a Bayer picture."""
    raw = frame.image.astype(np.float64)
    return float(raw[0::2, 0::2].mean()), float(raw[0::2, 1::2].mean()), float(raw[1::2, 1::2].mean())


def test_white_balance_shows_in_the_live_picture_and_in_the_take(
    session: Session, rig: VirtualRig, tmp_path: Path
) -> None:
    alarms = heard(session)
    session.start_live()
    before = colours(newest(session, Role.LSR))
    applied = session.set_white_balance(Role.LSR, 0.5, 1.25)
    assert [(a.name, a.applied) for a in applied] == [("BalanceRatioRed", 0.5), ("BalanceRatioBlue", 1.25)]
    after = colours(newest(session, Role.LSR))
    assert after[0] == pytest.approx(0.5 * before[0], rel=0.03)
    assert after[1] == pytest.approx(before[1], rel=0.03)
    assert after[2] == pytest.approx(1.25 * before[2], rel=0.05)
    session.stop_live()
    session.record(0.05, tmp_path / "take")
    with Take.open(tmp_path / "take") as take:
        assert take.metadata.lsr.nodes["BalanceRatioRed"] == "0.5"
        frame = take.lsr.read(4)
        truth = truth_from_take(take).frame(frame, 40, 48).astype(np.float64)
    assert abs(truth[0::2, 0::2, 0] - frame.image[0::2, 0::2]).mean() < 4
    assert not alarms


def test_the_camera_finds_its_white_balance(session: Session, rig: VirtualRig) -> None:
    alarms = heard(session)
    with pytest.raises(SessionError, match="start the live view first"):
        session.white_balance_once(Role.HSR)
    session.start_live()
    session.set_white_balance(Role.HSR, 2.0, 0.5)
    red, blue = session.white_balance_once(Role.HSR)
    found = colours(newest(session, Role.HSR))
    assert found[0] == pytest.approx(found[1], rel=0.05)
    assert found[2] == pytest.approx(found[1], rel=0.05)
    assert session.settings is not None
    assert (session.settings.hsr.red_balance, session.settings.hsr.blue_balance) == (
        red.applied,
        blue.applied,
    )
    assert rig.devices[Role.HSR].nodes.raw("BalanceWhiteAuto") == "Off"
    session.stop_live()
    assert not alarms


def test_in_the_dark_no_white_balance_is_found(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.session.controls._BALANCE_S", 0.2)
    session.start_live()
    session.set_white_balance(Role.LSR, 1.5, 1.5)
    session.set_exposure_us(Role.LSR, 6.0)
    newest(session, Role.LSR)
    with pytest.raises(SessionError, match="something grey in good light"):
        session.white_balance_once(Role.LSR)
    assert session.settings is not None
    assert session.settings.lsr.red_balance == 1.5


def test_white_balance_is_refused_where_it_cannot_be_kept(session: Session, tmp_path: Path) -> None:
    with pytest.raises(CameraSettingError, match=r"BalanceRatio 9 .* outside 0.25 to 4"):
        session.set_white_balance(Role.HSR, 9.0, 1.0)
    session.start_recording(tmp_path / "take")
    with pytest.raises(SessionError, match="one white balance"):
        session.set_white_balance(Role.HSR, 1.1, 1.0)
    session.stop_recording()


def test_free_running_cameras_keep_their_own_rates(session: Session, tmp_path: Path) -> None:
    alarms = heard(session)
    with pytest.raises(CameraSettingError, match="trigger plan sets the frame rate"):
        session.set_frame_rate(Role.LSR, 100.0)
    settings = SETUP.settings()
    free = replace(
        settings, free_running=True, hsr=replace(settings.hsr, frame_rate=25.0, exposure_us=20_000.0)
    )
    session.configure(free)
    session.start_live()
    assert until(lambda: session.counters(Role.HSR).received > 4)

    def step_ms(role: Role) -> float:
        ring = session.ring(role)
        assert ring.wait((ring.latest() or 0) + 4, 20)
        last = ring.latest() or 0
        return (ring.head(last).mid_exposure_ns - ring.head(last - 1).mid_exposure_ns) / 1e6

    assert step_ms(Role.HSR) == pytest.approx(40.0, rel=1e-3)
    assert session.set_frame_rate(Role.HSR, 40.0).applied == 40.0
    assert until(lambda: abs(step_ms(Role.HSR) - 25.0) < 0.1)
    with pytest.raises(TriggerPlanError, match="between frames at 100 per second"):
        session.set_frame_rate(Role.HSR, 100.0)
    with pytest.raises(SessionError, match="cannot be paired"):
        session.start_recording(tmp_path / "take")
    session.stop_live()
    assert session.state is State.IDLE
    with pytest.raises(SessionError, match="run free"):
        pulse_test(session)
    assert not alarms
