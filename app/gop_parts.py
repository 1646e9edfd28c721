"""Which sharp frames serve which LSR frames: GoPs cut into the parts that are fused side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from drivers import Gop

_LONGEST_PART = 8


@dataclass(frozen=True, slots=True)
class GopParts:
    """The parts of the GoPs that are fused.

    Attributes:
        gops: Those chosen, cut to the range.
        offset: How many of the pairing come before them.
        known: How many the pairing has.
        references: Sharp frames used for each frame.
        recursion: The recursion in use, see `fusion.gop.RECURSIONS`.

    """

    gops: tuple[Gop, ...]
    offset: int
    known: int
    references: int
    recursion: str

    def parts(self, number: int) -> Iterator[tuple[slice, int]]:
        """The halves of a chosen GoP, long ones in pieces: what is made ahead waits in memory.

        Each comes with the GoP of the pairing whose HSR frame lies on its other side, which may not be there.
        """
        for part, other in self._halves(number):
            length = part.stop - part.start
            pieces = 1 if self.recursion == "recurrent" else math.ceil(length / _LONGEST_PART)
            bounds = [part.start + length * k // pieces for k in range(pieces + 1)]
            yield from ((slice(a, b), other) for a, b in pairwise(bounds))

    def sharp_frames(self, number: int) -> list[int]:
        """GoPs of the pairing whose HSR frames serve a chosen one: its own and those on its other sides."""
        others = {other for _, other in self._halves(number) if 0 <= other < self.known}
        return sorted(others | {self.offset + number})

    def _halves(self, number: int) -> list[tuple[slice, int]]:
        gop, here = self.gops[number], self.offset + number
        size = len(gop.lsr_indices)
        if self.references == 1:
            return [(slice(0, size), here)]
        before = sum(away < 0 for away in gop.away)
        return [
            (part, other)
            for part, other in ((slice(0, before), here - 1), (slice(before, size), here + 1))
            if part.start < part.stop
        ]
