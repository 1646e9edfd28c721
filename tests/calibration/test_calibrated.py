"""Dense alignment with a rig file."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from calibration import StaleRigError, ViewError, align_scene, align_with_rig
from calibration_boards import scene_rig


def errors(result: Any, scene: Any) -> np.ndarray:
    return np.linalg.norm(result.map_xy - scene.map_xy, axis=2)[scene.visible]


def test_rows_from_the_rig_beat_the_recipe_without_one(layers: Any) -> None:
    found = align_with_rig(layers.hsr, layers.lsr, scene_rig())
    recipe = align_scene(layers.hsr, layers.lsr, refine="flow")
    assert found.method == "rig+rows+flow"
    assert found.map_xy.shape == recipe.map_xy.shape
    assert np.mean(errors(found, layers) > 3) < 0.5 * np.mean(errors(recipe, layers) > 3)
    assert np.median(errors(found, layers)) < 0.3
    assert found.inliers > 100
    assert found.residual_px < 0.5


def test_plane_only(layers: Any) -> None:
    found = align_with_rig(layers.hsr, layers.lsr, scene_rig(), refine="plane")
    assert found.method == "rig+plane"
    x = np.arange(640)
    assert np.abs(found.map_xy[200, :, 0] - (x - 15)).max() < 0.01
    assert not found.valid.all()


def test_distorted_lenses_are_followed(layers: Any) -> None:
    rig = scene_rig()
    bent = rig.model_copy(
        update={
            "lsr": rig.lsr.model_copy(update={"distortion": (-0.05, 0.0, 0.0, 0.0, 0.0)}),
            "hsr": rig.hsr.model_copy(update={"distortion": (-0.05, 0.0, 0.0, 0.0, 0.0)}),
        }
    )
    # The same bend in both views nearly cancels in the map; a rig that ignored one of them would not match.
    straight = align_with_rig(layers.hsr, layers.lsr, rig)
    found = align_with_rig(layers.hsr, layers.lsr, bent)
    middle = np.s_[180:300, 240:400]
    assert np.median(np.abs(found.map_xy[middle] - straight.map_xy[middle])) < 0.3


def test_rig_that_the_pictures_contradict_is_refused(layers: Any) -> None:
    with pytest.raises(StaleRigError, match=r"contradict the rig file by .* re-lock or calibrate again"):
        align_with_rig(layers.hsr, layers.lsr, scene_rig(turn=np.radians(1.0)))


def test_pictures_of_another_size_are_refused(layers: Any) -> None:
    with pytest.raises(StaleRigError, match="HSR pictures are 600x480, the rig's were 640x480"):
        align_with_rig(np.ascontiguousarray(layers.hsr[:, :600]), layers.lsr, scene_rig())
    with pytest.raises(ViewError, match="LSR view is black"):
        align_with_rig(layers.hsr, np.zeros_like(layers.lsr), scene_rig())
