"""Back projection: how far the result is drawn to the LSR frame."""

import pytest
import torch

from fusion.resample import back_project, lsr_trust


@pytest.mark.parametrize(("variance", "trust"), [(0.0, 1.0), (1.5e-5, 0.5), (1e-4, 0.13), (1e-3, 0.0)])
def test_the_noisier_the_frame_the_less_it_is_worth_correcting(variance, trust):
    assert lsr_trust(variance) == pytest.approx(trust, abs=0.01)


def test_correction_brings_each_picture_as_near_to_its_lsr_frame_as_that_is_trusted():
    torch.manual_seed(0)
    lsr, wrong = torch.rand(3, 3, 8, 12), torch.full((3, 3, 32, 48), 0.5)
    made = back_project(wrong, lsr, torch.tensor([0.0, 0.5, 1.0]).reshape(3, 1, 1, 1))
    small = torch.nn.functional.interpolate(made, size=(8, 12), mode="bicubic", antialias=True)
    left = (small - lsr).abs().mean(dim=(1, 2, 3)) / (0.5 - lsr).abs().mean(dim=(1, 2, 3))
    assert torch.equal(made[0], wrong[0])
    assert float(left[2]) < 0.2 < float(left[1]) < 0.5
    assert back_project(wrong, lsr, 0.0) is wrong
