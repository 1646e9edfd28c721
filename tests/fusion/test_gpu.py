"""On a CUDA device everything gives what it gives on the CPU."""

import numpy as np
import pytest
import torch
from fusion_scene import pan, reduce

from fusion import Fuser
from fusion.awnet import AWnet
from fusion.cards import base_for, shipped
from fusion.correlation import correlation
from fusion.dynamic_filter import dynamic_filter
from fusion.evaluation.metrics import psnr
from fusion.gop import prepare_reference
from fusion.inference import AWnetSynthesiser
from fusion.levels import to_bytes, to_floats
from fusion.live import load_live
from fusion.resample import upscale
from fusion.training.clips import Clip
from fusion.training.crops import SampleOptions
from fusion.training.loop import LoopOptions, RunOptions
from fusion.training.recipe import train_live
from fusion.training.runs import AWnetForm, train_awnet
from fusion.training.stages import SHORT, stage_loops

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


def gradients(function, *tensors):
    leaves = [tensor.detach().clone().requires_grad_() for tensor in tensors]
    out = function(*leaves)
    out.square().sum().backward()
    return [out.detach().cpu(), *(leaf.grad.cpu() for leaf in leaves)]


@pytest.mark.parametrize(
    ("function", "shapes"),
    [(correlation, [(2, 16, 24, 40)] * 2), (dynamic_filter, [(2, 3, 24, 40), (2, 25, 24, 40)])],
)
def test_own_operations_and_their_gradients(function, shapes):
    tensors = [
        torch.randn(shape, generator=torch.Generator().manual_seed(k)) for k, shape in enumerate(shapes)
    ]
    for here, there in zip(
        gradients(function, *tensors), gradients(function, *(t.cuda() for t in tensors)), strict=True
    ):
        torch.testing.assert_close(here, there, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("references", [1, 2])
@pytest.mark.parametrize("refined", [False, True])
def test_awnet(references, refined):
    torch.manual_seed(0)
    network = AWnet(references, matched=True, refined=refined)
    network.start_at_plain_warp()
    frames = pan(3, 120, 200, (1.5, -1))
    lsr = to_floats(reduce(frames, 4)[1])
    sharp = [prepare_reference(frames[k], None, lsr.shape[:2]) for k in (0, 2)][:references]
    up = upscale(lsr, 120, 200)
    base = load_live(base_for(4, 0.0).path) if refined else None
    made = [
        to_bytes(AWnetSynthesiser(network, 4, device, base=base).synthesise(lsr, up, sharp).image)
        for device in ("cpu", "cuda")
    ]
    assert psnr(*made) > 50


def test_every_shipped_model_runs_there_unasked_and_gives_the_same():
    frames = pan(3, 128, 192, (1.5, -1))
    for card in shipped():
        scale = int(card.scale)
        lsr = reduce(frames, scale)
        made = []
        for device in ("cpu", "auto"):
            fuser = Fuser(scale=scale, weights=card.path, device=device)
            assert fuser.device == ("cpu" if device == "cpu" else "cuda")
            made.append([f.image for f in fuser.fuse_gop(lsr[:2], [1, 2], frames[0], same_view=True)])
        assert min(psnr(a, b) for a, b in zip(*made, strict=True)) > 50, card.name


def test_training_in_mixed_precision_goes_on_after_a_stop(tmp_path):
    clips = [Clip("pan", np.stack(pan(8, 128, 128, (1.5, -1))))]
    samples = SampleOptions(crop=(64, 64), references=2, alone=0.3, noise_variance=0.01, clean=0.5)
    for steps in (2, 4):
        loop = LoopOptions(steps=steps, precision="bf16", save_every=2)
        trainer = train_live(clips, [], tmp_path / "live", samples, loop, RunOptions())
        trainer.run()
        assert trainer.step == steps
        assert all(torch.isfinite(tensor).all() for tensor in trainer.averaged.values())
    loops = stage_loops([0, 1, 3], LoopOptions(steps=2, precision="bf16"), SHORT)
    form, run = AWnetForm(refined=True), RunOptions(batch=2)
    path = train_awnet(tmp_path, clips, [], tmp_path / "awnet", samples, loops, form, run)
    assert Fuser(scale=4, weights=path).device == "cuda"
