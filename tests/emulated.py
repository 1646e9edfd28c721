"""A small emulated rig for the tests of the session, and patience."""

from __future__ import annotations

import time
from collections.abc import Callable

from app.session import Alarm, RigSetup, Session

SETUP = RigSetup(emulate=True, hsr_size=(96, 80), lsr_size=(48, 40))


def heard(session: Session) -> list[Alarm]:
    """The session's alarms from now on."""
    alarms: list[Alarm] = []
    session.on_alarm(alarms.append)
    return alarms


def until(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Whether the condition comes true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.005)
    return condition()
