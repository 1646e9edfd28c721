"""A window whose torch cannot be loaded says so, and does everything but fuse."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from PyQt6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from app.fuse_job import FuseJob
from app.gui import loading
from app.gui.jobs import JobState
from app.gui.main_window import MainWindow
from app.gui.messages import Severity
from app.raw_export import RawExportJob


def test_a_broken_torch_costs_fusion_alone(
    window: MainWindow, takes: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = []

    def fail(name: str) -> None:
        attempts.append(name)
        raise OSError("libcudart.so.12: cannot open shared object file")

    for name in ("_loaded", "_failed"):
        monkeypatch.setattr(loading, name, threading.Event())
    monkeypatch.setattr(loading, "import_module", fail)
    window.actions_table["show_fused"].trigger()
    qtbot.waitUntil(lambda: window.messages.count(Severity.ERROR) == 1, timeout=15000)
    said = [m.text for m in window.messages.log if m.severity is Severity.ERROR]
    assert said[0].startswith("torch, which fuses the pictures, cannot be loaded (libcudart.so.12")
    hints = window.fused_pane.view.findChildren(QLabel)
    qtbot.waitUntil(lambda: any("cannot be loaded" in hint.text() for hint in hints), timeout=5000)
    # Once when it is asked for, once when the views are aligned; not every second from then on.
    qtbot.wait(4500)
    assert len(attempts) <= 2
    fusion = window.jobs.add(FuseJob((takes / "marbles",), takes / "fused.mp4"))
    export = window.jobs.add(RawExportJob(takes / "marbles", takes / "raw.mp4"))
    qtbot.waitUntil(lambda: window.jobs.active == 0, timeout=60000)
    assert fusion.state is JobState.FAILED
    assert "torch" in fusion.text
    assert export.state is JobState.DONE
