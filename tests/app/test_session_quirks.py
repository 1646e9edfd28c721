"""A session on cameras that behave as real ones were seen to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.session import Session, State
from drivers import Role, Take, pair_streams
from drivers.spinnaker_emulator import VirtualRig
from drivers.spinnaker_emulator.errors import ErrorCode
from emulated import heard, until


@pytest.mark.parametrize("code", [ErrorCode.REMOVED, ErrorCode.ERROR])
def test_a_camera_is_taken_back_whatever_the_library_called_its_leaving(
    session: Session, rig: VirtualRig, code: ErrorCode
) -> None:
    alarms = heard(session)
    rig.faults(Role.LSR).removal = code
    session.start_live()
    assert until(lambda: session.counters(Role.LSR).received > 3)
    rig.unplug(Role.LSR)
    assert until(lambda: Role.LSR in session.away)
    rig.replug(Role.LSR)
    assert until(lambda: session.state is State.LIVE and not session.away)
    assert until(lambda: session.counters(Role.LSR).received > 3)
    assert not any("given back" in alarm.text for alarm in alarms)


def test_a_take_with_a_time_stamp_128_s_ahead_is_paired(
    session: Session, rig: VirtualRig, tmp_path: Path
) -> None:
    rig.faults(Role.LSR).ahead_frames = {30}
    rig.faults(Role.HSR).ahead_frames = {2}
    session.record(0.3, tmp_path / "take")
    with Take.open(tmp_path / "take") as take:
        pairing = pair_streams(take.pair())
    assert len(pairing.gops) == 9
    assert all(gop.missing == 0 for gop in pairing.gops)


def test_pulses_that_both_cameras_ignore_after_their_start(
    session: Session, rig: VirtualRig, tmp_path: Path
) -> None:
    """Two to five of them, as on GS3s: "Hardware quirks" in CLAUDE.md of https://github.com/NeLy-EPFL/octacam."""
    rig.faults(Role.HSR).lost_pulses, rig.faults(Role.LSR).lost_pulses = {0, 1}, {0, 1, 2, 3, 4}
    session.record(0.3, tmp_path / "take")
    with Take.open(tmp_path / "take") as take:
        pairing = pair_streams(take.pair())
    assert pairing.clock is not None
    assert pairing.clock.phase == 2 * 8 - 5
    assert "2 HSR pulses and 5 LSR pulses came before the camera's first frame" in pairing.clock.warning
    on_lsr = pairing.clock.to_lsr(np.array([take.hsr.mid_exposure_ns[0]]))
    assert np.abs(take.lsr.mid_exposure_ns - on_lsr).min() < 200_000
