"""The learned upscaler beside bicubic (paper Table 4): inside AWnet, in training, and judged by itself."""

import json

import cv2
import numpy as np
import pytest
import torch
from fusion_scene import pan

from fusion import AWnet
from fusion.awnet import load_awnet
from fusion.cards import upscaler_for
from fusion.errors import WeightsError
from fusion.evaluation import evaluate
from fusion.live import load_live
from fusion.training.clips import Clip
from fusion.training.crops import SampleOptions
from fusion.training.loop import LoopOptions, RunOptions
from fusion.training.runs import AWnetForm, train_awnet
from fusion.training.stages import SHORT, stage_loops
from fusion.weights import save_weights


@pytest.fixture
def footage(tmp_path):
    folder = tmp_path / "clips" / "pan"
    folder.mkdir(parents=True)
    for k, frame in enumerate(pan(9, 64, 96, (1.5, 0.5))):
        cv2.imwrite(str(folder / f"{k:02d}.png"), frame)
    return tmp_path / "clips"


def same(one, other):
    theirs = other.state_dict()
    return all(torch.equal(tensor, theirs[name]) for name, tensor in one.state_dict().items())


def images(count):
    generator = torch.Generator().manual_seed(1)
    return [torch.rand(1, 3, 64, 64, generator=generator) for _ in range(count)]


def test_awnet_mixes_with_the_sharpened_frame_and_finds_motion_without_it():
    torch.manual_seed(0)
    plain, learned = AWnet(), AWnet(sisr=True)
    for network in (plain, learned):
        # Nothing but the mask, which gives a quarter to a reference that is filtered away.
        torch.nn.init.zeros_(network.fusion.tail.weight)
        with torch.no_grad():
            network.fusion.tail.bias.zero_()
            network.fusion.tail.bias[25] = float(torch.tensor(0.25).logit())
    learned.flow.load_state_dict(plain.flow.state_dict())
    torch.nn.init.normal_(learned.upscaler.tail.weight, std=0.01)
    reference, up = images(2)
    with torch.inference_mode():
        before, after = plain(reference, up), learned(reference, up)
        detail = learned.upscaler(up)
    assert detail.abs().mean() > 0.01
    assert torch.equal(after.flow, before.flow)
    assert before.mask.max() == pytest.approx(0.25)
    torch.testing.assert_close(before.out, (1 - before.mask) * up)
    torch.testing.assert_close(after.out, (1 - after.mask) * (up + detail))


def test_an_untrained_upscaler_changes_nothing():
    (up,) = images(1)
    assert not AWnet(sisr=True).upscaler(up).any()


def test_awnet_is_trained_over_the_learned_upscaler_which_stays_as_it_is(footage, tmp_path):
    flow = tmp_path / "stage1.safetensors"
    save_weights(flow, AWnet(matched=True).flow, layout="flownet-matched", half=True)
    clip = Clip("pan", np.stack(pan(8, 64, 80, (1.5, -1))))
    card = upscaler_for(4, 0.0)
    path = train_awnet(
        tmp_path,
        [clip],
        [],
        tmp_path,
        SampleOptions(crop=(64, 64)),
        stage_loops([2], LoopOptions(steps=1), SHORT),
        AWnetForm(upscaler=card),
        RunOptions(batch=1),
    )
    network = load_awnet(path)
    assert network.layout == "awnet-1-matched-sisr"
    assert path.name == "awnet_x4_sisr.safetensors"
    assert json.loads(path.with_suffix(".json").read_text())["recipe"]["upscaler"]["name"] == card.name
    assert same(network.upscaler, load_live(card.path).guess)
    rows = evaluate(footage, scale=4, methods=["bicubic"], weights=[path], upscaler=True)
    assert [row.method for row in rows] == ["upscaler", "bicubic", "awnet"]
    # Started from one for another scale, it still gets the upscaler of its own.
    further = train_awnet(
        tmp_path,
        [clip],
        [],
        tmp_path / "x8",
        SampleOptions(crop=(64, 64), scale=8),
        stage_loops([2], LoopOptions(steps=1), SHORT),
        AWnetForm(upscaler=upscaler_for(8, 0.0)),
        RunOptions(batch=1, start=path),
    )
    assert same(load_awnet(further).upscaler, load_live(upscaler_for(8, 0.0).path).guess)


def test_the_shipped_upscaler_beats_bicubic_on_things_with_outlines(tmp_path):
    folder = tmp_path / "clips" / "discs"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    discs = [
        (rng.integers(0, 192, 2).tolist(), int(rng.integers(8, 40)), rng.integers(256, size=3).tolist())
        for _ in range(30)
    ]
    for k in range(7):
        frame = np.full((128, 192, 3), 128, np.uint8)
        for (x, y), radius, color in discs:
            cv2.circle(frame, (x + k, y), radius, color, -1, cv2.LINE_AA)
        cv2.imwrite(str(folder / f"{k:02d}.png"), frame)
    upscaler, bicubic = evaluate(tmp_path / "clips", scale=4, methods=["bicubic"], upscaler=True)
    assert (upscaler.method, bicubic.method) == ("upscaler", "bicubic")
    assert upscaler.model == "live_x4"
    assert upscaler.psnr > bicubic.psnr + 0.2
    assert upscaler.weight == 0


def test_a_scale_without_a_learned_upscaler_is_refused():
    assert upscaler_for(3, 0.0).name == "live_x4"
    assert upscaler_for(8, 0.01).name == "live_x8_noise"
    with pytest.raises(WeightsError, match="no learned upscaler for scale 2 is shipped; use bicubic"):
        upscaler_for(2, 0.0)
