"""Training: data, exact resume after a kill, learning one sample, and what is refused."""

import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from fusion_scene import pan
from safetensors import safe_open

from fusion import FusionError
from fusion.classical import Classical
from fusion.errors import TrainingError
from fusion.gop import prepare_reference
from fusion.inference import LiveSynthesiser
from fusion.live import LiveFused, LiveNet, move_both_ways
from fusion.training.clips import Clip, find_clips, load_clip, load_clips
from fusion.training.crops import CropSampler, SampleOptions, draw_scale
from fusion.training.degrade import degrade
from fusion.training.judging import judge
from fusion.training.loop import LoopOptions, RunOptions, Trainer, slow_in_bf16
from fusion.training.recipe import live_loss, train_live
from fusion.training.samples import Sampler, motion_of_use
from fusion.training.schedule import Schedule
from fusion.training.state import load_state, save_state

SAMPLES = SampleOptions(crop=(48, 48))
LOOP = LoopOptions(steps=8, save_every=2, validate_every=4)


def clip(seed=0, count=8):
    return Clip(f"pan{seed}", np.stack(pan(count, 64, 80, (1.5, -1), seed)))


def weights(folder):
    with safe_open(folder / "state.safetensors", framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)


def train(folder, steps=8, on_step=None, **changes):
    loop = replace(LOOP, steps=steps, **changes)
    trainer = train_live([clip()], [clip(1)], folder, SAMPLES, loop, RunOptions(batch=2))
    trainer.run(on_step)
    return trainer


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_a_batch_depends_on_seed_and_step_only():
    one, two = (Sampler([clip()], SAMPLES, batch=2, seed=5) for _ in range(2))
    two(0)
    assert torch.equal(one(3).lsr_up, two(3).lsr_up)
    assert not torch.equal(one(3).target, one(4).target)


@pytest.mark.parametrize(("scale", "references", "noise"), [(4, 1, 0.0), (8, 2, 0.01), (3, 1, 0.0)])
def test_a_batch_has_the_shapes_and_the_noise_asked_for(scale, references, noise):
    options = SampleOptions(scale=scale, references=references, noise_variance=noise, crop=(48, 48))
    sampler = Sampler([clip()], options, batch=3)
    assert len(sampler(0).references) == 1
    batch = sampler(references - 1)
    assert batch.target.shape == batch.lsr_up.shape == (3, 3, 48, 48)
    assert batch.lsr.shape == (3, 3, 48 // scale, 48 // scale)
    assert [[tuple(x.shape) for x in r] for r in batch.references] == [
        [(3, 3, 48, 48), (3, 3, 48, 48), (3, 2, 48, 48)]
    ] * references
    assert all(float(x.min()) >= 0 and float(x.max()) <= 1 for x in (batch.target, batch.lsr))
    clean = Sampler([clip()], replace(options, noise_variance=0.0), batch=3)(references - 1)
    difference = float((batch.lsr - clean.lsr).var())
    assert difference == 0 if noise == 0 else 0.1 * noise < difference < 1.5 * noise


def test_batches_of_scales_in_between_are_as_large_as_their_lsr_frames_say():
    sampler = Sampler([clip()], SampleOptions(scale=4, least_scale=2.5, crop=(48, 48)), batch=1)
    sides = {sampler(step).lsr.shape[-1] for step in range(12)}
    assert {12} < sides <= set(range(12, 20))
    with pytest.raises(TrainingError, match="least scale 4: give one from 1 to below the scale 4"):
        Sampler([clip()], SampleOptions(scale=4, least_scale=4.0, crop=(48, 48)))
    with pytest.raises(TrainingError, match="greatest scale 4: give one above the scale 4"):
        Sampler([clip()], SampleOptions(scale=4, most_scale=4.0, crop=(48, 48)))


def test_scales_go_from_the_least_to_the_greatest_and_favour_the_named_ones():
    options = SampleOptions(scale=4, least_scale=3.0, most_scale=8.0)
    drawn = [draw_scale(options, np.random.default_rng(seed)) for seed in range(400)]
    assert min(drawn) < 3.2
    assert 7.5 < max(s for s in drawn if s < 8) < max(drawn) == 8
    assert all(80 < drawn.count(scale) < 120 for scale in (4, 8))


def test_some_samples_of_a_noisy_batch_have_none_and_are_told_so():
    options = SampleOptions(noise_variance=0.01, clean=0.5, crop=(48, 48))
    noisy = Sampler([clip()], options, batch=16)(0)
    alike = Sampler([clip()], replace(options, noise_variance=0.0), batch=16)(0)
    untouched = [torch.equal(a, b) for a, b in zip(noisy.lsr, alike.lsr, strict=True)]
    assert 3 < sum(untouched) < 13
    assert float(noisy.variance[untouched].max()) < 1e-5
    assert [float(v) > 5e-6 for v in noisy.variance] == [not same for same in untouched]


def test_where_the_second_reference_is_missing_the_first_one_stands_in():
    options = SampleOptions(references=2, alone=0.4, crop=(48, 48))
    crops = CropSampler([clip()], options, batch=32)(0)
    alone = sum(torch.equal(a, b) for a, b in zip(*crops.references, strict=True))
    assert 6 < alone < 22


def test_a_crop_says_how_many_frames_lie_between_each_reference_and_its_target():
    numbered = Clip("numbered", np.stack([np.full((48, 48, 3), 10 * k, np.uint8) for k in range(9)]))
    plain = SampleOptions(references=2, alone=0.2, zoom=0.0, jitter=0.0, blur=0.0, crop=(48, 48))
    crops = CropSampler([numbered], plain, batch=64)(0)
    assert crops.distances is not None
    apart = [(crops.target.int() - image.int())[:, 0, 0, 0] // 10 for image in crops.references]
    assert torch.equal(torch.stack(apart, dim=1), crops.distances)
    assert {-4, -1, 1, 4} < set(crops.distances.flatten().tolist())


def test_a_network_learns_on_the_motion_that_it_gets_in_use():
    torch.manual_seed(0)
    options = SampleOptions(references=2, alone=0.3, noise_variance=0.01, jitter=0.0, crop=(48, 48))
    pictures = degrade(CropSampler([clip()], options, batch=8)(0), options)
    flows = motion_of_use(pictures, 2)
    network = LiveNet(4)
    whole = [
        np.ascontiguousarray(255 * planes.permute(0, 2, 3, 1), np.float32)
        for planes in (pictures.lsr, pictures.lsr_up, *pictures.references)
    ]
    for k, (lsr, up, *images) in enumerate(zip(*whole, strict=True)):
        noise = float(pictures.variance[k])
        references = [
            prepare_reference(image, None, lsr.shape[:2], distance=int(distance))
            for image, distance in zip(images, pictures.distances[k], strict=True)
        ][: 1 if np.array_equal(*images) else 2]
        used = LiveSynthesiser(network, 4, "cpu", noise_variance=noise).synthesise(
            np.rint(lsr), up, references
        )
        given = list(zip(pictures.references, flows, strict=True))[: len(references)]
        moved = [
            one
            for image, flow in given
            for one in move_both_ways(image[k : k + 1], flow[k : k + 1], lsr.shape[:2])
        ]
        with torch.inference_mode():
            learnt = network(pictures.lsr_up[k : k + 1], moved, noise**0.5)
        np.testing.assert_allclose(learnt.weight[0, 0], used.weight, atol=2e-3)


def test_crops_without_a_place_in_time_get_the_motion_of_pairs_alone():
    options = SampleOptions(references=2, noise_variance=0.01, jitter=0.0, blur=0.0, crop=(48, 48))
    pictures = degrade(CropSampler([clip()], options, batch=4)(0), options)
    timed, untimed = (motion_of_use(p, 2) for p in (pictures, pictures._replace(distances=None)))
    assert not torch.equal(timed[0], untimed[0])
    single = motion_of_use(pictures, 1)
    assert len(single) == 1
    assert torch.equal(single[0], motion_of_use(pictures._replace(distances=None), 1)[0])


def test_the_loss_counts_decibels_of_the_result_and_of_the_guess():
    # Told to be noise alone, the LSR frame corrects nothing.
    batch = Sampler([clip()], SAMPLES, batch=2)(0)._replace(variance=torch.ones(2))

    def loss(wrong, guess):
        made = [batch.target + error * torch.ones_like(batch.target) for error in (wrong, guess)]
        return float(live_loss(lambda *_: LiveFused(made[0], *[made[0]] * 3, made[1]), batch))

    ten_times = [loss(0.3, 0.1) - loss(0.03, 0.1), loss(0.2, 0.1) - loss(0.02, 0.1)]
    assert ten_times[0] == pytest.approx(ten_times[1], rel=0.05)
    assert ten_times[0] > loss(0.1, 0.3) - loss(0.1, 0.03) > 0


def test_a_folder_in_use_by_a_training_is_refused_to_another(tmp_path):
    code = (
        "import sys; sys.path[:0] = sys.argv[2:]\n"
        "from pathlib import Path; from test_training import train\n"
        "train(Path(sys.argv[1]), on_step=lambda s, _: (print(s, flush=True), sys.stdin.readline()))"
    )
    here = Path(__file__).parent
    command = [sys.executable, "-c", code, str(tmp_path / "run"), str(here), str(here.parents[1])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdin
        assert first.stdout
        assert first.stdout.readline() == "1\n"
        before = (tmp_path / "run" / "curve.csv").read_bytes()
        with pytest.raises(TrainingError, match="run: another training is at work in this folder"):
            train(tmp_path / "run")
        assert (tmp_path / "run" / "curve.csv").read_bytes() == before
        first.kill()
    assert train(tmp_path / "run").step == 8


def test_a_run_killed_in_the_middle_ends_as_if_it_had_not_been(tmp_path):
    train(tmp_path / "whole")
    code = (
        "import os, signal, sys; sys.path[:0] = sys.argv[2:]\n"
        "import torch; torch.set_num_threads(1)\n"
        "from pathlib import Path; from test_training import train\n"
        "train(Path(sys.argv[1]), on_step=lambda s, _: os.kill(os.getpid(), signal.SIGKILL) if s == 5 else 0)"
    )
    here = Path(__file__).parent
    killed = tmp_path / "killed"
    done = subprocess.run(
        [sys.executable, "-c", code, str(killed), str(here), str(here.parents[1])], check=False
    )
    assert done.returncode == -signal.SIGKILL if os.name == "posix" else done.returncode
    resumed = train(killed, steps=8)
    assert resumed.step == 8
    a, b = weights(tmp_path / "whole"), weights(killed)
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)
    curves = [(tmp_path / run / "curve.csv").read_text().splitlines() for run in ("whole", "killed")]
    steps = [[line.split(",")[0] for line in curve] for curve in curves]
    assert steps[0] == steps[1] == ["step", "2", "4", "6", "8"]
    assert "psnr=" in curves[1][-1]
    assert (killed / "step_000008.png").stat().st_size > 0


@pytest.mark.parametrize("count", [3, 4, 5, 8])
def test_clips_of_three_frames_and_more_can_be_judged_by(count, tmp_path):
    figures = judge(Classical(4), [clip(1, count)], 4, tmp_path / "judged.png")
    assert 15 < figures["psnr"] < 60
    assert (tmp_path / "judged.png").stat().st_size > 0


def test_what_takes_two_references_is_judged_with_one_and_with_both(tmp_path):
    figures = judge(Classical(4), [clip(1)], 4, tmp_path / "judged.png", references=2)
    assert sorted(figures) == ["psnr", "psnr_refs2"]
    assert figures["psnr_refs2"] > figures["psnr"] + 0.2
    loop = replace(LOOP, steps=1)
    two = replace(SAMPLES, references=2)
    train_live([clip()], [clip(1)], tmp_path, two, loop, RunOptions(batch=1)).run()
    assert re.search(r",psnr=\S+ psnr_refs2=\S+$", (tmp_path / "curve.csv").read_text())


def test_validations_come_when_asked_for_however_often_states_are_written(tmp_path):
    trainer = train_live(
        [clip()],
        [clip(1)],
        tmp_path,
        SAMPLES,
        LoopOptions(steps=7, save_every=4, validate_every=3),
        RunOptions(1),
    )
    seen = []
    trainer._validate = lambda _net, step: seen.append(step) or {}
    trainer.run()
    assert seen == [3, 6, 7]
    curve = (tmp_path / "curve.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in curve[1:]] == ["3", "4", "6", "7"]


def test_a_validation_that_fails_costs_its_figures_only(tmp_path):
    def fail(*_):
        raise FusionError("no picture")

    trainer = train_live([clip()], [clip(1)], tmp_path, SAMPLES, replace(LOOP, steps=4), RunOptions(batch=2))
    trainer._validate = fail
    with pytest.raises(FusionError, match="no picture"):
        trainer.run()
    assert train(tmp_path, steps=6).step == 6
    curve = [line.split(",") for line in (tmp_path / "curve.csv").read_text().splitlines()]
    assert [(row[0], "psnr=" in row[4]) for row in curve[1:]] == [("2", False), ("4", False), ("6", True)]


def test_training_overfits_one_sample(tmp_path):
    sampler = Sampler([clip()], SAMPLES, batch=1)
    trainer = train_live(
        [clip()], [], tmp_path, SAMPLES, LoopOptions(steps=200, learning_rate=1e-3), RunOptions()
    )
    trainer._sampler = lambda _step: sampler(0)
    losses = []
    trainer.run(lambda _step, loss: losses.append(float(loss)))
    assert np.mean(losses[-5:]) < 0.75 * losses[0]


def test_the_averaged_weights_follow_the_network_by_the_share_asked_for(tmp_path):
    network, seen = torch.nn.Linear(1, 1), []
    expected = network.weight.item()
    trainer = Trainer(
        network,
        lambda _step: torch.ones(1, 1),
        lambda net, given: net(given).sum(),
        tmp_path,
        LoopOptions(steps=20, learning_rate=0.1, average=0.5, device="cpu"),
        identity={},
    )
    trainer.run(lambda *_: seen.append(network.weight.item()))
    for step, weight in enumerate(seen):
        expected += (1 - min(0.5, (step + 1) / (step + 10))) * (weight - expected)
    assert float(trainer.averaged["weight"]) == pytest.approx(expected, abs=1e-5)
    assert abs(expected - seen[-1]) > 0.001


def test_a_batch_without_a_finite_gradient_teaches_nothing(tmp_path):
    trainer = train_live([clip()], [], tmp_path, SAMPLES, LoopOptions(steps=3), RunOptions(batch=1))
    loss = trainer._loss
    trainer._loss = lambda net, batch: loss(net, batch) * (float("nan") if trainer.step == 1 else 1)
    losses = []
    trainer.run(lambda _step, value: losses.append(float(value)))
    assert np.isnan(losses[1])
    assert np.isfinite(losses[2])
    assert all(torch.isfinite(p).all() for p in trainer.network.parameters())


def test_a_time_budget_ends_the_run_with_a_learning_rate_of_nearly_nothing(tmp_path):
    trainer = train(tmp_path, steps=None, minutes=0.02)
    rates = [float(line.split(",")[3]) for line in (tmp_path / "curve.csv").read_text().splitlines()[1:]]
    assert trainer.step > 1
    assert rates[-1] == 0


def test_clips_and_frame_folders_are_found_decoded_once_and_reduced(tmp_path):
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        for k, frame in enumerate(pan(4, 40, 64, (1, 0))):
            cv2.imwrite(str(tmp_path / name / f"{k:03d}.png"), frame)
    (tmp_path / "notes.txt").write_text("not a clip")
    found = find_clips(tmp_path, without=["a"])
    assert [path.name for path in found] == ["b"]
    cache = tmp_path / "cache"
    loaded = load_clips(found, cache, width=32)[0]
    assert loaded.frames.shape == (4, 20, 32, 3)
    stored = next(cache.glob("*.npy"))
    changed = stored.stat().st_mtime_ns
    assert np.array_equal(load_clip(found[0], cache, width=32).frames, loaded.frames)
    assert stored.stat().st_mtime_ns == changed


def test_footage_that_cannot_be_used_is_named(tmp_path):
    with pytest.raises(FusionError, match="no such folder"):
        find_clips(tmp_path / "none")
    with pytest.raises(FusionError, match="no clips"):
        find_clips(tmp_path)
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    for k in range(3):
        cv2.imwrite(str(mixed / f"{k}.png"), np.zeros((20, 20 + k, 3), np.uint8))
    with pytest.raises(TrainingError, match="different sizes"):
        load_clip(mixed, tmp_path / "cache")
    with pytest.raises(TrainingError, match="leave out"):
        find_clips(tmp_path, without=["gone"])
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    with pytest.raises(TrainingError, match=r"broken.mp4: cannot be decoded"):
        load_clip(broken, tmp_path / "cache")


def test_a_folder_with_another_or_a_damaged_run_is_refused(tmp_path):
    train(tmp_path, steps=2)
    other = replace(SAMPLES, scale=8)
    with pytest.raises(TrainingError, match="other settings"):
        train_live([clip()], [], tmp_path, other, LOOP, RunOptions(batch=2))
    changes = {
        "average": 0.9,
        "clip": 2.0,
        "precision": "bf16",
        "schedule": Schedule("cosine"),
        "weight_decay": 0.0,
    }
    for name, value in changes.items():
        with pytest.raises(TrainingError, match=rf"other settings \({name}\)"):
            train(tmp_path, steps=2, **{name: value})
    state = tmp_path / "state.safetensors"
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(TrainingError, match="damaged"):
        train(tmp_path, steps=2)
    with pytest.raises(TrainingError, match="steps or of minutes"):
        train(tmp_path / "new", steps=None)


@pytest.mark.parametrize(("capability", "slow"), [("AVX2", True), ("AVX512", False)])
def test_mixed_precision_is_known_to_be_slow_on_cpus_without_its_arithmetic(monkeypatch, capability, slow):
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: capability)
    assert slow_in_bf16("cpu") == slow


def test_a_state_from_before_a_setting_counted_still_goes_on(tmp_path):
    trainer = train(tmp_path, steps=2)
    state = load_state(tmp_path, trainer._identity)
    before = {name: value for name, value in trainer._identity.items() if name not in {"clip", "schedule"}}
    save_state(tmp_path, state, before)
    assert train(tmp_path, steps=4).step == 4
    with pytest.raises(TrainingError, match=r"other settings \(clip\)"):
        train(tmp_path, steps=4, clip=2.0)
    save_state(tmp_path, state, before | {"later": 1})
    with pytest.raises(TrainingError, match=r"other settings \(later\)"):
        train(tmp_path, steps=4)
