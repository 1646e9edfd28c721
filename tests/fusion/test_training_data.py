"""Training data: packs, crops, what the LSR camera leaves, synthetic flow, and pieces of weights."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from fusion_scene import pan, texture

from fusion.cards import save_card
from fusion.errors import TrainingError, WeightsError
from fusion.levels import to_bytes
from fusion.live import LiveNet
from fusion.resample import downscale, upscale
from fusion.training.clips import Clip, find_clips, load_clip
from fusion.training.crops import Crops, CropSampler, SampleOptions
from fusion.training.degrade import degrade
from fusion.training.loading import batches
from fusion.training.pack import PackOptions, write_pack
from fusion.training.pictures import load_cutouts, load_pictures
from fusion.training.shards import join_weights, split_weights
from fusion.training.synthetic import FlowSynthesis, SynthesisOptions, texture_bank
from fusion.warp import backward_warp
from fusion.weights import load_weights, save_weights


def write_frames(folder, frames, ending="png"):
    folder.mkdir(parents=True)
    for k, frame in enumerate(frames):
        cv2.imwrite(str(folder / f"{k:05d}.{ending}"), np.ascontiguousarray(frame[..., ::-1]))


@pytest.fixture
def data(tmp_path):
    """Three clips, a photo, the mask of an object, and a manifest."""
    root = tmp_path / "data"
    for k, name in enumerate(("cat", "dog", "fox")):
        write_frames(root / "clips" / name, pan(30, 96, 128, (2, 1), k))
    write_frames(root / "photos", [texture(80, 200, 7)])
    mask = np.zeros((96, 128, 3), np.uint8)
    mask[20:60, 30:80] = 255
    write_frames(root / "masks" / "dog", [mask] * 30)
    (root / "MANIFEST.tsv").write_text("file\tsource\tlicence\nclips/dog\ta kennel\tCC0\n")
    return root


def files(folder):
    return {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_pack_is_small_says_where_its_frames_are_from_and_can_be_trained_on(data, tmp_path):
    options = PackOptions(megabytes=0.25, run=5)
    made = [tmp_path / name for name in ("one", "two")]
    for out in made:
        write_pack(data, out, validate=["fox"], options=options)
    assert files(made[0]) == files(made[1])
    content = files(made[0])
    assert sum(map(len, content.values())) <= 250_000
    manifest = json.loads(content.pop(next(p for p in content if p.name == "pack.json")))
    runs = [item for item in manifest["items"] if item["kind"] == "run"]
    assert {item["origin"] for item in runs} == {"cat", "dog"}
    assert manifest["left_out_for_validation"] == ["fox"]
    assert {item["licence"] for item in runs if item["origin"] == "dog"} == {"CC0"}
    clips = [load_clip(path, tmp_path / "cache") for path in find_clips(made[0])]
    assert len(clips) == len(runs)
    assert all(clip.frames.shape == (5, 96, 128, 3) for clip in clips)
    few = write_pack(data, tmp_path / "few", options=replace(options, runs=1))
    assert sum(item["kind"] == "run" for item in few.items) == 3
    first, length = runs[0]["frames"]
    truth = pan(30, 96, 128, (2, 1), 0)[first : first + length]
    assert np.abs(clips[0].frames[:].astype(int) - np.stack(truth)).mean() < 7
    assert len(load_pictures(made[0], clips)) == 1 + len(clips)
    cutouts = load_cutouts(made[0])
    assert cutouts is not None
    assert cutouts.shape[1:] == (4, 160, 160)
    assert (cutouts[:, 3] == 255).all()


def test_clips_to_judge_by_are_packed_neither_as_frames_nor_as_cutouts(data, tmp_path):
    made = write_pack(data, tmp_path / "pack", validate=["dog"], options=PackOptions(megabytes=0.25, run=5))
    assert {item["origin"] for item in made.items if item["kind"] == "run"} == {"cat", "fox"}
    assert load_cutouts(tmp_path / "pack") is None


def test_what_cannot_be_packed_is_named(data, tmp_path):
    with pytest.raises(TrainingError, match="not an empty folder"):
        write_pack(data, data)
    with pytest.raises(TrainingError, match=r"no clip is named bird\*"):
        write_pack(data, tmp_path / "out", options=PackOptions(only=("bird*",)))
    with pytest.raises(TrainingError, match="leave out"):
        write_pack(data, tmp_path / "out", validate=["wolf"])
    with pytest.raises(TrainingError, match="not one run"):
        write_pack(data, tmp_path / "out", options=PackOptions(megabytes=0.07))


def test_vimeo_septuplets_are_read_from_disk_by_the_training_list(tmp_path):
    frames = pan(7, 64, 96, (1, 0))
    for name in ("00001/0001", "00001/0002"):
        write_frames(tmp_path / "sequences" / name, frames)
    (tmp_path / "sep_trainlist.txt").write_text("00001/0002\n")
    (clip,) = [load_clip(path, tmp_path / "cache") for path in find_clips(tmp_path)]
    assert clip.name == "00001/0002"
    assert clip.frames.shape == (7, 64, 96, 3)
    assert np.array_equal(clip.frames[3], frames[3])
    assert np.array_equal(clip.frames[2:4], frames[2:4])
    assert CropSampler([clip], SampleOptions(crop=(64, 64)), batch=1)(0).target.shape == (1, 3, 64, 64)
    assert not (tmp_path / "cache").exists()
    (tmp_path / "sep_trainlist.txt").write_text("00001/0001\n00001/0002\n")
    assert [path.name for path in find_clips(tmp_path, without=["00001/0001"])] == ["0002"]
    with pytest.raises(TrainingError, match="no clip named 0001 to leave out"):
        find_clips(tmp_path, without=["00001/0002", "0001"])
    (tmp_path / "sep_trainlist.txt").write_text("00009/0001\n")
    with pytest.raises(TrainingError, match=r"00009/0001, which is not there"):
        find_clips(tmp_path)


def test_of_many_clips_an_even_share_is_read_for_synthetic_flow(data):
    class Frames(list):
        shape = (1, 2, 2, 3)

    clips = [Clip(str(k), Frames([np.full((2, 2, 3), k % 251, np.uint8)])) for k in range(1000)]
    photo, *frames = load_pictures(data, clips)
    assert photo.shape == (80, 200, 3)
    assert len(frames) == 255
    assert [int(f[0, 0, 0]) for f in frames[:3]] == [0, 3, 7]
    assert int(frames[-1][0, 0, 0]) == 996 % 251
    assert len(load_pictures(data, clips[:7])) == 8


def test_the_device_degrades_as_the_pictures_functions_do():
    crops = CropSampler([Clip("a", np.stack(pan(8, 96, 96, (1, 0))))], SampleOptions(crop=(64, 96)))(0)
    for scale in (3, 4, 8):
        made = degrade(crops, SampleOptions(scale=scale))
        target = crops.target[0].permute(1, 2, 0).numpy()
        lsr = to_bytes(downscale(target, 64 // scale, 96 // scale))
        up = upscale(lsr, 64, 96)
        assert np.abs(255 * made.lsr[0].permute(1, 2, 0).numpy() - lsr).max() < 1e-3
        assert np.abs(255 * made.lsr_up[0].permute(1, 2, 0).numpy() - up).max() < 1e-2


def test_noise_can_be_put_on_the_upscaled_frame_as_in_the_paper():
    crops = CropSampler([Clip("a", np.stack(pan(8, 96, 96, (1, 0))))], SampleOptions(crop=(96, 96)), batch=8)(
        0
    )
    clean = degrade(crops, SampleOptions())
    noisy = degrade(crops, SampleOptions(noise_variance=0.01, noise_on="upscaled"))
    assert torch.equal(noisy.lsr, clean.lsr)
    assert 0.002 < float((noisy.lsr_up - clean.lsr_up).var()) < 0.0105
    with pytest.raises(TrainingError, match="choose lsr or upscaled"):
        CropSampler([], SampleOptions(noise_on="screen"))


def test_a_noisy_camera_has_every_strength_of_noise_and_says_roughly_which():
    grey = Crops(torch.full((32, 3, 256, 256), 128, dtype=torch.uint8), [], 7)
    made = degrade(grey, SampleOptions(noise_variance=0.01))
    found = made.lsr.var(dim=(1, 2, 3))
    assert float(found.min()) < 1e-4
    assert 0.008 < float(found.max()) < 0.012
    assert float((found > 0.008).float().mean()) < 0.5
    off = (made.variance / found).log()
    assert abs(float(off.mean())) < 0.3
    assert 0.1 < float(off.std()) < 0.7


def test_a_real_camera_is_softer_than_a_mere_reduction():
    grain = torch.randint(0, 256, (8, 3, 96, 96), dtype=torch.uint8)
    ideal, real = (degrade(Crops(grain, [], 7), SampleOptions(noise_variance=v)).lsr for v in (0.0, 1e-9))
    assert bool((real.std(dim=(1, 2, 3)) < ideal.std(dim=(1, 2, 3))).all())


def test_crops_too_large_for_the_footage_are_refused():
    with pytest.raises(TrainingError, match="no clip has frames of 384x256"):
        CropSampler([Clip("a", np.stack(pan(8, 64, 64, (1, 0))))], SampleOptions(crop=(256, 384)))


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_come_in_order_whoever_makes_them(workers):
    sampler = CropSampler(
        [Clip("a", np.stack(pan(8, 64, 64, (1, 0))))], SampleOptions(crop=(48, 48)), batch=1
    )
    made = batches(sampler, 3, stride=2, workers=workers)
    for step in (3, 5, 7):
        assert torch.equal(next(made).target, sampler(step).target)
    made.close()


def test_synthetic_flow_is_the_truth_where_nothing_is_hidden():
    bank = texture_bank([texture(96, 128, k) for k in range(4)], (96, 144), 6)
    cutout = torch.zeros(1, 4, 40, 40, dtype=torch.uint8)
    cutout[:, :, 8:32, 8:32] = 200
    make = FlowSynthesis(bank, SynthesisOptions(size=(64, 96), motion=4.0, bend=2.0), cutout)
    pair = make(4, seed=3)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(pair.flow, make(4, seed=3).flow)
    assert not torch.equal(pair.flow, make(4, seed=4).flow)
    warped, _ = backward_warp(pair.second, pair.flow)
    error = (warped - pair.first).abs().mean(dim=1, keepdim=True)
    seen = pair.occluded == 0
    assert 0.5 < float(seen.float().mean()) < 0.99
    assert float(error[seen].median()) < 0.01
    assert float(error[seen].mean()) < 0.3 * float((pair.second - pair.first).abs().mean())
    assert float(pair.flow.abs().amax()) > 2


def test_weights_in_pieces_come_together_again(tmp_path):
    network = LiveNet()
    whole = tmp_path / "live_x4.safetensors"
    save_weights(whole, network, layout="live-1")
    save_card(whole, {"method": "live"})
    pieces = split_weights(whole, tmp_path / "pieces", mebibytes=1.0)
    assert len(pieces) > 2
    assert all(piece.stat().st_size <= 2**20 for piece in pieces)
    join_weights(tmp_path / "pieces", tmp_path / "again.safetensors")
    assert (tmp_path / "again.json").read_text() == whole.with_suffix(".json").read_text()
    again = LiveNet()
    load_weights(tmp_path / "again.safetensors", again, layout="live-1")
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), again.parameters(), strict=True))
    pieces[0].unlink()
    with pytest.raises(WeightsError, match="not a whole"):
        join_weights(tmp_path / "pieces", tmp_path / "again.safetensors")
    with pytest.raises(WeightsError, match="no weights in pieces"):
        join_weights(tmp_path, tmp_path / "again.safetensors")


def test_pictures_without_an_outline_are_no_cutouts(tmp_path):
    assert load_cutouts(tmp_path) is None
    write_frames(tmp_path / "cutouts", [texture(40, 40)])
    with pytest.raises(TrainingError, match="alpha"):
        load_cutouts(tmp_path)
    with pytest.raises(TrainingError, match="no pictures"):
        texture_bank([], (8, 8), 1)


def test_options_that_cannot_be_are_refused():
    sampler = CropSampler(
        [Clip("a", np.stack(pan(8, 64, 64, (1, 0))))], SampleOptions(crop=(48, 32)), batch=1
    )
    assert sampler(0).target.shape == (1, 3, 48, 32)
    two = replace(SampleOptions(crop=(48, 32)), references=2)
    assert len(CropSampler([Clip("a", np.stack(pan(8, 64, 64, (1, 0))))], two)(1).references) == 2
