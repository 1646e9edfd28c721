"""What operators do wrong when they calibrate, and what they are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from calibration import (
    Board,
    BoardError,
    NoOverlapError,
    RigFileError,
    StaleRigError,
    align_scene,
    align_with_rig,
    calibrate_rig,
    find_pairs,
    load_rig,
    match_features,
)
from calibration.board import spans
from calibration_boards import (
    BOARD,
    BoardShots,
    board_picture,
    call,
    make_true_rig,
    photograph,
    scene_rig,
)


def folder(path: Path, pictures: dict[str, np.ndarray], ending: str = "png") -> Path:
    path.mkdir(exist_ok=True)
    for name, image in pictures.items():
        assert cv2.imwrite(str(path / f"{name}.{ending}"), image)
    return path


def calibrate(hsr: dict[str, np.ndarray], lsr: dict[str, np.ndarray]) -> None:
    true = make_true_rig()
    pairs, _ = find_pairs(hsr, lsr, BOARD)
    calibrate_rig(pairs, BOARD, hsr=true.hsr.id, lsr=true.lsr.id)


def test_the_view_of_two_instants_is_named(shots: BoardShots) -> None:
    with pytest.raises(BoardError, match=r"most in view 0[13] .*leave out"):
        calibrate({**shots.hsr, "01": shots.hsr["03"], "03": shots.hsr["01"]}, shots.lsr)


def test_a_board_that_is_never_tilted_is_told_from_contradicting_views() -> None:
    true = make_true_rig()
    page, to_page = board_picture(BOARD)
    hsr, lsr = {}, {}
    for k in range(6):
        place = np.array([20.0 * k - 150, 15.0 * k - 110, 580 + 30 * k])
        lsr[f"{k}"] = photograph(page, to_page, true.lsr, np.eye(3), place)
        there = true.r @ place + true.translation_mm()
        hsr[f"{k}"] = photograph(page, to_page, true.hsr, true.r, there)
    with pytest.raises(BoardError, match="tilted by 20 to 40 degrees"):
        calibrate(hsr, lsr)


def test_one_view_many_times_makes_no_rig(shots: BoardShots) -> None:
    names = [f"{k}" for k in range(8)]
    with pytest.raises(BoardError, match="faced the cameras alike"):
        calibrate(dict.fromkeys(names, shots.hsr["00"]), dict.fromkeys(names, shots.lsr["00"]))


def test_swapped_cameras_and_one_camera_twice_are_refused(shots: BoardShots) -> None:
    true = make_true_rig()
    pairs, _ = find_pairs(shots.lsr, shots.hsr, BOARD)
    with pytest.raises(BoardError, match="are they swapped"):
        calibrate_rig(pairs, BOARD, hsr=true.lsr.id, lsr=true.hsr.id)
    pairs, _ = find_pairs(shots.hsr, shots.hsr, BOARD)
    with pytest.raises(BoardError, match="one and the same camera"):
        calibrate_rig(pairs, BOARD, hsr=true.hsr.id, lsr=true.hsr.id)


def test_too_few_pictures_are_not_called_none(shots: BoardShots) -> None:
    three = [{n: side[n] for n in ("00", "01", "02")} for side in (shots.hsr, shots.lsr)]
    with pytest.raises(BoardError, match=r"in 3 of 3 pairs, 4 are needed \(take more\)"):
        find_pairs(*three, BOARD)


def test_one_line_of_charuco_corners_is_no_view() -> None:
    board = Board(12, 4, 22.0, kind="charuco", marker_mm=16.0)
    assert not spans(np.arange(12), board)
    assert not spans(np.arange(0, 48, 12), Board(12, 12, 22.0))
    assert spans(np.arange(14), board)
    page, to_page = board_picture(board)
    below = page.copy()
    below[3 * 22 * 6 :] = 235
    true = make_true_rig()
    place = np.array([-120.0, -20.0, 500.0])
    whole, line = ({}, {}), ({}, {})
    for pictures, art in ((whole, page), (line, below)):
        for k in range(5):
            turn = cv2.Rodrigues(np.array([0.1 * k, 0.2, 0.0]))[0]
            for side in (0, 1):
                pictures[side][f"{k}"] = photograph(art, to_page, true.hsr, turn, place)
    mixed = {**whole[0], "4": line[0]["4"]}
    pairs, left_out = find_pairs(mixed, {**whole[1], "4": line[1]["4"]}, board)
    assert [pair.name for pair in pairs] == ["0", "1", "2", "3"]
    assert "not far enough in the HSR and LSR view" in left_out[0]


def test_pictures_of_different_views_are_not_paired(
    tmp_path: Path, shots: BoardShots, capsys: pytest.CaptureFixture[str]
) -> None:
    hsr = folder(tmp_path / "h ü", {n: im for n, im in shots.hsr.items() if n != "01"})
    lsr = folder(tmp_path / "l", {n: im for n, im in shots.lsr.items() if n != "04"})
    arguments = ("--corners", "6x5", "--square-mm", 40, "--out", tmp_path / "rig.json")
    assert call("board", hsr, lsr, *arguments) == 1
    assert "01, 04: there is such a picture in one" in capsys.readouterr().err
    folder(hsr, {"00": shots.hsr["01"]}, "bmp")
    folder(lsr, {"00": shots.lsr["01"]}, "bmp")
    assert call("board", hsr, lsr, *arguments) == 1
    assert "two pictures 00" in capsys.readouterr().err
    assert not (tmp_path / "rig.json").exists()


@pytest.mark.parametrize("option", ["--square-mm", "--reference-mm"])
def test_endless_lengths_are_wrong_usage(
    tmp_path: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lengths = {"--square-mm": "40", option: "inf"}
    told = [text for name, value in lengths.items() for text in (name, value)]
    assert call("board", tmp_path, tmp_path, "--corners", "6x5", "--out", tmp_path / "r.json", *told) == 2
    assert option in capsys.readouterr().err
    relocking = ("relock", tmp_path, "--rig", tmp_path / "r.json")
    assert call(*relocking, "--baseline-mm", "inf", "--distance-mm", 900) == 2
    assert call(*relocking, "--baseline-mm", 50, "--distance-mm", "inf") == 2


def test_rig_files_from_editors_and_nonsense(tmp_path: Path) -> None:
    path = tmp_path / "rig.json"
    scene_rig().save(path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load_rig(path) == scene_rig()
    path.write_text("[" * 100_000)
    with pytest.raises(RigFileError, match="not a rig file"):
        load_rig(path)


def test_swapped_views_are_not_sent_to_the_board() -> None:
    rig = scene_rig()
    with pytest.raises(StaleRigError, match="are HSR and LSR swapped"):
        rig.check(hsr=rig.lsr.id, lsr=rig.hsr.id)


def test_a_rig_file_that_cannot_be_replaced_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "rig").mkdir()
    with pytest.raises(OSError, match="rig"):
        scene_rig().save(tmp_path / "rig")
    assert [entry.name for entry in tmp_path.iterdir()] == ["rig"]


def test_a_short_lsr_exposure_is_aligned(layers: Any) -> None:
    dark = (layers.lsr * 0.12).astype(np.uint8)
    found = align_scene(layers.hsr, dark)
    assert found.method == "rows+flow"
    error = np.linalg.norm(found.map_xy - layers.map_xy, axis=2)
    assert float(np.median(error[found.valid & layers.visible])) < 1.0
    assert len(match_features(layers.hsr, dark)) > 60


def test_another_scene_is_refused_with_a_rig_file_too(layers: Any, other_scene: np.ndarray) -> None:
    with pytest.raises((NoOverlapError, StaleRigError)):
        align_with_rig(layers.hsr, other_scene, scene_rig())


def test_a_failed_calibration_and_a_wrong_distance_are_warned_of(
    tmp_path: Path, layers: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = [tmp_path / "h.png", tmp_path / "l.png"]
    for path, image in zip(pair, (layers.hsr, layers.lsr), strict=True):
        assert cv2.imwrite(str(path), image)
    rig = tmp_path / "rig.json"
    scene_rig().model_copy(update={"verdict": "redo"}).save(rig)
    assert call("scene", *pair, "--rig", rig, "--json") == 0
    said = capsys.readouterr()
    assert "judged 'redo'" in said.err
    assert json.loads(said.out)["method"] == "rig+rows+flow"
    there = ("--baseline-mm", 100, "--distance-mm", 600, "--region", "0,50,160,20")
    assert call("relock", *pair, "--rig", rig, *there, "--out", tmp_path / "new.json") == 0
    assert "wrong baseline or distance" in capsys.readouterr().err
