"""Who goes first when cores are few: cameras and event loop, then pictures and disk, then everything else."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import cv2

_LOW = 10
_ORDINARY = 0
_WITH_CAMERAS = -10
_KEPT_FREE = 2


def lower_priority() -> None:
    """Let cameras, recorder and window go first; only Linux has priorities of single threads."""
    if sys.platform.startswith("linux"):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOW)


def ordinary_priority() -> None:
    """Let cameras and event loop go first: a thread starts with the priority of the one that made it."""
    if sys.platform.startswith("linux"):
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _ORDINARY)


@contextmanager
def window_first() -> Iterator[None]:
    """Let the event loop keep pace with the grab threads, and OpenCV leave cores to both.

    OpenCV's pool waits for work by spinning: with as many threads as cores it takes the time of threads that
    have something to do. Where the operator may not raise priorities the event loop has the one it has.
    Python's garbage collector looks at every object of all libraries now and then, which holds up all threads
    for a tenth of a second; what is loaded by now is left out.
    """
    gc.collect()
    gc.freeze()
    threads = cv2.getNumThreads()
    cv2.setNumThreads(max(1, (os.cpu_count() or 1) - _KEPT_FREE))
    me = threading.get_native_id()
    linux = sys.platform.startswith("linux")
    before = os.getpriority(os.PRIO_PROCESS, me) if linux else 0
    if linux:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, me, min(before, _WITH_CAMERAS))
    try:
        yield
    finally:
        gc.unfreeze()
        cv2.setNumThreads(threads)
        if linux:
            os.setpriority(os.PRIO_PROCESS, me, before)
