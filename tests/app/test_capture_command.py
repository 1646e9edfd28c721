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

from app.capture import emulated_session
from app.cli import run
from app.session import Session
from drivers import Role, Take
from drivers.spinnaker_emulator import VirtualRig

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


@pytest.mark.parametrize("gone", list(Role))
def test_a_take_that_a_camera_left_for_good_is_kept_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], gone: Role
) -> None:
    def unplugged(rig: VirtualRig) -> Session:
        rig.faults(gone).at_pulse[2] = lambda: rig.unplug(gone)
        return emulated_session(rig)

    monkeypatch.setattr("app.capture.emulated_session", unplugged)
    take = tmp_path / "take"
    with pytest.raises(SystemExit, match="1"):
        run(["capture", "--out", str(take), "--seconds", "0.2", *SMALL, "--json"])
    out, err = capsys.readouterr()
    line = json.loads(out.splitlines()[-1])
    assert line["frames"][str(gone)] == 2
    assert [absence["camera"] for absence in line["absences"]] == [str(gone)]
    *warnings, last = err.strip().splitlines()
    assert "is kept but incomplete" in last
    assert "did not come back" in last
    assert any(text.startswith(f"warning: {gone.name}:") and "are missing" in text for text in warnings)

    with pytest.raises(SystemExit, match="0"):
        run([*f"fuse {take} --method bicubic --align none --out".split(), str(tmp_path / "clip.mkv")])
    assert "did not come back" in capsys.readouterr().err


def test_frames_that_are_missing_at_the_end_are_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def losing(rig: VirtualRig) -> Session:
        rig.faults(Role.LSR).lost_frames |= {46, 47}
        return emulated_session(rig)

    monkeypatch.setattr("app.capture.emulated_session", losing)
    with pytest.raises(SystemExit, match="0"):
        run(["capture", "--out", str(tmp_path / "take"), "--seconds", "0.2", *SMALL])
    out, err = capsys.readouterr()
    assert "2 lost" in out
    assert "LSR: 2 of 48 frames are missing" in err
    with Take.open(tmp_path / "take") as take:
        assert take.findings == ("LSR: 2 of 48 frames are missing",)


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
        (["--lsr-size", "0x0"], 2, "--lsr-size '0x0' is not a size such as 2304x1920"),
        (["--rig", "nowhere.json"], 1, "no such rig file"),
        (["--rig", __file__], 1, "not a rig file"),
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
