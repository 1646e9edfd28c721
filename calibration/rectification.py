"""Epipolar lines made horizontal: from the rig's optics, or from matches alone.

Without a rig file the two views are rectified by rotations of cameras with unknown focal lengths (Fusiello
and Irsara, "Quasi-Euclidean epipolar rectification of uncalibrated images", 2011). Seven numbers with mild
priors keep the geometry stable where the eight-point matrix of a noisy, nearly flat scene tilts by several
pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from calibration.features import EpipolarFit, Matches
from calibration.grid import Matrix, Points, invert, shift, transform
from calibration.homography import local_scale

_ROW_SIGMA = 0.5  # [HSR px] what good matches scatter around their row
_ROBUST = 3.0  # Geman-McClure width in sigmas
_DEG = np.pi / 180
_VERGENCE_SIGMA, _PITCH_SIGMA, _LOG_FOCAL_SIGMA, _LOG_RATIO_SIGMA = 6 * _DEG, 10 * _DEG, 0.6, 0.05
_ENOUGH = 1000  # matches that the search looks at
_TYPICAL_FOCAL = 1.5  # focal length by picture width, between the paper's 3.0 and a phone's 0.75


@dataclass(frozen=True, slots=True, eq=False)
class Rectification:
    """Homographies that put the same point of both views on the same row.

    Attributes:
        hsr: 3x3, HSR px -> rectified px, at about HSR sampling.
        lsr: 3x3, LSR px -> rectified px.
        disparity: (lowest, highest) x_lsr - x_hsr expected [rectified px].
        row_residual_px: Median row difference of the matches [HSR px].

    """

    hsr: Matrix
    lsr: Matrix
    disparity: tuple[float, float]
    row_residual_px: float


def _rotation(x: float, y: float, z: float) -> Matrix:
    turns = (np.array([0.0, 0.0, z]), np.array([0.0, y, 0.0]), np.array([x, 0.0, 0.0]))
    rz, ry, rx = (np.asarray(cv2.Rodrigues(t)[0], np.float64) for t in turns)
    return np.asarray(rz @ ry @ rx)


def _camera(focal: float, centre: npt.NDArray[np.float64]) -> Matrix:
    return np.array([[focal, 0, centre[0]], [0, focal, centre[1]], [0, 0, 1.0]])


def rectify_from_matches(
    matches: Matches,
    epipolar: EpipolarFit,
    lsr_to_hsr: Matrix,
    *,
    hsr_size: tuple[int, int],
    lsr_size: tuple[int, int],
) -> Rectification:
    """Rectify without a calibration.

    Args:
        matches: Matches that obey `epipolar`.
        epipolar: Start of the search.
        lsr_to_hsr: Homography of the dominant plane, LSR px -> HSR px.
        hsr_size: (width, height).
        lsr_size: (width, height).

    """
    centre_h = (np.array(hsr_size, np.float64) - 1) / 2
    centre_l = (np.array(lsr_size, np.float64) - 1) / 2
    stride = -(-len(matches) // _ENOUGH)
    pl, ph = matches.lsr[::stride], matches.hsr[::stride]
    magnification, roll = local_scale(lsr_to_hsr, float(centre_l[0]), float(centre_l[1]))
    focal_l = _TYPICAL_FOCAL * max(lsr_size)
    focal_h = focal_l * magnification

    def views(p: npt.NDArray[np.float64]) -> tuple[Matrix, Matrix]:
        fh, fl = focal_h * np.exp(p[6]), focal_l * np.exp(p[5])
        straight = np.diag([fh, fh, 1.0])
        hsr = straight @ _rotation(p[0], p[1], p[2]) @ invert(_camera(fh, centre_h))
        lsr = straight @ _rotation(0.0, p[3], p[4]) @ invert(_camera(fl, centre_l))
        return hsr, lsr

    def rows(p: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        hsr, lsr = views(p)
        return np.asarray(transform(lsr, pl)[:, 1] - transform(hsr, ph)[:, 1])

    prior = 1.0 / np.array([_PITCH_SIGMA, _VERGENCE_SIGMA, np.inf, _VERGENCE_SIGMA, np.inf])

    def energy(p: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        r = rows(p) / _ROW_SIGMA
        focal = (p[5] / _LOG_FOCAL_SIGMA, p[6] / _LOG_FOCAL_SIGMA, (p[5] - p[6]) / _LOG_RATIO_SIGMA)
        return np.concatenate([r / np.sqrt(1 + (r / _ROBUST) ** 2), prior * p[:5], focal])

    angle = _epipolar_angle(epipolar.fundamental, centre_h)
    start = np.array([0.0, 0.0, -angle, 0.0, roll * _DEG - angle, 0.0, 0.0])
    start[0] = float(np.median(rows(start))) / focal_h
    if abs(np.median(rows(start))) > abs(np.median(rows(start * [0, 1, 1, 1, 1, 1, 1]))):
        start[0] = -start[0]
    steps = np.array([0.01, 0.01, 0.01, 0.01, 0.01, 0.1, 0.1])
    # scipy takes longer to load than most commands to do their work.
    from scipy.optimize import least_squares

    best = least_squares(energy, start, x_scale=steps, max_nfev=40).x
    hsr, lsr = views(best)
    return with_plane(hsr, lsr, matches)


def _epipolar_angle(fundamental: Matrix, centre: npt.NDArray[np.float64]) -> float:
    """Direction of the HSR epipole seen from the picture's middle, -90..90 degrees [rad]."""
    epipole = shift(-centre[0], -centre[1]) @ np.linalg.svd(fundamental)[0][:, 2]
    angle = float(np.arctan2(epipole[1], epipole[0]))
    return (angle + np.pi / 2) % np.pi - np.pi / 2


def with_plane(hsr: Matrix, lsr: Matrix, matches: Matches) -> Rectification:
    """Shear the LSR side along its rows so that the dominant plane has no disparity, and measure the rest.

    A search for small departures from the plane is shorter, and its smoothness favours the plane's slant.
    """
    homogeneous = np.column_stack([matches.lsr, np.ones(len(matches))])
    target = transform(hsr, matches.hsr)
    design = homogeneous / (homogeneous @ lsr[2])[:, None]
    row = robust_lines(design, target[:, 0])
    sheared = np.vstack([row, lsr[1], lsr[2]])
    source = transform(sheared, matches.lsr)
    disparity = source[:, 0] - target[:, 0]
    difference = np.abs(source[:, 1] - target[:, 1])
    good = difference < max(4.0, 3 * float(np.median(difference)))
    return Rectification(
        hsr=hsr,
        lsr=sheared,
        disparity=disparity_range(disparity[good]),
        row_residual_px=float(np.median(difference)),
    )


def disparity_range(disparity: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Range that holds nearly all scene points, given those of the matches [px]."""
    low, high = np.quantile(disparity, [0.005, 0.995])
    margin = 8.0 + 0.15 * (high - low)
    return float(low - margin), float(high + margin)


def robust_lines(design: Points, target: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Least-squares coefficients with Geman-McClure weights."""
    solution = np.linalg.lstsq(design, target, rcond=None)[0]
    for _ in range(15):
        error = design @ solution - target
        width = 2.0 * max(1.4826 * float(np.median(np.abs(error))), 1.0)
        weight = 1.0 / (1.0 + (error / width) ** 2)
        solution = np.linalg.lstsq(design * weight[:, None], target * weight, rcond=None)[0]
    return np.asarray(solution)
