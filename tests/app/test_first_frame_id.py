"""Cameras whose counters begin at 1 are paired as those that begin at 0, whatever the take began with."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.session import Session, State
from drivers import Role, Take, pair_streams
from drivers.spinnaker_emulator import VirtualRig, install
from drivers.trigger import ExternalPulses
from emulated import SETUP, until


def assert_paired(path: Path, first_id: int) -> None:
    with Take.open(path) as take:
        found = pair_streams(take.pair())
        for gop in found.gops:
            centre = 8 * (take.hsr.frame_ids[gop.hsr_index] - first_id)
            for index, distance in zip(gop.lsr_indices, gop.distances, strict=True):
                assert take.lsr.frame_ids[index] - first_id == centre + distance
        assert found.clock is not None
        assert found.clock.warning == ""


@pytest.mark.parametrize("first_id", [0, 1])
@pytest.mark.parametrize("clocks", [True, False])
def test_from_the_first_pulse(
    session: Session, rig: VirtualRig, tmp_path: Path, first_id: int, clocks: bool
) -> None:
    for role in Role:
        rig.faults(role).first_id = first_id
    rig.faults(Role.LSR).damaged_frames = {0}
    if not clocks:
        session._crew.latch = lambda: None  # type: ignore[method-assign]
    report = session.record(0.3, tmp_path / "take")
    assert report.recording.warnings == ("LSR: 1 of 72 frames are missing",)
    assert_paired(tmp_path / "take", first_id)


@pytest.mark.parametrize("first_id", [0, 1])
def test_from_the_live_view(session: Session, rig: VirtualRig, tmp_path: Path, first_id: int) -> None:
    for role in Role:
        rig.faults(role).first_id = first_id
    rig.faults(Role.LSR).lost_frames = {5}
    session.start_live()
    assert until(lambda: session.counters(Role.HSR).received > 3)
    assert session.first_id() == first_id
    session.start_recording(tmp_path / "take")
    assert until(
        lambda: session.counters(Role.HSR).received > 20 and session.counters(Role.LSR).received > 150
    )
    report = session.stop_recording()
    assert not any("first frame" in text for text in report.recording.warnings)
    session.stop_live()
    assert session.state is State.IDLE
    with Take.open(tmp_path / "take") as take:
        assert take.metadata.trigger is not None
        assert take.metadata.trigger.first_id == first_id
        assert not take.metadata.trigger.by_hand
    assert_paired(tmp_path / "take", first_id)


class ByHand(ExternalPulses):
    """A box that runs by itself once it is started."""

    def __init__(self, rig: VirtualRig) -> None:
        super().__init__()
        self._box = rig.box

    def start(self, tick_hz: float, ratio: int, ticks: int | None = None) -> None:
        self._box.start(tick_hz, ratio)

    def stop(self) -> None:
        self._box.stop()


@pytest.mark.parametrize("clocks", [True, False])
def test_a_box_started_by_hand_without_clocks_is_doubtful(tmp_path: Path, clocks: bool) -> None:
    rig = install(real_time=True)
    try:
        with Session(ByHand(rig)) as session:
            session.connect(rig.serials)
            session.configure(SETUP.settings())
            if not clocks:
                session._crew.latch = lambda: None  # type: ignore[method-assign]
            report = session.record(0.5, tmp_path / "take")
    finally:
        rig.uninstall()
    doubts = [text for text in report.recording.warnings if "started by hand" in text]
    assert bool(doubts) is not clocks
    with Take.open(tmp_path / "take") as take:
        assert take.metadata.trigger is not None
        assert take.metadata.trigger.by_hand
