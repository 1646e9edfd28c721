"""Lens distortion, against OpenCV and undone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from calibration import CalibrationError
from calibration.lens import distort, undistort
from calibration.rig import CameraId, CameraModel

Distortion = tuple[float, float, float, float, float]


def camera(focal: float, distortion: Distortion) -> CameraModel:
    return CameraModel(
        id=CameraId(width=1920, height=1080),
        matrix=((focal, 0.0, 959.5), (0.0, 1.02 * focal, 539.5), (0.0, 0.0, 1.0)),
        distortion=distortion,
    )


def everywhere() -> np.ndarray:
    return np.stack(np.meshgrid(np.linspace(0, 1919, 25), np.linspace(0, 1079, 15)), axis=-1)


@pytest.mark.parametrize(
    ("focal", "distortion"),
    [
        (1400.0, (-0.1, 0.02, 0.0, 0.0, 0.0)),
        (1000.0, (-0.35, 0.12, 0.001, -0.002, 0.0)),
        (1100.0, (0.45, 0.0, 0.0, 0.0, 0.0)),
        (1100.0, (0.6, 0.0, 0.003, 0.002, 0.0)),
    ],
)
def test_distortion_is_opencvs_and_can_be_undone(focal: float, distortion: Distortion) -> None:
    lens = camera(focal, distortion)
    found = undistort(everywhere(), lens)
    assert np.abs(distort(found, lens) - everywhere()).max() < 1e-6
    rays = np.concatenate([(found - lens.k[:2, 2]) / np.diag(lens.k)[:2], np.ones((15, 25, 1))], axis=-1)
    bent, _ = cv2.projectPoints(rays.reshape(-1, 1, 3), np.zeros(3), np.zeros(3), lens.k, lens.d)
    assert np.abs(bent.reshape(15, 25, 2) - everywhere()).max() < 1e-6


def test_a_lens_model_that_folds_inside_the_picture_is_refused() -> None:
    with pytest.raises(CalibrationError, match="1920x1080 camera bends more than can be undone"):
        undistort(everywhere(), camera(1000.0, (-0.6, 0.0, 0.0, 0.0, 0.0)))
