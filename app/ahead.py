"""Several parts of a long work done at once, their results in order."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from queue import SimpleQueue
from typing import Generic, TypeVar

import psutil

_T = TypeVar("_T")

_CORES_EACH = 2
"""Not even these are always busy with one frame: much of what it needs is done one thing after the other."""
_MOST = 8
_BYTES_PER_PIXEL = 900
"""Of a frame at work, at most: `twinrate bench fuse` measures it."""
_SHARE_OF_MEMORY = 0.7


def parts_at_once(pixels: int) -> int:
    """How many parts, each with a frame of so many pixels at work, this machine does best at once; 1..8."""
    room = int(_SHARE_OF_MEMORY * psutil.virtual_memory().available / (pixels * _BYTES_PER_PIXEL))
    return max(1, min(_cores() // _CORES_EACH, room, _MOST))


def _cores() -> int:
    """Cores that this process may use: a cluster lends some of a machine's."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_order(
    parts: Iterable[Callable[[], Iterator[_T]]], at_once: int, stop: threading.Event
) -> Iterator[_T]:
    """What the parts yield, one part after the other, while the next ones are already at work.

    Args:
        parts: Each makes an iterator, which a thread of its own goes through. The next part is asked for by
            the caller's thread, and only when one has ended.
        at_once: Most parts at work; with 1 there are no threads.
        stop: Set when the results are no longer wanted, whether by an error or because the caller is content;
            parts should look at it now and then, since they are waited for.

    Raises:
        BaseException: What a part raises, or asking for one, after the results before it.

    """
    if at_once == 1:
        for part in parts:
            yield from part()
        return
    coming = iter(parts)
    running: deque[_Running[_T]] = deque()
    try:
        while True:
            while len(running) < at_once and (following := _next(coming)) is not None:
                running.append(_Running(following))
            if not running:
                return
            yield from running[0].results()
            running.popleft().join()
    finally:
        stop.set()
        for one in running:
            one.join()


def _next(parts: Iterator[Callable[[], Iterator[_T]]]) -> Callable[[], Iterator[_T]] | None:
    """The next part, None after the last; if it cannot be had, one that says why when its turn comes."""
    try:
        return next(parts, None)
    except Exception as error:
        return partial(_fail, error)


def _fail(error: Exception) -> Iterator[_T]:
    raise error


class _Running(Generic[_T]):
    """One part, gone through by a thread."""

    def __init__(self, part: Callable[[], Iterator[_T]]) -> None:
        self._made: SimpleQueue[tuple[_T] | None] = SimpleQueue()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(part,), name="part")
        self._thread.start()

    def _run(self, part: Callable[[], Iterator[_T]]) -> None:
        try:
            for result in part():
                self._made.put((result,))
        except BaseException as error:
            self._error = error
        finally:
            self._made.put(None)

    def results(self) -> Iterator[_T]:
        while (made := self._made.get()) is not None:
            yield made[0]
        if self._error is not None:
            raise self._error

    def join(self) -> None:
        self._thread.join()
