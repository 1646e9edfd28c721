"""Fuser: quality on known motion, order, cancelling, validity, odd frames and wrong input."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from fusion_scene import pan, reduce, texture

from fusion import METHODS, FusedFrame, Fuser, FusionError
from fusion.cards import shipped
from fusion.errors import WeightsError
from fusion.evaluation.metrics import psnr
from fusion.levels import to_bytes
from fusion.resample import downscale, upscale

M = 8
BEFORE = 3
DISTANCES = range(-BEFORE, M - BEFORE)


def fuse(method, frames, scale, **options):
    fuser = Fuser(method, scale=scale, **options)
    return list(fuser.fuse_gop(reduce(frames, scale), DISTANCES, frames[BEFORE]))


def mean_psnr(fused, frames):
    return np.mean([psnr(f.image, frames[f.position]) for f in fused if f.distance])


@pytest.mark.parametrize(("scale", "gain"), [(4, 6.0), (8, 6.0)])
@pytest.mark.parametrize("recursion", ["direct", "recurrent"])
def test_classical_beats_bicubic_on_known_motion(scale, gain, recursion):
    frames = pan(M, 128, 192, (1.5, -0.75))
    bicubic = mean_psnr(fuse("bicubic", frames, scale), frames)
    classical = mean_psnr(fuse("classical", frames, scale, recursion=recursion), frames)
    assert classical > bicubic + gain


def test_frames_come_in_time_order_and_say_where_they_come_from():
    frames = pan(M, 96, 96, (1, 0))
    for recursion in ("direct", "recurrent"):
        fused = fuse("classical", frames, 4, recursion=recursion)
        assert [f.distance for f in fused] == list(DISTANCES)
        assert [f.position for f in fused] == list(range(M))
        made = {f.distance: f.reference for f in fused}
        assert made[-1] == made[0] == made[1] == "hsr"
        assert made[-2] == made[4] == ("hstr" if recursion == "recurrent" else "hsr")
        assert np.array_equal(fused[BEFORE].image, frames[BEFORE])


@pytest.mark.parametrize("method", ["bicubic", "classical", "live"])
@pytest.mark.parametrize("recursion", ["direct", "recurrent"])
def test_frames_of_16_bits_stay_so(method, recursion):
    bright = pan(M, 64, 96, (1, 0.5))
    frames = [frame.astype(np.uint16) * 257 for frame in bright]
    lsr = [np.rint(downscale(frame, 16, 24)).clip(0, 65535).astype(np.uint16) for frame in frames]
    fuser = Fuser(method, scale=4, recursion=recursion)
    deep = list(fuser.fuse_gop(lsr, DISTANCES, frames[BEFORE]))
    assert all(f.image.dtype == np.uint16 for f in deep)
    assert np.array_equal(deep[BEFORE].image, frames[BEFORE])
    seen = [np.rint(frame / 257).astype(np.uint8) for frame in lsr]
    for one, other in zip(deep, fuser.fuse_gop(seen, DISTANCES, bright[BEFORE]), strict=True):
        assert psnr(np.rint(one.image / 257), other.image) > 40
        assert one.distance == 0 or np.any(one.image % 257)


def test_the_order_of_the_frames_given_does_not_matter():
    frames = pan(M, 64, 96, (1, 1))
    lsr = reduce(frames, 4)
    fuser = Fuser("classical", scale=4)
    straight = list(fuser.fuse_gop(lsr, DISTANCES, frames[BEFORE]))
    mixed = [5, 2, 7, 0, 3, 1, 6, 4]
    shuffled = list(fuser.fuse_gop([lsr[k] for k in mixed], [DISTANCES[k] for k in mixed], frames[BEFORE]))
    assert [f.distance for f in shuffled] == [f.distance for f in straight]
    assert [mixed[f.position] for f in shuffled] == [f.position for f in straight]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(straight, shuffled, strict=True))


def test_a_lost_synchronised_frame_leaves_the_others():
    frames = pan(M, 64, 96, (1, 0))
    lsr = reduce(frames, 4)
    kept = [k for k in range(M) if k != BEFORE]
    for recursion in ("direct", "recurrent"):
        fuser = Fuser("classical", scale=4, recursion=recursion)
        fused = list(fuser.fuse_gop([lsr[k] for k in kept], [DISTANCES[k] for k in kept], frames[BEFORE]))
        assert [f.distance for f in fused] == [-3, -2, -1, 1, 2, 3, 4]
        assert mean_psnr(fused, [frames[k] for k in kept]) > 30


@pytest.mark.parametrize("recursion", ["direct", "recurrent"])
def test_cancelling_stops_between_frames(recursion):
    frames = pan(M, 64, 64, (1, 0))
    asked = []

    def after_five():
        asked.append(True)
        return len(asked) > 5

    fuser = Fuser("classical", scale=4, recursion=recursion)
    fused = list(fuser.fuse_gop(reduce(frames, 4), DISTANCES, frames[BEFORE], cancelled=after_five))
    assert [f.distance for f in fused] == [-3, -2, -1, 0, 1]


@pytest.mark.parametrize("recursion", ["direct", "recurrent"])
def test_where_the_reference_does_not_reach_the_upscaled_frame_shows(recursion):
    frames = pan(M, 96, 128, (1, 0))
    valid = np.ones((96, 128), bool)
    valid[:, 80:] = False
    black = np.where(valid[..., None], frames[BEFORE], 0).astype(np.uint8)
    lsr = reduce(frames, 4)
    fuser = Fuser("classical", scale=4, recursion=recursion)
    for f in fuser.fuse_gop(lsr, DISTANCES, black, valid=valid):
        plain = to_bytes(upscale(lsr[f.position], 96, 128))
        # The picture moves at most 4 px away from the reference.
        assert np.array_equal(f.image[:, 92:], plain[:, 92:])
        assert not f.weight[:, 92:].any()
        assert f.distance == 0 or psnr(f.image[:, :60], frames[f.position][:, :60]) > psnr(
            plain[:, :60], frames[f.position][:, :60]
        )


@pytest.mark.parametrize("method", ["classical", "live"])
def test_a_second_reference_helps_where_the_first_does_not_see(method):
    frames = pan(2 * M, 96, 160, (3, 0))
    lsr = reduce(frames, 4)
    valid = np.ones((96, 160), bool)
    valid[:, :64] = False
    pair = Fuser(method, scale=4, references=2)
    gop = (lsr[:M], DISTANCES, frames[BEFORE])
    with_next = {"next_reference": frames[BEFORE + M], "next_distances": [d - M for d in DISTANCES]}
    one = list(Fuser(method, scale=4, references=1).fuse_gop(*gop, valid=valid, **with_next))
    two = list(pair.fuse_gop(*gop, valid=valid, **with_next))
    alone = list(pair.fuse_gop(*gop, valid=valid))
    assert all(np.array_equal(a.image, b.image) for a, b in zip(one, alone, strict=True))
    assert mean_psnr(two, frames) > mean_psnr(one, frames) + 2


def test_a_second_run_gives_the_same_bytes():
    frames = pan(M, 96, 128, (1.3, 0.4))
    first, second = (fuse("classical", frames, 4) for _ in range(2))
    assert all(np.array_equal(a.image, b.image) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize(
    "size", [((1, 1), (4, 4)), ((5, 3), (17, 11)), ((27, 49), (80, 147)), ((8, 8), (8, 8))]
)
@pytest.mark.parametrize("method", ["live", "classical", "bicubic"])
@pytest.mark.parametrize("value", [None, 0, 255])
def test_tiny_odd_and_constant_frames_work(method, size, value):
    (h, w), (height, width) = size
    reference = texture(height, width) if value is None else np.full((height, width, 3), value, np.uint8)
    lsr = [cv2.resize(reference, (w, h), interpolation=cv2.INTER_AREA)] * 3
    fused = list(Fuser(method, scale=width / w).fuse_gop(lsr, [-1, 0, 1], reference))
    assert [f.image.shape for f in fused] == [(height, width, 3)] * 3
    assert all(isinstance(f, FusedFrame) and f.image.dtype == np.uint8 for f in fused)
    assert all(f.weight.shape == (height, width) and np.isfinite(f.weight).all() for f in fused)
    if value is not None:
        wrong = max(np.abs(f.image.astype(int) - value).max() for f in fused)
        assert wrong <= (3 if method == "live" else 0)


def test_any_scale_is_fused():
    frames = pan(3, 120, 180, (1, 0))
    lsr = [to_bytes(cv2.resize(f, (72, 48), interpolation=cv2.INTER_AREA)) for f in frames]
    fused = list(Fuser("classical", scale=2.5).fuse_gop(lsr, [-1, 0, 1], frames[1]))
    assert mean_psnr(fused, frames) > 33


def test_the_fuser_says_what_it_runs():
    fuser = Fuser("classical", scale=4)
    assert (fuser.method, fuser.model, fuser.device, fuser.note) == ("classical", "none", "cpu", "")
    assert Fuser(None, scale=4).method in METHODS


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "magic", "scale": 4}, "unknown method 'magic'; choose one of awnet"),
        ({"method": "classical", "scale": 0.5}, "swapped"),
        ({"method": "classical", "scale": float("nan")}, "scale nan"),
        ({"method": "classical", "scale": 4, "device": "tpu"}, "choose auto, cpu or cuda"),
        ({"method": "classical", "scale": 4, "references": 3}, "choose 1 or 2"),
        ({"method": "classical", "scale": 4, "recursion": "sideways"}, "recurrent or direct"),
        ({"method": "classical", "scale": 4, "noise_variance": -1.0}, "noise variance"),
    ],
)
def test_wrong_options_are_refused_in_one_sentence(options, message):
    with pytest.raises(FusionError, match=message) as caught:
        Fuser(**options)
    assert "\n" not in str(caught.value)


def test_a_network_is_never_run_untrained(monkeypatch):
    monkeypatch.setattr("fusion.engine.shipped", list)
    with pytest.raises(WeightsError, match=r"awnet has no trained weights for 2 reference\(s\)"):
        Fuser("awnet", scale=4, references=2)


def test_a_full_gpu_is_told_in_one_sentence(monkeypatch):
    def full(*_arguments):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 17.00 GiB.")

    fuser = Fuser("bicubic", scale=4)
    monkeypatch.setattr(fuser.synthesiser, "synthesise", full)
    frames = pan(2, 64, 96, (1, 0))
    with pytest.raises(FusionError, match="too little free memory for frames of 96x64; close what else"):
        list(fuser.fuse_gop(reduce(frames, 4), [0, 1], frames[0], same_view=False))


def test_a_model_behind_the_learning_free_method_says_so(monkeypatch):
    assert Fuser("live", scale=4).note == ""
    cards = [replace(card, default=False) for card in shipped()]
    monkeypatch.setattr("fusion.engine.shipped", lambda: cards)
    assert "live_x4 is behind classical on clips it never saw" in Fuser("live", scale=4).note
    assert Fuser(None, scale=4).method == "classical"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_missing_cuda_device_is_named():
    with pytest.raises(FusionError, match="no usable CUDA device"):
        Fuser("classical", scale=4, device="cuda")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lsr": []}, "without LSR frames"),
        ({"distances": [0, 0]}, "different distances"),
        ({"distances": [0]}, "different distances"),
        ({"lsr": [np.zeros((8, 8, 3), np.int32)] * 2}, "8 or 16 bits"),
        ({"lsr": [np.zeros((8, 8), np.uint8)] * 2}, "8 or 16 bits"),
        ({"reference": np.zeros((32, 32, 3), np.float32)}, "8 or 16 bits"),
        ({"lsr": [np.zeros((8, 8, 3), np.uint8), np.zeros((8, 9, 3), np.uint8)]}, "differ in size"),
        ({"reference": np.zeros((4, 4, 3), np.uint8)}, "swapped"),
        ({"valid": np.ones((8, 8), bool)}, "validity"),
        ({"valid": np.ones((32, 32), np.uint8)}, "validity"),
    ],
)
def test_frames_that_cannot_be_fused_are_refused(change, message):
    given = {
        "lsr": [np.zeros((8, 8, 3), np.uint8)] * 2,
        "distances": [0, 1],
        "reference": np.zeros((32, 32, 3), np.uint8),
        **change,
    }
    with pytest.raises(FusionError, match=message):
        list(Fuser("classical", scale=4).fuse_gop(**given))
