"""Longer work: a thread each, a cancel token, and the result back on the GUI thread."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from PyQt6.QtCore import QObject, pyqtSignal

_NICE = 10
_WITH_CAMERAS = -10


class CancelToken:
    """Says to a worker that nobody wants its result any more."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask for an early end."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether an early end was asked for."""
        return self._event.is_set()

    def sleep(self, seconds: float) -> bool:
        """Wait; True when cancelled meanwhile."""
        return self._event.wait(seconds)


class Tasks(QObject):
    """Starts workers and hands their results to the thread that made this object.

    Args:
        on_error: Told about exceptions of workers that have no handler of their own.

    """

    _came = pyqtSignal(object, object)
    busy_changed = pyqtSignal()
    """A worker has begun or ended."""

    def __init__(self, on_error: Callable[[BaseException], None], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._on_error = on_error
        self._running: dict[CancelToken, threading.Thread] = {}
        self._came.connect(self._deliver)

    @property
    def running(self) -> int:
        """Workers at work."""
        return len(self._running)

    def start(
        self,
        name: str,
        work: Callable[[CancelToken], Any],
        done: Callable[[Any], None],
        failed: Callable[[Exception], None] | None = None,
    ) -> CancelToken:
        """Run `work` on a thread of low priority.

        Args:
            name: Of the thread.
            work: Given a token that it should look at now and then.
            done: Called with the result, on this object's thread.
            failed: Called with an exception, on this object's thread; None sends it to `on_error`.

        """
        token = CancelToken()

        def run() -> None:
            lower_priority()
            try:
                result = work(token)
            except Exception as error:
                caught = error
                self._came.emit(token, lambda: (failed or self._on_error)(caught))
            else:
                self._came.emit(token, lambda: done(result))

        thread = threading.Thread(target=run, name=name, daemon=True)
        self._running[token] = thread
        thread.start()
        self.busy_changed.emit()
        return token

    def close(self, timeout: float = 20.0) -> None:
        """Cancel everything and wait for it."""
        for token, thread in tuple(self._running.items()):
            token.cancel()
            thread.join(timeout)
        self._running.clear()

    def _deliver(self, token: CancelToken, call: Callable[[], None]) -> None:
        if self._running.pop(token, None) is not None:
            call()
            self.busy_changed.emit()


def lower_priority() -> None:
    """Let cameras, recorder and window go first; only Linux has priorities of single threads."""
    if sys.platform.startswith("linux"):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


@contextmanager
def window_first() -> Iterator[None]:
    """Let the window and all threads that it starts keep pace with the grab threads, which outrank the rest.

    Where the operator may not raise priorities nothing changes, and the grab threads have none to keep pace
    with.
    """
    if not sys.platform.startswith("linux"):
        yield
        return
    me = threading.get_native_id()
    before = os.getpriority(os.PRIO_PROCESS, me)
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, me, min(before, _WITH_CAMERAS))
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, me, before)
