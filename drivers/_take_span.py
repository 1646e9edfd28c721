"""Which frames of a ring belong to a recording: from an index to a time on the stream's own clock."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.errors import OverwrittenError
from drivers.frame import Frame, FrameFlag
from drivers.ring_buffer import RingBuffer

PRE_PART = 0.75
"""Of a ring may be taken for the past; the rest absorbs the disk's delays."""


@dataclass(frozen=True, slots=True)
class Span:
    """Part of a ring to record: from an index to a stream time, or for a length after the first frame.

    Attributes:
        first: Absolute index of the first frame.
        until_ns: Stream time of the first frame that is left out [ns]; None where the length says it.
        length_ns: Length after the first whole frame [ns]; None without end.

    """

    first: int
    until_ns: int | None
    length_ns: int | None


def span_of(ring: RingBuffer, pre_seconds: float, seconds: float | None, frame_rate: float) -> Span:
    """Where to begin and to end; half a period of slack makes the number of frames exact under jitter."""
    slack = 0.5 / frame_rate if frame_rate > 0 else 0.0
    latest, oldest = ring.latest(), ring.oldest()
    now_ns = None if latest is None or oldest is None else _newest_ns(ring, oldest, latest)
    if latest is None or oldest is None or now_ns is None:
        first = 0 if latest is None else latest + 1
        return Span(first, None, None if seconds is None else round((seconds - slack) * 1e9))
    first = latest + 1
    lowest = max(oldest, first - int(ring.capacity * PRE_PART))
    while first > lowest and pre_seconds > 0:
        head = _head(ring, first - 1)
        if head is None:
            break
        long_ago = head.mid_exposure_ns <= now_ns - round((pre_seconds - slack) * 1e9)
        if long_ago and not head.flags & FrameFlag.INCOMPLETE:
            break
        first -= 1
    return Span(first, None if seconds is None else now_ns + round((seconds + slack) * 1e9), None)


def _head(ring: RingBuffer, index: int) -> Frame | None:
    """Time and flags of a frame; None when it has just been overwritten."""
    try:
        return ring.head(index)
    except OverwrittenError:
        return None


def _newest_ns(ring: RingBuffer, oldest: int, latest: int) -> int | None:
    """Time of the newest whole frame of a ring [ns]; None without one."""
    for index in range(latest, oldest - 1, -1):
        head = _head(ring, index)
        if head is not None and not head.flags & FrameFlag.INCOMPLETE:
            return head.mid_exposure_ns
    return None
