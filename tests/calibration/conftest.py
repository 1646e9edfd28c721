"""Procedural views with known geometry for the calibration tests."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from calibration_boards import BOARD, BoardShots, make_true_rig, shoot
from depth_scenes import DepthScene, depth_scene, texture


@pytest.fixture(scope="session")
def shots() -> BoardShots:
    """Six views of a board by two known cameras."""
    return shoot(BOARD, make_true_rig(), count=6, seed=8)


@pytest.fixture(scope="session")
def plane() -> np.ndarray:
    """One large textured plane."""
    return texture(900, 1100, seed=7)


@pytest.fixture(scope="session")
def layers() -> DepthScene:
    """Depth scene without noise."""
    return depth_scene()


@pytest.fixture(scope="session")
def other_scene() -> np.ndarray:
    """LSR view of something else, 160x120."""
    return cv2.resize(texture(480, 640, seed=99), (160, 120), interpolation=cv2.INTER_AREA)
