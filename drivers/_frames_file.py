"""One file of raw frames, open for reading; it stays readable when it is moved or deleted meanwhile.

Not a memory map: where a disk is pulled out, a share goes or a file is cut short, the system ends a program
that looks at mapped bytes, and with it whatever else it does, such as recording.
"""

from __future__ import annotations

import errno
import os
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_ENOUGH_FILES = 10_240
"""Of 4 GB each, a take of two days; as many as every system allows."""
_PREAD: Callable[[int, int, int], bytes] | None = getattr(os, "pread", None)


class FramesFile:
    """Reads bytes of a file at any place, from any thread; the file is closed once nobody has this any more.

    Args:
        path: The file.

    Raises:
        OSError: It is not there or may not be read.

    """

    def __init__(self, path: Path) -> None:
        self._handle = _opened(path)
        # Not by a method: a thread that still reads would be given what has the number next.
        weakref.finalize(self, os.close, self._handle).atexit = False
        self._turn = threading.Lock()

    @property
    def size(self) -> int:
        """Bytes in the file now.

        Raises:
            OSError: The disk refuses.

        """
        return os.fstat(self._handle).st_size

    def read(self, at: int, size: int) -> bytes:
        """`size` bytes from byte `at` on; fewer where the file ends before.

        Raises:
            OSError: The disk refuses.

        """
        data = self._read(at, size)
        while 0 < len(data) < size:
            # Shares give less than was asked for, now and then.
            more = self._read(at + len(data), size - len(data))
            if not more:
                break
            data += more
        return data

    def _read(self, at: int, size: int) -> bytes:
        if _PREAD is not None:
            return _PREAD(self._handle, size, at)
        with self._turn:
            os.lseek(self._handle, at, os.SEEK_SET)
            return os.read(self._handle, size)


def _opened(path: Path) -> int:
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0)
    try:
        return os.open(path, flags)
    except OSError as error:
        if error.errno != errno.EMFILE:
            raise
    _allow_more_files()
    return os.open(path, flags)


def _allow_more_files() -> None:
    """Systems let programs have few files open, 256 or 1024, but more when they ask for it."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        enough = _ENOUGH_FILES if most == resource.RLIM_INFINITY else min(most, _ENOUGH_FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, most))
