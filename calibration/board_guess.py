"""What board pictures show where the stated board is not found in them, for messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2

from calibration.board import Board, board_in_view, find_board
from calibration.grid import ImageU8, grey

_MARKERS = 4
"""Markers of one dictionary that are no accident."""
_BITS = (4, 5, 6, 7)
_COUNTS = (50, 100, 250)
"""Each OpenCV dictionary of so many bits begins with the markers of the smaller ones."""
_OTHERS = ("DICT_ARUCO_ORIGINAL", "DICT_APRILTAG_36h11", "DICT_ARUCO_MIP_36h12")


def other_board(pictures: Sequence[ImageU8], board: Board) -> str | None:
    """One sentence about another board than the stated one that the pictures show; None where there is none.

    Args:
        pictures: (h, w, 3) RGB; a few suffice, and searching them takes seconds.
        board: The stated board.

    """
    if board.kind == "charuco":
        return _other_size(pictures, board) or _other_markers(pictures, board)
    stated = (max(board.columns, board.rows), min(board.columns, board.rows))
    sizes = [size for size in map(board_in_view, pictures) if size is not None]
    if sizes:
        seen = max(sizes, key=sizes.count)
        # Many a scene without a board holds three rows of points that look like corners.
        if seen != stated and seen[1] > 3:
            return (
                f"the pictures show a chessboard of {seen[0]}x{seen[1]} inner corners, "
                f"not {board.columns}x{board.rows}; state the board's inner corners"
            )
    return _other_markers(pictures, board)


def _other_size(pictures: Sequence[ImageU8], board: Board) -> str | None:
    """Squares counted instead of inner corners, or corners counted the other way round."""
    across, down = board.columns, board.rows
    most, best = 0, ""
    for columns, rows in ((across - 1, down - 1), (down - 1, across - 1), (down, across)):
        if min(columns, rows) < 3:
            continue
        for legacy in (False, True):
            other = replace(board, columns=columns, rows=rows, legacy=legacy)
            views = [find_board(picture, other) for picture in pictures]
            count = sum(len(view.ids) for view in views if view is not None)
            if count > most:
                most, best = count, f"{columns}x{rows}"
    if not best:
        return None
    return (
        f"the pictures show a ChArUco board of {best} inner corners, not {across}x{down}; state the inner "
        "corners across and down, with marker 0 at the top left"
    )


def _other_markers(pictures: Sequence[ImageU8], board: Board) -> str | None:
    """Markers where none are stated, or of another dictionary."""
    charuco = board.kind == "charuco"
    if charuco and max(len(_markers(picture, board.dictionary)) for picture in pictures) >= _MARKERS:
        return None
    most, best = _MARKERS - 1, ""
    for name in (*(f"DICT_{bits}X{bits}_{_COUNTS[-1]}" for bits in _BITS), *_OTHERS):
        for ids in (_markers(picture, name) for picture in pictures):
            if len(ids) > most:
                most, best = len(ids), _smallest(name, max(ids))
    if not best:
        return None
    if charuco:
        return f"the pictures show markers of {best}, not of {board.dictionary}; state the board's dictionary"
    return (
        f"the pictures show markers of {best}: it is a ChArUco board, not a chessboard; state the side of "
        "its markers and their dictionary"
    )


def _markers(picture: ImageU8, name: str) -> set[int]:
    dictionary = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, name))
    luma = grey(picture) if picture.ndim == 3 else picture
    _, ids, _ = cv2.aruco.ArucoDetector(dictionary).detectMarkers(luma)
    return set() if ids is None else {int(i) for i in ids.ravel()}


def _smallest(name: str, highest: int) -> str:
    """The smallest dictionary of its family that has the marker `highest`."""
    if name in _OTHERS:
        return name
    count = next(count for count in _COUNTS if highest < count)
    return f"{name.rsplit('_', 1)[0]}_{count}"
