"""Damaged frames do not end the work: the nearest readable one stands in, and the operator is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from drivers import SourceError

Picture = TypeVar("Picture")

_REACH = 8


def stand_in(stream: str, index: int, used: int) -> str:
    """The sentence that tells of it; `stream` is HSR or LSR."""
    return f"{stream} frame {index} is damaged, frame {used} stands in for it"


def nearest_readable(read: Callable[[int], Picture], index: int, count: int) -> tuple[Picture, int]:
    """What `read` gives for `index`, or for the nearest index that is not damaged, and which that is.

    Args:
        read: Reads one frame of a stream.
        index: The frame wanted.
        count: Frames in the stream; what lies outside raises as it does in `read`.

    Raises:
        SourceError: None of the eight frames on either side can be read.

    """
    try:
        return read(index), index
    except SourceError:
        near = [index + step * sign for step in range(1, _REACH + 1) for sign in (-1, 1)]
        for other in near if 0 <= index < count else []:
            if 0 <= other < count:
                try:
                    return read(other), other
                except SourceError:
                    continue
        raise
