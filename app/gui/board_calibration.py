"""Collecting board views from the live cameras and calibrating from them; no Qt."""

from __future__ import annotations

from dataclasses import dataclass

from app.gui.alignment_lock import Geometry, Lock
from calibration import (
    Board,
    BoardPair,
    CameraId,
    Quality,
    Rig,
    align_baseline,
    calibrate_rig,
    draw_report,
    find_board,
)
from calibration.board import spans
from drivers import Frame, RgbImage, to_rgb
from fusion.digital_gain import brightened


class BoardNotSeenError(Exception):
    """A camera does not see the whole board; the message says which and what to do."""


@dataclass(frozen=True, slots=True, eq=False)
class Calibrated:
    """A finished calibration.

    Attributes:
        rig: The rig, ready to be saved or used.
        quality: Its figures.
        report: (860, 1280, 3) uint8, the report as a picture.

    """

    rig: Rig
    quality: Quality
    report: RgbImage


def look(name: str, hsr: Frame, lsr: Frame, board: Board) -> BoardPair:
    """The board in both frames of one instant.

    Raises:
        BoardNotSeenError: A camera does not see it, or both see parts that hardly overlap.

    """
    views = []
    for camera, frame in (("HSR", hsr), ("LSR", lsr)):
        view = find_board(brightened(to_rgb(frame))[0], board)
        if view is None:
            raise BoardNotSeenError(
                f"the {camera} camera does not see the {board}: bring all of it into view, flat and well lit"
            )
        views.append(view)
    if not spans(views[0].shared(views[1])[0], board):
        raise BoardNotSeenError(
            "the cameras see unlike parts of the board: bring the same part into both views"
        )
    return BoardPair(name, *views)


def calibrate(pairs: list[BoardPair], board: Board, hsr: CameraId, lsr: CameraId) -> Calibrated:
    """Calibrate both cameras from board pairs, and judge it.

    Raises:
        CalibrationError: Too few or contradicting views.

    """
    rig, quality = calibrate_rig(pairs, board, hsr=hsr, lsr=lsr)
    return Calibrated(rig, quality, draw_report(quality, hsr, lsr))


def rig_lock(rig: Rig, lens_mm: float) -> Lock:
    """The alignment of the rig's reference plane, for the overlay and the live fusion.

    Raises:
        CalibrationError: The cameras see no common field at this distance.

    """
    alignment = align_baseline(rig)
    geometry = Geometry(rig.baseline_mm, rig.reference_mm / 1000, lens_mm)
    return Lock(alignment, alignment.lsr_to_hsr, geometry, rig)
