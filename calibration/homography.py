"""One plane for the whole picture: the first map between two views, and what it says about the rig."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from calibration.errors import NoOverlapError, RotatedViewError
from calibration.features import Matches
from calibration.grid import Mask, Matrix, transform

_MIN_INLIERS = 12
_REACHES_PX = (0.75, 2.25, 4.5)
"""Largest transfer errors, one tried after the other [LSR px]."""


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


def fit_homography(matches: Matches, *, lsr_size: tuple[int, int], ratio: float) -> HomographyFit:
    """Homography by MAGSAC++ with local optimisation.

    Args:
        matches: Matches, best those that obey one epipolar geometry.
        lsr_size: (width, height) of the LSR view.
        ratio: HSR px per LSR px, see `grid.pixel_ratio`; only roughly known where the lenses differ.

    Raises:
        NoOverlapError: Fewer than 12 matches agree, or the plane they agree on is impossible.
        RotatedViewError: One camera is turned by more than 45 degrees.

    """
    count = len(matches)
    if count < _MIN_INLIERS:
        raise NoOverlapError(_no_overlap(count))
    for reach in _REACHES_PX:
        found, mask = cv2.findHomography(
            matches.lsr, matches.hsr / ratio, cv2.USAC_MAGSAC, reach, maxIters=5000, confidence=0.999
        )
        if found is None or mask is None or not np.all(np.isfinite(found)):
            continue
        inliers = mask.ravel().astype(bool)
        matrix = np.diag([ratio, ratio, 1.0]) @ np.asarray(found, np.float64)
        matrix /= matrix[2, 2]
        # Where no plane holds many points a narrow threshold may pick an absurd one; a wider finds the trend.
        if int(inliers.sum()) >= _MIN_INLIERS and plausible(matrix, *lsr_size, ratio):
            break
    else:
        raise NoOverlapError(
            "the points that both views share do not fit any camera pair; "
            "check that both cameras look at the same scene from nearly the same place"
        )
    error = np.linalg.norm(transform(matrix, matches.lsr) - matches.hsr, axis=1)
    fit = HomographyFit(matrix, inliers, float(np.median(error[inliers])))
    _, angle = local_scale(matrix, (lsr_size[0] - 1) / 2, (lsr_size[1] - 1) / 2)
    if abs(angle) > 45:
        raise RotatedViewError(
            f"the HSR view is turned by {angle:.0f} degrees against the LSR view; "
            "turn one camera, or rotate its pictures upright first"
        )
    return fit


def plausible(matrix: Matrix, width: int, height: int, ratio: float) -> bool:
    """False for homographies that no pair of cameras side by side can have.

    Those fold the picture, mirror it, or magnify its middle by less than 1/5 or more than 5 times `ratio`.
    """
    corners = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float64)
    if np.any(np.column_stack([corners, np.ones(4)]) @ matrix[2] <= 0):
        return False
    middle = local_scale(matrix, (width - 1) / 2, (height - 1) / 2)[0] / ratio
    ratios = [local_scale(matrix, x, y)[0] / ratio for x, y in corners]
    return bool(min(ratios) > 0 and 0.2 < middle < 5 and max(ratios) < 5 * middle)


def _no_overlap(agreeing: int) -> str:
    return (
        f"only {agreeing} points of the two views agree, {_MIN_INLIERS} are needed: check that both cameras "
        "look at the same scene, from nearly the same place and at the same instant"
    )
