"""How far a calibration can be trusted: what the pictures say, not only the fit's own residual."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from calibration.board import Board, BoardView
from calibration.metric import (
    BoardPair,
    CameraFit,
    StereoFit,
    fit_camera,
    fit_stereo,
    pose_sigmas,
    rotation_angle_deg,
)

CELLS = (8, 6)
_FOLDS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Quality:
    """Figures of one calibration.

    Attributes:
        names: Names of the pairs.
        stereo_rms_px: Reprojection error of both cameras [px].
        hsr_rms_px: Of the sharp camera alone.
        lsr_rms_px: Of the fast camera alone.
        view_rms_px: (views, 2) reprojection error per view: LSR, HSR [px].
        epipolar_median_px: Median distance from epipolar lines [HSR px].
        epipolar_p95_px: 95th percentile.
        holdout_px: Median error of predicting a view's HSR corners from its LSR corners by a calibration
            that never saw the view [HSR px]; NaN with too few views.
        baseline_mm: Baseline [mm].
        baseline_sigma_mm: Its standard deviation [mm].
        rotation_deg: Angle between both cameras' axes systems [deg].
        rotation_sigma_deg: Standard deviation of their rotation [deg].
        hsr: The sharp camera's parameters with their standard deviations.
        lsr: The same for the fast camera.
        coverage_hsr: (6, 8) corners seen per cell of the HSR picture.
        coverage_lsr: The same for the LSR picture.
        verdict: "good", "usable" or "redo".
        reasons: Why it is not better; empty when good.

    """

    names: tuple[str, ...]
    stereo_rms_px: float
    hsr_rms_px: float
    lsr_rms_px: float
    view_rms_px: npt.NDArray[np.float64]
    epipolar_median_px: float
    epipolar_p95_px: float
    holdout_px: float
    baseline_mm: float
    baseline_sigma_mm: float
    rotation_deg: float
    rotation_sigma_deg: float
    hsr: CameraFit
    lsr: CameraFit
    coverage_hsr: npt.NDArray[np.int64]
    coverage_lsr: npt.NDArray[np.int64]
    verdict: str
    reasons: tuple[str, ...]


def _rays(view: npt.NDArray[np.float64], camera: CameraFit) -> npt.NDArray[np.float64]:
    flat = cv2.undistortPoints(view.reshape(-1, 1, 2), camera.matrix, camera.distortion)
    return np.column_stack([np.asarray(flat, np.float64).reshape(-1, 2), np.ones(len(view))])


def epipolar_errors(pairs: Sequence[BoardPair], fit: StereoFit) -> npt.NDArray[np.float64]:
    """Distance of every HSR corner from the epipolar line of its LSR corner [HSR px]."""
    out = []
    for pair in pairs:
        _, h, v = pair.hsr.shared(pair.lsr)
        line = _rays(v, fit.lsr) @ fit.essential.T
        distance = np.abs(np.sum(line * _rays(h, fit.hsr), axis=1)) / np.hypot(line[:, 0], line[:, 1])
        out.append(distance * fit.hsr.matrix[0, 0])
    return np.concatenate(out)


def transfer_errors(pair: BoardPair, board: Board, fit: StereoFit) -> npt.NDArray[np.float64]:
    """Error of HSR corners predicted from the board's pose in the LSR view [HSR px]."""
    ids, h, v = pair.hsr.shared(pair.lsr)
    points = board.points[ids].astype(np.float64)
    found, turn, place = cv2.solvePnP(points, v, fit.lsr.matrix, fit.lsr.distortion)
    if not found:
        return np.full(len(ids), np.inf)
    rotation = fit.rotation @ np.asarray(cv2.Rodrigues(turn)[0], np.float64)
    shift = fit.rotation @ np.asarray(place, np.float64).ravel() + fit.translation
    rotated = np.asarray(cv2.Rodrigues(rotation)[0], np.float64)
    predicted, _ = cv2.projectPoints(points, rotated, shift, fit.hsr.matrix, fit.hsr.distortion)
    return np.asarray(np.linalg.norm(predicted.reshape(-1, 2) - h, axis=1), np.float64)


def _holdout(
    pairs: Sequence[BoardPair], board: Board, hsr_size: tuple[int, int], lsr_size: tuple[int, int]
) -> float:
    if len(pairs) < 8:
        return float("nan")
    errors = []
    for fold in range(_FOLDS):
        train = [p for i, p in enumerate(pairs) if i % _FOLDS != fold]
        hsr = fit_camera([p.hsr for p in train], board, hsr_size)
        lsr = fit_camera([p.lsr for p in train], board, lsr_size)
        fit = fit_stereo(train, board, hsr, lsr)
        errors += [transfer_errors(p, board, fit) for p in pairs[fold::_FOLDS]]
    return float(np.median(np.concatenate(errors)))


def _coverage(views: Sequence[BoardView], size: tuple[int, int]) -> npt.NDArray[np.int64]:
    columns, rows = CELLS
    counts = np.zeros((rows, columns), np.int64)
    for view in views:
        x = np.clip((view.corners[:, 0] + 0.5) / size[0] * columns, 0, columns - 1).astype(int)
        y = np.clip((view.corners[:, 1] + 0.5) / size[1] * rows, 0, rows - 1).astype(int)
        np.add.at(counts, (y, x), 1)
    return counts


def assess(
    pairs: Sequence[BoardPair],
    board: Board,
    fit: StereoFit,
    *,
    hsr_size: tuple[int, int],
    lsr_size: tuple[int, int],
) -> Quality:
    """Measure a calibration.

    Args:
        pairs: The pairs it was made from.
        board: The board.
        fit: The calibration.
        hsr_size: (width, height).
        lsr_size: (width, height).

    """
    epipolar = epipolar_errors(pairs, fit)
    baseline = float(np.linalg.norm(fit.translation))
    baseline_sigma, rotation_sigma = pose_sigmas(pairs, board, fit)
    figures = {
        "stereo_rms_px": fit.rms_px,
        "epipolar_p95_px": float(np.quantile(epipolar, 0.95)),
        "holdout_px": _holdout(pairs, board, hsr_size, lsr_size),
        "baseline_mm": baseline,
        "baseline_sigma_mm": baseline_sigma,
    }
    coverage_h = _coverage([p.hsr for p in pairs], hsr_size)
    coverage_l = _coverage([p.lsr for p in pairs], lsr_size)
    ratio = fit.hsr.matrix[0, 0] / fit.lsr.matrix[0, 0]
    verdict, reasons = _judge(figures, len(pairs), coverage_h, coverage_l, ratio)
    return Quality(
        names=tuple(p.name for p in pairs),
        stereo_rms_px=fit.rms_px,
        hsr_rms_px=fit.hsr.rms_px,
        lsr_rms_px=fit.lsr.rms_px,
        view_rms_px=fit.view_rms_px,
        epipolar_median_px=float(np.median(epipolar)),
        epipolar_p95_px=figures["epipolar_p95_px"],
        holdout_px=figures["holdout_px"],
        baseline_mm=baseline,
        baseline_sigma_mm=figures["baseline_sigma_mm"],
        rotation_deg=rotation_angle_deg(fit.rotation),
        rotation_sigma_deg=rotation_sigma,
        hsr=fit.hsr,
        lsr=fit.lsr,
        coverage_hsr=coverage_h,
        coverage_lsr=coverage_l,
        verdict=verdict,
        reasons=reasons,
    )


def _judge(
    figures: dict[str, float],
    views: int,
    coverage_h: npt.NDArray[np.int64],
    coverage_l: npt.NDArray[np.int64],
    ratio: float,
) -> tuple[str, tuple[str, ...]]:
    """Verdict and its reasons. Limits grow with the sampling ratio: LSR corners are known to LSR pixels."""
    coarse = max(ratio, 1.0)
    checks = (
        ("stereo RMS", figures["stereo_rms_px"], 0.5, 1.0, "px"),
        ("epipolar p95", figures["epipolar_p95_px"], 0.5 * coarse, 1.0 * coarse, "px"),
        ("hold-out error", figures["holdout_px"], 0.75 * coarse, 2.0 * coarse, "px"),
        (
            "baseline sigma",
            100 * figures["baseline_sigma_mm"] / figures["baseline_mm"],
            0.5,
            2.0,
            "% of the baseline",
        ),
    )
    level, reasons = 0, []
    for name, value, good, usable, unit in checks:
        if np.isnan(value):
            continue
        if value > good:
            level = max(level, 1 if value <= usable else 2)
            reasons.append(f"{name} {value:.2f} {unit}, good is below {good:.2f}")
    if views < 8:
        level = max(level, 1)
        reasons.append(f"only {views} views, good is 8 or more")
    for name, coverage in (("HSR", coverage_h), ("LSR", coverage_l)):
        share = float((coverage > 0).mean())
        if share < 0.5:
            level = max(level, 1)
            reasons.append(f"the board covered {share:.0%} of the {name} picture, good is half or more")
    return ("good", "usable", "redo")[level], tuple(reasons)
