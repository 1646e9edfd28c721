"""Who stands back when cores are few: fusion and long work, OpenCV's pool, and Python's garbage collector."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import cv2

_LOW = 10
_KEPT_FREE = 2


def lower_priority() -> None:
    """Let cameras, recorder and window go first; only Linux has priorities of single threads."""
    if sys.platform.startswith("linux"):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOW)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let OpenCV leave cores to cameras and event loop, and the garbage collector leave old objects alone.

    OpenCV's pool waits for work by spinning: with as many threads as cores it takes the time of threads that
    have something to do. Python's garbage collector looks at every object of all libraries now and then,
    which holds up all threads for a tenth of a second; what is loaded by now is left out.
    """
    gc.collect()
    gc.freeze()
    threads = cv2.getNumThreads()
    cv2.setNumThreads(max(1, (os.cpu_count() or 1) - _KEPT_FREE))
    try:
        yield
    finally:
        gc.unfreeze()
        cv2.setNumThreads(threads)
