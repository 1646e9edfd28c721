"""A terminal whose folder was deleted: one sentence, whatever is asked for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps folders that somebody stands in")
@pytest.mark.parametrize("command", ["doctor", "fuse nothing --out clip.mp4", "capture --emulate --out take"])
def test_a_deleted_folder_is_told(tmp_path: Path, command: str) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    code = f"import os; os.rmdir({str(gone)!r}); from app.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *command.split(), "--json"],
        cwd=gone,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == (
        "twinrate: the folder that this terminal stands in was deleted; go to another one (cd)\n"
    )
    assert json.loads(done.stdout)["exit_code"] == 1
