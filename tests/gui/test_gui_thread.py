"""The GUI thread does no camera, file or network work: every entry point is watched while a window works."""

from __future__ import annotations

import builtins
import logging
import os
import shutil
import subprocess
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import torch
from PyQt6.QtCore import QTimer
from PyQt6.QtWidgets import QApplication, QInputDialog, QPushButton
from pytestqt.qtbot import QtBot

import app.fuse
import app.size_estimate
import calibration.scene
import drivers.demosaic
import drivers.grasshopper
import fusion.engine
from app.gui.application import log_to
from app.gui.bench import run_bench
from app.gui.export_dialog import ExportDialog
from app.gui.fused_pane import Show
from app.gui.jobs import JobState
from app.gui.main_window import MainWindow
from app.gui.messages import Messages
from app.gui.method_box import not_runnable
from app.session import RigSetup, Session, State
from drivers import Role
from drivers._nodes import Nodes
from drivers.ring_buffer import RingBuffer
from drivers.take import Take, TakeWriter

WATCHED = [
    (Nodes, "limits"),
    (Nodes, "set_real"),
    (Nodes, "set_integer"),
    (Nodes, "choose"),
    (drivers.grasshopper.Grasshopper3, "configure"),
    (drivers.grasshopper.Grasshopper3, "set_exposure_us"),
    (drivers.grasshopper.Grasshopper3, "set_white_balance"),
    (drivers.grasshopper.Grasshopper3, "arm"),
    (drivers.grasshopper.Grasshopper3, "stop"),
    (drivers.grasshopper.Grasshopper3, "close"),
    (drivers.grasshopper, "open_camera"),
    (drivers.grasshopper, "list_cameras"),
    (Take, "open"),
    (TakeWriter, "__init__"),
    (TakeWriter, "close"),
    (RingBuffer, "read"),
    (RingBuffer, "wait"),
    (torch.nn.Module, "__call__"),
    (torch, "from_numpy"),
    (torch.cuda, "is_available"),
    (fusion.engine.Fuser, "__init__"),
    (fusion.engine.Fuser, "fuse_gop"),
    (calibration.scene, "register_views"),
    (drivers.demosaic.cv2, "cvtColor"),
    (cv2, "resize"),
    (cv2, "warpPerspective"),
    (app.fuse, "open_sink"),
    (Path, "mkdir"),
    (Path, "stat"),
    (Path, "open"),
    (Path, "iterdir"),
    (Path, "read_text"),
    (Path, "write_text"),
    (Path, "write_bytes"),
    (Path, "exists"),
    (Path, "is_file"),
    (Path, "is_dir"),
    (Path, "unlink"),
    (Path, "rename"),
    (Path, "replace"),
    (Path, "glob"),
    (Path, "read_bytes"),
    (builtins, "open"),
    (os, "replace"),
    (os, "fsync"),
    (os, "scandir"),
    (shutil, "disk_usage"),
    (shutil, "rmtree"),
    (subprocess.Popen, "__init__"),
    (av, "open"),
    (np, "memmap"),
    (cv2, "calcHist"),
    (cv2, "remap"),
    (cv2, "imwrite"),
    (Session, "connect"),
    (Session, "start_live"),
    (Session, "start_recording"),
    (Session, "stop_recording"),
    (Session, "close"),
    (app.size_estimate, "open_sink"),
]


@pytest.fixture
def trespasses(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Calls of watched functions on the GUI thread, with where they came from."""
    # Which methods can run here is read once, as the window is built.
    not_runnable()
    gui = threading.get_ident()
    found: list[str] = []

    def watched(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **keywords: Any) -> Any:
            if threading.get_ident() == gui:
                stack = traceback.extract_stack(limit=8)
                if any("app/gui" in frame.filename for frame in stack):
                    found.append(f"{name} from {[f'{f.filename}:{f.lineno}' for f in stack[-4:-1]]}")
            return real(*args, **keywords)

        return call

    for owner, name in WATCHED:
        real = getattr(owner, name)
        wrapped: Any = watched(f"{owner.__name__}.{name}", real)
        if isinstance(vars(owner).get(name), classmethod):
            wrapped = staticmethod(wrapped)
        monkeypatch.setattr(owner, name, wrapped)
    return found


def export_once_weighed(qtbot: QtBot) -> None:
    """Answer the export dialog that is open when it has found out the size."""
    dialog = QApplication.activeModalWidget()
    assert isinstance(dialog, ExportDialog)
    qtbot.waitUntil(lambda: "MB" in dialog.summary.text(), timeout=30000)
    dialog.go.click()


def test_no_slot_works_on_the_gui_thread(
    trespasses: list[str],
    idle_window: MainWindow,
    qtbot: QtBot,
    takes: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    window = idle_window
    window.actions_table["connect"].trigger()
    qtbot.waitUntil(lambda: window.controller.numbers(Role.HSR).received > 5, timeout=20000)
    window.exposure_panel.link.click()
    window.actions_table["exposure_up"].trigger()
    window.actions_table["gain_up"].trigger()
    window.actions_table["saturation"].trigger()
    window.actions_table["snapshot"].trigger()
    window.actions_table["check_sync"].trigger()
    window.recording_panel.checks.button.click()
    for name in ("hsr_balance", "lsr_auto"):
        button = window.findChild(QPushButton, name)
        assert button is not None
        button.click()
    window.actions_table["show_fused"].trigger()
    qtbot.waitUntil(lambda: "ms on cpu" in window.fused_pane.rate.text(), timeout=30000)
    window.fused_pane.set_shown(Show.ANAGLYPH)
    window.baseline_panel.baseline.setValue(60)
    window.actions_table["record"].trigger()
    qtbot.waitUntil(lambda: window.controller.state is State.RECORDING, timeout=20000)
    qtbot.wait(300)
    window.actions_table["note"].trigger()
    dialog = window.findChild(QInputDialog, "note_dialog")
    assert dialog is not None
    dialog.setTextValue("here")
    dialog.accept()
    with qtbot.waitSignal(window.recording.finished, timeout=20000):
        window.actions_table["record"].trigger()
    window.actions_table["arm"].trigger()
    qtbot.waitUntil(lambda: window.controller.state is State.ARMED, timeout=20000)
    with qtbot.waitSignal(window.recording.finished, timeout=20000):
        window.actions_table["arm"].trigger()
    window.recording_panel.set_folder(takes)
    window.pages.show_take(takes / "marbles")
    qtbot.waitUntil(lambda: window.take_page.moment is not None, timeout=10000)
    window.take_page.slider.setValue(5)
    QTimer.singleShot(0, lambda: export_once_weighed(qtbot))
    window.take_page.export.click()
    qtbot.waitUntil(lambda: window.jobs.jobs[0].state is JobState.DONE, timeout=30000)
    for key in ("takes", "help", "log", "import", "calibrate", "dark", "zoom_actual", "zoom_all", "view_all"):
        window.actions_table[key].trigger()
        qtbot.wait(50)
    monkeypatch.setattr(QInputDialog, "getText", lambda *_, **__: ("bench", True))
    window.presets.save.click()
    window.actions_table["preset_1"].trigger()
    qtbot.wait(300)
    for widget in QApplication.topLevelWidgets():
        if widget is not window:
            widget.close()
    window.actions_table["disconnect"].trigger()
    qtbot.waitUntil(lambda: window.controller.state is State.DISCONNECTED, timeout=20000)
    assert not trespasses, "\n".join(trespasses)


def test_log_file_is_written_on_a_thread_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, threads = logging.FileHandler.emit, []

    def emit(handler: logging.FileHandler, record: logging.LogRecord) -> None:
        if handler.baseFilename == str(tmp_path / "window.log"):
            threads.append(threading.get_ident())
        real(handler, record)

    monkeypatch.setattr(logging.FileHandler, "emit", emit)
    stop = log_to(tmp_path / "window.log")
    Messages().warning("a cable is loose")
    stop()
    assert "a cable is loose" in (tmp_path / "window.log").read_text()
    assert threads
    assert threading.get_ident() not in threads


def test_the_watch_sees_a_trespass(trespasses: list[str], takes: Path) -> None:
    from app.gui.take_library import scan

    scan(takes)
    assert any("Take.open" in text for text in trespasses)


def test_bench_measures_the_window(qtbot: QtBot, tmp_path: Path) -> None:
    setup = RigSetup(
        emulate=True, real_time=True, hsr_size=(384, 320), lsr_size=(96, 80), hsr_fps=15.0, ratio=4
    )
    bench = run_bench(setup, 2.5, folder=tmp_path)
    assert bench.frames_lost == 0
    assert bench.frames > 50
    assert bench.hsr_shown > 1
    assert bench.lsr_shown > bench.hsr_shown
    assert bench.exposure_ms > 0
    assert bench.baseline_ms > 0
    assert not list(tmp_path.iterdir())
