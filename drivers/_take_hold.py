"""Whether a take is being recorded, by whichever program: the system lets go of what a dead one held."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

_PLACE = 2**31 - 2
"""Of the byte that Windows locks, and lets nobody read: behind the rows of any index."""


class Hold:
    """Marks a take as being recorded until it is let go, or the program has ended in any way.

    Args:
        file: A file of the take that is there already. On a disk or share without locks nothing is marked.

    """

    def __init__(self, file: Path) -> None:
        self._file: BinaryIO | None = None
        with suppress(OSError):
            # Some shares lock only what may be written to.
            self._file = file.open("r+b", buffering=0)
            _lock(self._file, shared=False)

    def let_go(self) -> None:
        """The take has ended. Safe to call twice."""
        if self._file is not None:
            self._file.close()


def is_held(file: Path) -> bool:
    """Whether a `Hold` marks this file; False where that cannot be found out."""
    try:
        with file.open("rb", buffering=0) as opened:
            _lock(opened, shared=True)
    except (BlockingIOError, PermissionError):
        return os.access(file, os.R_OK)
    except OSError:
        return False
    return False


def _lock(file: BinaryIO, *, shared: bool) -> None:
    """Lock without waiting; closing the file gives the lock up."""
    if sys.platform == "win32":
        import msvcrt

        file.seek(_PLACE)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        return
    import fcntl

    # Those who only look do not get in each other's way.
    fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
