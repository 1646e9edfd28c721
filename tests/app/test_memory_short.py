"""Where the memory does not suffice, one sentence says so, whichever library finds it out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from app import cli
from app.gui.messages import sentence
from app.outputs import explain_write_error

_TOO_LARGE = 1 << 52
"""Bytes that no machine has."""


def _by_numpy() -> None:
    np.empty(_TOO_LARGE, np.uint8)


def _by_torch() -> None:
    torch.empty(_TOO_LARGE, dtype=torch.uint8)


@pytest.mark.parametrize("ask", [_by_numpy, _by_torch])
def test_too_little_memory_is_told_in_one_sentence(ask: Callable[[], None]) -> None:
    with pytest.raises((MemoryError, RuntimeError)) as caught:
        ask()
    told = sentence(caught.value)
    assert told.startswith("too little memory is free for this (")
    assert told.endswith("close other programs, or take smaller pictures")
    assert str(explain_write_error(caught.value, Path("clip.mp4"))) == f"clip.mp4: {told}"


def test_the_command_line_says_it_as_well(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("app.capture.run_job", lambda *_, **__: _by_numpy())
    with pytest.raises(SystemExit) as ended:
        cli.run(["capture", "--emulate", "--out", str(tmp_path / "take")])
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith(
        "twinrate: too little memory is free for this (Unable to allocate"
    )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits memory as Linux does")
def test_an_encoder_without_memory_blames_no_disk() -> None:
    code = """
import resource, av
from pathlib import Path
from app.outputs import explain_write_error
context = av.CodecContext.create("libx264", "w")
context.width, context.height, context.pix_fmt, context.framerate = 7680, 4320, "yuv420p", 30
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 30_000_000, used + 30_000_000))
try:
    context.open()
except Exception as error:
    print(explain_write_error(error, Path("clip.mp4")))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "memory; close other programs" in done.stdout, done
