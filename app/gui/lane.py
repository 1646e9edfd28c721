"""One thread that runs camera commands in order; a newer value of the same control replaces a waiting one."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from itertools import count

Job = Callable[[], None]


class Lane:
    """Runs jobs one after the other on its own thread.

    Args:
        name: Name of the thread.
        on_error: Told about every exception that a job lets out, on the lane's thread.

    """

    def __init__(self, name: str, on_error: Callable[[Exception], None]) -> None:
        self._on_error = on_error
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._numbers = count()
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, job: Job, *, latest: str | None = None) -> None:
        """Queue `job`; nothing happens after `close`.

        Args:
            job: What to run.
            latest: Key of the control that is set: a job with the same key that still waits is replaced in
                its place, so the newest value wins and the queue cannot grow while a slider moves.

        """
        with self._changed:
            if self._closing:
                return
            key = f"={latest}" if latest is not None else f"#{next(self._numbers)}"
            self._jobs[key] = job
            self._changed.notify_all()

    @property
    def waiting(self) -> int:
        """Jobs that have not begun."""
        with self._changed:
            return len(self._jobs)

    def close(self, timeout: float = 30.0) -> bool:
        """Finish what is queued, end the thread; False when it did not end within `timeout` [s]."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._jobs) or self._closing)
                if not self._jobs:
                    return
                _, job = self._jobs.popitem(last=False)
            try:
                job()
            except Exception as error:
                self._on_error(error)
