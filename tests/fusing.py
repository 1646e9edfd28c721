"""`twinrate` in this process, and what it wrote."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from app.cli import run
from pictures import RgbImage


def twinrate(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ending:
        run([str(a) for a in arguments])
    code = ending.value.code
    assert isinstance(code, int)
    return code


def decode(path: Path) -> list[RgbImage]:
    with av.open(str(path)) as container:
        return [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
