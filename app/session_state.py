"""Where a session stands, and what its operator must know."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from drivers import Role


class State(str, Enum):
    """Where the session stands."""

    DISCONNECTED = "Disconnected"
    IDLE = "Idle"
    LIVE = "Live"
    ARMED = "Armed"
    RECORDING = "Recording"
    FINISHING = "Finishing"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something the operator must know at once.

    Attributes:
        role: The camera; None for the session as a whole.
        text: One sentence.
        over: Good news: what was wrong with the camera is over.

    """

    role: Role | None
    text: str
    over: bool = False
