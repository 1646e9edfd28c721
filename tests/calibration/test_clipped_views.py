"""Views of which a part is saturated or black: what is left is aligned as if nothing were."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from calibration import align_scene, align_with_rig
from calibration_boards import scene_rig


@pytest.mark.parametrize("level", [0, 255])
@pytest.mark.parametrize("calibrated", [False, True])
def test_half_a_view_without_detail_leaves_the_other_half_exact(
    layers: Any, level: int, calibrated: bool
) -> None:
    half = layers.hsr.copy()
    half[:, :320] = level
    found = align_with_rig(half, layers.lsr, scene_rig()) if calibrated else align_scene(half, layers.lsr)
    error = np.linalg.norm(found.map_xy - layers.map_xy, axis=2)[found.valid & layers.visible]
    assert found.valid.mean() > 0.35
    assert float(np.quantile(error, 0.9)) < 1.0
