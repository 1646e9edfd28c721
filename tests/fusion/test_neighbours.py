"""LSR frames near in time: which ones, how they are moved, and what a frame gains by them."""

import numpy as np
import pytest
import torch
from fusion_scene import pan, reduce, texture
from hypothesis import given
from hypothesis import strategies as st

from fusion import Fuser, FusionError
from fusion.cards import base_for
from fusion.evaluation.metrics import psnr
from fusion.gop import NEIGHBOURS, nearest_in_time
from fusion.levels import to_bytes, to_floats
from fusion.live import LiveNet, LiveReference, fill_live, load_live
from fusion.neighbours import move_neighbours, usable_neighbours
from fusion.resample import upscale
from fusion.training.clips import Clip
from fusion.training.crops import CropSampler, SampleOptions
from fusion.training.degrade import degrade
from fusion.training.loop import LoopOptions, RunOptions
from fusion.training.recipe import train_live
from fusion.upscaler import Upscaler
from fusion.weights import load_weights, save_weights, write_tensors

SIGMA = 0.1


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=12, unique=True), st.data())
def test_no_frame_left_out_is_nearer_than_one_taken(moments, data):
    position = data.draw(st.integers(0, len(moments) - 1))
    near = nearest_in_time(moments, position)
    assert len(near) == len(set(near)) == min(NEIGHBOURS, len(moments) - 1)
    assert position not in near
    away = [abs(moments[k] - moments[position]) for k in range(len(moments))]
    assert [away[k] for k in near] == sorted(away[k] for k in near)
    left = set(range(len(moments))) - {position, *near}
    assert all(away[k] >= away[near[-1]] for k in left)


def test_neighbours_are_moved_onto_the_frame():
    lsr = [to_floats(frame) for frame in reduce(pan(3, 128, 192, (6, -3)), 4)]
    up = upscale(lsr[1], 128, 192)
    inner = np.s_[16:-16, 16:-16]
    for neighbour, moved in zip((lsr[0], lsr[2]), move_neighbours(up, (lsr[0], lsr[2])), strict=True):
        still = upscale(neighbour, 128, 192)
        fit, before = (psnr(to_bytes(one[inner]), to_bytes(up[inner])) for one in (moved, still))
        assert fit > before + 8
    assert move_neighbours(up, []) == []


def test_neighbours_under_flickering_lamps_are_moved_in_the_frames_light():
    lsr = [to_floats(frame) for frame in reduce(pan(3, 128, 192, (6, -3)), 4)]
    up = upscale(lsr[1], 128, 192)
    inner = np.s_[16:-16, 16:-16]
    lamp = np.float32([0.6, 0.7, 0.75])
    steady, flickering = move_neighbours(up, (lsr[0], lsr[0] * lamp))
    dark, right = (psnr(to_bytes(one[inner]), to_bytes(up[inner])) for one in (steady * lamp, flickering))
    assert right > dark + 8


@pytest.mark.parametrize("noise", [0.0, SIGMA**2])
def test_neighbours_from_before_a_cut_are_left_out(noise):
    lsr = [to_floats(frame) for frame in noisy(reduce(pan(2, 128, 192, (3, -1)), 4), 3, noise**0.5)]
    other = to_floats(noisy([np.rot90(reduce([texture(192, 128, seed=9)], 4)[0])], 4, noise**0.5)[0] // 2)
    up = upscale(lsr[0], 128, 192)
    assert len(move_neighbours(up, [other, lsr[1]], noise)) == 2
    kept = usable_neighbours(up, [other, lsr[1]], noise)
    assert len(kept) == 1
    np.testing.assert_array_equal(kept[0], move_neighbours(up, [lsr[1]], noise)[0])


def noisy(frames, seed, sigma=SIGMA):
    noise = np.random.default_rng(seed).standard_normal((len(frames), *frames[0].shape))
    return [to_bytes(np.float32(frame + 255 * sigma * n)) for frame, n in zip(frames, noise, strict=True)]


@pytest.mark.parametrize("scale", [4, 8])
def test_several_noisy_frames_say_more_than_one_where_the_sharp_one_shows_nothing_of_the_scene(scale):
    frames = pan(5, 128, 192, (1.5, -0.75))
    lsr = noisy(reduce(frames, scale), 1)
    elsewhere = texture(128, 192, seed=9)
    fuser = Fuser("live", scale=scale, references=1, noise_variance=SIGMA**2)
    beside = [(lsr[k], k - 2) for k in (0, 1, 3, 4)]

    def made(others):
        frame = next(fuser.fuse_gop([lsr[2]], [0], elsewhere, beside=others, same_view=False))
        return psnr(frame.image, frames[2])

    with_them, alone = made(beside), made([])
    assert with_them > alone + 0.3


def test_frames_of_one_gop_are_neighbours_of_each_other():
    frames = pan(3, 64, 96, (1.5, -0.75))
    lsr = noisy(reduce(frames, 4), 2)
    fuser = Fuser("live", scale=4, references=1, noise_variance=SIGMA**2)

    def made(which, others=()):
        distances = [k - 1 for k in which]
        beside = [(lsr[k], k - 1) for k in others]
        given = [lsr[k] for k in which]
        return [f.image for f in fuser.fuse_gop(given, distances, frames[1], beside=beside, same_view=False)]

    together = made([0, 1, 2])
    for k in range(3):
        alone = made([k], [other for other in range(3) if other != k])
        np.testing.assert_array_equal(alone[0], together[k])
        assert not np.array_equal(made([k])[0], together[k])


def test_neighbours_of_another_size_or_at_the_same_moment_are_refused():
    frames = pan(2, 64, 96, (1, 0))
    lsr, large = reduce(frames, 4), reduce(frames, 2)
    fuser = Fuser("live", scale=4)
    with pytest.raises(FusionError, match="differ in size"):
        fuser.fuse_gop(lsr[:1], [1], frames[0], beside=[(large[1], 2)])
    with pytest.raises(FusionError, match="different distances"):
        fuser.fuse_gop(lsr[:1], [1], frames[0], beside=[(lsr[1], 1)])


def test_an_upscaler_takes_any_number_of_neighbours_in_any_order():
    upscaler = Upscaler()
    with torch.no_grad():
        for layer in (upscaler.tail, upscaler.told):
            torch.nn.init.normal_(layer.weight, std=0.05)
        up, *near = torch.rand(4, 2, 3, 32, 48)
        alone, first, *orders = (upscaler(up, given) for given in ([], near[:1], near, near[::-1]))
    torch.testing.assert_close(orders[0], orders[1])
    assert len({round(float(one.abs().sum()), 3) for one in (alone, first, orders[0])}) == 3


def test_weights_from_before_there_were_neighbours_do_what_they_did(tmp_path):
    network = load_live(base_for(4, 0.0).path).eval()
    with torch.no_grad():
        network.head.weight[:, 256:] = 0
        network.guess.told.weight[:64] = 0
        network.guess.told.bias[:64] = 0
        for block in network.guess.blocks[4:]:
            block[2].weight.zero_()
            block[2].bias.zero_()
    new = ("guess.beside", "guess.told", "guess.blocks.4", "guess.blocks.5")
    old = {name: tensor for name, tensor in network.state_dict().items() if not name.startswith(new)}
    old["head.weight"] = old["head.weight"][:, :256].contiguous()
    path = tmp_path / "old.safetensors"
    write_tensors(path, old, {"layout": "live"})
    loaded = load_live(path).eval()
    up, near = torch.rand(2, 1, 3, 32, 48)
    reference = LiveReference(torch.rand(1, 3, 32, 48), torch.rand(1, 3, 32, 48), torch.randn(1, 2, 32, 48))
    with torch.no_grad():
        want = network(up, [reference], 0.01).out
        torch.testing.assert_close(loaded(up, [reference], 0.01, [near]).out, want)


def numbered(count):
    return Clip("numbered", np.stack([np.full((48, 48, 3), 10 * k, np.uint8) for k in range(count)]))


def test_samples_have_the_frames_nearest_to_the_target_and_sometimes_fewer():
    plain = SampleOptions(zoom=0.0, jitter=0.0, blur=0.0, one_sided=0.0, crop=(48, 48))
    sampler = CropSampler([numbered(9)], plain, batch=8)
    counts = set()
    for step in range(24):
        crops = sampler(step)
        counts.add(len(crops.neighbours))
        for k in range(8):
            target = int(crops.target[k, 0, 0, 0]) // 10
            got = [int(one[k, 0, 0, 0]) // 10 for one in crops.neighbours]
            assert got == nearest_in_time(range(9), target)[: len(got)]
    assert counts == {0, 2, NEIGHBOURS}


def test_samples_at_a_streams_end_have_neighbours_on_one_side_and_short_clips_have_them_again():
    plain = SampleOptions(zoom=0.0, jitter=0.0, blur=0.0, one_sided=1.0, crop=(48, 48))
    for count in (9, 2):
        for step in range(12):
            crops = CropSampler([numbered(count)], plain, batch=4)(step)
            for k in range(4):
                target = int(crops.target[k, 0, 0, 0]) // 10
                away = {int(one[k, 0, 0, 0]) // 10 - target for one in crops.neighbours}
                assert all(d >= 0 for d in away) or all(d <= 0 for d in away)


def test_neighbours_are_seen_by_the_same_camera_under_other_noise():
    options = SampleOptions(noise_variance=0.01, crop=(64, 64), zoom=0.0, one_sided=0.0, jitter=0.0)
    still = Clip("still", np.stack([texture(64, 64)] * 9))
    crops = next(c for c in map(CropSampler([still], options, batch=8), range(9)) if c.neighbours)
    pictures = degrade(crops, options)
    noisy_ones = pictures.variance > 2e-3
    one, other = (lsr[noisy_ones] for lsr in (pictures.lsr, pictures.neighbours[0]))
    assert len(one) > 1
    assert not torch.equal(one, other)
    clean = degrade(crops, SampleOptions(crop=(64, 64))).lsr[noisy_ones]
    # The mean of two has half of the noise, but all of what the lens takes.
    assert ((one + other) / 2 - clean).square().mean() < 0.75 * (one - clean).square().mean()


def test_without_sharp_frames_only_what_lsr_frames_tell_is_learned(tmp_path):
    start = tmp_path / "start.safetensors"
    save_weights(start, LiveNet(), layout="live")
    clip = Clip("pan", np.stack(pan(8, 64, 64, (1.5, -1))))
    samples = SampleOptions(references=0, crop=(48, 48))
    trainer = train_live([clip], [], tmp_path / "run", samples, LoopOptions(steps=3), RunOptions(start=start))
    trainer.run()
    before, after = LiveNet(), trainer.load_averaged(LiveNet())
    fill_live(before, start)
    changed = {
        name.split(".")[0]
        for name, tensor in after.state_dict().items()
        if not torch.equal(tensor, before.state_dict()[name])
    }
    assert changed == {"guess"}
    load_weights(start, before, layout="live")
