"""Light that changes between the sharp pictures and the frames costs no detail."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from fusion_scene import Image, layers, pan, reduce

from fusion import Fuser
from fusion.evaluation.metrics import psnr
from fusion.gop import prepare_reference
from fusion.levels import FloatImage, to_bytes
from fusion.light import in_light_of, light_gain, reduced
from fusion.resample import upscale

HEIGHT, WIDTH, SCALE = 160, 192, 4
FRAMES = 5
INNER = (slice(24, -24), slice(24, -24))
PER_FRAME = 2 * np.pi * 100 / 240
"""Phase of a lamp on 50 Hz mains from one frame at 240 fps to the next."""

Factor = npt.NDArray[np.float64]


def lamp(depth: float, *, readout: float = 0.0) -> list[Factor]:
    """Factor (H, 1, 1) of each frame's display values; `readout` of a period passes while rows are read."""
    rows = np.arange(HEIGHT)[:, None, None] / HEIGHT
    return [1 + depth * np.sin(PER_FRAME * k + 2 * np.pi * readout * rows + 0.7) for k in range(FRAMES)]


def under(frames: list[Image], factors: list[Factor]) -> list[Image]:
    return [
        to_bytes((frame * factor).astype(np.float32)) for frame, factor in zip(frames, factors, strict=True)
    ]


def compared(lsr: Image) -> FloatImage:
    return reduced(upscale(lsr, SCALE * lsr.shape[0], SCALE * lsr.shape[1]))


def fused(method: str, frames: list[Image], factors: list[Factor], **options: int) -> float:
    """Mean PSNR [dB] of the frames between two sharp ones, which show no lamp."""
    truth = under(frames, factors)
    lsr = reduce(truth, SCALE)
    distances = list(range(FRAMES))
    made = Fuser(method, scale=SCALE, device="cpu", **options).fuse_gop(
        lsr,
        distances,
        frames[0],
        next_reference=frames[-1],
        next_distances=[float(d - FRAMES + 1) for d in distances],
        same_view=False,
    )
    return float(np.mean([psnr(f.image[INNER], truth[f.position][INNER]) for f in made][1:-1]))


@pytest.mark.parametrize(("method", "readout"), [("classical", 0.0), ("classical", 0.4), ("live", 0.4)])
def test_a_flickering_lamp_costs_little_detail(method: str, readout: float) -> None:
    frames = layers(FRAMES, HEIGHT, WIDTH)
    steady = fused(method, frames, lamp(0.0))
    flickering = fused(method, frames, lamp(0.15, readout=readout))
    assert flickering > steady - 0.5


def test_one_sharp_frame_is_enough() -> None:
    frames = layers(FRAMES, HEIGHT, WIDTH)
    steady, flickering = (fused("classical", frames, lamp(depth), references=1) for depth in (0.0, 0.15))
    assert flickering > steady - 0.5


@pytest.mark.parametrize("colour", [(1.2, 1.2, 1.2), (0.7, 0.8, 0.9)])
def test_the_gain_is_the_light_s_whatever_moved(colour: tuple[float, float, float]) -> None:
    first, *_, last = pan(FRAMES, HEIGHT, WIDTH, (2.0, -1.0))
    (lsr,) = reduce([to_bytes((last * np.float32(colour)).astype(np.float32))], SCALE)
    gain = light_gain(compared(lsr), prepare_reference(first, None, lsr.shape[:2]))
    assert gain is not None
    np.testing.assert_allclose(gain.mean(axis=(0, 1)), colour, rtol=0.01)
    np.testing.assert_allclose(gain, np.broadcast_to(colour, gain.shape), rtol=0.06)


def test_what_a_lens_darkens_towards_its_corners_is_followed() -> None:
    first, *_, last = pan(FRAMES, HEIGHT, WIDTH, (2.0, -1.0))
    y, x = np.meshgrid(np.linspace(-1, 1, HEIGHT), np.linspace(-1, 1, WIDTH), indexing="ij")
    lens = (1 - 0.25 * (x**2 + y**2))[..., None]
    (lsr,) = reduce([to_bytes((last * lens).astype(np.float32))], SCALE)
    reference = prepare_reference(first, None, lsr.shape[:2])
    gain = light_gain(compared(lsr), reference)
    assert gain is not None
    apart = np.abs(gain - reduced(lens.astype(np.float32))[..., None])
    assert apart.mean() < 0.01
    assert np.quantile(apart, 0.99) < 0.04


@pytest.mark.parametrize("sigma", [0.0, 20.0], ids=["clean", "noisy"])
def test_in_the_same_light_a_sharp_picture_stays_as_it_is(sigma: float) -> None:
    frames = pan(2, HEIGHT, WIDTH, (4.0, 0.0))
    (lsr,) = reduce(frames[1:], SCALE)
    noisy = to_bytes((lsr + np.random.default_rng(0).normal(0, sigma, lsr.shape)).astype(np.float32))
    reference = prepare_reference(frames[0], None, lsr.shape[:2])
    assert in_light_of(compared(noisy), reference) is reference


def test_what_becomes_too_bright_is_clipped_as_a_camera_does() -> None:
    frames = pan(2, HEIGHT, WIDTH, (1.0, 0.5))
    (lsr,) = reduce([to_bytes(frames[1] * np.float32(1.3))], SCALE)
    reference = prepare_reference(frames[0], None, lsr.shape[:2])
    lit = in_light_of(compared(lsr), reference)
    assert lit.image.max() <= 255
    assert lit.unlit is reference.image
    assert lit.image.mean() > 1.2 * reference.image.mean()


@pytest.mark.parametrize("level", [0, 255])
@pytest.mark.parametrize("size", [(48, 64), (2, 2), (1, 40)])
def test_black_and_white_frames_tell_nothing_of_the_light(size: tuple[int, int], level: int) -> None:
    height, width = (SCALE * side for side in size)
    blank = np.full((*size, 3), level, np.uint8)
    reference = prepare_reference(pan(1, height, width, (0.0, 0.0))[0], None, size)
    assert in_light_of(compared(blank), reference) is reference


def test_what_no_reference_shows_does_not_count() -> None:
    (frame,) = pan(1, HEIGHT, WIDTH, (0.0, 0.0))
    valid = np.ones((HEIGHT, WIDTH), np.bool_)
    valid[:, : WIDTH // 2] = False
    dark = frame.copy()
    dark[~valid] = dark[~valid] // 3
    (lsr,) = reduce([dark], SCALE)
    reference = prepare_reference(frame, valid, lsr.shape[:2])
    lit = in_light_of(compared(lsr), reference)
    np.testing.assert_allclose(lit.image, reference.image, rtol=0.02)
