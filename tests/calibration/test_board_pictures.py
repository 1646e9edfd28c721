"""Board pictures as cameras, disks and printers leave them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from calibration import Board, BoardError, MirroredViewError, calibrate_rig, find_board, find_pairs, load_rig
from calibration_boards import BOARD, BoardShots, board_picture, call, make_true_rig, photograph, shoot

CHARUCO = Board(6, 5, 40.0, kind="charuco", marker_mm=30.0)


def folders(path: Path, shots: BoardShots, hsr: str, lsr: str) -> tuple[Path, Path]:
    """Both folders of pictures, named by templates of the number."""
    for side, pictures, name in (("hsr", shots.hsr, hsr), ("lsr", shots.lsr, lsr)):
        (path / side).mkdir()
        for number, image in enumerate(pictures.values(), start=7):
            assert cv2.imwrite(str(path / side / name.format(number)), image)
    return path / "hsr", path / "lsr"


def test_names_are_counted_and_hidden_files_are_none(
    tmp_path: Path, shots: BoardShots, capsys: pytest.CaptureFixture[str]
) -> None:
    """7 .. 12 beside 07 .. 12, and what a Mac leaves on the lab's disk."""
    hsr, lsr = folders(tmp_path, shots, "hsr {}.png", "Größe {:02d}.png")
    (hsr / "._hsr 7.png").write_bytes(b"\0\5\x16\7")
    (lsr / "thumbnails.png").mkdir()
    out = ("--out", tmp_path / "rig.json", "--corners", "6x5", "--square-mm", 40)
    assert call("board", hsr, lsr, *out, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["views"] == 6
    assert said["baseline_mm"] == pytest.approx(60.0, rel=0.02)


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_pictures_of_more_than_8_bits_are_read_at_their_full_range(
    tmp_path: Path, shots: BoardShots, bits: int
) -> None:
    deep = [{n: im.astype(np.uint16) << (bits - 8) for n, im in s.items()} for s in (shots.hsr, shots.lsr)]
    hsr, lsr = folders(tmp_path, BoardShots(*deep), "{}.png", "{}.png")
    assert call("board", hsr, lsr, "--out", tmp_path / "r.json", "--corners", "6x5", "--square-mm", 40) == 0
    assert load_rig(tmp_path / "r.json").baseline_mm == pytest.approx(60.0, rel=0.02)


def test_what_is_no_picture_is_told_by_the_program_alone(
    tmp_path: Path, shots: BoardShots, capfd: pytest.CaptureFixture[str]
) -> None:
    hsr, lsr = folders(tmp_path, shots, "{}.png", "{}.png")
    whole = (hsr / "9.png").read_bytes()
    out = ("--out", tmp_path / "rig.json", "--corners", "6x5", "--square-mm", 40)
    (hsr / "9.png").write_bytes(whole[: len(whole) // 2])
    assert call("board", hsr, lsr, *out) == 1
    assert capfd.readouterr().err.splitlines()[-1:] == [
        f"twinrate: {hsr / '9.png'}: not a picture, or damaged"
    ]
    (hsr / "9.png").unlink()
    (lsr / "9.png").unlink()
    for side in (hsr, lsr):
        assert cv2.imwrite(str(side / "9.tiff"), np.zeros((60, 80, 3), np.float32))
    assert call("board", hsr, lsr, *out) == 1
    said = capfd.readouterr().err
    assert "its values are float32; save it with 8 or 16 bits" in said
    assert "WARN" not in said
    assert call("board", hsr, lsr, *out, "--report", tmp_path / "report.pdf") == 2
    assert "ends with .png" in capfd.readouterr().err


@pytest.mark.parametrize("axis", [0, 1])
def test_mirrored_cameras_are_told_whichever_way(shots: BoardShots, axis: int) -> None:
    true = make_true_rig()
    flipped = {n: np.ascontiguousarray(np.flip(im, 1 - axis)) for n, im in shots.lsr.items()}
    pairs, _ = find_pairs(shots.hsr, flipped, BOARD)
    with pytest.raises(MirroredViewError, match="ReverseX and ReverseY"):
        calibrate_rig(pairs, BOARD, hsr=true.hsr.id, lsr=true.lsr.id)


def test_charuco_boards_of_old_drawings_are_found() -> None:
    """OpenCV before 4.6 began boards of an even number of rows with a white square."""
    true = make_true_rig()
    shots = shoot(replace(CHARUCO, legacy=True), true, count=5)
    pairs, _ = find_pairs(shots.hsr, shots.lsr, CHARUCO)
    assert len(pairs) == 5
    rig, _ = calibrate_rig(pairs, CHARUCO, hsr=true.hsr.id, lsr=true.lsr.id)
    assert rig.baseline_mm == pytest.approx(true.baseline_mm, rel=0.03)


@pytest.mark.parametrize(
    ("stated", "sentence"),
    [
        (replace(CHARUCO, columns=5, rows=6), "ChArUco board of 6x5 inner corners, not 5x6"),
        (replace(CHARUCO, columns=7, rows=6), "ChArUco board of 6x5 inner corners, not 7x6"),
        (replace(CHARUCO, dictionary="DICT_6X6_250"), "markers of DICT_5X5_50, not of DICT_6X6_250"),
        (BOARD, "is a ChArUco board, not a chessboard"),
    ],
)
def test_what_the_pictures_show_instead_of_the_stated_board_is_told(stated: Board, sentence: str) -> None:
    true = make_true_rig()
    page, to_page = board_picture(CHARUCO)
    place = np.array([-100.0, -80.0, 560.0])
    lsr = photograph(page, to_page, true.lsr, np.eye(3), place)
    hsr = photograph(page, to_page, true.hsr, true.r, true.r @ place + true.translation_mm())
    assert find_board(hsr, CHARUCO) is not None
    with pytest.raises(BoardError, match=sentence):
        find_pairs({"a": hsr}, {"a": lsr}, stated)


def test_a_dictionary_with_too_few_markers_is_refused() -> None:
    with pytest.raises(BoardError, match="78 markers, DICT_4X4_50 only 50"):
        Board(12, 11, 40.0, kind="charuco", marker_mm=30.0, dictionary="DICT_4X4_50")
