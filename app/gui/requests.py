"""What passes between the window and its session: counters one way, takes asked for the other."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

_NUMBER = re.compile(r"^(.*?)(\d+)$")


@dataclass(frozen=True, slots=True)
class StreamNumbers:
    """One stream's counters for the chips; copies, so that the window never waits for a camera.

    `alive` is False when the stream has ended although it should run; `recorded` is False while a take runs
    without it. `buffered` is the share of the camera's buffers that wait to be fetched, 0..1.
    """

    received: int = 0
    missing: int = 0
    incomplete: int = 0
    alive: bool = True
    recorded: bool = True
    buffered: float = 0.0


@dataclass(frozen=True, slots=True)
class TakeRequest:
    """What the operator wants to record.

    Attributes:
        path: The take's folder.
        name: Name of the take.
        notes: Free text.
        pre_seconds: Also keep this much of what has just passed [s].
        only_past: End the take at once: save only what has just passed.
        wait: Wait armed for the first pulse; a live view is stopped.

    """

    path: Path
    name: str = ""
    notes: str = ""
    pre_seconds: float = 0.0
    only_past: bool = False
    wait: bool = False

    def on_free_name(self) -> TakeRequest:
        """The same under the first name, counting on from this one, that no folder has yet; asks the disk.

        A take that cannot be shot again must not be refused because of its name.
        """
        request = self
        while os.path.lexists(request.path):
            name = next_name(request.name)
            request = replace(request, name=name, path=request.path.with_name(name))
        return request


def next_name(name: str) -> str:
    """The name of the following take: a number at the end counts on, else one is added."""
    found = _NUMBER.match(name)
    if found is None:
        return f"{name}_002"
    stem, number = found.groups()
    return f"{stem}{int(number) + 1:0{len(number)}d}"
