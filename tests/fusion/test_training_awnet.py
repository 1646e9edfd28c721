"""The recipe of AWnet: every step learns, goes on exactly after a kill, and leaves weights that run."""

import json

import numpy as np
import pytest
import torch
from fusion_scene import pan, reduce, texture

from fusion import Fuser
from fusion.awnet import AWnet, Fused, load_awnet
from fusion.cards import base_for, own
from fusion.errors import FusionInputError, TrainingError, WeightsError
from fusion.evaluation.metrics import psnr
from fusion.flownet import NORMALISED, PUBLISHED, SMALL, FlowNet
from fusion.live import load_live, move_both_ways
from fusion.training.awnet_recipe import AWnetRecipe, fusion_loss
from fusion.training.base import LiveBase
from fusion.training.clips import Clip
from fusion.training.crops import Crops, CropSampler, SampleOptions
from fusion.training.degrade import degrade
from fusion.training.flow_lessons import FlowLessons, FlowLevels, level_loss, teacher_loss
from fusion.training.live_flow import train_live_flow
from fusion.training.loop import LoopOptions, RunOptions
from fusion.training.runs import AWnetForm, train_awnet
from fusion.training.samples import FusionSampler, Sampler, motion_of_use
from fusion.training.schedule import Schedule
from fusion.training.stages import LIVE_FLOW, SHORT, stage_loops
from fusion.training.stages import PUBLISHED as PUBLISHED_STEPS
from fusion.weights import load_weights, save_weights

SAMPLES = SampleOptions(crop=(64, 64))
ONE = RunOptions(batch=1)
STEADY = Schedule(cooldown=0.0, warm_up=1)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


def clip(seed=0):
    return Clip(f"pan{seed}", np.stack(pan(8, 64, 80, (1.5, -1), seed)))


def untrained():
    network = AWnet(matched=True)
    network.start_at_plain_warp()
    network.flow.start_at_zero_flow()
    return network


def recipe(network, **options):
    return AWnetRecipe(
        network, [clip()], [clip(1)], [texture(80, 96, k) for k in range(3)], SAMPLES, **options
    )


@pytest.mark.parametrize(("stage", "steps", "rate", "fall"), [(0, 8, 3e-4, 0.97), (2, 8, 3e-4, 0.97)])
def test_a_step_of_the_recipe_overfits_one_sample(stage, steps, rate, fall, tmp_path):
    network = untrained()
    loop = LoopOptions(steps=steps, learning_rate=rate, schedule=Schedule(cooldown=0.5, warm_up=3))
    trainer = recipe(network, batch=1).trainer(stage, tmp_path, loop)
    sampler = trainer._sampler
    trainer._sampler = lambda _step: sampler(0)
    losses = []
    before = {name: p.clone() for name, p in network.named_parameters()}
    trainer.run(lambda _step, loss: losses.append(float(loss)))
    assert np.mean(losses[-3:]) < fall * losses[0]
    moved = {name.split(".")[0] for name, p in network.named_parameters() if not torch.equal(p, before[name])}
    assert moved == ({"flow"} if stage == 0 else {"fusion"})


def test_the_last_step_moves_both_networks_and_the_second_only_the_flow(tmp_path):
    for stage, expected in ((1, {"flow"}), (3, {"flow", "fusion"})):
        network = untrained()
        before = {name: p.clone() for name, p in network.named_parameters()}
        loop = LoopOptions(steps=1, schedule=STEADY, validate_every=1000)
        recipe(network, batch=1).trainer(stage, tmp_path / str(stage), loop).run()
        moved = {n.split(".")[0] for n, p in network.named_parameters() if not torch.equal(p, before[n])}
        assert moved == expected


def test_a_folder_with_another_step_is_refused(tmp_path):
    loop = LoopOptions(steps=1, validate_every=100)
    recipe(untrained(), batch=1).trainer(1, tmp_path, loop).run()
    with pytest.raises(TrainingError, match=r"other settings \(stage\)"):
        recipe(untrained(), batch=1).trainer(2, tmp_path, loop)
    with pytest.raises(TrainingError, match=r"other settings \(calm, start\)"):
        recipe(untrained(), batch=1, calm=False, starts={1: "other.safetensors"}).trainer(1, tmp_path, loop)


def test_the_small_flow_network_learns_from_truth_and_then_from_dis(tmp_path):
    loops = stage_loops([0, 1], LoopOptions(steps=2, validate_every=2), LIVE_FLOW)
    with pytest.raises(TrainingError, match=r"live_flow_x4\.safetensors: missing; train step 0 first"):
        train_live_flow(tmp_path, [clip()], [], tmp_path, SAMPLES, {1: loops[1]}, ONE)
    path = train_live_flow(tmp_path, [clip()], [clip(1)], tmp_path, SAMPLES, loops, ONE)
    with pytest.raises(TrainingError, match=r"stage0: holds a run with other settings \(start\)"):
        train_live_flow(tmp_path, [clip()], [], tmp_path, SAMPLES, loops, RunOptions(batch=1, start=path))
    load_weights(path, FlowNet(SMALL), layout="flownet-small")
    for stage in ("stage0", "stage1"):
        last = (tmp_path / stage / "curve.csv").read_text().splitlines()[-1]
        assert all(f"{name}=" in last for name in ("epe", "motion", "warp_psnr"))


def test_the_teacher_is_believed_where_it_finds_what_the_frame_shows():
    batch = Sampler([clip()], SAMPLES, batch=1)(0)
    (image, matched, flow), *_ = batch.references

    def loss(teacher, own):
        return float(teacher_loss(lambda *_: own, batch._replace(references=[(image, matched, teacher)])))

    wrong = torch.full_like(flow, 30.0)
    assert loss(flow, flow) < loss(flow, flow + 1) < loss(flow, flow + 4)
    assert loss(wrong, flow) - loss(flow, flow) < 0.1 * float(
        torch.linalg.vector_norm(wrong - flow, dim=1).mean() / 20
    )


def test_crops_that_flow_networks_cannot_take_are_refused():
    with pytest.raises(TrainingError, match="crops of 64x60: flow networks need multiples of 64 px"):
        FlowLessons([texture(80, 96)], SampleOptions(crop=(60, 64)), matched=True)


def test_a_teacher_shows_the_flow_where_it_is_wanted(tmp_path):
    for taught in (False, True):
        network = untrained()
        trainer = recipe(network, batch=1, taught=taught).trainer(
            1, tmp_path / str(taught), LoopOptions(steps=1, schedule=STEADY)
        )
        assert len(getattr(trainer._sampler(0), "references", ())) == 1
        assert hasattr(trainer._sampler(0), "variance") == taught
        trainer.run()


def test_the_refined_network_is_trained_for_one_and_two_references_and_goes_on_whole(tmp_path):
    samples = SampleOptions(
        crop=(64, 64), references=2, alone=0.3, most_scale=8.0, noise_variance=0.01, clean=0.5
    )
    form = AWnetForm(refined=True)
    loops = stage_loops([0, 3], LoopOptions(steps=1), SHORT)
    path = train_awnet(tmp_path, [clip()], [clip(1)], tmp_path, samples, loops, form, ONE)
    assert path.name == "awnet_x4.safetensors"
    card = own(path)
    assert (card.references, card.most_scale, card.noise_from) == ((1, 2), 8.0, 0.0)
    before = load_awnet(path)
    assert before.layout == "awnet-2-matched-refined"
    # Hardly trained, it is the live model that it goes on from.
    frames = pan(2, 64, 96, (1.5, -1))
    fusers = [Fuser(scale=4, weights=path), Fuser("live", scale=4)]
    assert fusers[0].base == fusers[1].weights
    one, other = (next(f.fuse_gop(reduce(frames[:1], 4), [-1], frames[1])) for f in fusers)
    assert psnr(one.image, other.image) > 45
    on = tmp_path / "on"
    further = train_awnet(tmp_path, [clip()], [], on, samples, {0: loops[0]}, form, RunOptions(1, start=path))
    after = load_awnet(further)
    assert all(
        torch.equal(a, b) for a, b in zip(before.fusion.parameters(), after.fusion.parameters(), strict=True)
    )
    assert not torch.equal(before.flow.context[-1].weight, after.flow.context[-1].weight)


def test_the_refined_loss_counts_the_result_and_what_the_flow_fetches_where_it_learns():
    crops = CropSampler([clip()], SAMPLES, batch=2)(0)
    pictures = degrade(crops, SAMPLES)._replace(variance=torch.ones(2))

    def loss(wrong, far, *, learns):
        made = pictures.target + wrong
        flow = torch.full_like(made[:, :2], far).requires_grad_(learns)
        fused = Fused(made, *[made] * 3, flow, made, made)
        return float(fusion_loss(lambda *_, **__: fused, pictures, matched=False, base=LiveBase()).detach())

    assert loss(0.3, 0.0, learns=True) > loss(0.03, 0.0, learns=True)
    assert loss(0.1, 20.0, learns=True) > loss(0.1, 0.0, learns=True)
    assert loss(0.1, 20.0, learns=False) == loss(0.1, 0.0, learns=False)


def test_the_refined_network_learns_on_the_motion_of_use_and_in_step_3_on_its_own_as_well(tmp_path):
    samples = SampleOptions(crop=(64, 64), references=2, alone=0.4)
    network = AWnet(2, matched=True, refined=True)
    for stage, found_alone in ((2, []), (3, [2, 5])):
        taught = AWnetRecipe(network, [clip()], [], [texture(80, 96)], samples, batch=3)
        sampler = taught.trainer(stage, tmp_path / str(stage), LoopOptions(steps=1))._sampler
        batches = [sampler(step) for step in range(6)]
        assert [step for step, batch in enumerate(batches) if isinstance(batch, Crops)] == found_alone
        for step, batch in enumerate(batches):
            if not isinstance(batch, Crops):
                whole = degrade(CropSampler([clip()], samples, batch=3, seed=stage)(step), samples)
                for flow, given in zip(batch.flows, motion_of_use(whole, 2), strict=True):
                    torch.testing.assert_close(flow.float(), given, atol=0.02, rtol=1e-3)


def test_training_goes_on_from_what_live_makes_of_each_sample():
    samples = SampleOptions(crop=(64, 64), references=2, alone=0.5, noise_variance=0.01, clean=0.5)
    base = LiveBase()
    noisy, lonely = set(), set()
    for step in range(3):
        pictures = FusionSampler([clip()], samples, batch=3)(step).to(torch.float32)
        made = base(pictures, pictures.flows)
        for k in range(3):
            count = 1 if torch.equal(*(image[k] for image in pictures.references)) else 2
            noise = float(pictures.variance[k])
            moved = [
                one
                for image, flow in zip(pictures.references[:count], pictures.flows[:count], strict=True)
                for one in move_both_ways(image[k : k + 1], flow[k : k + 1], (16, 16))
            ]
            live = load_live(base_for(4, noise).path)
            with torch.inference_mode():
                near = [one[k : k + 1] for one in pictures.neighbours]
                alone = live(pictures.lsr_up[k : k + 1], moved, noise**0.5, near)
            torch.testing.assert_close(made.picture[k : k + 1], alone.out, atol=1e-5, rtol=0)
            torch.testing.assert_close(made.weight[k : k + 1], alone.weight, atol=1e-5, rtol=0)
            noisy.add(base_for(4, noise).name)
            lonely.add(count)
    assert (len(noisy), len(lonely)) == (2, 2)


def test_all_steps_leave_a_model_that_runs_and_a_card_that_says_how(tmp_path):
    loops = stage_loops([2, 3], LoopOptions(steps=1, validate_every=1), SHORT)
    with pytest.raises(TrainingError, match=r"stage1\.safetensors: missing"):
        train_awnet(tmp_path, [clip()], [], tmp_path, SAMPLES, loops, AWnetForm(), ONE)
    save_weights(tmp_path / "stage0.safetensors", FlowNet(), layout="flownet-matched", half=True)
    first = stage_loops([1], LoopOptions(steps=1, precision="bf16"), SHORT)
    # Only step 0 makes pairs of pictures, so no other one reads them.
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "broken.png").write_bytes(b"no picture")
    flow = train_awnet(tmp_path, [clip()], [clip(1)], tmp_path, SAMPLES, first, AWnetForm(), ONE)
    assert flow.stat().st_size < 20e6
    with pytest.raises(WeightsError, match="made for flownet-matched, not for awnet-1: its flow"):
        train_awnet(tmp_path, [clip()], [], tmp_path, SAMPLES, loops, AWnetForm(matched=False), ONE)
    path = train_awnet(tmp_path, [clip()], [clip(1)], tmp_path, SAMPLES, loops, AWnetForm(), ONE)
    network = load_awnet(path)
    assert (network.layout, path.name) == ("awnet-1-matched", "awnet_x4.safetensors")
    card = json.loads(path.with_suffix(".json").read_text())
    assert card["recipe"]["start"] == "stage1.safetensors"
    assert card["recipe"]["stage3"]["steps"] == 1
    assert card["recipe"]["stage3"]["slow"] == 0.3
    assert (tmp_path / "stage3" / "step_000001.png").stat().st_size > 0
    two = SampleOptions(crop=(64, 64), references=2, scale=8)
    loops = stage_loops([3], LoopOptions(steps=1), SHORT)
    run = RunOptions(1, start=path)
    with pytest.raises(WeightsError, match="--matched or --sharp"):
        train_awnet(tmp_path, [clip()], [], tmp_path / "x", two, loops, AWnetForm(matched=False), run)
    second = train_awnet(tmp_path, [clip()], [], tmp_path / "two", two, loops, AWnetForm(), run)
    assert second.name == "awnet_x8_refs2.safetensors"
    assert load_awnet(second).references == 2


def test_the_recipe_is_the_papers_unless_time_is_short():
    steady = LoopOptions()
    full = stage_loops(range(4), steady, PUBLISHED_STEPS)
    assert [(full[number].steps, full[number].learning_rate) for number in (1, 2, 3)] == [
        (40_000, 1e-6),
        (100_000, 1e-4),
        (100_000, 1e-5),
    ]
    assert full[3].learning_rate * full[3].slow == pytest.approx(3e-6)
    assert {loop.schedule.share(10, 0.9) for loop in full.values()} == {1.0}
    brisk = stage_loops([2, 3], LoopOptions(minutes=11), SHORT)
    assert {number: loop.minutes for number, loop in brisk.items()} == pytest.approx({2: 5, 3: 6})
    assert {loop.clip for loop in full.values()} == {1.0}
    assert all(loop.clip < 0.1 for loop in brisk.values())


def test_schedules_end_at_zero():
    for schedule in (Schedule(), Schedule("cosine")):
        assert schedule.share(0, 0.0) == pytest.approx(1 / 50)
        assert schedule.share(60, 0.1) > 0.9
        assert schedule.share(999, 1.0) == pytest.approx(0)
    with pytest.raises(TrainingError, match="choose trapezoid or cosine"):
        Schedule("square")


def test_levels_of_the_true_flow_cost_nothing():
    truth = torch.full((1, 2, 64, 64), 3.0)
    levels = [torch.full((1, 2, 64 // s, 64 // s), 3 / 20) for s in (64, 32, 16, 8, 4)]
    assert float(level_loss(levels, truth)) == pytest.approx(0, abs=1e-6)
    levels[-1] = levels[-1] + torch.tensor([0.3, 0.4])[:, None, None]
    assert float(level_loss(levels, truth)) == pytest.approx(0.5 * 4 / 9, rel=1e-5)


def test_the_small_flow_network_is_small_and_has_the_published_ones_interface():
    assert FlowNet().layout is PUBLISHED
    small = FlowNet(SMALL)
    assert sum(p.numel() for p in small.parameters()) < 3_000_000
    images = torch.rand(2, 1, 3, 64, 128)
    assert small(*images).shape == FlowNet()(*images).shape == (1, 2, 64, 128)
    sizes = [tuple(flow.shape[-2:]) for flow in FlowLevels(small)(*images)]
    assert sizes == [(1, 2), (2, 4), (4, 8), (8, 16), (16, 32)]


def test_an_untrained_flow_network_finds_no_motion():
    for layout in (PUBLISHED, SMALL, NORMALISED):
        network = FlowNet(layout)
        network.start_at_zero_flow()
        with torch.inference_mode():
            assert float(network(*torch.rand(2, 1, 3, 64, 128)).abs().max()) < 8


def test_layouts_have_names_and_foreign_ones_are_refused(tmp_path):
    network = AWnet(2, matched=True, direct=True)
    assert network.layout == "awnet-2-matched-direct"
    assert AWnet.from_layout(network.layout).layout == network.layout
    with pytest.raises(WeightsError, match="no layout of AWnet"):
        AWnet.from_layout("live-1")
    with pytest.raises(WeightsError, match="not a whole"):
        load_awnet(tmp_path / "gone.safetensors")
    with pytest.raises(FusionInputError, match="leave out refined"):
        AWnet(direct=True, refined=True)
    with pytest.raises(FusionInputError, match="the learned upscaler is a start of its own"):
        AWnet(sisr=True, refined=True)
    with pytest.raises(FusionInputError, match="0 matched"):
        AWnet(matched=True)(torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64))


def test_the_ablation_has_36_convolutions_and_writes_pixels():
    network = AWnet(direct=True)
    convolutions = [m for m in network.fusion.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(convolutions) == 36
    fused = network(torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64))
    assert fused.out.shape == fused.warped.shape == (1, 3, 64, 64)
    assert fused.taps.shape[1] == fused.mask.shape[1] == 0
    fused.out.sum().backward()
    assert network.fusion.head.weight.grad is not None


def test_an_untrained_network_starts_as_an_even_mix_of_warp_and_frame():
    for references in (1, 2):
        network = AWnet(references)
        network.start_at_plain_warp()
        images = [torch.rand(1, 3, 64, 64) for _ in range(references + 1)]
        fused = network(*images)
        warped = fused.warped.reshape(1, references, 3, 64, 64)
        reached = (warped != 0).all(dim=2).all(dim=1, keepdim=True)
        expected = (warped.sum(dim=1) + images[1]) / (references + 1)
        assert torch.allclose(fused.out * reached, expected * reached, atol=0.02)
