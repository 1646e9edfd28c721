"""One plane for the whole picture: the first map between two views, and what it says about the rig."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from calibration.errors import NoOverlapError, RotatedViewError
from calibration.features import Matches
from calibration.grid import Mask, Matrix, transform

_MIN_INLIERS = 12


@dataclass(frozen=True, slots=True, eq=False)
class HomographyFit:
    """Homography from LSR px to HSR px.

    Attributes:
        matrix: 3x3, LSR px -> HSR px, last element 1.
        inliers: (N,) matches within the threshold.
        residual_px: Median distance of the inliers from where the matrix puts them [HSR px].

    """

    matrix: Matrix
    inliers: Mask
    residual_px: float


def local_scale(matrix: Matrix, x: float, y: float) -> tuple[float, float]:
    """Linear magnification and rotation [deg] of a homography at (x, y); negative when it mirrors."""
    p = matrix @ np.array([x, y, 1.0])
    u, v = p[0] / p[2], p[1] / p[2]
    jacobian = np.array([matrix[0, :2] - u * matrix[2, :2], matrix[1, :2] - v * matrix[2, :2]]) / p[2]
    det = float(np.linalg.det(jacobian))
    angle = float(np.degrees(np.arctan2(jacobian[1, 0] - jacobian[0, 1], jacobian[0, 0] + jacobian[1, 1])))
    return float(np.sign(det) * np.sqrt(abs(det))), angle


def fit_homography(
    matches: Matches, *, lsr_size: tuple[int, int], scale: float, threshold: float = 0.75
) -> HomographyFit:
    """Homography by MAGSAC++ with local optimisation.

    Args:
        matches: Matches, best those that obey one epipolar geometry.
        lsr_size: (width, height) of the LSR view.
        scale: Rough HSR px per LSR px.
        threshold: Largest transfer error [LSR px].

    Raises:
        NoOverlapError: Fewer than 12 matches agree, or the plane they agree on is impossible.
        RotatedViewError: One camera is turned by more than 45 degrees.

    """
    count = len(matches)
    if count < _MIN_INLIERS:
        raise NoOverlapError(_no_overlap(count))
    found, mask = cv2.findHomography(
        matches.lsr, matches.hsr / scale, cv2.USAC_MAGSAC, threshold, maxIters=5000, confidence=0.999
    )
    if found is None or mask is None or not np.all(np.isfinite(found)):
        raise NoOverlapError(_no_overlap(0))
    inliers = mask.ravel().astype(bool)
    agreeing = int(inliers.sum())
    if agreeing < _MIN_INLIERS:
        raise NoOverlapError(_no_overlap(agreeing))
    matrix = np.diag([scale, scale, 1.0]) @ np.asarray(found, np.float64)
    matrix /= matrix[2, 2]
    width, height = lsr_size
    check_plausible(matrix, width, height, scale)
    error = np.linalg.norm(transform(matrix, matches.lsr) - matches.hsr, axis=1)
    return HomographyFit(matrix, inliers, float(np.median(error[inliers])))


def check_plausible(matrix: Matrix, width: int, height: int, scale: float) -> None:
    """Refuse homographies that no pair of cameras side by side can have.

    Raises:
        NoOverlapError: It folds the picture, or magnifies by less than 1/5 or more than 5 times `scale`.
        RotatedViewError: It turns the picture by more than 45 degrees.

    """
    corners = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float64)
    depth = np.column_stack([corners, np.ones(4)]) @ matrix[2]
    centre = local_scale(matrix, (width - 1) / 2, (height - 1) / 2)
    ratios = [local_scale(matrix, x, y)[0] / scale for x, y in corners]
    if np.any(depth <= 0) or min(ratios) <= 0 or not 0.2 < centre[0] / scale < 5 or max(ratios) > 20:
        raise NoOverlapError(
            "the points that both views share do not fit any camera pair; "
            "check that both cameras look at the same scene"
        )
    if abs(centre[1]) > 45:
        raise RotatedViewError(
            f"the HSR view is turned by {centre[1]:.0f} degrees against the LSR view; "
            "turn one camera, or rotate its pictures upright first"
        )


def _no_overlap(agreeing: int) -> str:
    return (
        f"only {agreeing} points of the two views agree, {_MIN_INLIERS} are needed: check that both cameras "
        "look at the same scene, from nearly the same place and at the same instant"
    )
