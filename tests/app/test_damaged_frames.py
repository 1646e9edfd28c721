"""Takes with frames whose leader was lost: neither their length nor their counts depend on what these say."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.session import Session
from drivers import Role, Take, pair_streams
from drivers.spinnaker_emulator import install
from drivers.trigger import ExternalPulses
from emulated import SETUP, heard, until

HEADERS = [(0, 0), (2**60, 2**62)]


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("damaged", [0, 50])
def test_a_take_has_its_length_whatever_a_damaged_frame_says(
    tmp_path: Path, header: tuple[int, int], damaged: int
) -> None:
    rig = install(real_time=True)
    faults = rig.faults(Role.LSR)
    faults.damaged_frames, faults.damaged_header, faults.damaged_rows = {damaged}, header, 10
    session = Session(ExternalPulses())
    try:
        alarms = heard(session)
        with session:
            session.connect(rig.serials)
            session.configure(SETUP.settings())
            session.start_recording(tmp_path / "take", seconds=0.5)
            rig.box.start(240, 8)
            assert until(lambda: (status := session.status()) is not None and not status.recording)
            report = session.stop_recording()
        rig.box.stop()
    finally:
        rig.uninstall()
    assert alarms == []
    # Before the first whole frame nothing tells when the take began.
    assert report.expected(Role.LSR) == (121 if damaged == 0 else 120)
    assert report.frames(Role.LSR) == report.expected(Role.LSR) - 1
    assert report.frames(Role.HSR) == 15
    assert report.recording.lsr.incomplete == 1
    assert report.recording.warnings == (f"LSR: 1 of {report.expected(Role.LSR)} frames are missing",)
    with Take.open(tmp_path / "take") as take:
        assert take.lsr.frame_ids.tolist() == [n for n in range(report.expected(Role.LSR)) if n != damaged]
        assert pair_streams(take.pair()).missing_lsr == (damaged != 0)


def test_a_live_take_begins_at_a_damaged_frame(tmp_path: Path) -> None:
    rig = install(real_time=True)
    faults = rig.faults(Role.LSR)
    faults.damaged_frames, faults.damaged_header = set(range(0, 5000, 2)), (2**60, 2**62)
    try:
        with Session(ExternalPulses()) as session:
            session.connect(rig.serials)
            session.configure(SETUP.settings())
            session.start_live()
            rig.box.start(240, 8)
            assert until(lambda: session.counters(Role.LSR).received > 100)
            session.start_recording(tmp_path / "take", pre_seconds=0.2, seconds=0.2)
            assert until(lambda: (status := session.status()) is not None and not status.recording)
            report = session.stop_recording()
            rig.box.stop()
    finally:
        rig.uninstall()
    assert abs(report.expected(Role.LSR) - 96) <= 6
    assert abs(report.frames(Role.LSR) - 48) <= 4
