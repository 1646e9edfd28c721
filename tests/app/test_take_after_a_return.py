"""The take after the one in which cameras left and came back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.capture import emulated_session
from drivers import Role, Take, pair_streams
from drivers.spinnaker_emulator import install
from emulated import SETUP, until


@pytest.mark.parametrize("first_id", [0, 1])
def test_the_last_seconds_are_saved_in_step_after_both_cameras_came_back(
    tmp_path: Path, first_id: int
) -> None:
    rig = install(real_time=True)
    for role in Role:
        rig.faults(role).first_id = first_id
    try:
        with emulated_session(rig) as session:
            session.connect(rig.serials)
            session.configure(replace(SETUP, hsr_fps=20.0, ratio=4).settings())
            # Without clocks, the counters alone say which frames belong together.
            session._crew.latch = lambda: None  # type: ignore[method-assign]
            session.start_live()
            assert until(lambda: session.counters(Role.LSR).received > 40)
            session.start_recording(tmp_path / "first")
            for gone in Role:
                seen = session.counters(Role.LSR).received
                assert until(lambda seen=seen: session.counters(Role.LSR).received > seen + 80)  # type: ignore[misc]
                rig.unplug(gone)
                assert until(lambda gone=gone: gone in session.away)  # type: ignore[misc]
                rig.replug(gone)
                assert until(lambda gone=gone: session.recorded(gone))  # type: ignore[misc]
            session.stop_recording()
            session.start_recording(tmp_path / "second", pre_seconds=2.0)
            seen = session.counters(Role.HSR).received
            assert until(lambda: session.counters(Role.HSR).received > seen + 20)
            session.stop_recording()
    finally:
        rig.uninstall()
    with Take.open(tmp_path / "second") as take:
        pairing = pair_streams(take.pair())
        starts = {}
        for role in Role:
            stream = take.stream(role)
            assert np.all(np.diff(stream.frame_ids) == 1)
            clock = rig.devices[role].clock
            pulses = stream.mid_exposure_ns - np.rint(stream.exposure_us * 500).astype(np.int64)
            starts[role] = np.array([clock.true_time(int(pulse)) for pulse in pulses])
        assert pairing.clock is not None
        assert pairing.clock.warning == ""
        assert len(pairing.gops) > 20
        for gop in pairing.gops:
            for index, distance in zip(gop.lsr_indices, gop.distances, strict=True):
                apart = starts[Role.LSR][index] - starts[Role.HSR][gop.hsr_index]
                assert abs(apart - distance * 1e9 / 80) < 1e5
