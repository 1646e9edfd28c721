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


@pytest.mark.parametrize(
    ("system", "wanted"),
    [
        ("Fedora", "    sudo dnf install 'libEGL.so.1()(64bit)' 'libxcb-cursor.so.0()(64bit)'\n"),
        ("Arch", "this system lacks libEGL.so.1, libxcb-cursor.so.0, xvfb; install what holds them"),
    ],
)
def test_libraries_are_named_where_packages_have_other_names(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, system: str, wanted: str
) -> None:
    there = {"Fedora": {"dnf"}, "Arch": {"pacman"}}[system]
    monkeypatch.setattr(script.shutil, "which", lambda name: name if name in there else None)
    with pytest.raises(SystemExit) as caught:
        script.install_packages(["libegl1", "libxcb-cursor0", "xvfb"])
    assert wanted in str(caught.value)


def test_what_packages_need_is_said_where_there_are_none(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("setup.cfg", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    monkeypatch.setattr(script, "ROOT", tmp_path)
    monkeypatch.setattr(script, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(script, "PLACE", tmp_path / ".venv" / ".twinrate-place")
    monkeypatch.setattr(script, "missing_packages", lambda **_: [])
    # No network, as far as pip knows.
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(SystemExit, match=r"needs a network, Python 3\.10 to 3\.14, and 64-bit Windows"):
        script.set_up(for_tests=False)
    # The next time goes on from here.
    assert not (tmp_path / ".venv" / ".twinrate-run").exists()


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
