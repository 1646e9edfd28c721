"""The live alignment of both views, and how it follows the baseline and the working distance."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

import cv2
import numpy as np

from calibration import Alignment, CalibrationError, Rig, align_scene, plane_homography, register_views
from calibration.grid import Matrix
from drivers import Frame, RgbImage, to_rgb
from drivers.sensor import PIXEL_PITCH_UM
from fusion.digital_gain import brightened

Box: TypeAlias = tuple[float, float, float, float]
"""x, y, width and height of a rectangle, as fractions of the picture's sides."""
_LEAST_POINTS = 8
STALE_PX = 2.0
"""A difference of predicted and measured shift from here on makes the lock stale [HSR px]."""


class LockState(Enum):
    """What the alignment is worth."""

    NONE = "not aligned"
    """Nothing was locked yet."""
    OK = "aligned"
    """Prediction and picture agree."""
    STALE = "stale"
    """They differ: the rail or a head has moved otherwise than the fields say."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """What the operator enters.

    Attributes:
        baseline_mm: Distance between the cameras [mm].
        distance_m: Distance of the plane that shall coincide [m].
        lens_mm: Focal length of the HSR lens [mm].

    """

    baseline_mm: float = 50.0
    distance_m: float = 2.0
    lens_mm: float = 20.0

    @property
    def focal_px(self) -> float:
        """Focal length of the HSR lens [HSR px], unbinned."""
        return self.lens_mm * 1000.0 / PIXEL_PITCH_UM

    @property
    def shift_px(self) -> float:
        """Parallax f * b / Z of the plane [HSR px]."""
        return self.focal_px * self.baseline_mm / (self.distance_m * 1000.0)


@dataclass(frozen=True, slots=True, eq=False)
class Lock:
    """An alignment measured from pictures, and the geometry it was measured at.

    Attributes:
        alignment: As measured.
        lsr_to_hsr: 3x3, LSR px -> HSR px, of the dominant plane.
        geometry: Baseline, distance and lens at that moment.
        rig: The calibrated rig, which then predicts every move; None when only the scene was aligned.

    """

    alignment: Alignment
    lsr_to_hsr: Matrix
    geometry: Geometry
    rig: Rig | None = None

    def moved(self, geometry: Geometry) -> Matrix:
        """LSR px -> HSR px after the rail or the working distance changed.

        A calibrated rig knows both cameras. Without one the HSR camera is taken to stand on the positive
        side of the rail, so that a longer baseline or a nearer plane moves the picture towards smaller x by
        the change of f * b / Z.
        """
        if self.rig is not None:
            return plane_homography(
                self.rig, baseline_mm=geometry.baseline_mm, distance_mm=geometry.distance_m * 1000
            )
        change = geometry.shift_px - self.geometry.shift_px
        shift = np.eye(3)
        shift[0, 2] = -change
        return shift @ self.lsr_to_hsr


def make_lock(hsr: Frame, lsr: Frame, geometry: Geometry, box: Box | None = None) -> Lock:
    """Measure the alignment of two frames of one instant.

    Args:
        hsr: The sharp frame.
        lsr: The coarse frame.
        geometry: What is entered now.
        box: The part of the LSR view that shall coincide; None for the plane that most points lie on.

    Raises:
        CalibrationError: The views cannot be aligned; the message says why.

    """
    # Dark views are looked at as when a clip of them is fused.
    sharp, coarse = brightened(to_rgb(hsr))[0], brightened(to_rgb(lsr))[0]
    try:
        alignment = align_scene(sharp, coarse)
        matrix = alignment.lsr_to_hsr
        if box is not None:
            matrix = _moved_onto(matrix, sharp, coarse, box)
    except cv2.error as error:
        raise CalibrationError(
            "the views could not be aligned; give the scene more texture and try again"
        ) from error
    return Lock(alignment, matrix, geometry)


def _moved_onto(matrix: Matrix, hsr: RgbImage, lsr: RgbImage, box: Box) -> Matrix:
    """The map moved so that the points inside the box coincide.

    Parallax moves what lies nearer or farther; turning and scale stay those of the whole view, which a few
    points could not tell.

    Raises:
        CalibrationError: Too few points lie inside.

    """
    matches, epipolar, _ = register_views(hsr, lsr)
    agreed = matches.only(epipolar.inliers)
    height, width = lsr.shape[:2]
    x, y = agreed.lsr[:, 0] / width, agreed.lsr[:, 1] / height
    inside = (x >= box[0]) & (x < box[0] + box[2]) & (y >= box[1]) & (y < box[1] + box[3])
    found = int(inside.sum())
    if found < _LEAST_POINTS:
        raise CalibrationError(
            f"only {found} points of both views lie in the rectangle, {_LEAST_POINTS} are needed; draw a "
            "larger one where there is texture"
        )
    ways = agreed.hsr[inside] - cv2.perspectiveTransform(agreed.lsr[inside][None], matrix)[0]
    shift = np.eye(3)
    shift[:2, 2] = np.median(ways, axis=0)
    return np.asarray(shift @ matrix, np.float64)
