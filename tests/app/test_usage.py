"""What the program says about a command line that it cannot take."""

from __future__ import annotations

import json

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


def test_wrong_usage_for_a_script(capsys: pytest.CaptureFixture[str]) -> None:
    output, errors = _wrong_usage(capsys, "calibrate", "board", "--json")
    last = json.loads(output.splitlines()[-1])
    assert last["exit_code"] == 2
    assert errors == f"twinrate: {last['error']}\n"
