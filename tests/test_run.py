"""What `run.py` makes of the folder that it is started in, and of one that was moved."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import venv
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def script() -> ModuleType:
    """run.py as a module."""
    spec = importlib.util.spec_from_file_location("run_py", ROOT / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("from_where", ["folder", "PYTHONPATH"])
def test_the_program_is_found_whatever_lies_around_it(
    script: ModuleType, tmp_path: Path, from_where: str
) -> None:
    # Where board pictures lie, say, or another project.
    (tmp_path / "calibration" / "hsr").mkdir(parents=True)
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").write_text("raise RuntimeError('another app')\n")
    beside = {"PYTHONPATH": str(tmp_path)} if from_where == "PYTHONPATH" else {}
    done = subprocess.run(
        [sys.executable, "-c", script.PROGRAM, "--version"],
        cwd=tmp_path if from_where == "folder" else ROOT,
        env={**os.environ, **beside},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("twinrate ")


def test_an_environment_that_was_moved_is_made_anew(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()

    def stand_in(root: Path) -> None:
        monkeypatch.setattr(script, "ROOT", root)
        monkeypatch.setattr(script, "VENV", root / ".venv")
        monkeypatch.setattr(script, "PLACE", root / ".venv" / ".twinrate-place")

    stand_in(before)
    venv.create(before / ".venv", with_pip=True, symlinks=True)
    for name in ("setup.cfg", "pyproject.toml", "constraints.txt"):
        (before / name).write_bytes((ROOT / name).read_bytes())
    first = script.fingerprint("train")
    script.PLACE.write_bytes(os.fsencode(before))
    assert script.works()
    before.rename(after)
    stand_in(after)
    assert script.fingerprint("train") != first
    assert not script.works()
    script.make_venv()
    assert str(after) in (after / ".venv" / "bin" / "pip").read_text()
    assert script.works()
