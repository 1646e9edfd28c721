"""What scripts and shells around `twinrate` rely on: the last line, streams that are gone, signals."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from app.cli import cli, run
from app.commands._common import emit
from app.signals import interrupts

SMALL = ["--hsr-size", "384x320", "--lsr-size", "96x80", "--hsr-fps", "15", "--ratio", "4"]
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals and devices of POSIX")


def _start(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", **options.pop("env", {})}
    line = [sys.executable, "-m", "app", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen(line, text=True, env=environment, **pipes)


def _without_nohup() -> None:
    # These tests may run under it themselves, and what runs under it is right to ignore a closed terminal.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def _until(happened: Callable[[], object], process: subprocess.Popen[str]) -> None:
    while not happened():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def _leaves(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", {})
    if not inner or path == "twinrate train":
        yield path, command
    for name, one in inner.items():
        yield from _leaves(one, f"{path} {name}")


@pytest.mark.parametrize(("name", "command"), list(_leaves(typer.main.get_command(cli), "twinrate")))
def test_every_command_has_a_last_line_for_scripts(name: str, command: Any) -> None:
    assert any("--json" in parameter.opts for parameter in command.params), name


def test_what_is_no_number_is_null_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    emit(
        {"psnr": math.inf, "rows": [{"ssim": math.nan, "frames": 7}], "sizes": (1.5, -math.inf)}, as_json=True
    )
    assert (
        capsys.readouterr().out
        == '{"psnr": null, "rows": [{"ssim": null, "frames": 7}], "sizes": [1.5, null]}\n'
    )


def test_doctor_says_in_one_sentence_that_it_found_problems(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from app import doctor

    finding = doctor.Finding("disk", "problem", "too slow", "record to a faster one")
    monkeypatch.setattr(doctor, "examine", lambda _: (finding, doctor.Finding("memory", "ok", "enough")))
    with pytest.raises(SystemExit) as ended:
        run(["doctor", "--json"])
    output, errors = capsys.readouterr()
    assert ended.value.code == 1
    assert json.loads(output)["problems"] == 1
    assert errors == "twinrate: 1 of 2 checks found a problem: disk\n"


@pytest.mark.parametrize("name", ["SIGINT", pytest.param("SIGTERM", marks=POSIX)])
def test_a_program_that_is_still_loading_is_stopped(name: str) -> None:
    program = f"""
import signal, sys
class Stopped:
    def find_spec(self, name, *_):
        if name == "app.cli":
            signal.raise_signal(signal.{name})
sys.meta_path.insert(0, Stopped())
# The tests may run in the background themselves, where Ctrl-C is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv = ["twinrate", "doctor", "--json"]
from app.__main__ import main
main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "twinrate: stopped\n")
    assert json.loads(done.stdout) == {"error": "stopped", "exit_code": 1}


@POSIX
@pytest.mark.parametrize("outlet", ["pipe without a reader", "full disk", "closed"])
def test_a_failure_whose_last_line_nobody_takes(tmp_path: Path, outlet: str) -> None:
    line = ["sync", str(tmp_path / "none"), "--json"]
    if outlet == "pipe without a reader":
        reader, writer = os.pipe()
        os.close(reader)
        process = _start(*line, stdout=writer)
        os.close(writer)
    elif outlet == "full disk":
        with Path("/dev/full").open("w") as full:
            process = _start(*line, stdout=full)
    else:
        process = _start(*line, stdout=None, preexec_fn=lambda: os.close(1))
    _, errors = process.communicate()
    assert process.returncode == 1
    assert errors == f"twinrate: {tmp_path / 'none'}: no such take; check the path\n"


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_a_name_that_the_terminal_has_no_letters_for(tmp_path: Path, encoding: str) -> None:
    name = "Stra\N{LATIN SMALL LETTER SHARP S}e" if encoding == "ascii" else os.fsdecode(b"Stra\xdfe")
    take = tmp_path / name
    line = ["capture", "--emulate", *SMALL, "--seconds", "0.2", "--out", str(take)]
    process = _start(*line, env={"PYTHONIOENCODING": encoding}, encoding="ascii")
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "Stra\\" in output
    assert take.is_dir()


@POSIX
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_take_ends_in_order_when_its_terminal_does(tmp_path: Path, name: str) -> None:
    take = tmp_path / "take"
    line = ["capture", "--emulate", "--real-time", *SMALL, "--seconds", "600", "--out", str(take)]
    process = _start(*line, preexec_fn=_without_nohup)
    index = take / "lsr" / "index.bin"
    _until(lambda: index.is_file() and index.stat().st_size > 1000, process)
    process.send_signal(getattr(signal, name))
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert (take / "done.json").is_file()
    assert " 0 lost" in output


@POSIX
def test_ctrl_break_of_windows_ends_work_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    # Nobody minds this one here.
    monkeypatch.setattr(signal, "SIGBREAK", signal.SIGURG, raising=False)
    with interrupts(threading.Event()) as stopped:
        signal.raise_signal(signal.SIGURG)
        assert stopped.wait(5)


@POSIX
def test_a_measurement_that_is_ended_leaves_nothing_on_the_disk(tmp_path: Path) -> None:
    process = _start("bench", "capture", "--seconds", "600", "--folder", str(tmp_path), "--json")
    _until(lambda: list(tmp_path.glob("*/take/take.json")), process)
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate()
    assert (process.returncode, errors) == (1, "twinrate: stopped\n")
    assert json.loads(output) == {"error": "stopped", "exit_code": 1}
    assert not list(tmp_path.iterdir())
