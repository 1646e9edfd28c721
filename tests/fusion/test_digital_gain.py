"""Dark footage: fused as if it were bright, flashes and lamps included."""

import numpy as np
import pytest
from fusion_scene import pan

from fusion import Fuser, FusionError
from fusion.digital_gain import brightened, brightness, digital_gain
from fusion.evaluation.metrics import psnr
from fusion.levels import to_bytes, to_floats
from fusion.resample import downscale

DARKER = 8
SIGMA = 0.5
COUNT = 5


def darkened(frames, lamp=None):
    """What both cameras give of a scene, 8 times darker: sharp frames, and LSR frames with noise."""
    rng = np.random.default_rng(0)
    dark = [to_floats(frame, 1 / DARKER) for frame in frames]
    if lamp is not None:
        dark = [np.where(lamp[..., None], np.float32(250), frame) for frame in dark]
    small = (downscale(frame, frame.shape[0] // 4, frame.shape[1] // 4) for frame in dark)
    lsr = [to_bytes(one + rng.normal(0, SIGMA, one.shape).astype(np.float32)) for one in small]
    return [to_bytes(frame) for frame in dark], lsr


def fuse(sharp, lsr, gain, method=None):
    fuser = Fuser(method, scale=4, noise_variance=(SIGMA / 255) ** 2, gain=gain, device="cpu")
    last = len(lsr) - 1
    return [
        one.image
        for one in fuser.fuse_gop(
            lsr,
            range(len(lsr)),
            sharp[0],
            next_reference=sharp[last],
            next_distances=range(-last, 1),
            same_view=False,
        )
    ]


def bright(image):
    return to_bytes(to_floats(image, DARKER))


@pytest.mark.parametrize("method", [None, "classical"])
def test_dark_and_noisy_footage_gains_by_it(method):
    frames = pan(COUNT, 96, 128, (1.5, -0.75))
    sharp, lsr = darkened(frames)
    gain = digital_gain(map(brightness, lsr))
    assert gain > 6
    plain, better = (fuse(sharp, lsr, g, method) for g in (1.0, gain))
    for k in range(1, COUNT - 1):
        assert psnr(bright(better[k]), frames[k]) > psnr(bright(plain[k]), frames[k]) + (
            0.2 if method else 1.0
        )


def test_footage_that_is_bright_enough_is_left_alone():
    frames = pan(3, 64, 96, (1, 0))
    assert digital_gain(map(brightness, frames)) == 1
    seen, gain = brightened(frames[0])
    assert (seen is frames[0], gain) == (True, 1)
    deep = frames[0].astype(np.uint16) * 257
    assert np.array_equal(brightened(deep)[0], frames[0])
    assert brightness(deep) == pytest.approx(brightness(frames[0]))


def test_a_dark_picture_is_compared_as_if_it_were_bright():
    dark = pan(1, 64, 96, (0, 0))[0].astype(np.uint16) * 16
    seen, gain = brightened(dark)
    assert 10 < gain <= 16
    assert 215 < brightness(seen) < 240


def test_behind_a_lens_cap_there_is_nothing_to_brighten():
    noise = to_bytes(np.random.default_rng(0).normal(2, 1, (64, 96, 3)).astype(np.float32))
    for black in (np.zeros((64, 96, 3), np.uint8), noise):
        seen, gain = brightened(black)
        assert np.array_equal(seen, black)
        assert gain == 1


def test_a_flash_in_the_dark_is_fused_as_bright_as_it_was():
    frames = pan(COUNT, 96, 128, (1, 0.5))
    sharp, lsr = darkened(frames)
    flash = to_bytes(downscale(frames[2], 24, 32))
    gain = digital_gain(map(brightness, lsr))
    plain, made = (fuse(sharp, [*lsr[:2], flash, *lsr[3:]], g) for g in (1.0, gain))
    assert psnr(made[2], frames[2]) > psnr(plain[2], frames[2]) - 0.6
    for k in (1, 3):
        assert psnr(bright(made[k]), frames[k]) > psnr(bright(plain[k]), frames[k]) + 1


@pytest.mark.parametrize("method", [None, "classical"])
def test_where_a_light_goes_on_nothing_is_lost_by_what_was_dark_before(method):
    frames = pan(COUNT, 96, 128, (1.5, -0.75))
    dark_sharp, dark = darkened(frames)
    gain = digital_gain(map(brightness, dark))
    noisy = np.random.default_rng(1)
    small = [downscale(frame, 24, 32) for frame in frames]
    bright_lsr = [to_bytes(one + noisy.normal(0, SIGMA, one.shape).astype(np.float32)) for one in small]
    lit = 2
    plain, made = (
        fuse([dark_sharp[0], *frames[1:]], [*dark[:lit], *bright_lsr[lit:]], g, method) for g in (1.0, gain)
    )
    assert psnr(bright(made[1]), frames[1]) > psnr(bright(plain[1]), frames[1]) - 0.3
    for k in (2, 3):
        assert psnr(made[k], frames[k]) > psnr(plain[k], frames[k]) - 0.3


def test_a_lamp_in_the_dark_stays_a_lamp():
    frames = pan(3, 256, 256, (1.5, 0.5))
    lamp, inside, beside = (np.zeros((256, 256), bool) for _ in range(3))
    lamp[120:128, 120:128] = True
    inside[122:126, 122:126] = True
    beside[104:144, 104:144] = True
    beside[112:136, 112:136] = False
    sharp, lsr = darkened(frames, lamp)
    gain = digital_gain(map(brightness, lsr))
    assert gain > 5
    plain, made = (fuse(sharp, lsr, g)[1] for g in (1.0, gain))
    assert made[inside].mean() > 235
    assert (
        psnr(bright(made)[beside], frames[1][beside]) > psnr(bright(plain)[beside], frames[1][beside]) + 0.5
    )


def test_a_gain_below_one_is_refused():
    for wrong in (0.5, float("nan")):
        with pytest.raises(FusionError, match="gain"):
            Fuser("bicubic", scale=4, gain=wrong)
