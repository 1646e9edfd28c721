"""Longer work, and what is left of it."""

from __future__ import annotations

import threading
import time

import pytest
from pytestqt.qtbot import QtBot

from app.gui import tasks as module
from app.gui.tasks import Tasks


def test_nothing_that_was_given_to_work_outlives_close(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    """A window whose last reference goes on a worker thread stays open until somebody runs an event loop."""

    class SlowToReturn(threading.Thread):
        """Busy machines give a thread of low priority no time to return."""

        def run(self) -> None:
            super().run()
            time.sleep(0.3)

    monkeypatch.setattr(module.threading, "Thread", SlowToReturn)
    tasks = Tasks(lambda error: pytest.fail(str(error)))
    results: list[int] = []
    before = set(threading.enumerate())
    tasks.start("slow to return", lambda _: 7, results.append)
    qtbot.waitUntil(lambda: results == [7])
    assert set(threading.enumerate()) > before
    tasks.close()
    assert set(threading.enumerate()) <= before
