"""A torch that cannot be loaded is told in one sentence, and only fusion goes without it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from takes import write_take

_BROKEN = {
    "a library is missing": "raise OSError('libcudart.so.12: cannot open shared object file')",
    "torch is not there": "raise ModuleNotFoundError('No module named torch', name='torch')",
    "torch is half there": "from torch._C import *",
}


@pytest.fixture(params=sorted(_BROKEN))
def broken(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """An environment in which torch cannot be loaded."""
    (tmp_path / "broken" / "torch").mkdir(parents=True)
    (tmp_path / "broken" / "torch" / "__init__.py").write_text(_BROKEN[request.param] + "\n")
    return {**os.environ, "PYTHONPATH": str(tmp_path / "broken")}


def _run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_fusion_says_that_torch_cannot_be_loaded(broken: dict[str, str], tmp_path: Path) -> None:
    take = write_take(tmp_path / "take", first_hsr_id=125)
    done = _run(broken, "fuse", str(take), "--out", str(tmp_path / "clip.mp4"), "--json")
    assert done.returncode == 1
    assert done.stderr.startswith("twinrate: torch, which fuses the pictures, cannot be loaded (")
    assert len(done.stderr.splitlines()) == 1
    assert "install it anew" in json.loads(done.stdout)["error"]
    assert _run(broken, "export", str(take), "--out", str(tmp_path / "raw.mkv")).returncode == 0


def test_the_doctor_goes_on_without_torch(broken: dict[str, str], tmp_path: Path) -> None:
    done = _run(broken, "doctor", "--json", "--folder", str(tmp_path))
    found = {each["subject"]: each for each in json.loads(done.stdout)["findings"]}
    assert found["torch"]["state"] == "problem"
    assert "install it anew" in found["torch"]["advice"]
    assert {"memory", "software"} <= found.keys()
