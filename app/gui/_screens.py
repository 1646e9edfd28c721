"""Asks the screen that the environment names whether it answers, before Qt does.

Qt ends the whole process by a signal when it cannot reach its screen. One connection to the socket of the X
server or the Wayland compositor tells; nothing is sent over it.
"""

from __future__ import annotations

import os
import re
import socket

_TIMEOUT_S = 2.0
_X11_FOLDER = "/tmp/.X11-unix"
_X11_FIRST_PORT = 6000
# [protocol/][host]:display[.screen]
_X11_NAME = re.compile(r"(?:(?P<protocol>[a-z0-9]+)/)?(?P<host>.*):(?P<display>[0-9]{1,5})(?:\.[0-9]+)?")


def screen_answers(platform: str) -> bool:
    """Whether a Qt platform finds its screen; those that need none always do.

    Args:
        platform: Name of the Qt platform plug-in, as in QT_QPA_PLATFORM without options.

    """
    if platform == "xcb":
        return _x11_answers(os.environ.get("DISPLAY", ""))
    if platform.startswith("wayland"):
        # Asked for by name, Wayland needs no WAYLAND_DISPLAY: its libraries go to the first compositor then.
        return _wayland_answers(os.environ.get("WAYLAND_DISPLAY") or "wayland-0")
    return True


def _x11_answers(name: str) -> bool:
    path = name.removeprefix("unix:")
    if path.startswith("/"):
        # Some systems give the socket itself, with or without the number of a screen behind it.
        return _unix_answers(path) or _unix_answers(re.sub(r"\.[0-9]+$", "", path))
    parts = _X11_NAME.fullmatch(name)
    if parts is None:
        return False
    display, host = int(parts["display"]), parts["host"].strip("[]")
    if host in ("", "unix") or parts["protocol"] == "unix":
        at = f"{_X11_FOLDER}/X{display}"
        if _unix_answers("\0" + at) or _unix_answers(at):
            return True
        if host:
            return False
    return _tcp_answers(host or "localhost", _X11_FIRST_PORT + display)


def _wayland_answers(name: str) -> bool:
    folder = os.environ.get("XDG_RUNTIME_DIR", "")
    if not os.path.isabs(name) and not folder:
        return False
    return _unix_answers(os.path.join(folder, name))


def _unix_answers(address: str) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_TIMEOUT_S)
        try:
            connection.connect(address)
        except OSError:
            return False
    return True


def _tcp_answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), _TIMEOUT_S).close()
    # Neither a host name that cannot be one nor a port out of range is an OSError.
    except (OSError, UnicodeError, OverflowError):
        return False
    return True
