"""Frames of one instant are found in the rings, whatever the counters began with and whatever was lost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from app.capture import emulated_session
from app.session import RigSetup, Session
from app.session.live_pairs import LivePairs, find_frame
from drivers import ClockLatch, Frame, FrameFlag, PixelFormat, RingBuffer, Role
from drivers.spinnaker_emulator import VirtualRig, install
from emulated import SETUP, until

PLAN = RigSetup(emulate=True, hsr_fps=25.0, ratio=4)
LSR_NS = 10_000_000
BETWEEN_NS = 123_456_789
"""LSR clock minus HSR clock."""


def ring(role: Role, ids: Iterable[int], damaged: Iterable[int] = ()) -> RingBuffer:
    made = RingBuffer(16, 2, 4, PixelFormat.MONO8)
    step_ns, start_ns = (4 * LSR_NS, 0) if role is Role.HSR else (LSR_NS, BETWEEN_NS)
    for number in ids:
        flags = FrameFlag.INCOMPLETE if number in damaged else FrameFlag.NONE
        time_ns = 5 if number in damaged else start_ns + number * step_ns
        image = np.full((2, 4), number, np.uint8)
        made.append(Frame(image, PixelFormat.MONO8, role, number, time_ns, flags=flags))
    return made


def pairs(
    hsr: RingBuffer, lsr: RingBuffer, latch: ClockLatch | None = None, first_id: int | None = 0
) -> LivePairs:
    return LivePairs(lambda: (hsr, lsr), PLAN.settings, lambda: latch, lambda: first_id)


@pytest.mark.parametrize("lost", [set(), {21}, {10, 11, 12, 22}])
def test_a_frame_is_found_whatever_was_lost(lost: set[int]) -> None:
    ids = [number for number in range(24) if number not in lost]
    frames = ring(Role.LSR, ids)
    for number in ids[-16:]:
        index = find_frame(frames, number)
        assert index is not None
        assert frames.head(index).frame_id == number
    for number in (*lost, ids[-17], 24):
        assert find_frame(frames, number) is None


@pytest.mark.parametrize("clocks", [True, False])
def test_the_newest_pair_is_of_one_instant(clocks: bool) -> None:
    latch = ClockLatch(7, 7 + BETWEEN_NS, 20.0) if clocks else None
    assert pairs(ring(Role.HSR, ()), ring(Role.LSR, range(9)), latch).newest() is None
    pair = pairs(ring(Role.HSR, range(4)), ring(Role.LSR, range(11)), latch).newest()
    assert pair is not None
    assert [frame.frame_id for frame in pair] == [2, 8]
    assert pairs(ring(Role.HSR, range(4)), ring(Role.LSR, [1, 5, 9]), latch).newest() is None
    damaged = ring(Role.LSR, range(14), damaged={9, 10, 12})
    pair = pairs(ring(Role.HSR, range(4)), damaged, latch).newest()
    assert pair is not None
    assert [frame.frame_id for frame in pair] == [2, 8]


def test_the_clocks_count_more_than_the_counters_if_they_are_sure() -> None:
    hsr, lsr = ring(Role.HSR, range(4)), ring(Role.LSR, range(16))
    late = ClockLatch(0, BETWEEN_NS + 2 * LSR_NS, 20.0)
    pair = pairs(hsr, lsr, late).newest()
    assert pair is not None
    assert [frame.frame_id for frame in pair] == [3, 14]
    pair = pairs(hsr, lsr, replace(late, error_us=LSR_NS / 1e3)).newest()
    assert pair is not None
    assert [frame.frame_id for frame in pair] == [3, 12]
    pair = pairs(hsr, lsr, first_id=1).newest()
    assert pair is not None
    assert [frame.frame_id for frame in pair] == [3, 9]


def apart_ms(session: Session, rig: VirtualRig) -> float:
    """LSR minus HSR exposure of the newest pair, by the emulator's truth."""

    def rings() -> tuple[RingBuffer, RingBuffer]:
        return session.ring(Role.HSR), session.ring(Role.LSR)

    pair = LivePairs(rings, lambda: session.settings, session.latch, session.first_id).newest()
    assert pair is not None
    hsr, lsr = (rig.devices[frame.role].clock.true_time(frame.mid_exposure_ns) for frame in pair)
    return (lsr - hsr) / 1e6


@pytest.mark.parametrize("case", ["first id 1", "HSR lost its first", "LSR ignored two", "divider"])
def test_pairs_of_the_live_view_are_of_one_instant(
    case: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rig = install(real_time=True)
    try:
        with emulated_session(rig) as session:
            session.connect(rig.serials)
            session.configure(replace(SETUP, hsr_fps=20.0, ratio=4, master=case == "divider").settings())
            if case == "first id 1":
                for role in Role:
                    rig.faults(role).first_id = 1
            elif case == "HSR lost its first":
                rig.faults(Role.HSR).lost_pulses = {0}
            elif case == "LSR ignored two":
                rig.faults(Role.LSR).lost_pulses = {11, 14}
            session.start_live()
            assert until(lambda: session.counters(Role.HSR).received > 10)
            assert abs(apart_ms(session, rig)) < 1
            session.start_recording(tmp_path_factory.mktemp("takes") / "take")
            seen = session.counters(Role.HSR).received
            assert until(lambda: session.counters(Role.HSR).received > seen + 3)
            assert abs(apart_ms(session, rig)) < 1
            session.stop_recording()
    finally:
        rig.uninstall()
