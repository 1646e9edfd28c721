"""Folding pixels into channels, against torch's own, whichever way the channels lie."""

import pytest
import torch
import torch.nn.functional as F

from fusion.folding import SIDE, fold, unfold


@pytest.fixture(params=[torch.contiguous_format, torch.channels_last], ids=["planes", "channels-last"])
def weights(request):
    return torch.rand(8, 3, 3, 3).contiguous(memory_format=request.param)


@pytest.mark.parametrize("bfloat16", [False, True])
def test_it_orders_channels_as_torch_does(weights, bfloat16):
    whole = torch.rand(2, 6, 12, 20)
    folded = fold(torch.split(whole, [3, 2, 1], dim=1), weights, bfloat16=bfloat16)
    want = F.pixel_unshuffle(whole, SIDE)
    assert torch.equal(folded, want.bfloat16() if folded.dtype is torch.bfloat16 else want)
    assert folded.is_contiguous(memory_format=torch.channels_last) == (weights.stride(1) == 1)


def test_parts_cut_out_of_a_larger_picture_may_be_folded(weights):
    whole = torch.rand(1, 3, 17, 31)
    part = whole[..., 1:9, 2:22]
    assert torch.equal(fold([part], weights), F.pixel_unshuffle(part, SIDE))


def test_unfolding_undoes_it(weights):
    picture = torch.rand(2, 3, 8, 12)
    folded = fold([picture], weights)
    assert torch.equal(unfold(folded), picture)
    assert torch.equal(unfold(folded), F.pixel_shuffle(folded, SIDE))
