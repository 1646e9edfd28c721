"""What Windows refuses, for tests on systems that do not: files in use are neither removed nor replaced."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROC = Path("/proc/self")


def files_in_use_stay(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let removing and renaming fail as on Windows, where this process has the file open or mapped.

    Locks are left out, since those on Windows are let go before they are removed.

    Returns:
        What was refused, as it goes on.

    """
    if not (PROC / "maps").exists():
        pytest.skip("which files are in use is read from /proc")
    refused: list[str] = []

    def guarded(real: Callable[..., Any], count: int) -> Callable[..., Any]:
        def call(*names: Any, **more: Any) -> Any:
            for name in names[:count]:
                path = os.path.realpath(os.fspath(name))
                if not path.endswith(".lock") and path in _in_use():
                    refused.append(path)
                    raise PermissionError(13, "The process cannot access the file", path)
            return real(*names, **more)

        return call

    # Which takes files by their descriptors' folder.
    monkeypatch.setattr(shutil, "_use_fd_functions", False)
    for name, count in (("unlink", 1), ("remove", 1), ("replace", 2), ("rename", 2)):
        monkeypatch.setattr(os, name, guarded(getattr(os, name), count))
    return refused


def _in_use() -> set[str]:
    mapped = (line.split(None, 5) for line in (PROC / "maps").read_text().splitlines())
    found = {parts[5] for parts in mapped if len(parts) == 6}
    for handle in (PROC / "fd").iterdir():
        try:
            found.add(str(handle.readlink()))
        except OSError:
            # The handle that lists them.
            continue
    return found
