"""Damaged or unusual files, full disks and mistakes of operators: told in a sentence, and nothing is lost."""

import json
import os
import shutil

import cv2
import numpy as np
import pytest
import torch
from fusion_scene import pan

from fusion import FusionError
from fusion.cards import SHIPPED_FLOW, own, save_card
from fusion.errors import FusionInputError, MethodError, TrainingError, WeightsError
from fusion.evaluation import evaluate
from fusion.evaluation.metrics import psnr
from fusion.flownet import SMALL, FlowNet
from fusion.live import LiveNet
from fusion.motion import DisFlow
from fusion.training.clips import find_clips, load_clip
from fusion.training.crops import CropSampler, SampleOptions
from fusion.training.flow_lessons import judge_warp
from fusion.training.loop import LoopOptions, RunOptions
from fusion.training.pack import PackOptions, write_pack
from fusion.training.recipe import train_live
from fusion.training.shards import join_weights, split_weights
from fusion.weights import save_weights, write_tensors

CARD = {"method": "live", "scale": 4, "noise_variance": 0.0, "references": [1], "default": False}
SIZE = (64, 80)


def write_frames(folder, frames):
    folder.mkdir(parents=True, exist_ok=True)
    for k, frame in enumerate(frames):
        cv2.imwrite(str(folder / f"{k:04d}.png"), np.ascontiguousarray(frame[..., ::-1]))
    return folder


def septuplets(root, names=("00001/0001", "00001/0002")):
    for seed, name in enumerate(names):
        write_frames(root / "sequences" / name, pan(7, *SIZE, (1, 1), seed))
    for kind in ("train", "test"):
        (root / f"sep_{kind}list.txt").write_text("\n".join(names))
    return root


@pytest.fixture
def stored(tmp_path):
    path = tmp_path / "live_x4.safetensors"
    save_weights(path, LiveNet(), layout="live")
    save_card(path, CARD)
    return path


# --- footage


def test_pictures_written_anew_are_read_anew(tmp_path):
    folder = write_frames(tmp_path / "a", pan(4, *SIZE, (1, 1), 0))
    before = load_clip(folder, tmp_path / "cache").frames[0].copy()
    changed = pan(4, *SIZE, (1, 1), 1)
    write_frames(folder, changed)
    after = load_clip(folder, tmp_path / "cache").frames[0]
    assert not np.array_equal(before, after)
    assert np.array_equal(after, changed[0])


def test_a_folder_that_only_happens_to_be_called_sequences_holds_ordinary_clips(tmp_path):
    day = tmp_path / "sequences" / "day1"
    write_frames(day / "a", pan(4, 48, 800, (1, 1), 0))
    clip = load_clip(find_clips(day)[0], tmp_path / "cache")
    assert clip.name == "a"
    assert clip.frames.shape[2] == 640
    video = day / "b.mp4"
    video.write_bytes(b"no video")
    with pytest.raises(TrainingError, match=r"b\.mp4: cannot be decoded"):
        load_clip(video, tmp_path / "cache")


def test_broken_septuplets_are_named(tmp_path):
    root = septuplets(tmp_path / "vimeo")
    odd = root / "sequences/00001/0002/0003.png"
    cv2.imwrite(str(odd), cv2.imread(str(odd))[:48, :48])
    clip = load_clip(find_clips(root)[1], tmp_path / "cache")
    for read in (lambda: clip.frames[3], lambda: clip.frames[2:5], lambda: list(clip.frames)):
        with pytest.raises(TrainingError, match=r"0003\.png: of another size"):
            read()
    with pytest.raises(TrainingError, match=r"0003\.png: of another size"):
        evaluate(root, scale=4, methods=["bicubic"])
    for picture in odd.parent.iterdir():
        picture.unlink()
    with pytest.raises(TrainingError, match="0 pictures"):
        load_clip(find_clips(root)[1], tmp_path / "cache")


def test_leaving_out_every_clip_is_told_as_that(tmp_path):
    write_frames(tmp_path / "d/a", pan(4, *SIZE, (1, 1), 0))
    with pytest.raises(TrainingError, match="all clips are left out"):
        find_clips(tmp_path / "d", without=["a"])


def test_noisy_crops_must_hold_a_mosaic(tmp_path):
    clip = load_clip(write_frames(tmp_path / "a", pan(4, *SIZE, (1, 1), 0)), tmp_path / "cache")
    options = SampleOptions(scale=4, most_scale=16, noise_variance=0.01, crop=(16, 16))
    with pytest.raises(TrainingError, match="crops of at least 48 pixels"):
        CropSampler([clip], options)


def test_flow_is_judged_on_clips_smaller_than_its_network_takes(tmp_path):
    moving = pan(8, 40, 56, (2, 0), 0)
    clip = load_clip(write_frames(tmp_path / "a", moving), tmp_path / "cache")
    network = FlowNet(SMALL)
    network.start_at_zero_flow()
    found = judge_warp(network, [clip], SampleOptions(), matched=True)
    # An untrained network finds hardly any motion, and not quite none.
    assert found["warp_psnr"] == pytest.approx(psnr(moving[6], moving[4]), abs=1.0)


# --- packs


def test_clips_whose_names_differ_in_their_ending_only_stay_apart_in_a_pack(tmp_path):
    data = tmp_path / "data"
    for seed, name in enumerate(("take.v1", "take.v2")):
        write_frames(data / "clips" / name, pan(6, *SIZE, (1, 1), seed))
    write_frames(data / "photos", pan(1, *SIZE, (1, 1), 5))
    shutil.copy(data / "photos/0000.png", data / "photos/0000.bmp")
    packed = write_pack(data, tmp_path / "pack", options=PackOptions(megabytes=3, run=6))
    runs = [item["file"] for item in packed.items if item["kind"] == "run"]
    assert len(set(runs)) == len(runs) == 2
    assert len(list((tmp_path / "pack/photos").iterdir())) == 2
    first, second = (cv2.imread(str(tmp_path / "pack" / run / "000000.jpg")) for run in runs)
    assert np.abs(first.astype(float) - second).mean() > 5
    held = sum(p.stat().st_size for p in (tmp_path / "pack").rglob("*.jpg"))
    assert held == packed.bytes
    again = write_pack(tmp_path / "pack", tmp_path / "again", options=PackOptions(megabytes=3, run=3))
    assert len({item["file"] for item in again.items}) == len(again.items) == 6


def test_nothing_is_left_of_a_pack_that_failed(tmp_path):
    data = tmp_path / "data"
    write_frames(data / "a", pan(6, *SIZE, (1, 1), 0))
    write_frames(data / "b", pan(2, *SIZE, (1, 1), 1))
    with pytest.raises(TrainingError, match="b: 2 frames; training needs at least 3"):
        write_pack(data, tmp_path / "pack")
    assert not (tmp_path / "pack").exists()
    write_frames(data / "b", pan(3, *SIZE, (1, 1), 1))
    write_pack(data, tmp_path / "pack")


# --- weights


def test_no_piece_is_larger_than_allowed(tmp_path):
    with pytest.raises(WeightsError, match="one layer alone takes"):
        split_weights(SHIPPED_FLOW, tmp_path / "pieces", mebibytes=1)
    assert not (tmp_path / "pieces").exists()
    assert (
        max(p.stat().st_size for p in split_weights(SHIPPED_FLOW, tmp_path / "pieces", mebibytes=2)) < 2**21
    )


def test_pieces_of_other_weights_do_not_stay_behind(stored, tmp_path):
    split_weights(stored, tmp_path / "pieces", mebibytes=1)
    (tmp_path / "pieces/notes.txt").write_text("mine")
    plain = tmp_path / "plain.safetensors"
    save_weights(plain, LiveNet(), layout="live", half=True)
    kept = split_weights(plain, tmp_path / "pieces", mebibytes=4)
    there = {p.name for p in (tmp_path / "pieces").iterdir()}
    assert there == {p.name for p in kept} | {"model.safetensors.index.json", "notes.txt"}
    join_weights(tmp_path / "pieces", tmp_path / "joined.safetensors")
    assert not (tmp_path / "joined.json").exists()


@pytest.mark.parametrize("name", ["joined.json", "joined"])
def test_joined_weights_get_a_name_that_can_be_used(stored, tmp_path, name):
    split_weights(stored, tmp_path / "pieces")
    with pytest.raises(WeightsError, match=r"ends with \.safetensors"):
        join_weights(tmp_path / "pieces", tmp_path / name)


@pytest.mark.parametrize(
    "change",
    [{"references": []}, {"references": [0]}, {"noise_from_at": [1]}, {"scale": 0}, {"scale": float("nan")}],
)
def test_a_card_that_says_nonsense_is_refused(stored, change):
    stored.with_suffix(".json").write_text(json.dumps(CARD | change))
    with pytest.raises(WeightsError, match="not a readable model card"):
        own(stored)


def test_only_the_file_given_is_taken(stored):
    other = stored.with_suffix(".pt")
    other.write_bytes(b"something else")
    with pytest.raises(WeightsError, match=r"give the \.safetensors file"):
        own(other)


def test_a_flow_network_given_as_weights_is_named_as_one():
    with pytest.raises(WeightsError, match="give it with --flow"):
        own(SHIPPED_FLOW)


def test_others_may_read_weights_as_they_may_other_files(stored):
    card = stored.with_suffix(".json")
    assert stored.stat().st_mode == card.stat().st_mode


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk_is_told_and_leaves_what_was_there(tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"as before")
    (tmp_path / "w.safetensors.partial").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as caught:
        write_tensors(path, {"a": torch.zeros(1000)}, {})
    assert caught.value.filename == str(path)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("w.safetensors", b"as before")]


# --- runs


@pytest.mark.parametrize("damage", [None, "", "step,seconds,loss,learning_rate,figures\n4,0.1,0.2"])
def test_a_run_goes_on_whatever_became_of_its_curve(tmp_path, damage):
    clip = load_clip(write_frames(tmp_path / "a", pan(4, *SIZE, (1, 1), 0)), tmp_path / "cache")

    def train(steps):
        options = LoopOptions(steps=steps, save_every=2)
        trainer = train_live(
            [clip], [], tmp_path / "run", SampleOptions(crop=(48, 48)), options, RunOptions(batch=1)
        )
        trainer.run()
        return trainer

    train(4)
    curve = tmp_path / "run/curve.csv"
    if damage is None:
        curve.unlink()
    else:
        curve.write_text(damage)
    assert train(6).step == 6
    lines = curve.read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["step", "6"]
    assert not list((tmp_path / "run").glob("*.partial"))


# --- evaluation and motion


def test_pairs_of_unequal_or_tiny_pictures_are_refused(tmp_path):
    picture = pan(1, *SIZE, (0, 0), 0)[0]
    for size, said in ((48, "of another size"), (None, "fewer than 16x16")):
        scene = tmp_path / str(size) / "scene"
        scene.mkdir(parents=True)
        for row in range(9):
            for column in range(9):
                view = picture if size else picture[:12]
                if (row, column) == (4, 6) and size:
                    view = picture[:size]
                cv2.imwrite(str(scene / f"view_{row}_{column}.png"), view)
        with pytest.raises(FusionError, match=said):
            evaluate(scene.parent, scale=4, methods=["classical"], protocol="aside")


def test_an_evaluation_without_anything_to_judge_or_of_an_unknown_recursion_is_refused(tmp_path):
    with pytest.raises(FusionInputError, match="nothing to judge"):
        evaluate(tmp_path, scale=4, methods=["plain"], protocol="gop", references=[2])
    with pytest.raises(MethodError, match="unknown recursion"):
        evaluate(tmp_path, scale=4, methods=["plain"], protocol="gop", recursion="sideways")


def test_threads_that_share_one_search_never_take_the_same_searcher(monkeypatch):
    class Emptied(list):
        """Another thread took the last one between the question and the taking."""

        def __bool__(self):
            return True

    flow = DisFlow(4.0)
    monkeypatch.setattr(flow, "_idle", Emptied())
    monkeypatch.setattr(flow, "_search", lambda *_: "found")
    assert flow(None, None) == "found"
