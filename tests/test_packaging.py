"""What is installed holds what the program reads beside its code, and the map of its modules is true."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("app", "drivers", "fusion", "calibration")
DATA = {".safetensors", ".json", ".svg", ".jpg", ".png", ".qss"}


def test_weights_and_pictures_lie_in_folders_that_a_wheel_takes():
    setupcfg = pytest.importorskip("setuptools.config.setupcfg")
    taken = set(setupcfg.read_configuration(ROOT / "setup.cfg")["options"]["packages"])
    folders = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for name in PACKAGES
        for path in (ROOT / name).rglob("*")
        if path.suffix in DATA
    }
    assert {"fusion.weights", "fusion.weights.flow"} <= folders
    assert folders <= taken


def test_architecture_lists_every_module_with_the_first_line_of_its_docstring():
    listed, folder = {}, ""
    for line in (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").splitlines():
        if heading := re.fullmatch(r"#+ (.*)", line):
            folder = heading[1]
        elif row := re.fullmatch(r"\| (?:`(\w+\.py)`|\(package\)) \| (.*) \|", line):
            listed[folder + (row[1] or "__init__.py")] = row[2]
    modules = {}
    for path in (path for name in PACKAGES for path in (ROOT / name).rglob("*.py")):
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        modules[path.relative_to(ROOT).as_posix()] = docstring.partition("\n")[0].rstrip(".")
    assert listed == modules
