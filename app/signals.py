"""Signals that end programs, heard between two steps of the work instead of at any instruction."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

_ENDING = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")


@contextmanager
def interrupts(flag: threading.Event, *, insist: bool = False) -> Iterator[threading.Event]:
    """Ctrl-C, SIGTERM, a closed terminal, and Ctrl-Break on Windows set `flag`: work ends between two frames.

    Args:
        flag: What is set; also what the context gives.
        insist: The second time they end the work at once.

    """

    def told(*_: object) -> None:
        if insist and flag.is_set():
            raise KeyboardInterrupt
        flag.set()

    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    old = {number: signal.signal(number, told) for number in _heard()}
    try:
        yield flag
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def end_as_by_ctrl_c() -> None:
    """Let SIGTERM and a closed terminal end this process as Ctrl-C does, where nobody chose otherwise."""
    for number in _heard():
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt)


def _heard() -> list[signal.Signals]:
    present = [getattr(signal, name) for name in _ENDING if hasattr(signal, name)]
    # `nohup` has a closed terminal ignored, and is obeyed.
    return [n for n in present if n.name != "SIGHUP" or signal.getsignal(n) is not signal.SIG_IGN]


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
