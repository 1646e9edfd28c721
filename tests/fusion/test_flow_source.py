"""A flow network of one's own in place of DIS: the fuser takes it, fusion follows it, misfits are refused."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from fusion_scene import pan, reduce

from fusion import Fuser, FusionError
from fusion.cards import flow_file
from fusion.evaluation import evaluate
from fusion.evaluation.metrics import psnr
from fusion.flownet import MATCHED_LAYOUT, NORMALISED, SMALL, SMALL_LAYOUT, FlowNet, load_flow
from fusion.gop import Reference, prepare_reference
from fusion.inference import LearnedFlow
from fusion.live import LiveNet
from fusion.motion import warp_array
from fusion.resample import upscale
from fusion.weights import save_weights

SHIFT = (8.0, -4.0)


@pytest.fixture
def constant(tmp_path):
    """A network that finds the same motion in every picture."""
    torch.manual_seed(0)
    network = FlowNet(SMALL)
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    with torch.no_grad():
        network.context[-1].bias.copy_(torch.tensor(SHIFT) / 20)
    path = tmp_path / "live_flow_x4.safetensors"
    save_weights(path, network, layout=SMALL_LAYOUT, half=True)
    return path


def test_a_network_sees_pictures_of_equal_sharpness_and_gives_flow_of_their_size():
    seen = []

    class Network(torch.nn.Module):
        def forward(self, image, reference):
            seen.extend((image, reference))
            return torch.zeros_like(image[:, :2]) + torch.tensor(SHIFT)[None, :, None, None]

    up, sharp, matched = (np.full((50, 70, 3), value, np.float32) for value in (51, 102, 153))
    flow = LearnedFlow(Network(), 4)(up, Reference(sharp, matched, None, (12, 17)))
    assert (flow.shape, flow.dtype) == ((50, 70, 2), np.float32)
    assert np.allclose(flow, SHIFT)
    assert [tuple(x.shape) for x in seen] == [(1, 3, 64, 128)] * 2
    assert [round(float(x.mean()), 3) for x in seen] == [0.2, 0.6]


@pytest.mark.parametrize(("noise", "searches"), [(0.0, 2), (0.01, 1)])
def test_at_large_scales_a_network_looks_again_where_the_first_motion_leads(noise, searches):
    seen = []

    class Network(torch.nn.Module):
        def forward(self, image, reference):
            seen.append(image)
            return torch.zeros_like(image[:, :2]) + torch.tensor((3.0, 0.0))[None, :, None, None]

    frames = pan(2, 64, 128, (3, 0))
    lsr = reduce(frames[:1], 8)[0]
    up = upscale(lsr, 64, 128)
    flow = LearnedFlow(Network(), 8, noise_variance=noise)(
        up, prepare_reference(frames[1], None, lsr.shape[:2])
    )
    assert flow.shape == (64, 128, 2)
    assert len(seen) == searches
    if searches == 2:
        # Right motion: the frame is then what the reference looked like where it was reduced.
        matched = prepare_reference(frames[1], None, lsr.shape[:2]).matched
        moved = warp_array(matched, flow)[8:-8, 16:-16] / 255
        before, after = (
            np.abs(image[0].permute(1, 2, 0).numpy()[8:-8, 16:-16] - moved).mean() for image in seen
        )
        assert after < 0.3 * before


@pytest.mark.parametrize("method", ["classical", "live"])
def test_fusion_follows_the_motion_that_the_network_finds(constant, method):
    right, wrong = pan(2, 96, 128, SHIFT), pan(2, 96, 128, (0, 0), seed=1)
    values = {}
    for name, frames in {"right": right, "wrong": wrong}.items():
        for flow in (None, constant):
            fuser = Fuser(method, scale=4, references=1, flow=flow)
            assert (fuser.flow, fuser.device) == (flow, "cpu")
            (made,) = fuser.fuse_gop(reduce(frames[:1], 4), [-1], frames[1])
            values[name, flow] = psnr(made.image[8:-8, 8:-8], frames[0][8:-8, 8:-8])
    assert values["right", constant] > values["right", None] - 0.5
    assert values["wrong", constant] < values["wrong", None] - 4


def test_only_methods_that_look_for_motion_take_one(constant, tmp_path):
    with pytest.raises(FusionError, match=r"bicubic takes no flow network; .* awnet or live or classical"):
        Fuser("bicubic", scale=4, flow=constant)
    other = tmp_path / "other.safetensors"
    save_weights(other, LiveNet(), layout="live")
    with pytest.raises(FusionError, match="made for live, which is no flow network; give one"):
        Fuser("classical", scale=4, flow=other)
    with pytest.raises(FusionError, match="no such weights file"):
        Fuser("classical", scale=4, flow=tmp_path / "gone.safetensors")


def test_awnets_flow_network_is_taken_as_well(tmp_path):
    network = FlowNet(NORMALISED)
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    path = tmp_path / "stage1.safetensors"
    save_weights(path, network, layout=MATCHED_LAYOUT, half=True)
    found = load_flow(path)
    assert found.layout is NORMALISED
    frames = pan(2, 64, 96, (0, 0))
    (made,) = Fuser("classical", scale=4, flow=path).fuse_gop(reduce(frames[:1], 4), [-1], frames[1])
    assert psnr(made.image, frames[0]) > 35


def test_the_shipped_one_finds_motion_and_has_a_card():
    assert flow_file(None) is None
    assert flow_file(Path("mine.safetensors")) == Path("mine.safetensors")
    path = flow_file(Path("shipped"))
    assert json.loads(path.with_suffix(".json").read_text())["training_clips_and_licences"]
    frames = pan(2, 128, 192, SHIFT)
    lsr = reduce(frames[:1], 4)
    made = {
        (method, flow): next(Fuser(method, scale=4, flow=flow).fuse_gop(lsr, [-1], frames[1])).image
        for method, flow in (("classical", path), ("bicubic", None))
    }
    by_network, bicubic = (psnr(image[16:-16, 16:-16], frames[0][16:-16, 16:-16]) for image in made.values())
    assert by_network > bicubic + 6


def test_figures_are_told_apart_by_the_flow_network(constant, tmp_path):
    folder = tmp_path / "clips" / "pan"
    folder.mkdir(parents=True)
    for k, frame in enumerate(pan(9, 64, 96, (SHIFT[0] / 2, SHIFT[1] / 2))):
        cv2.imwrite(str(folder / f"{k:02d}.png"), frame)
    with pytest.raises(FusionError, match="none of the methods takes a flow network"):
        evaluate(tmp_path / "clips", scale=4, methods=["bicubic"], flow=constant)
    rows = evaluate(tmp_path / "clips", scale=4, methods=["bicubic", "classical"], flow=constant)
    assert [row.flow for row in rows] == ["own", "live_flow_x4"]
    assert rows[1].psnr > rows[0].psnr + 4
