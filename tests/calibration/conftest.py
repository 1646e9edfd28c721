"""Procedural views with known geometry for the calibration tests."""

from __future__ import annotations

import cv2
import numpy as np
import pytest


def texture(height: int, width: int, seed: int) -> np.ndarray:
    """RGB picture (height, width, 3) uint8 with corners and detail at every size; deterministic."""
    rng = np.random.default_rng(seed)
    out = np.full((height, width, 3), 110.0)
    for size in (128, 64, 32, 16, 8, 4, 2):
        noise = rng.normal(0, 1, (height // size + 2, width // size + 2, 3))
        out += 9 * cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(width * height // 2500):
        color = rng.uniform(15, 240, 3)
        centre = rng.uniform(0, 1, 2) * (width, height)
        radius = float(rng.uniform(4, 30))
        angle = rng.uniform(0, np.pi)
        corners = [
            centre + radius * np.array([np.cos(angle + k * 2.1), np.sin(angle + k * 2.1)]) for k in range(3)
        ]
        cv2.fillPoly(out, [np.round(corners).astype(np.int32)], color.tolist(), cv2.LINE_AA)
    return np.clip(out, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def plane() -> np.ndarray:
    """One large textured plane."""
    return texture(900, 1100, seed=7)
