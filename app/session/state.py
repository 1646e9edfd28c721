"""Where a session stands, what its operator must know, and who hears of both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from app.session.crew import SessionError
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


class SessionNews:
    """State and alarms of a session. Listeners run on the thread that caused the change."""

    def __init__(self) -> None:
        self._state = State.DISCONNECTED
        self._state_listeners: list[Callable[[State], None]] = []
        self._alarm_listeners: list[Callable[[Alarm], None]] = []

    @property
    def state(self) -> State:
        """Where the session stands."""
        return self._state

    def on_state(self, listener: Callable[[State], None]) -> None:
        """Call `listener` with every new state."""
        self._state_listeners.append(listener)

    def on_alarm(self, listener: Callable[[Alarm], None]) -> None:
        """Call `listener` with every alarm."""
        self._alarm_listeners.append(listener)

    def _enter(self, state: State) -> None:
        self._state = state
        for listener in tuple(self._state_listeners):
            listener(state)

    def _alarm(self, alarm: Alarm) -> None:
        for listener in tuple(self._alarm_listeners):
            listener(alarm)

    def _require(self, action: str, *states: State) -> None:
        if self._state not in states:
            raise SessionError(
                f"cannot {action} while {self._state}; this needs the state {' or '.join(map(str, states))}"
            )
