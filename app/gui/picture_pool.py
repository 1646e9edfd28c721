"""Pictures that go round between a worker and the window, so that none is allocated per frame."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]

_KEPT = 4
"""One in the view, one in the mailbox, one being made, and one that is just changing hands."""


class PicturePool:
    """Hands out pictures and takes them back; both may happen on any thread.

    Whoever has a picture from `take` owns it until `give`. A picture that is never given back is no loss but
    the memory: the next one is made anew.
    """

    def __init__(self) -> None:
        self._free: deque[Picture] = deque(maxlen=_KEPT)
        self._scratch: Picture | None = None

    def take(self, shape: tuple[int, ...]) -> Picture:
        """A picture with whatever was in it; `shape` is (h, w, 3)."""
        while self._free:
            try:
                picture = self._free.popleft()
            except IndexError:
                break
            if picture.shape == shape:
                return picture
        return np.empty(shape, np.uint8)

    def give(self, picture: Picture) -> None:
        """Give a picture back that nobody shows any more."""
        self._free.append(picture)

    def scratch(self, shape: tuple[int, ...]) -> Picture:
        """Room for a step in between, for the worker's thread alone and only until the next call."""
        if self._scratch is None or self._scratch.shape != shape:
            self._scratch = np.empty(shape, np.uint8)
        return self._scratch
