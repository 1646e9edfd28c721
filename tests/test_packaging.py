"""What is installed holds what the program reads beside its code."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DATA = {".safetensors", ".json", ".svg", ".jpg", ".png", ".qss"}


def test_weights_and_pictures_lie_in_folders_that_a_wheel_takes():
    setupcfg = pytest.importorskip("setuptools.config.setupcfg")
    taken = set(setupcfg.read_configuration(ROOT / "setup.cfg")["options"]["packages"])
    folders = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for name in ("app", "drivers", "fusion", "calibration")
        for path in (ROOT / name).rglob("*")
        if path.suffix in DATA
    }
    assert {"fusion.weights", "fusion.weights.flow"} <= folders
    assert folders <= taken
