"""`twinrate capture` from the outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from drivers import Take

SMALL = ["--emulate", "--hsr-size", "192x160", "--lsr-size", "96x80"]


def twinrate(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments], capture_output=True, text=True, check=False, timeout=100
    )


def test_a_take_and_its_last_line(tmp_path: Path) -> None:
    done = twinrate("capture", "--out", str(tmp_path / "take"), "--seconds", "0.1", *SMALL, "--json")
    assert done.returncode == 0, done.stderr
    line = json.loads(done.stdout.splitlines()[-1])
    assert line["frames"] == {"hsr": 3, "lsr": 24}
    assert line["frames_lost"] == 0
    with Take.open(tmp_path / "take") as take:
        assert take.lsr.info.frame_count == 24
        assert take.metadata.extra["seed"] == 0


def test_the_pulse_test_records_nothing(tmp_path: Path) -> None:
    done = twinrate("capture", *SMALL, "--pulse-test", "--pulses", "camera", "--json")
    assert done.returncode == 0, done.stderr
    line = json.loads(done.stdout.splitlines()[-1])
    assert {role: round(found["seen_hz"]) for role, found in line.items()} == {"hsr": 30, "lsr": 240}
    assert not list(tmp_path.iterdir())


def test_without_a_folder_nothing_begins() -> None:
    done = twinrate("capture", *SMALL)
    assert done.returncode == 2
    assert "--out is missing" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_ends_the_take_cleanly(tmp_path: Path) -> None:
    take = tmp_path / "take"
    child = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "app",
            "capture",
            "--out",
            str(take),
            "--seconds",
            "600",
            *SMALL,
            "--real-time",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    index = take / "lsr" / "index.bin"
    while not (index.exists() and index.stat().st_size > 2000):
        time.sleep(0.05)
        assert child.poll() is None
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    assert "0 lost" in out
    with Take.open(take) as read:
        assert not read.recovered
        assert read.lsr.info.frame_count > 20


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--ratio", "60"], 1, "cannot read 80 rows"),
        (["--exposure-us", "5000"], 1, "use at most 4107 us"),
        (["--hsr-size", "100x100"], 1, "increment of 8; use 96 or 104"),
        (["--hsr-size", "big"], 2, "is not a size such as 2304x1920"),
        (["--rig", "nowhere.json"], 1, "no such rig file"),
        (["--serials", "1,2"], 2, "leave it out with --emulate"),
    ],
)
def test_wrong_requests_end_in_one_sentence(
    tmp_path: Path, arguments: list[str], code: int, sentence: str
) -> None:
    done = twinrate("capture", "--out", str(tmp_path / "take"), "--seconds", "0.1", *SMALL, *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert sentence in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "take").exists()


def test_without_cameras_the_emulated_rig_is_offered(tmp_path: Path) -> None:
    done = twinrate("capture", "--out", str(tmp_path / "take"))
    assert done.returncode == 1
    assert "--emulate" in done.stderr
