"""Calibration boards: what they look like and where their corners are in a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from calibration.errors import BoardError
from calibration.grid import ImageU8, Points, grey, remap, resize, transform

BoardKind = Literal["chessboard", "charuco"]
_MIN_CHARUCO = 8
_FINE_WIDTH, _MAX_FACTOR = 640, 4
_BESIDE = 0.25  # of a square's side
_LEAST_STEP = 0.3
"""Between the dark and the bright squares at a corner, as a share of their whole range."""


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
        legacy: Drawn as OpenCV did before 4.6, where a board with an even number of rows of squares begins
            with a white square; ChArUco only.

    """

    columns: int
    rows: int
    square_mm: float
    kind: BoardKind = "chessboard"
    marker_mm: float = 0.0
    dictionary: str = "DICT_5X5_100"
    legacy: bool = False

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
            held = len(cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, self.dictionary)).bytesList)
            needed = (self.columns + 1) * (self.rows + 1) // 2
            if needed > held:
                raise BoardError(
                    f"a ChArUco board of {self.columns}x{self.rows} inner corners has {needed} markers, "
                    f"{self.dictionary} only {held}; state the board's inner corners and dictionary"
                )

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
        board = cv2.aruco.CharucoBoard(size, self.square_mm, self.marker_mm, dictionary)
        board.setLegacyPattern(self.legacy)
        return board

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
    grid = _chessboard_grid(luma, board.columns, board.rows)
    if grid is None:
        return None
    if not alternates(luma, grid):
        # Counted from another side the search may begin with other squares.
        other = _chessboard_grid(luma, board.rows, board.columns)
        if other is None or not alternates(luma, other):
            return None
        grid = np.rot90(other)
    positions = np.ascontiguousarray(grid.reshape(-1, 2))
    return BoardView(np.arange(len(positions), dtype=np.int64), positions)


def _chessboard_grid(luma: npt.NDArray[Any], columns: int, rows: int) -> Points | None:
    """Corners (rows, columns, 2) [px]."""
    flags = cv2.CALIB_CB_EXHAUSTIVE | cv2.CALIB_CB_ACCURACY
    found, corners = cv2.findChessboardCornersSB(luma, (columns, rows), flags=flags)
    return np.asarray(corners, np.float64).reshape(rows, columns, 2) if found else None


def alternates(luma: npt.NDArray[Any], grid: Points) -> bool:
    """Whether dark and bright squares meet at the corners, two of each.

    The search also takes the outer corners of a board with a white margin for a line of inner ones.

    Args:
        luma: (h, w).
        grid: (rows, columns, 2) corners [px].

    """
    rows, columns = grid.shape[:2]
    index = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).astype(np.float64)
    onto = np.asarray(cv2.findHomography(index.reshape(-1, 2), grid.reshape(-1, 2))[0], np.float64)
    if onto.shape != (3, 3):
        return False
    # What lies beside each corner, seen from there: a lens bends the lines, and paper may end soon after.
    ways = _BESIDE * np.array([(-1, -1), (1, 1), (1, -1), (-1, 1)])
    beside = [grid + transform(onto, index + way) - transform(onto, index) for way in ways]
    smooth = cv2.GaussianBlur(luma, (0, 0), 1.0)
    corner = np.stack(
        [remap(smooth, at.astype(np.float32), cv2.INTER_LINEAR, cv2.BORDER_REPLICATE) for at in beside]
    ).astype(np.float64)
    flip = (np.indices((rows, columns)).sum(axis=0) % 2).astype(bool)
    first, second = np.where(flip, corner[2:], corner[:2]), np.where(flip, corner[:2], corner[2:])
    if first.mean() > second.mean():
        first, second = second, first
    step = second.min(axis=0) - first.max(axis=0)
    meets = step > _LEAST_STEP * (corner.max(axis=0) - corner.min(axis=0))
    # A reflection may hide some corners; a whole line without them is none.
    return bool(min(meets.mean(axis=0).min(), meets.mean(axis=1).min()) > 0.5)


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


def mirrored(view: BoardView, board: Board, size: tuple[int, int], axis: int) -> BoardView:
    """The chessboard view that an unmirrored camera would have given.

    Args:
        view: Of the mirrored camera.
        board: The board.
        size: (width, height) of the picture [px].
        axis: 0 where it is mirrored from left to right, 1 from top to bottom.

    """
    grid = view.corners.reshape(board.rows, board.columns, 2)[:, ::-1].reshape(-1, 2).copy()
    grid[:, axis] = size[axis] - 1 - grid[:, axis]
    return BoardView(view.ids, grid)
