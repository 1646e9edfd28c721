"""What the program says about a command line that it cannot take."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.cli import run


def _wrong_usage(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, str]:
    with pytest.raises(SystemExit) as ended:
        run(list(arguments))
    assert ended.value.code == 2
    output, errors = capsys.readouterr()
    return output, errors


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("nonsense", "twinrate"),
        ("--bogus", "twinrate"),
        ("-v nonsense", "twinrate"),
        ("capture --bogus", "twinrate capture"),
        ("calibrate nonsense", "twinrate calibrate"),
        ("calibrate board", "twinrate calibrate board"),
        ("gui --serials 1", "twinrate gui"),
        ("gui --serials 1,2,3", "twinrate gui"),
        ("gui --emulate --serials 1,2", "twinrate gui"),
    ],
)
def test_hint_names_a_known_command(capsys: pytest.CaptureFixture[str], line: str, command: str) -> None:
    _, errors = _wrong_usage(capsys, *line.split())
    assert errors.startswith("twinrate: ")
    assert errors.endswith(f" (try: {command} --help)\n")
    assert errors.count("\n") == 1


@pytest.mark.parametrize("line", ["", "-v", "calibrate", "bench"])
def test_no_arguments_give_the_help_and_nothing_else(capsys: pytest.CaptureFixture[str], line: str) -> None:
    output, errors = _wrong_usage(capsys, *line.split())
    assert "Usage:" in output
    assert errors == ""


@pytest.mark.parametrize("line", ["train", "train pack", "train split"])
def test_help_tells_the_units(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        run([*line.split(), "--help"])
    told = " ".join(capsys.readouterr().out.split())
    units = {
        "train": ("Time budget in min;", "Crops in px, WIDTHxHEIGHT;"),
        "train pack": ("reduced to this, in px.", "folder in MB."),
        "train split": ("piece in MiB.",),
    }
    for words in units[line]:
        assert words in told


def test_a_take_that_is_not_there_opens_no_empty_window(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(["gui", "--take", str(tmp_path / "gone"), "--screenshot", str(tmp_path / "window.png")])
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith(f"twinrate: {tmp_path / 'gone'}: no such take; check the path")
    assert not list(tmp_path.iterdir())


def test_wrong_usage_for_a_script(capsys: pytest.CaptureFixture[str]) -> None:
    output, errors = _wrong_usage(capsys, "calibrate", "board", "--json")
    last = json.loads(output.splitlines()[-1])
    assert last["exit_code"] == 2
    assert errors == f"twinrate: {last['error']}\n"
