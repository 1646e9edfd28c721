"""Evaluation against truth: what is better comes out better, and short or empty folders are refused."""

import cv2
import numpy as np
import pytest
from fusion_scene import pan

from fusion import FusionError
from fusion.evaluation import evaluate
from fusion.evaluation.protocols import lsr_frame, psnr, ssim


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


def test_what_cannot_be_judged_is_refused(footage, tmp_path):
    with pytest.raises(FusionError, match="unknown protocol"):
        evaluate(footage, scale=4, methods=["bicubic"], protocol="film")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FusionError, match="no clips"):
        evaluate(tmp_path / "empty", scale=4, methods=["bicubic"])
    for k in range(3, 9):
        (footage / "pan1" / f"{k:02d}.png").unlink()
    with pytest.raises(FusionError, match="pan1: needs at least 8 frames"):
        evaluate(footage, scale=4, methods=["bicubic"])
