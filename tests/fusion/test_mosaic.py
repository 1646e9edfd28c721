"""The colour mosaic of training samples."""

import cv2
import numpy as np
import pytest
import torch
from fusion_scene import texture

from fusion.training.crops import Crops, SampleOptions
from fusion.training.degrade import degrade
from fusion.training.mosaic import fill, sample


def planes(image):
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float() / 255


def test_one_colour_is_kept_exactly():
    colour = torch.tensor([0.9, 0.4, 0.1]).reshape(1, 3, 1, 1).expand(1, 3, 8, 12)
    torch.testing.assert_close(fill(sample(colour)), colour)


def test_every_pixel_keeps_what_it_saw_and_gets_the_rest_better_than_by_averaging():
    grey = np.repeat(texture(48, 64)[..., 1:2], 3, axis=2)
    mosaic = sample(planes(grey))
    made = 255 * fill(mosaic)[0].permute(1, 2, 0).numpy()
    raw = (255 * mosaic[0, 0]).round().to(torch.uint8).numpy()
    plain = cv2.cvtColor(raw, cv2.COLOR_BayerRGGB2RGB)
    torch.testing.assert_close(sample(fill(mosaic)), mosaic)
    errors = [np.abs(x.astype(float) - grey)[4:-4, 4:-4].mean() for x in (made, plain)]
    assert errors[0] < 0.7 * errors[1]


def test_some_noisy_cameras_have_a_mosaic_and_so_has_the_sharp_one_beside_them():
    grain = torch.randint(0, 256, (40, 3, 64, 64), dtype=torch.uint8)
    made = degrade(Crops(grain, [grain], 3), SampleOptions(noise_variance=1e-9))
    changed = (made.references[0] != made.target).flatten(1).any(dim=1)
    assert 2 <= int(changed.sum()) <= 20
    assert float(made.variance[changed].mean()) > 2 * float(made.variance[~changed].mean())


@pytest.mark.parametrize("noise_on", ["lsr", "upscaled"])
def test_clean_cameras_have_none(noise_on):
    grain = torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8)
    made = degrade(Crops(grain, [grain], 3), SampleOptions(noise_on=noise_on))
    assert torch.equal(made.references[0], made.target)
    assert float(made.variance.abs().max()) == 0


def test_samples_are_the_same_in_mixed_precision():
    grain = torch.randint(0, 256, (40, 3, 32, 32), dtype=torch.uint8)
    options = SampleOptions(noise_variance=1e-4)
    exact = degrade(Crops(grain, [grain], 3), options)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = degrade(Crops(grain, [grain], 3), options)
    for name in ("lsr", "lsr_up", "variance"):
        assert torch.equal(getattr(mixed, name), getattr(exact, name))
    assert torch.equal(mixed.references[0], exact.references[0])
