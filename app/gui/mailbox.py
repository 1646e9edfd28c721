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
        self._replaced = 0

    def put(self, value: T) -> None:
        """Leave `value`; one that nobody took is dropped."""
        with self._lock:
            if self._value is not None:
                self._replaced += 1
            self._value = value

    def take(self) -> T | None:
        """Take the value out; None when there is no new one."""
        with self._lock:
            value, self._value = self._value, None
            return value

    @property
    def replaced(self) -> int:
        """Values that were dropped because a newer one came first."""
        return self._replaced
