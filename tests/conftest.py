"""What all tests share: quiet libraries and pictures with texture."""

from __future__ import annotations

import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
# Each of several workers has a core: their threads would wait for each other.
os.environ.update({"OMP_NUM_THREADS": "1"} if "PYTEST_XDIST_WORKER" in os.environ else {})

import numpy as np
import pytest

from pictures import RgbImage, textured


@pytest.fixture
def moving_texture() -> list[RgbImage]:
    """110 frames of a texture that moves 3 px a frame; odd size on purpose."""
    base = textured(181, 243, cell=24)
    return [np.ascontiguousarray(np.roll(base, 3 * i, axis=1)) for i in range(110)]
