"""What passes between the window and its session: counters one way, takes asked for the other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StreamNumbers:
    """One stream's counters for the chips; copies, so that the window never waits for a camera.

    `alive` is False when the stream has ended although it should run; `recorded` is False while a take runs
    without it.
    """

    received: int = 0
    missing: int = 0
    incomplete: int = 0
    alive: bool = True
    recorded: bool = True


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
