"""Frames of one instant in the two live rings: a frame is found by its id, whatever was lost before it."""

from __future__ import annotations

from drivers import Frame, OverwrittenError, RingBuffer

_TRIES = 8
_OLDEST = 4
"""Places behind the newest HSR frame that one to be paired may be."""


def find_frame(ring: RingBuffer, frame_id: int) -> int | None:
    """Ring index of a frame id; None when it was lost, is not there yet, or is no longer there."""
    newest, oldest = ring.latest(), ring.oldest()
    if newest is None or oldest is None:
        return None
    try:
        index = newest
        for _ in range(_TRIES):
            found = ring.head(index).frame_id
            if found == frame_id:
                return index
            # Lost frames make the first guess go too far back, perhaps beyond the oldest frame.
            guess = min(max(index + frame_id - found, oldest), newest)
            if guess == index:
                return None
            index = guess
    except OverwrittenError:
        return None
    return None


def newest_pair(hsr: RingBuffer, lsr: RingBuffer, ratio: int) -> tuple[Frame, Frame] | None:
    """Copies of the newest HSR frame and of the LSR frame of the same pulse; None when there is none."""
    newest = hsr.latest()
    while newest is not None and newest >= max(0, (hsr.latest() or 0) - _OLDEST):
        try:
            head = hsr.head(newest)
            index = find_frame(lsr, head.frame_id * ratio)
            if index is not None:
                return hsr.read(newest), lsr.read(index)
        except OverwrittenError:
            return None
        newest -= 1
        if newest < 0:
            return None
    return None
