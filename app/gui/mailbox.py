"""One slot between a worker and the window: the newest value wins, nothing queues up."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Holds at most one value. Frames reach the window through these, never through Qt signals."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._value: T | None = None

    def put(self, value: T) -> T | None:
        """Leave `value`; return the one before when nobody took it."""
        with self._lock:
            missed, self._value = self._value, value
            return missed

    def take(self) -> T | None:
        """Take the value out; None when there is no new one."""
        with self._lock:
            value, self._value = self._value, None
            return value
