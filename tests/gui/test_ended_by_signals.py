"""The window and its measurement when a terminal, a script or a shut-down ends them by a signal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")

_BEGIN = """
import os, signal, sys
from pathlib import Path
from app.gui._qt_environment import prepare_qt
prepare_qt(picture_only=True)
from PyQt6.QtCore import QTimer
from PyQt6.QtWidgets import QApplication
from app.gui.application import GuiOptions, run
from app.gui.bench import run_bench
from app.gui.main_window import MainWindow
from app.session import RigSetup, State
from drivers import Role
folder, number = Path(sys.argv[1]), getattr(signal, sys.argv[2])
# The tests may run under nohup themselves.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
setup = RigSetup(emulate=True, real_time=True, hsr_size=(384, 320), lsr_size=(96, 80), hsr_fps=15.0, ratio=4)
app = QApplication(sys.argv[:1])
def windows():
    return [widget for widget in app.topLevelWidgets() if isinstance(widget, MainWindow)]
timer = QTimer()
timer.start(50)
"""

_WINDOW = """
def follow():
    for window in windows():
        if window.controller.state is State.LIVE:
            window.actions_table["record"].trigger()
        elif window.controller.state is State.RECORDING and window.controller.numbers(Role.HSR).received > 20:
            os.kill(os.getpid(), number)
            timer.stop()
timer.timeout.connect(follow)
sys.exit(run(GuiOptions(setup, folder / "window.log", folder / "settings.json", folder / "takes")))
"""

_MEASUREMENT = """
def follow():
    if any(window.controller.state is State.LIVE for window in windows()):
        os.kill(os.getpid(), number)
        timer.stop()
timer.timeout.connect(follow)
try:
    run_bench(setup, 600.0, folder=folder)
except KeyboardInterrupt:
    sys.exit(7)
"""


def _run(program: str, folder: Path, number: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _BEGIN + program, str(folder), number],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


@pytest.mark.parametrize("number", ["SIGINT", "SIGHUP"])
def test_a_window_ends_its_take_and_closes(tmp_path: Path, number: str) -> None:
    done = _run(_WINDOW, tmp_path, number)
    assert (done.returncode, done.stderr) == (0, "")
    (take,) = (tmp_path / "takes").iterdir()
    assert (take / "done.json").is_file()


def test_a_measurement_stops(tmp_path: Path) -> None:
    done = _run(_MEASUREMENT, tmp_path, "SIGINT")
    assert (done.returncode, done.stderr) == (7, "")
    assert not list(tmp_path.iterdir())
