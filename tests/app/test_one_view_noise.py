"""How noisy the fast stream is where both streams show one view: measured by the sharp frames themselves."""

from __future__ import annotations

import itertools
from pathlib import Path

import av
import numpy as np
import pytest

from app.fusion_options import FusionOptions
from app.pipeline import Pipeline
from drivers import open_clip_pair
from fusing import decode, twinrate
from fusion.evaluation.metrics import psnr
from pictures import RgbImage, textured
from synthetic import shrink, write_lossless

RATE, RATIO, FACTOR = 240, 8, 4


def fast_pan(count: int, step: int, size: tuple[int, int] = (192, 256), *, cell: int = 6) -> list[RgbImage]:
    """Texture that moves everywhere, by `step` pixels from frame to frame."""
    height, width = size
    back = textured(height, width + step * count, seed=3, cell=cell)
    pictures = [back[:, k * step : k * step + width] for k in range(count)]
    return [np.ascontiguousarray(np.clip(picture, 0, 255).astype(np.uint8)) for picture in pictures]


def with_noise(frames: list[RgbImage], sigma: float) -> list[RgbImage]:
    rng = np.random.default_rng(5)
    noisy = [frame + sigma * rng.standard_normal(frame.shape) for frame in frames]
    return [np.clip(np.rint(frame), 0, 255).astype(np.uint8) for frame in noisy]


def write_coded(path: Path, frames: list[RgbImage], rate: int) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "24"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def measured(hsr: Path, lsr: Path, offset_ms: float = 0.0, start_s: float = 0.0) -> float:
    pair = open_clip_pair(hsr, lsr, offset_ms=offset_ms)
    try:
        pipeline = Pipeline(pair, FusionOptions(align="none", start_s=start_s))
        return 255 * float(np.sqrt(pipeline.noise_variance))
    finally:
        pair.hsr.close()
        pair.lsr.close()


@pytest.mark.parametrize("sigma", [0.0, 3.0, 8.0, 25.0])
@pytest.mark.parametrize("count", [1, 17])
def test_noise_is_measured_however_fast_everything_moves(tmp_path: Path, sigma: float, count: int) -> None:
    truth = fast_pan(17, 20)
    hsr = write_lossless(tmp_path / "hsr.mkv", truth[::RATIO], RATE // RATIO)
    small = with_noise([shrink(frame, FACTOR) for frame in truth[:count]], sigma)
    lsr = write_lossless(tmp_path / "lsr.mkv", small, RATE)
    assert measured(hsr, lsr) == pytest.approx(sigma, rel=0.1, abs=0.6)


@pytest.mark.parametrize("sigma", [0.0, 8.0])
def test_motion_between_instants_that_never_meet_is_no_noise(tmp_path: Path, sigma: float) -> None:
    truth = fast_pan(33, 3, cell=24)
    hsr = write_lossless(tmp_path / "hsr.mkv", truth[1 :: 2 * RATIO], RATE // 2 // RATIO)
    small = with_noise([shrink(frame, FACTOR) for frame in truth[::2]], sigma)
    lsr = write_lossless(tmp_path / "lsr.mkv", small, RATE // 2)
    assert measured(hsr, lsr, 1000 / RATE) == pytest.approx(sigma, rel=0.1, abs=2.5)


def test_other_colours_and_a_flash_are_no_noise(tmp_path: Path) -> None:
    truth = fast_pan(33, 2)
    sharp = truth[::RATIO]
    sharp[2] = np.full_like(sharp[2], 255)
    hsr = write_lossless(tmp_path / "hsr.mkv", sharp, RATE // RATIO)
    small = [np.rint(shrink(frame, FACTOR) * (0.8, 0.9, 0.7)).astype(np.uint8) for frame in truth]
    assert measured(hsr, write_lossless(tmp_path / "lsr.mkv", small, RATE)) < 1.0


def test_where_a_light_goes_on_in_the_dark_bright_frames_are_neither_noiseless_nor_brighter(
    tmp_path: Path,
) -> None:
    holes = np.ones((192, 256, 1))
    for y, x in itertools.product(range(10, 180, 40), range(10, 240, 40)):
        holes[y : y + 12, x : x + 12] = 0
    truth = [
        np.rint((64 + frame / 2) * holes * (0.1 if k < 26 else 1)).astype(np.uint8)
        for k, frame in enumerate(fast_pan(33, 2))
    ]
    hsr = write_lossless(tmp_path / "hsr.mkv", truth[::RATIO], RATE // RATIO)
    small = with_noise([shrink(frame, FACTOR) for frame in truth], 2.0)
    lsr = write_lossless(tmp_path / "lsr.mkv", small, RATE)
    assert measured(hsr, lsr) == pytest.approx(2.0, rel=0.2)
    assert measured(hsr, lsr, start_s=28.5 / RATE) == pytest.approx(2.0, rel=0.2)
    pair = open_clip_pair(hsr, lsr, offset_ms=0.0)
    last = list(Pipeline(pair, FusionOptions(align="none", method="classical")).frames())[-1]
    assert last.record.reference == "hsr"
    assert np.mean(last.image) == pytest.approx(np.mean(truth[-1]), rel=0.02)


def test_what_a_codec_did_to_the_fast_clip_is_not_put_into_the_fused_one(tmp_path: Path) -> None:
    truth = fast_pan(17, 2, cell=24)
    hsr = write_lossless(tmp_path / "hsr.mkv", truth[::RATIO], RATE // RATIO)
    lsr = write_coded(tmp_path / "lsr.mp4", [shrink(frame, FACTOR) for frame in truth], RATE)
    out = tmp_path / "fused.mkv"
    options = ("--align", "none", "--offset-ms", 0, "--codec", "ffv1", "--method", "classical")
    assert twinrate("fuse", hsr, lsr, "--out", out, *options) == 0
    pairs = list(zip(decode(out), truth, strict=True))
    assert np.mean([psnr(*pair) for k, pair in enumerate(pairs) if k % RATIO]) > 30


def test_small_fast_frames_are_fused(tmp_path: Path) -> None:
    truth = fast_pan(9, 1, (64, 64))
    hsr = write_lossless(tmp_path / "hsr.mkv", truth[::RATIO], RATE // RATIO)
    lsr = write_lossless(tmp_path / "lsr.mkv", [shrink(frame, FACTOR) for frame in truth], RATE)
    out = tmp_path / "fused.mkv"
    assert twinrate("fuse", hsr, lsr, "--out", out, "--align", "none", "--offset-ms", 0) == 0
    assert len(decode(out)) == len(truth)
