"""Lens distortion: positions as a camera's lens gives them, and as one without distortion would.

Brown's model of radial and tangential distortion (1971), with OpenCV's coefficients k1 k2 p1 p2 k3.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from calibration.errors import CalibrationError
from calibration.grid import Points
from calibration.rig import CameraModel

_STEPS = 20
_CLOSE = 1e-9
_WORST = 0.01


def distort(points: npt.NDArray[np.float32] | Points, camera: CameraModel) -> npt.NDArray[np.float64]:
    """Positions (..., 2) [px] as the camera's lens gives them, from undistorted ones."""
    if not np.any(camera.d):
        return np.asarray(points, np.float64)
    k, (k1, k2, p1, p2, k3) = camera.k, camera.distortion
    x = (points[..., 0] - k[0, 2]) / k[0, 0]
    y = (points[..., 1] - k[1, 2]) / k[1, 1]
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    dx = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    dy = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    return np.stack([dx * k[0, 0] + k[0, 2], dy * k[1, 1] + k[1, 2]], axis=-1)


def undistort(points: Points, camera: CameraModel) -> Points:
    """Positions (..., 2) [px] as a lens without distortion would give them, to 0.01 px or better.

    Raises:
        CalibrationError: The lens model has none for some position: it folds the picture back before it.

    """
    target = np.asarray(points, np.float64)
    if not np.any(camera.d):
        return target
    found = target.copy()
    # Newton's steps: plain repetition stalls where the lens bends strongly.
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        for step in range(_STEPS + 1):
            error = distort(found, camera) - target
            xx, xy, yx, yy = _derivatives(found, camera)
            determinant = xx * yy - xy * yx
            if step == _STEPS or float(np.max(np.abs(error), initial=0.0)) < _CLOSE:
                break
            found[..., 0] -= (yy * error[..., 0] - xy * error[..., 1]) / determinant
            found[..., 1] -= (xx * error[..., 1] - yx * error[..., 0]) / determinant
    # Beyond a fold the model mirrors the picture, so a position found there is none.
    if not np.all((np.abs(error) <= _WORST).all(axis=-1) & (determinant > 0)):
        raise CalibrationError(
            f"the lens of the {camera.id.width}x{camera.id.height} camera bends more than can be undone; "
            "calibrate again with the board in all corners of the picture"
        )
    return found


def _derivatives(points: Points, camera: CameraModel) -> tuple[npt.NDArray[np.float64], ...]:
    """What x and y after the lens change by with x and y before it: xx, xy, yx and yy (...)."""
    k, (k1, k2, p1, p2, k3) = camera.k, camera.distortion
    x = (points[..., 0] - k[0, 2]) / k[0, 0]
    y = (points[..., 1] - k[1, 2]) / k[1, 1]
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    growth = 2 * (k1 + r2 * (2 * k2 + 3 * r2 * k3))
    xx = radial + x * x * growth + 2 * p1 * y + 6 * p2 * x
    yy = radial + y * y * growth + 6 * p1 * y + 2 * p2 * x
    cross = x * y * growth + 2 * p1 * x + 2 * p2 * y
    aspect = k[0, 0] / k[1, 1]
    return xx, cross * aspect, cross / aspect, yy
