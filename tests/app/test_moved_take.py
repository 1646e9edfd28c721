"""A take's folder is moved while it runs, and then a camera leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.capture import emulated_session
from drivers import Role, Take, TakeError
from drivers.spinnaker_emulator import install
from emulated import SETUP, heard, until


def test_a_camera_that_leaves_a_moved_take_is_told_once_and_comes_back(tmp_path: Path) -> None:
    rig = install(real_time=True)
    try:
        with emulated_session(rig) as session:
            alarms = heard(session)
            session.connect(rig.serials)
            session.configure(SETUP.settings())
            session.start_live()
            session.start_recording(tmp_path / "take")
            assert until(lambda: session.counters(Role.LSR).received > 200)
            (tmp_path / "take").rename(tmp_path / "elsewhere")
            rig.unplug(Role.HSR)
            assert until(lambda: Role.HSR in session.away)
            assert until(lambda: bool(alarms))
            assert "has left, the take goes on with the other camera" in alarms[0].text
            rig.replug(Role.HSR)
            assert until(lambda: session.recorded(Role.HSR))
            assert [alarm.text for alarm in alarms if not alarm.over] == [alarms[0].text]
            with pytest.raises(TakeError, match="was moved or deleted"):
                session.stop_recording()
    finally:
        rig.uninstall()
    with Take.open(tmp_path / "elsewhere") as take:
        assert take.recovered
        assert all(take.stream(role).info.frame_count for role in Role)
