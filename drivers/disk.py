"""How much room the disk has for takes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

from drivers.errors import TakeError

RESERVE_BYTES = 1024**3
"""Free space at which a recording ends in order [bytes]."""


class _Room(NamedTuple):
    total: int
    free: int


def _room(folder: Path | str) -> _Room:
    place = Path(folder).absolute()
    try:
        while not place.exists() and place != place.parent:
            place = place.parent
        usage = shutil.disk_usage(place)
    except OSError as error:
        raise TakeError(f"{place}: free space cannot be read ({error.strerror or error})") from error
    return _Room(usage.total, usage.free)


def disk_free_bytes(folder: Path | str) -> int:
    """Free space where `folder` is or will be made [bytes]; the nearest existing parent counts.

    Raises:
        TakeError: The disk cannot be asked.

    """
    return _room(folder).free


def disk_seconds_left(folder: Path | str, rate: float, *, reserve_bytes: int = RESERVE_BYTES) -> float:
    """How long a recording below `folder` can last [s]; infinite for rate 0.

    Args:
        folder: Where takes are made; the nearest existing parent counts.
        rate: Disk rate [bytes/s].
        reserve_bytes: Space that stays free [bytes].

    Raises:
        TakeError: The disk cannot be asked.

    """
    room = _room(folder)
    if rate <= 0 or room.total == 0:
        # A place without any space is no disk: making the folder says so.
        return float("inf")
    return max(0.0, float(room.free - reserve_bytes)) / rate
