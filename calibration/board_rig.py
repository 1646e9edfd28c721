"""Board pairs -> a rig: calibrated, judged, and written down with what it is bound to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone

import numpy as np

from calibration.board import Board
from calibration.errors import BoardError
from calibration.metric import BoardPair, CameraFit, StereoFit, calibrate_pair
from calibration.quality import Quality, assess
from calibration.rig import CameraId, CameraModel, Rig

_LEAST_BASELINE_MM = 0.1


def calibrate_rig(
    pairs: Sequence[BoardPair],
    board: Board,
    *,
    hsr: CameraId,
    lsr: CameraId,
    reference_mm: float = 2000.0,
    note: str = "",
) -> tuple[Rig, Quality]:
    """Calibrate both cameras and their baseline, and judge it.

    Args:
        pairs: The board as both cameras saw it.
        board: The board.
        hsr: What the sharp camera is bound to, with its picture's size.
        lsr: What the fast camera is bound to, with its picture's size.
        reference_mm: Distance of the reference plane [mm].
        note: The operator's words.

    Raises:
        CalibrationError: Too few or contradicting views, or views of one camera alone.

    """
    if lsr.width > hsr.width or lsr.height > hsr.height:
        raise BoardError(
            f"the LSR pictures ({lsr.width}x{lsr.height}) are larger than the HSR pictures "
            f"({hsr.width}x{hsr.height}); are they swapped?"
        )
    fit, used = calibrate_pair(pairs, board, hsr_size=hsr.size, lsr_size=lsr.size)
    quality = assess(used, board, fit, hsr_size=hsr.size, lsr_size=lsr.size)
    if quality.baseline_mm < _LEAST_BASELINE_MM:
        raise BoardError(
            f"the two cameras stand at the same place, to {quality.baseline_mm:.2f} mm; are the HSR and the "
            "LSR pictures of one and the same camera?"
        )
    return make_rig(fit, quality, hsr=hsr, lsr=lsr, reference_mm=reference_mm, note=note), quality


def make_rig(
    fit: StereoFit,
    quality: Quality,
    *,
    hsr: CameraId,
    lsr: CameraId,
    reference_mm: float = 2000.0,
    note: str = "",
) -> Rig:
    """Rig file content from a fit and its figures; the other arguments as `calibrate_rig` takes them."""
    baseline = float(np.linalg.norm(fit.translation))
    centre = -fit.rotation.T @ fit.translation / baseline

    def model(camera: CameraFit, identity: CameraId) -> CameraModel:
        return CameraModel.model_validate(
            {
                "id": identity,
                "matrix": camera.matrix.tolist(),
                "distortion": camera.distortion.tolist(),
                "rms_px": camera.rms_px,
                "focal_sigma_px": float(camera.sigmas[0]),
                "centre_sigma_px": float(np.hypot(camera.sigmas[2], camera.sigmas[3])),
            }
        )

    return Rig.model_validate(
        {
            "lsr": model(fit.lsr, lsr),
            "hsr": model(fit.hsr, hsr),
            "rotation": fit.rotation.tolist(),
            "direction": centre.tolist(),
            "baseline_mm": baseline,
            "baseline_sigma_mm": quality.baseline_sigma_mm,
            "reference_mm": reference_mm,
            "stereo_rms_px": fit.rms_px,
            "epipolar_p95_px": quality.epipolar_p95_px,
            "views": len(quality.names),
            "verdict": quality.verdict,
            "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "note": note,
        }
    )
