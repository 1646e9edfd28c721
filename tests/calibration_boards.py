"""Pictures of calibration boards from exactly known cameras, and the rig of the depth scene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from calibration import Board, CameraId, CameraModel, Rig
from fusing import twinrate

PX_PER_MM = 6
BOARD = Board(6, 5, 40.0)


def call(*arguments: object) -> int:
    """Exit code of `twinrate calibrate`."""
    return twinrate("calibrate", *arguments)


def board_picture(board: Board) -> tuple[np.ndarray, np.ndarray]:
    """Drawing of a board and the matrix from board mm (first inner corner = origin) to its pixels."""
    square = round(board.square_mm * PX_PER_MM)
    width, height = (board.columns + 1) * square, (board.rows + 1) * square
    if board.kind == "charuco":
        art = board.charuco().generateImage((width, height), marginSize=0, borderBits=1)
    else:
        y, x = np.mgrid[0:height, 0:width]
        art = np.where((x // square + y // square) % 2, 235, 20).astype(np.uint8)
    page = cv2.copyMakeBorder(art, square, square, square, square, cv2.BORDER_CONSTANT, value=235)
    # The border between pixels 2 s - 1 and 2 s is the first inner corner.
    to_page = np.array([[PX_PER_MM, 0, 2 * square - 0.5], [0, PX_PER_MM, 2 * square - 0.5], [0, 0, 1.0]])
    return page, to_page


def make_true_rig(baseline_mm: float = 60.0) -> Rig:
    """LSR 240x180 with f = 260 px, HSR 800x600 with f = 1050 px."""
    turn = cv2.Rodrigues(np.radians(np.array([0.4, -3.0, 0.6])))[0]
    direction = np.array([1.0, 0.03, -0.02])
    return Rig.model_validate(
        {
            "lsr": CameraModel(
                id=CameraId(width=240, height=180, serial="2", lens="6 mm", offset_x=0, offset_y=0),
                matrix=((260.0, 0.0, 121.0), (0.0, 260.5, 88.0), (0.0, 0.0, 1.0)),
                distortion=(0.0, 0.0, 0.0, 0.0, 0.0),
            ),
            "hsr": CameraModel(
                id=CameraId(width=800, height=600, serial="1", lens="20 mm", offset_x=0, offset_y=0),
                matrix=((1050.0, 0.0, 396.0), (0.0, 1049.0, 304.0), (0.0, 0.0, 1.0)),
                distortion=(0.0, 0.0, 0.0, 0.0, 0.0),
            ),
            "rotation": turn.tolist(),
            "direction": (direction / np.linalg.norm(direction)).tolist(),
            "baseline_mm": baseline_mm,
            "reference_mm": 700.0,
        }
    )


def make_sampling(camera: CameraModel) -> float:
    """Samples per pixel and axis, by 2, that keep the drawing from aliasing at about 0.65 m."""
    return max(1.0, 0.65 * 1000 * PX_PER_MM / camera.k[0, 0] / 4)


def photograph(
    page: np.ndarray, to_page: np.ndarray, camera: CameraModel, rotation: np.ndarray, shift: np.ndarray
) -> np.ndarray:
    """RGB picture of the board at a pose, antialiased."""
    h = camera.k @ np.column_stack([rotation[:, 0], rotation[:, 1], shift]) @ np.linalg.inv(to_page)
    over = round(2 * make_sampling(camera))
    up = np.array([[over, 0, (over - 1) / 2], [0, over, (over - 1) / 2], [0, 0, 1.0]])
    w, height = camera.id.size
    large = cv2.warpPerspective(page, up @ h, (w * over, height * over), borderValue=120)
    small = cv2.resize(large, (w, height), interpolation=cv2.INTER_AREA)
    return np.repeat(small[..., None], 3, axis=2)


@dataclass(frozen=True)
class BoardShots:
    """Pictures of both cameras by view name."""

    hsr: dict[str, np.ndarray]
    lsr: dict[str, np.ndarray]


def shoot(board: Board, rig: Rig, count: int = 9, seed: int = 4) -> BoardShots:
    """The board at several poses in front of both cameras."""
    rng = np.random.default_rng(seed)
    page, to_page = board_picture(board)
    middle = np.array([(board.columns - 1) / 2, (board.rows - 1) / 2, 0]) * board.square_mm
    shots = BoardShots({}, {})
    for k in range(count):
        turn = cv2.Rodrigues(rng.uniform(-0.45, 0.45, 3) * (1, 1, 0.5))[0]
        place = np.array([rng.uniform(-45, 75), rng.uniform(-45, 45), rng.uniform(560, 760)])
        shift = place - turn @ middle
        shots.lsr[f"{k:02d}"] = photograph(page, to_page, rig.lsr, turn, shift)
        shots.hsr[f"{k:02d}"] = photograph(
            page, to_page, rig.hsr, rig.r @ turn, rig.r @ shift + rig.translation_mm()
        )
    return shots


FOCAL, BASELINE_MM = 1000.0, 100.0


def scene_rig(turn: float = 0.0) -> Rig:
    """The two cameras of the depth scene: 640x480, parallel, disparity = focal * baseline / distance."""

    def camera(focal: float, width: int, height: int) -> dict[str, Any]:
        k = ((focal, 0, (width - 1) / 2), (0, focal, (height - 1) / 2), (0, 0, 1))
        return {"id": {"width": width, "height": height}, "matrix": k, "distortion": (0.0,) * 5}

    c, s = np.cos(turn), np.sin(turn)
    return Rig.model_validate(
        {
            "lsr": camera(FOCAL / 4, 160, 120),
            "hsr": camera(FOCAL, 640, 480),
            "rotation": [[1, 0, 0], [0, c, -s], [0, s, c]],
            "direction": [1, 0, 0],
            "baseline_mm": BASELINE_MM,
            "reference_mm": FOCAL * BASELINE_MM / 15,
        }
    )
