"""Screens that are named but may not be there, over real sockets."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.errors import AppError
from app.gui import _screens
from app.gui._qt_environment import prepare_qt
from app.gui._screens import screen_answers

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux names its screens")

_NAMES = ("DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR", "QT_QPA_PLATFORM")
Listen = Callable[[str], None]


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Opens a listening unix socket at an address."""
    with ExitStack() as open_sockets:

        def start(address: str) -> None:
            server = open_sockets.enter_context(socket.socket(socket.AF_UNIX))
            server.bind(address)
            server.listen()

        yield start


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for sockets, whose paths must be short, where X servers and compositors are looked for."""
    with tempfile.TemporaryDirectory() as folder:
        for name in _NAMES:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(_screens, "_X11_FOLDER", folder)
        # No X server of this machine may answer on TCP instead.
        monkeypatch.setattr(_screens, "_X11_FIRST_PORT", 70000)
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield Path(folder)


@pytest.mark.parametrize("name", [":7", ":7.0", "unix:7", "unix/:7", "unix/anywhere:7.1"])
@pytest.mark.parametrize("kind", ["", "\0"], ids=["file", "abstract"])
def test_x_server_on_a_unix_socket(
    monkeypatch: pytest.MonkeyPatch, place: Path, listen: Listen, name: str, kind: str
) -> None:
    monkeypatch.setenv("DISPLAY", name)
    assert not screen_answers("xcb")
    listen(f"{kind}{place}/X7")
    assert screen_answers("xcb")


def test_x_server_whose_socket_is_named(monkeypatch: pytest.MonkeyPatch, place: Path, listen: Listen) -> None:
    listen(f"{place}/x:0")
    for name in (f"{place}/x:0", f"{place}/x:0.1", f"unix:{place}/x:0"):
        monkeypatch.setenv("DISPLAY", name)
        assert screen_answers("xcb")
    monkeypatch.setenv("DISPLAY", f"{place}/x:1")
    assert not screen_answers("xcb")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "tcp/localhost", ""])
def test_x_server_on_tcp(monkeypatch: pytest.MonkeyPatch, place: Path, host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(_screens, "_X11_FIRST_PORT", server.getsockname()[1] - 10)
        monkeypatch.setenv("DISPLAY", f"{host}:10.0")
        assert screen_answers("xcb")
    assert not screen_answers("xcb")


@pytest.mark.parametrize("name", ["", "7", ":", ":x", ":7.", ":99999", f"{'a' * 70}:0", f"/{'a' * 200}:0"])
def test_no_x_server_by_such_a_name(monkeypatch: pytest.MonkeyPatch, place: Path, name: str) -> None:
    monkeypatch.setenv("DISPLAY", name)
    assert not screen_answers("xcb")


def test_socket_that_a_dead_server_left(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{place}/X7")
    monkeypatch.setenv("DISPLAY", ":7")
    assert not screen_answers("xcb")


def test_compositor(monkeypatch: pytest.MonkeyPatch, place: Path, listen: Listen) -> None:
    assert not screen_answers("wayland")
    listen(f"{place}/wayland-0")
    assert screen_answers("wayland")
    assert screen_answers("wayland-egl")
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-1")
    assert not screen_answers("wayland")
    monkeypatch.setenv("WAYLAND_DISPLAY", f"{place}/wayland-0")
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert screen_answers("wayland")
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert not screen_answers("wayland")


@pytest.mark.parametrize(
    ("there", "platform"), [(["X7"], "xcb"), (["wayland-1"], "wayland"), (["X7", "wayland-1"], None)]
)
def test_screen_that_answers_is_used(
    monkeypatch: pytest.MonkeyPatch, place: Path, listen: Listen, there: list[str], platform: str | None
) -> None:
    monkeypatch.setenv("DISPLAY", ":7")
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-1")
    # A value that is put back by the end of the test, whatever happens to it meanwhile.
    monkeypatch.setenv("QT_QPA_PLATFORM", "")
    for name in there:
        listen(f"{place}/{name}")
    prepare_qt()
    # Where both answer the choice is Qt's.
    assert os.environ["QT_QPA_PLATFORM"] == (platform or "")


@pytest.mark.parametrize("chosen", ["xcb", "wayland", "wayland;xcb"])
def test_platform_chosen_by_hand_needs_its_screen(
    monkeypatch: pytest.MonkeyPatch, place: Path, chosen: str
) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", chosen)
    with pytest.raises(AppError, match=rf"does not answer \(QT_QPA_PLATFORM={chosen}\)"):
        prepare_qt()
    monkeypatch.setenv("QT_QPA_PLATFORM", f"{chosen};minimal:enable_fonts")
    prepare_qt()


def test_picture_needs_no_screen(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    monkeypatch.setenv("DISPLAY", ":7")
    monkeypatch.setenv("QT_QPA_PLATFORM", "")
    prepare_qt(picture_only=True)
    assert os.environ["QT_QPA_PLATFORM"] == "offscreen"


@pytest.mark.parametrize("name", ["DISPLAY", "WAYLAND_DISPLAY"])
def test_program_says_that_the_screen_is_gone(tmp_path: Path, name: str) -> None:
    surroundings = {k: v for k, v in os.environ.items() if k not in _NAMES}
    screen = ":59000" if name == "DISPLAY" else "wayland-7"
    done = subprocess.run(
        [sys.executable, "-m", "app", "gui", "--emulate"],
        cwd=Path(__file__).parents[2],
        env={**surroundings, name: screen, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"twinrate: the screen to open a window on does not answer ({name}={screen}); "
    )
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
