"""Exceptions that nobody caught: shown and logged instead of ending the program.

PyQt6 aborts the process when a slot raises and `sys.excepthook` is Python's own; a recording would be lost.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import TracebackType

from app.gui.messages import Messages


def install_excepthook(messages: Messages) -> Callable[[], None]:
    """Send uncaught exceptions of all threads to `messages`; returns what puts the old hooks back."""
    old, old_threads = sys.excepthook, threading.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            old(kind, error, trace)
            return
        messages.error(error.with_traceback(trace))

    def thread_hook(arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_value is not None and not isinstance(arguments.exc_value, SystemExit):
            messages.error(arguments.exc_value)

    def restore() -> None:
        sys.excepthook, threading.excepthook = old, old_threads

    sys.excepthook, threading.excepthook = hook, thread_hook
    return restore
