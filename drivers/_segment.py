"""One file of raw frames that grows: preallocated, and written past the page cache where that pays.

A recording writes hundreds of megabytes a second that nobody reads back soon. Through the page cache that
costs a copy and the kernel's time for fresh memory, and now and then the kernel stops the writer to catch up.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from drivers.frame import Image

_PREALLOCATE_BYTES = 64 * 1024**2
_O_DIRECT = getattr(os, "O_DIRECT", 0)
_BLOCK = 512
_LEAST_DIRECT = 1024**2
"""Smaller frames stay with the page cache, which gathers them [bytes]."""


def _find_fallocate() -> Callable[[int, int, int], None] | None:
    """What reserves space of a file: given its descriptor, the first byte and the length; None without.

    Where a file system cannot do that, as many of sticks and shares, the C library's `posix_fallocate` writes
    zeros instead, all of which are written again: Linux itself says so at once.
    """
    if not sys.platform.startswith("linux"):
        return getattr(os, "posix_fallocate", None)
    library = ctypes.CDLL(None, use_errno=True)
    call = getattr(library, "fallocate64", None) or getattr(library, "fallocate", None)
    if call is None:
        return None
    call.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)

    def fallocate(handle: int, begin: int, length: int) -> None:
        if call(handle, 0, begin, length):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    return fallocate


_FALLOCATE = _find_fallocate()


def aligned_empty(shape: tuple[int, ...], dtype: npt.DTypeLike) -> Image:
    """Array on a page boundary, as writing past the page cache needs."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    pages: Image = np.frombuffer(mmap.mmap(-1, max(1, size)), dtype, count=int(np.prod(shape)))
    return pages.reshape(shape)


class Segment:
    """An open file of frames of one size.

    Args:
        path: File to make.
        stride: Bytes of one frame.
        room: Most bytes that the file will hold.

    Raises:
        OSError: The file exists or cannot be made.

    """

    def __init__(self, path: Path, *, stride: int, room: int) -> None:
        self._file = path.open("xb", buffering=0)
        self._room = room
        self._allocated = 0
        self._preallocate = _FALLOCATE is not None
        self._direct = stride >= _LEAST_DIRECT and stride % _BLOCK == 0 and self._ask_direct(True)
        self._pages: npt.NDArray[np.uint8] | None = None

    def fileno(self) -> int:
        """Descriptor of the open file."""
        return self._file.fileno()

    @property
    def closed(self) -> bool:
        """Whether the file is closed."""
        return self._file.closed

    def append(self, pixels: npt.NDArray[np.uint8], at: int) -> None:
        """Write a frame's bytes at the end of the file, which is byte `at`.

        Raises:
            OSError: The disk is full or refuses; the file may then end in a part of a frame.

        """
        self._reserve(at + pixels.nbytes)
        if self._direct and not self._write(self._on_a_boundary(pixels)):
            # The device wants larger blocks, or took a part of a frame only: from here on as usual.
            self._direct = False
            self._ask_direct(False)
            pixels = pixels[os.lseek(self.fileno(), 0, os.SEEK_CUR) - at :]
        if not self._direct:
            self._write(pixels)

    def _write(self, pixels: npt.NDArray[np.uint8]) -> bool:
        """Write all of it; False where a file past the page cache did not take it all."""
        view = pixels.data
        while view:
            try:
                written = os.write(self.fileno(), view)
            except OSError as error:
                if self._direct and error.errno == errno.EINVAL:
                    return False
                raise
            if not written:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            view = view[written:]
            if view and self._direct:
                return False
        return True

    def truncate(self, size: int) -> None:
        """Cut the file to `size` bytes and go on writing there."""
        os.ftruncate(self.fileno(), size)
        os.lseek(self.fileno(), size, os.SEEK_SET)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _on_a_boundary(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        if pixels.ctypes.data % _BLOCK == 0:
            return pixels
        if self._pages is None:
            self._pages = np.asarray(aligned_empty(pixels.shape, np.uint8), np.uint8)
        np.copyto(self._pages, pixels)
        return self._pages

    def _ask_direct(self, wanted: bool) -> bool:
        """Turn the page cache off or on for this file; False where that cannot be done."""
        if not _O_DIRECT:
            return False
        import fcntl

        flags = fcntl.fcntl(self.fileno(), fcntl.F_GETFL)
        try:
            fcntl.fcntl(self.fileno(), fcntl.F_SETFL, flags | _O_DIRECT if wanted else flags & ~_O_DIRECT)
        except OSError:
            return False
        return True

    def _reserve(self, needed: int) -> None:
        """Ask the file system for space ahead of the writing."""
        if not self._preallocate or _FALLOCATE is None or needed <= self._allocated:
            return
        target = min(self._room, max(needed, self._allocated + _PREALLOCATE_BYTES))
        try:
            _FALLOCATE(self.fileno(), self._allocated, target - self._allocated)
        except OSError:
            # A nearly full disk or a file system without this call: the write itself decides.
            self._preallocate = False
            return
        self._allocated = target
