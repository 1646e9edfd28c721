"""Decodes the next frames of a clip on a thread of its own while the program works on this one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from drivers.errors import SourceError
from drivers.frame import Image

_Made = TypeVar("_Made")

_BYTES = 96 * 1024**2
_FRAMES = 8
_IDLE_S = 2.0


class ReadAhead:
    """Pictures by index; reading in ascending order finds them ready.

    The thread starts with the second frame read in order and ends by itself when nothing is read any more.

    Args:
        load: Makes the picture of an index; only ever called by one thread at a time.
        count: Number of pictures.

    """

    def __init__(self, load: Callable[[int], Image], count: int) -> None:
        self._load = load
        self._count = count
        self._loading = threading.Lock()
        self._state = threading.Condition()
        self._ready: dict[int, Image] = {}
        self._wanted = range(0)
        self._busy: int | None = None
        self._last: int | None = None
        self._worker: threading.Thread | None = None

    def read(self, index: int) -> Image:
        """Picture `index`; the caller's own.

        Raises:
            SourceError: It cannot be decoded.

        """
        with self._state:
            while self._busy == index:
                self._state.wait()
            picture = self._ready.pop(index, None)
        if picture is None:
            with self._loading:
                picture = self._load(index)
        in_order = self._last is not None and index == self._last + 1
        self._last = index
        depth = max(1, min(_FRAMES, _BYTES // max(1, picture.nbytes)))
        self._aim(range(index + 1, min(self._count, index + 1 + depth)) if in_order else range(0))
        return picture

    def exclusively(self, work: Callable[[], _Made]) -> _Made:
        """Do something else with the decoder that `load` uses."""
        with self._loading:
            return work()

    def close(self) -> None:
        """Stop decoding ahead and wait for the thread. Safe to call twice."""
        self._aim(range(0))
        worker = self._worker
        if worker is not None:
            with self._state:
                self._state.notify_all()
            worker.join()

    def _aim(self, wanted: range) -> None:
        with self._state:
            self._wanted = wanted
            for index in [i for i in self._ready if i not in wanted]:
                del self._ready[index]
            if wanted and self._worker is None:
                self._worker = threading.Thread(target=self._run, name="decode-ahead", daemon=True)
                self._worker.start()
            self._state.notify_all()

    def _next(self) -> int | None:
        return next((i for i in self._wanted if i not in self._ready), None)

    def _run(self) -> None:
        while True:
            with self._state:
                index = self._next()
                if index is None:
                    if not self._wanted or not self._state.wait(_IDLE_S):
                        self._worker = None
                        return
                    continue
                self._busy = index
            picture: Image | None = None
            try:
                with self._loading:
                    picture = self._load(index)
            except SourceError:
                # Whoever asks for this frame loads it again and gets the error.
                pass
            finally:
                with self._state:
                    self._busy = None
                    if picture is None:
                        self._wanted = range(0)
                    elif index in self._wanted:
                        self._ready[index] = picture
                    self._state.notify_all()
