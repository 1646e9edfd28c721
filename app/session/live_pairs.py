"""Frames of one instant in the two live rings: found by the cameras' clocks, or else by their counters."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from app.session.crew import SessionSettings
from drivers import ClockLatch, Frame, FrameFlag, OverwrittenError, RingBuffer, Role

_TRIES = 8
_OLDEST = 4
"""Places behind the newest HSR frame that one to be paired may be."""
_LOOK_EVERY_S = 2.0
"""Until then crystals run apart by a tenth of a millisecond at most."""
_SURE = 0.4
"""Of an LSR period may be unsure of two clocks, or they do not say which frame is meant."""

Rings = tuple[RingBuffer, RingBuffer]


def find_frame(ring: RingBuffer, frame_id: int) -> int | None:
    """Ring index of a frame id; None when it was lost, is not there yet, or is no longer there."""
    return _find(ring, lambda head: frame_id - head.frame_id)


@dataclass(frozen=True, slots=True, eq=False)
class _Relation:
    """How the streams in these rings relate, as it was seen at a moment of the host's clock [s].

    Attributes:
        between_ns: LSR clock minus HSR clock [ns]; None where nobody could read them.
        first_id: Frame id that both counters began with.

    """

    rings: Rings
    seen_s: float
    between_ns: int | None
    first_id: int


class LivePairs:
    """Which LSR frame shows the instant of an HSR frame; from any thread but the window's own.

    Counters alone would be wrong where they begin with 1, where a camera missed its first pulse or ignored
    one later, and where a divider's first pulse may be any. They are used where no clock can be read.

    Args:
        rings: The HSR and the LSR ring now; None while there are none.
        settings: What the cameras are set to; None before.
        latch: Reads both clocks; it may wait for the grab threads.
        first_id: Frame id that both counters began with, None where it is not known; it may wait as well.

    """

    def __init__(
        self,
        rings: Callable[[], Rings | None],
        settings: Callable[[], SessionSettings | None],
        latch: Callable[[], ClockLatch | None],
        first_id: Callable[[], int | None],
    ) -> None:
        self.rings = rings
        self._settings, self._latch, self._first_id = settings, latch, first_id
        self._relation: _Relation | None = None

    @property
    def ratio(self) -> int:
        """LSR frames per HSR frame."""
        settings = self._settings()
        return settings.plan.ratio if settings is not None else 1

    def beside(self, rings: Rings, hsr: Frame, later: int = 0) -> int | None:
        """Place in its ring of the LSR frame of an HSR frame's instant.

        Args:
            rings: Both rings; the HSR frame comes from the first.
            hsr: The HSR frame, or its head.
            later: So many LSR frames after that instant.

        Returns:
            None when the frame was lost, is not there yet or no longer, or where nothing says which it is.

        """
        settings = self._settings()
        if settings is None:
            return None
        period_ns = 1e9 / settings.fps(Role.LSR)
        relation = self._relate(rings, period_ns)
        if relation.between_ns is not None:
            wanted_ns = _pulse_ns(hsr) + relation.between_ns + later * period_ns
            return _find(rings[1], lambda head: round((wanted_ns - _pulse_ns(head)) / period_ns))
        plan = settings.plan
        if settings.free_running or plan.phase is None:
            return None
        first = relation.first_id
        return find_frame(rings[1], first + (hsr.frame_id - first) * plan.ratio + plan.phase + later)

    def newest(self) -> tuple[Frame, Frame] | None:
        """Copies of the newest HSR frame that has an LSR frame of its instant, and of that; None without."""
        rings = self.rings()
        if rings is None:
            return None
        hsr, lsr = rings
        newest = hsr.latest()
        while newest is not None and newest >= max(0, (hsr.latest() or 0) - _OLDEST):
            try:
                index = self.beside(rings, hsr.head(newest))
                if index is not None:
                    return hsr.read(newest), lsr.read(index)
            except OverwrittenError:
                return None
            newest -= 1
        return None

    def _relate(self, rings: Rings, period_ns: float) -> _Relation:
        known, now = self._relation, time.monotonic()
        same = known is not None and all(a is b for a, b in zip(known.rings, rings, strict=True))
        if known is None or not same or now - known.seen_s > _LOOK_EVERY_S:
            latch = self._latch()
            if latch is not None and latch.error_us * 1e3 <= _SURE * period_ns:
                known = _Relation(rings, now, latch.lsr_ns - latch.hsr_ns, 0)
            else:
                known = _Relation(rings, now, None, self._first_id() or 0)
            self._relation = known
        return known


def _pulse_ns(head: Frame) -> float:
    return head.mid_exposure_ns - head.exposure_us * 500


def _find(ring: RingBuffer, ahead: Callable[[Frame], int]) -> int | None:
    """Ring index of the frame for which `ahead` is 0: how many frames later than this one it was exposed."""
    newest, oldest = ring.latest(), ring.oldest()
    if newest is None or oldest is None:
        return None
    try:
        index = newest
        for _ in range(_TRIES):
            head = ring.head(index)
            # What a damaged frame says of itself may be wrong: the one before it shows the way.
            damaged = bool(head.flags & FrameFlag.INCOMPLETE) and index > oldest
            step = -1 if damaged else ahead(head)
            if step == 0:
                return index
            # Lost frames make the first guess go too far back, perhaps beyond the oldest frame.
            guess = min(max(index + step, oldest), newest)
            if guess == index:
                return None
            index = guess
    except OverwrittenError:
        return None
    return None
