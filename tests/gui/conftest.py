"""Windows for the tests: a small emulated rig in real time, closed and counted at the end."""

from __future__ import annotations

import gc
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.gui._qt_environment import prepare_qt

prepare_qt()

from PyQt6.QtCore import QEvent  # noqa: E402
from PyQt6.QtWidgets import QApplication  # noqa: E402
from pytestqt.qtbot import QtBot  # noqa: E402

from app.capture import CaptureJob, run_job  # noqa: E402
from app.gui.camera_rig import open_rig  # noqa: E402
from app.gui.main_window import MainWindow, WindowOptions  # noqa: E402
from app.gui.messages import Messages  # noqa: E402
from app.session import RigSetup, State  # noqa: E402
from app.settings import Settings  # noqa: E402
from drivers import Role  # noqa: E402

SMALL = RigSetup(
    emulate=True,
    real_time=True,
    hsr_size=(384, 320),
    lsr_size=(96, 80),
    hsr_fps=15.0,
    ratio=4,
)


@pytest.fixture(autouse=True)
def no_leaks(qapp: QApplication) -> Iterator[None]:
    """Every test ends with the widgets and threads it began with."""
    threads = set(threading.enumerate())
    yield
    gc.collect()
    qapp.processEvents()
    # Only a running loop deletes what another thread let go of.
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    left = [w for w in qapp.topLevelWidgets() if w.isVisible()]
    assert not left, f"windows left open: {left}"
    started = [t for t in threading.enumerate() if t not in threads and t.is_alive()]
    for thread in started:
        thread.join(5.0)
    assert not [t.name for t in started if t.is_alive()], "threads left running"


@pytest.fixture
def idle_window(qtbot: QtBot, tmp_path: Path) -> Iterator[MainWindow]:
    """A window that has not been connected to cameras."""
    options = WindowOptions(
        open_rig=lambda _: open_rig(SMALL),
        folder=tmp_path / "takes",
        log_file=tmp_path / "window.log",
        settings=Settings(),
        settings_path=tmp_path / "settings" / "settings.json",
        connect=False,
    )
    window = MainWindow(options, Messages())
    qtbot.addWidget(window, before_close_func=MainWindow.shut_down)
    window.resize(1280, 800)
    window.show()
    yield window
    window.shut_down()
    window.close()


@pytest.fixture
def window(qtbot: QtBot, idle_window: MainWindow) -> MainWindow:
    """A window that shows the emulated rig live."""
    idle_window.actions_table["connect"].trigger()
    qtbot.waitUntil(lambda: idle_window.controller.state is State.LIVE, timeout=15000)
    for role in Role:
        qtbot.waitUntil(
            lambda role=role: idle_window.controller.numbers(role).received > 0,  # type: ignore[misc]
            timeout=15000,
        )
    return idle_window


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one emulated take of 24 LSR frames."""
    folder = tmp_path_factory.mktemp("takes")
    run_job(
        CaptureJob(
            RigSetup(emulate=True, hsr_size=(384, 320), lsr_size=(96, 80), hsr_fps=30.0, ratio=4),
            folder / "marbles",
            0.2,
            notes="for the browser",
        )
    )
    return folder


@pytest.fixture
def takes(recorded: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may write beside."""
    shutil.copytree(recorded, tmp_path / "takes")
    return tmp_path / "takes"
