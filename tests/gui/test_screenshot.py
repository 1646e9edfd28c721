"""The window as a program of its own: on a real X server and without any screen."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
from PyQt6.QtCore import qInstallMessageHandler, qWarning

from app.gui._qt_environment import prepare_qt

_PROGRAM = """
import sys
from pathlib import Path
import cv2  # OpenCV first: it points Qt at its own plug-ins
from app.gui.application import GuiOptions, run
from app.session import RigSetup
from importlib.abc import MetaPathFinder
class Seen(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "torch":
            print("torch is loaded")
        elif name == "app.gui.main_window":
            from PyQt6.QtWidgets import QApplication
            shown = [w.accessibleName() for w in QApplication.topLevelWidgets() if w.isVisible()]
            print("while loading:", *shown)
sys.meta_path.insert(0, Seen())
setup = RigSetup(emulate=True, real_time=True, hsr_size=(384, 320), lsr_size=(96, 80), hsr_fps=15.0, ratio=4)
folder = Path(sys.argv[1])
sys.exit(run(GuiOptions(setup, folder / "window.log", folder / "settings.json", folder,
                        size=(1280, 800), screenshot=folder / "window.png", after_s=1.0)))
"""


@pytest.fixture
def display() -> Iterator[str]:
    """Name of a fresh X display."""
    server = shutil.which("Xvfb")
    if server is None:
        pytest.skip("Xvfb is not installed")
    read, write = os.pipe()
    process = subprocess.Popen(
        [server, "-displayfd", str(write), "-screen", "0", "1400x900x24", "-nolisten", "tcp"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    try:
        with os.fdopen(read) as pipe:
            yield f":{pipe.readline().strip()}"
    finally:
        process.terminate()
        process.wait(10)


def _picture(folder: Path, environment: dict[str, str | None]) -> str:
    """Make a picture, check it, and return what the program said on standard error."""
    surroundings = {**os.environ, **{k: v for k, v in environment.items() if v is not None}}
    for name in (k for k, v in environment.items() if v is None):
        surroundings.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(folder)],
        cwd=Path(__file__).parents[2],
        env=surroundings,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    image = cv2.imread(str(folder / "window.png"))
    assert image is not None
    assert image.shape[:2] == (800, 1280)
    # A live picture has far more colours than an empty window.
    assert image[150:500, 50:400].std() > 20
    assert not (folder / "settings.json").exists()
    # What is slow to load begins when there is something to look at, and the slowest is not asked for.
    assert done.stdout == "while loading: Twinrate is starting\n"
    return done.stderr


def test_window_on_a_real_x_server(display: str, tmp_path: Path) -> None:
    _picture(tmp_path, {"DISPLAY": display, "QT_QPA_PLATFORM": "xcb", "WAYLAND_DISPLAY": None})


def test_picture_without_any_screen(tmp_path: Path) -> None:
    said = _picture(tmp_path, {"DISPLAY": None, "QT_QPA_PLATFORM": None, "WAYLAND_DISPLAY": None})
    assert said == ""


def test_the_window_opens_where_its_messages_cannot_be_kept(tmp_path: Path) -> None:
    (tmp_path / "window.log").mkdir()
    said = _picture(tmp_path, {"DISPLAY": None, "QT_QPA_PLATFORM": None, "WAYLAND_DISPLAY": None})
    assert f"{tmp_path / 'window.log'}: messages are kept in no file" in said


def test_only_size_hints_are_kept_back() -> None:
    program = """
from app.gui._qt_environment import prepare_qt
prepare_qt(picture_only=True)
from PyQt6.QtCore import qWarning
qWarning("This plugin does not support propagateSizeHints()")
qWarning("This plugin does not support raise()")
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == "This plugin does not support raise()\n"


def test_earlier_message_handler_hears_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    heard: list[str | None] = []
    before = qInstallMessageHandler(lambda kind, context, message: heard.append(message))
    try:
        prepare_qt()
        qWarning("This plugin does not support propagateSizeHints()")
        qWarning("something else")
    finally:
        qInstallMessageHandler(before)
    assert heard == ["something else"]
