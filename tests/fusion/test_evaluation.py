"""Evaluation against truth: what is better comes out better, and short or empty folders are refused."""

import cv2
import numpy as np
import pytest
import torch
from fusion_scene import pan
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from fusion import FusionError
from fusion.cards import save_card
from fusion.evaluation import evaluate
from fusion.evaluation.metrics import psnr, ssim
from fusion.evaluation.protocols import lsr_frame
from fusion.live import LiveNet
from fusion.weights import save_weights

CARD = {"method": "live", "scale": 4, "noise_variance": 0, "references": [1], "default": False}
PLAIN_PSNR = 35.148
"""Of the yardstick on the moving textures of this file."""


@pytest.fixture
def footage(tmp_path):
    for seed in (0, 1):
        folder = tmp_path / "clips" / f"pan{seed}"
        folder.mkdir(parents=True)
        for k, frame in enumerate(pan(9, 64, 96, (1.5, 0.5), seed)):
            cv2.imwrite(str(folder / f"{k:02d}.png"), frame)
    return tmp_path / "clips"


def test_septuplets_rank_the_methods(footage):
    bicubic, classical = evaluate(footage, scale=4, methods=["bicubic", "classical"])
    assert (bicubic.method, classical.method) == ("bicubic", "classical")
    assert classical.psnr > bicubic.psnr + 4
    assert classical.ssim > bicubic.ssim
    assert classical.weight > 0.5 > bicubic.weight == 0
    assert set(classical.by_clip) == {"pan0", "pan1"}
    assert classical.psnr == pytest.approx(np.mean(list(classical.by_clip.values())))
    assert set(classical.to_json()["by_distance"]) == {"-2"}


def test_the_yardstick_stays_what_it_is(footage):
    bicubic, plain, classical = evaluate(footage, scale=4, methods=["bicubic", "plain", "classical"])
    assert (plain.method, plain.model) == ("plain", "none")
    assert plain.psnr == pytest.approx(PLAIN_PSNR, abs=0.02)
    assert bicubic.psnr < plain.psnr < classical.psnr
    rows = evaluate(footage, scale=4, methods=["plain", "classical"], protocol="gop", references=[1, 2])
    assert [(row.method, row.references) for row in rows] == [
        ("plain", 1),
        ("classical", 1),
        ("classical", 2),
    ]


def test_whole_gops_report_drift_by_distance(footage):
    rows = {
        recursion: evaluate(footage, scale=4, methods=["classical"], protocol="gop", recursion=recursion)[0]
        for recursion in ("direct", "recurrent")
    }
    for row in rows.values():
        assert sorted(row.by_distance) == [-3, -2, -1, 1, 2, 3, 4]
        assert row.frames == 14
        assert row.by_distance[1] > row.by_distance[4]
    assert rows["direct"].by_distance[1] == rows["recurrent"].by_distance[1]


def test_sharp_frames_on_both_sides_help_most_where_they_are_far(tmp_path):
    folder = tmp_path / "clips" / "pan"
    folder.mkdir(parents=True)
    for k, frame in enumerate(pan(24, 64, 96, (2.5, 0.5))):
        cv2.imwrite(str(folder / f"{k:02d}.png"), frame)
    one, two = evaluate(tmp_path / "clips", scale=8, methods=["classical"], protocol="gop", references=[1, 2])
    assert (one.references, two.references, one.frames, two.frames) == (1, 2, 21, 21)
    assert two.by_distance[4] > one.by_distance[4]
    assert two.by_distance[4] - one.by_distance[4] > two.by_distance[1] - one.by_distance[1]


def test_noise_on_the_fast_camera_costs_quality(footage):
    clean, noisy = (
        evaluate(footage, scale=4, methods=["bicubic"], noise_variance=variance)[0]
        for variance in (0.0, 0.01)
    )
    assert noisy.psnr < clean.psnr - 1


def test_noise_has_the_variance_asked_for():
    grey = np.full((128, 128, 3), 128, np.uint8)
    noisy = lsr_frame(grey, 2, noise_variance=0.001, seed=1)
    assert np.var(noisy / 255) == pytest.approx(0.001, rel=0.05)
    assert np.array_equal(noisy, lsr_frame(grey, 2, noise_variance=0.001, seed=1))
    assert np.array_equal(lsr_frame(grey, 4), np.full((32, 32, 3), 128, np.uint8))


def test_metrics_of_equal_and_of_known_pictures():
    a = pan(1, 32, 32, (0, 0))[0].clip(0, 250)
    assert psnr(a, a) == 100
    assert ssim(a, a) == pytest.approx(1)
    assert psnr(a + 5, a) == pytest.approx(20 * np.log10(255 / 5))
    assert ssim(a + 5, a) < 1


def test_two_references_beat_one_between_two_sharp_frames(footage):
    one, two = evaluate(footage, scale=8, methods=["classical"], protocol="ends", references=[1, 2])
    assert (one.references, two.references) == (1, 2)
    assert one.frames == two.frames == 10
    assert set(one.by_distance) == {1, 2, 3, 4, 5}
    assert two.by_distance[5] > one.by_distance[5]
    assert two.psnr > one.psnr
    assert one.by_distance[1] > one.by_distance[5]


def test_own_weights_are_judged_beside_the_methods(footage, tmp_path):
    path = tmp_path / "mine.safetensors"
    save_weights(path, LiveNet(), layout="live")
    save_card(path, CARD)
    bicubic, mine = evaluate(footage, scale=4, methods=["bicubic"], weights=[path])
    assert (mine.method, mine.model) == ("live", "mine")
    assert mine.psnr > bicubic.psnr + 4


def test_weights_of_one_name_are_told_apart_by_their_folders(footage, tmp_path):
    paths = [tmp_path / run / "live_x4.safetensors" for run in ("short", "long")]
    for path in paths:
        path.parent.mkdir()
        save_weights(path, LiveNet(4), layout="live")
        save_card(path, CARD)
    rows = evaluate(footage, scale=4, weights=[*paths, paths[0]])
    assert [row.model for row in rows] == ["short/live_x4", "long/live_x4", "short/live_x4"]


def write_view(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image)


def test_kitti_and_light_fields_are_judged_from_another_view(tmp_path):
    left, right = pan(2, 64, 96, (3, 0))
    write_view(tmp_path / "kitti" / "training" / "image_2" / "000000_10.png", left)
    write_view(tmp_path / "kitti" / "training" / "image_2" / "000000_11.png", left)
    write_view(tmp_path / "kitti" / "training" / "image_3" / "000000_10.png", right)
    views = pan(9, 64, 96, (1, 0))
    for k in range(81):
        write_view(tmp_path / "fields" / "boxes" / f"input_Cam{k:03d}.png", views[k % 9])
    for k in range(3):
        write_view(tmp_path / "fields" / "flowers" / f"out_00_{k:02d}_-1.5.png", views[k])
    for folder, names in (("kitti", {"000000_10"}), ("fields", {"boxes", "flowers"})):
        bicubic, classical = evaluate(
            tmp_path / folder, scale=4, methods=["bicubic", "classical"], protocol="aside"
        )
        assert set(classical.by_clip) == names
        assert classical.psnr > bicubic.psnr + 3
        assert set(classical.by_distance) == {0}
    with pytest.raises(FusionError, match="neither KITTI"):
        evaluate(tmp_path / "kitti" / "training" / "image_2", scale=4, methods=["bicubic"], protocol="aside")


def test_vimeo_septuplets_for_testing_are_judged(tmp_path):
    for k, frame in enumerate(pan(7, 64, 96, (1.5, 0.5))):
        write_view(tmp_path / "sequences" / "00001" / "0001" / f"im{k + 1}.png", frame)
    (tmp_path / "sep_testlist.txt").write_text("00001/0001\n")
    (row,) = evaluate(tmp_path, scale=4, methods=["classical"])
    assert (set(row.by_clip), row.frames) == ({"00001/0001"}, 3)
    (tmp_path / "sep_testlist.txt").write_text("00001/0009\n")
    with pytest.raises(FusionError, match="00001/0009, which is not there"):
        evaluate(tmp_path, scale=4, methods=["classical"])


def test_figures_agree_with_torchmetrics():
    a, b = pan(2, 64, 96, (1.5, 0.5))
    planes = [torch.from_numpy(x.copy()).permute(2, 0, 1)[None].double() for x in (a, b)]
    assert psnr(a, b) == pytest.approx(float(peak_signal_noise_ratio(*planes, data_range=255.0)), abs=1e-4)
    grey = [np.repeat(cv2.cvtColor(x, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2) for x in (a, b)]
    luma = [torch.from_numpy(x[..., :1].copy()).permute(2, 0, 1)[None].double() for x in grey]
    oracle = structural_similarity_index_measure(*luma, data_range=255.0, gaussian_kernel=True, sigma=1.5)
    assert ssim(*grey) == pytest.approx(float(oracle), abs=0.01)


def test_what_cannot_be_judged_is_refused(footage, tmp_path):
    with pytest.raises(FusionError, match="unknown protocol"):
        evaluate(footage, scale=4, methods=["bicubic"], protocol="film")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FusionError, match="no clips"):
        evaluate(tmp_path / "empty", scale=4, methods=["bicubic"])
    for k in range(3, 9):
        (footage / "pan1" / f"{k:02d}.png").unlink()
    judged = []
    with pytest.raises(FusionError, match="pan1: needs at least 7 frames"):
        evaluate(footage, scale=4, methods=["bicubic"], on_clip=judged.append)
    assert judged == [], "what cannot be judged is told before the work on the others"
    with pytest.raises(FusionError, match="septuplet has one reference"):
        evaluate(footage, scale=4, methods=["bicubic"], protocol="septuplet", references=[2])
