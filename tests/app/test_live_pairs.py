"""Frames of one instant are found in the rings by their ids."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from app.session.live_pairs import find_frame, newest_pair
from drivers import Frame, PixelFormat, RingBuffer, Role


def ring(role: Role, ids: Iterable[int]) -> RingBuffer:
    made = RingBuffer(16, 2, 4, PixelFormat.MONO8)
    for number in ids:
        made.append(Frame(np.full((2, 4), number, np.uint8), PixelFormat.MONO8, role, number, number * 1000))
    return made


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


def test_the_newest_pair_is_of_one_pulse() -> None:
    assert newest_pair(ring(Role.HSR, ()), ring(Role.LSR, range(9)), 4) is None
    pair = newest_pair(ring(Role.HSR, range(4)), ring(Role.LSR, range(11)), 4)
    assert pair is not None
    assert [frame.frame_id for frame in pair] == [2, 8]
    assert newest_pair(ring(Role.HSR, range(4)), ring(Role.LSR, [1, 5, 9]), 4) is None
