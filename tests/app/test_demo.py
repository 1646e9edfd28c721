"""The whole line on the emulated rig, as `twinrate demo` runs it, and the program around it."""

from __future__ import annotations

import json
from pathlib import Path

import av
import cv2
import pytest

from app import __version__
from app.cli import run
from app.demo import run_demo
from app.errors import OutputError
from drivers import Take


def test_the_fused_clip_is_3_db_closer_to_the_truth_than_the_upscaled_one(tmp_path: Path) -> None:
    result = run_demo(tmp_path / "demo", seconds=0.05, method="classical")
    assert result.frames_lost == 0
    assert result.frames == 16
    assert result.psnr_fused >= result.psnr_bicubic + 3
    with av.open(str(result.clip)) as container:
        assert sum(1 for _ in container.decode(video=0)) == result.frames
        assert container.streams.video[0].average_rate == 240
    with Take.open(result.take) as take:
        assert take.metadata.simulated
        assert not take.recovered
    picture = cv2.imread(str(result.picture))
    assert picture is not None
    assert picture.shape[1] > 3 * picture.shape[0]


def test_a_demo_never_empties_a_folder_of_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(OutputError, match="holds other files"):
        run_demo(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_a_second_demo_in_the_same_folder_is_refused_and_disturbs_nothing(tmp_path: Path) -> None:
    folder, refused = tmp_path / "demo", []

    def begin_another(text: str, steps: int) -> None:
        with pytest.raises(OutputError, match="another job is writing it") as caught:
            run_demo(folder)
        refused.append(str(caught.value))

    assert run_demo(folder, seconds=0.05, method="bicubic", on_stage=begin_another).clip.is_file()
    assert refused
    assert all(text.startswith(str(folder)) for text in refused)
    assert list(tmp_path.iterdir()) == [folder]
    run_demo(folder, seconds=0.05, method="bicubic")


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        run(["--version"])
    assert __version__ in capsys.readouterr().out
    for command in ("demo", "gui", "capture", "fuse", "doctor"):
        with pytest.raises(SystemExit, match="0"):
            run([command, "--help"])
        assert command in capsys.readouterr().out


def test_an_unknown_command_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(["frobnicate"])
    assert "frobnicate" in capsys.readouterr().err


def test_doctor_names_each_finding_and_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        run(["doctor", "--folder", str(tmp_path), "--json"])
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    found = {f["subject"]: f for f in said["findings"]}
    assert {"software", "camera driver", "GPU", "memory", "disk"} <= set(found)
    assert "MB/s" in found["disk"]["text"]
    assert all(f["advice"] for f in said["findings"] if f["state"] == "problem")
    assert ending.value.code == (1 if said["problems"] else 0)
    assert list(tmp_path.iterdir()) == []
