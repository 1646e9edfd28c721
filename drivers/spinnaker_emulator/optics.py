"""Pinhole geometry of the rig: two sensors, two lenses, one rail."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivers.frame import Role

Matrix = npt.NDArray[np.float64]

SENSOR_WIDTH = 2448
SENSOR_HEIGHT = 2048
PIXEL_PITCH_UM = 3.45
"""Pixel pitch [um]: the emulated camera's own truth; the program's number is in drivers.sensor."""


@dataclass(frozen=True, slots=True)
class Region:
    """A region of interest in unbinned sensor pixels, and the factor of its binning.

    Attributes:
        offset_x: Left edge [sensor px].
        offset_y: Upper edge [sensor px].
        width: Width [sensor px].
        height: Height [sensor px].
        binning: Sensor pixels per image pixel along one axis.

    """

    offset_x: int
    offset_y: int
    width: int
    height: int
    binning: int = 1


@dataclass(frozen=True, slots=True)
class RigGeometry:
    """Where the HSR camera stands, seen from the LSR camera: X2 = R X1 + t.

    Attributes:
        baseline_mm: Distance between the cameras along the rail [mm].
        plane_distance_mm: Distance at which both optical axes meet when `baseline_mm` is 50 [mm].
        hsr_focal_mm: Focal length of the HSR lens [mm].
        lsr_focal_mm: Focal length of the LSR lens [mm].
        yaw_deg: Turn of the HSR camera towards the LSR camera's axis [deg].
        pitch_deg: Tilt left over from mounting [deg].
        roll_deg: Roll left over from mounting [deg].

    """

    baseline_mm: float = 50.0
    plane_distance_mm: float = 2000.0
    hsr_focal_mm: float = 20.0
    lsr_focal_mm: float = 6.0
    yaw_deg: float = math.degrees(math.atan2(50.0, 2000.0))
    pitch_deg: float = 0.12
    roll_deg: float = 0.3

    def focal_px(self, role: Role) -> float:
        """Focal length in sensor pixels."""
        focal_mm = self.hsr_focal_mm if role is Role.HSR else self.lsr_focal_mm
        return focal_mm * 1000.0 / PIXEL_PITCH_UM

    def rotation(self, role: Role) -> Matrix:
        """R of X_camera = R X_lsr + t, shape (3, 3)."""
        if role is Role.LSR:
            return np.eye(3)
        yaw, pitch, roll = (math.radians(a) for a in (self.yaw_deg, self.pitch_deg, self.roll_deg))
        turn = np.array([[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]])
        tilt = np.array(
            [[1, 0, 0], [0, math.cos(pitch), -math.sin(pitch)], [0, math.sin(pitch), math.cos(pitch)]]
        )
        spin = np.array(
            [[math.cos(roll), -math.sin(roll), 0], [math.sin(roll), math.cos(roll), 0], [0, 0, 1]]
        )
        return np.asarray(spin @ tilt @ turn, np.float64)

    def translation(self, role: Role) -> Matrix:
        """T of X_camera = R X_lsr + t [mm], shape (3,)."""
        if role is Role.LSR:
            return np.zeros(3)
        return np.asarray(-self.rotation(role) @ np.array([self.baseline_mm, 0.0, 0.0]), np.float64)

    def intrinsics(self, role: Role, region: Region, width: int, height: int) -> Matrix:
        """K of the region's field of view sampled at `width` x `height`, pixel centres at integers."""
        f = self.focal_px(role)
        sx, sy = width / region.width, height / region.height
        cx = (SENSOR_WIDTH - 1) / 2 - region.offset_x
        cy = (SENSOR_HEIGHT - 1) / 2 - region.offset_y
        return np.array(
            [[f * sx, 0, (cx + 0.5) * sx - 0.5], [0, f * sy, (cy + 0.5) * sy - 0.5], [0, 0, 1]], np.float64
        )

    def image_from_plane(
        self, role: Role, region: Region, width: int, height: int, depth_mm: float
    ) -> Matrix:
        """Homography from (X, Y) [mm] on the plane Z = `depth_mm` of the LSR camera to image pixels."""
        rotation, translation = self.rotation(role), self.translation(role)
        plane = np.column_stack([rotation[:, 0], rotation[:, 1], depth_mm * rotation[:, 2] + translation])
        return self.intrinsics(role, region, width, height) @ plane
