"""Longer work: a thread each, a cancel token, and the result back on the GUI thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from PyQt6.QtCore import QCoreApplication, QEventLoop, QObject, pyqtSignal

from app.gui.priorities import lower_priority

_DRAW_S = 0.05


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
        self._running: set[CancelToken] = set()
        # Also those that have told their result: until they are gone they hold what they were given.
        self._threads: list[threading.Thread] = []
        self._closing = False
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
        """Run `work` on a thread of low priority; nothing happens after `close`.

        Args:
            name: Of the thread.
            work: Given a token that it should look at now and then.
            done: Called with the result, on this object's thread.
            failed: Called with an exception, on this object's thread; None sends it to `on_error`.

        """
        token = CancelToken()
        if self._closing:
            token.cancel()
            return token

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
        self._running.add(token)
        self._threads = [*(old for old in self._threads if old.is_alive()), thread]
        thread.start()
        self.busy_changed.emit()
        return token

    def close(self, timeout: float = 20.0) -> None:
        """Cancel everything and wait for its threads [s]; the window is drawn, but takes no input."""
        self._closing = True
        running, self._running = self._running, set()
        for token in running:
            token.cancel()
        until = time.monotonic() + timeout
        for thread in self._threads:
            while thread.is_alive() and time.monotonic() < until:
                thread.join(_DRAW_S)
                QCoreApplication.processEvents(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents)

    def _deliver(self, token: CancelToken, call: Callable[[], None]) -> None:
        if token in self._running:
            self._running.remove(token)
            call()
            self.busy_changed.emit()


class Newest:
    """One kind of work of which only the result that was asked for last counts.

    Args:
        tasks: Where it runs.
        name: Of its threads.

    """

    def __init__(self, tasks: Tasks, name: str) -> None:
        self._tasks, self._name = tasks, name
        self._token = CancelToken()

    def start(self, work: Callable[[CancelToken], Any], done: Callable[[Any], None]) -> None:
        """Run `work`, and drop what came before; see `Tasks.start`."""
        self.forget()

        def tell(result: Any) -> None:
            if not token.cancelled:
                done(result)

        self._token = token = self._tasks.start(self._name, work, tell)

    def forget(self) -> None:
        """Drop the result of what still runs."""
        self._token.cancel()
