"""`twinrate calibrate` as a person and as a script use it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from calibration import Board, load_rig
from calibration_boards import call, make_true_rig, scene_rig, shoot


def last_line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return dict(json.loads(capsys.readouterr().out.strip().splitlines()[-1]))


def save(path: Path, image: np.ndarray) -> Path:
    assert cv2.imwrite(str(path), np.ascontiguousarray(image[..., ::-1]))
    return path


@pytest.fixture
def pair(tmp_path: Path, layers: Any) -> tuple[Path, Path]:
    return save(tmp_path / "hsr.png", layers.hsr), save(tmp_path / "lsr.png", layers.lsr)


def test_scene_writes_the_hsr_picture_in_the_lsr_view(
    tmp_path: Path, pair: tuple[Path, Path], layers: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "warped.png"
    assert call("scene", *pair, "--warped", target, "--json") == 0
    said = last_line(capsys)
    assert said["method"] == "rows+flow"
    assert said["inliers"] > 100
    assert said["residual_px"] < 1
    assert said["seconds"] > 0
    assert said["warped"] == str(target)
    warped = cv2.imread(str(target))[..., ::-1]
    assert warped.shape == layers.truth.shape
    difference = warped.astype(float) - layers.truth
    assert 10 * np.log10(255**2 / np.mean(difference[layers.visible] ** 2)) > 27
    assert call("scene", *pair, "--warped", target) == 1
    assert "exists already" in capsys.readouterr().err
    assert call("scene", *pair, "--warped", target, "--overwrite", "--refine", "none") == 0


def test_dark_views_are_aligned_as_if_they_were_bright(
    tmp_path: Path, layers: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    files = save(tmp_path / "h.png", layers.hsr // 16), save(tmp_path / "l.png", layers.lsr // 16)
    target = tmp_path / "warped.png"
    assert call("scene", *files, "--warped", target, "--json") == 0
    assert last_line(capsys)["residual_px"] < 1
    warped = cv2.imread(str(target))[..., ::-1]
    # What is written is as dark as it was filmed.
    assert np.abs(warped.astype(float) - layers.truth / 16)[layers.visible].mean() < 1
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    scene_rig(turn=np.radians(0.5)).save(old)
    here = ("--baseline-mm", 100, "--distance-mm", 1e5 / 15, "--region", "0,50,160,20")
    assert call("relock", *files, "--rig", old, *here, "--out", new, "--json") == 0
    assert last_line(capsys)["turned_deg"][0] == pytest.approx(-0.5, abs=0.05)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda hsr, lsr: (hsr, np.zeros_like(lsr)), "the LSR view is black"),
        (lambda hsr, lsr: (lsr, hsr), "are they swapped?"),
        (lambda hsr, lsr: (hsr, lsr[:, ::-1]), "mirrored"),
    ],
)
def test_bad_views_end_with_one_sentence(
    tmp_path: Path, layers: Any, change: Any, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    hsr, lsr = change(layers.hsr, layers.lsr)
    files = save(tmp_path / "h.png", hsr), save(tmp_path / "l.png", lsr)
    target = tmp_path / "warped.png"
    assert call("scene", *files, "--warped", target) == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert len(error.strip().splitlines()) == 1
    assert not target.exists()


def test_bad_files_end_with_one_sentence(
    tmp_path: Path, pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("scene", pair[0], tmp_path / "none.png") == 1
    assert "there is no such picture" in capsys.readouterr().err
    (tmp_path / "cut.png").write_bytes(pair[1].read_bytes()[:900])
    (tmp_path / "empty.png").write_bytes(b"")
    for name in ("cut.png", "empty.png"):
        assert call("scene", pair[0], tmp_path / name) == 1
        assert "not a picture, or damaged" in capsys.readouterr().err
    assert call("scene", *pair, "--rig", tmp_path / "none.json") == 1
    assert "no such rig file" in capsys.readouterr().err
    make_true_rig().save(tmp_path / "rig.json")
    assert call("scene", *pair, "--rig", tmp_path / "rig.json") == 1
    assert "stale" in capsys.readouterr().err
    assert (
        call("board", tmp_path, tmp_path, "--out", tmp_path / "r.json", "--corners", "9", "--square-mm", 20)
        == 2
    )


@pytest.mark.parametrize("darker", [1, 12])
def test_board_makes_a_rig_file(tmp_path: Path, capsys: pytest.CaptureFixture[str], darker: int) -> None:
    board = Board(6, 5, 40.0)
    true = make_true_rig()
    shots = shoot(board, true, count=6, seed=8)
    for side, pictures in (("h", shots.hsr), ("l", shots.lsr)):
        (tmp_path / side).mkdir()
        for name, image in pictures.items():
            save(tmp_path / side / f"{side}{name}.png", image // darker)
    rig_file, report = tmp_path / "rig.json", tmp_path / "report.png"
    arguments = ("board", tmp_path / "h", tmp_path / "l", "--corners", "6x5", "--square-mm", 40)
    assert (
        call(
            *arguments,
            "--out",
            rig_file,
            "--report",
            report,
            "--hsr-serial",
            "1",
            "--exclude",
            "h05",
            "--json",
        )
        == 0
    )
    said = last_line(capsys)
    assert said["views"] == 5
    assert said["baseline_mm"] == pytest.approx(true.baseline_mm, rel=0.02)
    assert said["verdict"] in ("good", "usable")
    assert cv2.imread(str(report)) is not None
    rig = load_rig(rig_file)
    assert rig.hsr.id.serial == "1"
    assert rig.baseline_sigma_mm == said["baseline_sigma_mm"]
    assert call(*arguments, "--out", tmp_path / "r2.json", "--exclude", "nine") == 1
    assert "there is no such view" in capsys.readouterr().err


def test_relock_writes_a_rig_that_fits_again(
    tmp_path: Path, pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    scene_rig(turn=np.radians(0.5)).save(old)
    assert call("scene", *pair, "--rig", old) == 1
    assert "re-lock" in capsys.readouterr().err
    here = ("--baseline-mm", 100, "--distance-mm", 1e5 / 15, "--region", "0,50,160,20")
    assert call("relock", *pair, "--rig", old, *here, "--out", new, "--json") == 0
    said = last_line(capsys)
    assert said["turned_deg"][0] == pytest.approx(-0.5, abs=0.05)
    assert said["residual_px"] < 1
    assert said["shift"]["measured_px"] == pytest.approx(said["shift"]["predicted_px"], abs=1)
    assert call("scene", *pair, "--rig", new, "--json") == 0
    assert last_line(capsys)["method"] == "rig+rows+flow"
    assert (
        call("relock", *pair, "--rig", old, "--baseline-mm", 100, "--distance-mm", 900, "--region", "1") == 2
    )


def test_outputs_never_replace_what_they_are_made_from(
    tmp_path: Path, pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    before = pair[0].read_bytes()
    assert call("scene", *pair, "--warped", pair[0], "--overwrite", "--json") == 1
    assert "from which it is made" in capsys.readouterr().err
    assert pair[0].read_bytes() == before
    rig = tmp_path / "rig.json"
    arguments = ("board", tmp_path, tmp_path, "--corners", "9x6", "--square-mm", 30, "--out", rig)
    assert call(*arguments, "--report", rig) == 2
    assert "two outputs" in capsys.readouterr().err


def test_a_failure_is_the_last_line_for_scripts_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("scene", tmp_path / "none.png", tmp_path / "no.png", "--json") == 1
    said = capsys.readouterr()
    assert json.loads(said.out) == {"error": said.err.removeprefix("twinrate: ").strip(), "exit_code": 1}
    assert call("scene", tmp_path / "a.mp4", tmp_path / "b.mp4", "--offset-ms", "nan", "--json") == 2
    assert json.loads(capsys.readouterr().out)["exit_code"] == 2
