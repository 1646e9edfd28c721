"""Calibration boards: what they look like and where their corners are in a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from calibration.errors import BoardError
from calibration.grid import ImageU8, Points, grey, resize

BoardKind = Literal["chessboard", "charuco"]
_MIN_CHARUCO = 8
_FINE_WIDTH, _MAX_FACTOR = 640, 4


@dataclass(frozen=True, slots=True)
class Board:
    """A flat board with a regular grid of corners.

    Attributes:
        columns: Inner corners along the long side.
        rows: Inner corners along the short side.
        square_mm: Side of one square [mm].
        kind: "chessboard", or "charuco" for one with ArUco markers in its white squares.
        marker_mm: Side of a marker [mm]; ChArUco only.
        dictionary: ArUco dictionary, an OpenCV name such as DICT_5X5_100; ChArUco only.

    """

    columns: int
    rows: int
    square_mm: float
    kind: BoardKind = "chessboard"
    marker_mm: float = 0.0
    dictionary: str = "DICT_5X5_100"

    def __post_init__(self) -> None:
        if self.columns < 3 or self.rows < 3 or not 0 < self.square_mm < np.inf:
            raise BoardError(
                f"a board needs at least 3x3 inner corners and a square size, not {self.columns}x{self.rows} "
                f"of {self.square_mm:g} mm"
            )
        if self.kind == "charuco":
            if not 0 < self.marker_mm < self.square_mm:
                raise BoardError(
                    f"the markers of a ChArUco board must be smaller than its {self.square_mm:g} mm squares, "
                    f"not {self.marker_mm:g} mm"
                )
            if not self.dictionary.startswith("DICT_") or not hasattr(cv2.aruco, self.dictionary):
                raise BoardError(f"{self.dictionary} is no ArUco dictionary; DICT_5X5_100 is one")

    @property
    def points(self) -> npt.NDArray[np.float32]:
        """(columns * rows, 3) corner positions on the board [mm], row by row, z = 0."""
        out = np.zeros((self.columns * self.rows, 3), np.float32)
        out[:, :2] = np.mgrid[0 : self.columns, 0 : self.rows].T.reshape(-1, 2) * self.square_mm
        return out

    def charuco(self) -> Any:
        """OpenCV's description of a ChArUco board."""
        dictionary = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, self.dictionary))
        size = (self.columns + 1, self.rows + 1)
        return cv2.aruco.CharucoBoard(size, self.square_mm, self.marker_mm, dictionary)

    def __str__(self) -> str:
        return f"{self.kind} of {self.columns}x{self.rows} inner corners, {self.square_mm:g} mm squares"


@dataclass(frozen=True, slots=True, eq=False)
class BoardView:
    """Corners of a board in one picture.

    Attributes:
        ids: (N,) index of each corner in `Board.points`, ascending.
        corners: (N, 2) positions [px].

    """

    ids: npt.NDArray[np.int64]
    corners: Points

    def shared(self, other: BoardView) -> tuple[npt.NDArray[np.int64], Points, Points]:
        """Corners that both pictures show: ids, positions here, positions there."""
        ids, mine, theirs = np.intersect1d(self.ids, other.ids, return_indices=True)
        return ids, self.corners[mine], other.corners[theirs]


def find_board(image: ImageU8, board: Board) -> BoardView | None:
    """Find a board's corners to about a tenth of a pixel.

    Chessboards are found by sectors (Duda and Frese 2018, findChessboardCornersSB), which holds at the low
    resolution of the fast camera where the classic detector loses views.

    Args:
        image: (h, w, 3) RGB or (h, w) luma.
        board: What to look for.

    Returns:
        The corners; None when the picture does not show a chessboard wholly, or 8 corners of a ChArUco board
        in more than one row and column.

    """
    luma = grey(image) if image.ndim == 3 else image
    # The detectors work with whole pixels: a coarse camera's corners come out several times nearer enlarged.
    factor = min(max(-(-_FINE_WIDTH // luma.shape[1]), 1), _MAX_FACTOR)
    if factor > 1:
        luma = resize(luma, luma.shape[1] * factor, luma.shape[0] * factor)
    found = _find_charuco(luma, board) if board.kind == "charuco" else _find_chessboard(luma, board)
    return found if found is None else BoardView(found.ids, (found.corners + 0.5) / factor - 0.5)


def _find_chessboard(luma: npt.NDArray[Any], board: Board) -> BoardView | None:
    flags = cv2.CALIB_CB_EXHAUSTIVE | cv2.CALIB_CB_ACCURACY
    found, corners = cv2.findChessboardCornersSB(luma, (board.columns, board.rows), flags=flags)
    if not found:
        return None
    positions = np.asarray(corners, np.float64).reshape(-1, 2)
    return BoardView(np.arange(len(positions), dtype=np.int64), positions)


def spans(ids: npt.NDArray[Any], board: Board) -> bool:
    """Whether corners are enough to say how the board lies: those of a single line are not."""
    if len(ids) < _MIN_CHARUCO:
        return False
    return bool(np.ptp(ids % board.columns) > 0 and np.ptp(ids // board.columns) > 0)


def _find_charuco(luma: npt.NDArray[Any], board: Board) -> BoardView | None:
    corners, ids, _, _ = cv2.aruco.CharucoDetector(board.charuco()).detectBoard(luma)
    if ids is None or corners is None or not spans(ids.ravel(), board):
        return None
    order = np.argsort(ids.ravel())
    return BoardView(
        np.asarray(ids.ravel()[order], np.int64), np.asarray(corners.reshape(-1, 2)[order], np.float64)
    )


def board_in_view(image: ImageU8) -> tuple[int, int] | None:
    """Inner corners (more, fewer) of whatever chessboard a picture shows, for a message; None for none."""
    luma = grey(image) if image.ndim == 3 else image
    found, _, labels = cv2.findChessboardCornersSBWithMeta(luma, (3, 3), cv2.CALIB_CB_LARGER)
    if not found or labels is None:
        return None
    return max(labels.shape), min(labels.shape)


def turned(view: BoardView) -> BoardView:
    """The same chessboard view with its corners counted from the opposite end."""
    return BoardView(view.ids, np.ascontiguousarray(view.corners[::-1]))


def mirrored(view: BoardView, board: Board, width: int) -> BoardView:
    """The chessboard view that an unmirrored camera of picture `width` [px] would have given."""
    grid = view.corners.reshape(board.rows, board.columns, 2)[:, ::-1].reshape(-1, 2).copy()
    grid[:, 0] = width - 1 - grid[:, 0]
    return BoardView(view.ids, grid)
