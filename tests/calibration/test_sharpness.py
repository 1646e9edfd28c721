"""A fast camera softer or more sharpened than its pixels: found from pictures of one instant, and undone."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from calibration import SamePicture, Sharpening, ViewError, match_sharpness
from pictures import RgbImage

Field = npt.NDArray[np.float32]


def scene(seed: int = 1) -> Field:
    """Texture of all sizes (220, 300, 3) in 30..225, each octave as strong as the others."""
    rng = np.random.default_rng(seed)
    total = np.zeros((220, 300, 3), np.float32)
    for octave in range(6):
        grain = rng.standard_normal((220 // 2**octave + 2, 300 // 2**octave + 2, 3)).astype(np.float32)
        total += cv2.resize(grain, (300, 220), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(128 + 24 * total, 30, 225), np.float32)


def blurred(picture: Field, sigma: float) -> Field:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.float32)


def filmed(picture: Field, noise: float = 0.0) -> RgbImage:
    grain = np.random.default_rng(7).standard_normal(picture.shape)
    return np.clip(picture + noise * grain + 0.5, 0, 255).astype(np.uint8)


def pair(true: Field, seen: RgbImage) -> SamePicture:
    return SamePicture(true, seen, np.ones(true.shape[:2], np.bool_))


def error(picture: npt.NDArray[np.number], true: Field) -> float:
    return float(np.sqrt(np.mean((picture[8:-8, 8:-8] - true[8:-8, 8:-8]) ** 2)))


@pytest.mark.parametrize("sigma", [0.5, 0.65, 0.8])
def test_a_blur_is_measured_and_undone(sigma: float) -> None:
    true = scene()
    seen = filmed(blurred(true, sigma))
    found = match_sharpness([pair(true, seen)])
    assert found is not None
    assert found.blur_px == pytest.approx(sigma, abs=0.06)
    assert error(found.apply(seen), true) < 0.5 * error(seen, true)
    other = scene(seed=9)
    assert error(found.apply(filmed(blurred(other, sigma))), other) < 0.5 * error(
        filmed(blurred(other, sigma)), other
    )


def test_what_a_phone_sharpened_is_softened_again() -> None:
    true = np.asarray(128 + 0.5 * (scene() - 128), np.float32)
    seen = filmed(true + 0.6 * (true - blurred(true, 1.0)))
    found = match_sharpness([pair(true, seen)])
    assert found is not None
    assert found.blur_px < -0.3
    assert error(found.apply(seen), true) < 0.3 * error(seen, true)


def test_the_more_noise_the_less_is_sharpened() -> None:
    true = scene()
    gains = []
    for noise in (0.0, 4.0, 12.0):
        found = match_sharpness([pair(true, filmed(blurred(true, 0.6), noise))])
        assert found is not None
        gains.append(found.noise_gain)
    assert gains[0] > gains[1] > gains[2] >= 0.9


def test_a_frame_as_sharp_as_its_pixels_stays_as_it_is() -> None:
    true = scene()
    for noise in (0.0, 6.0):
        assert match_sharpness([pair(true, filmed(true, noise))]) is None


def test_views_that_do_not_lie_on_each_other_are_not_softened() -> None:
    true = scene()
    shift = np.array([[1, 0, 0.6], [0, 1, 0.4]], np.float32)
    moved = cv2.warpAffine(true, shift, (300, 220), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    assert match_sharpness([pair(true, filmed(np.asarray(moved, np.float32)))]) is None


def test_what_only_one_camera_saw_does_not_count() -> None:
    true = scene()
    seen = filmed(blurred(true, 0.5))
    strange = true.copy()
    strange[40:90, 60:140] = scene(seed=3)[40:90, 60:140]
    found = match_sharpness([pair(strange, seen)])
    assert found is not None
    assert found.blur_px == pytest.approx(0.5, abs=0.1)
    usable = np.ones(true.shape[:2], np.bool_)
    usable[40:90, 60:140] = False
    better = match_sharpness([SamePicture(strange, seen, usable)])
    assert better is not None
    assert better.blur_px == pytest.approx(0.5, abs=0.06)


def test_too_little_to_compare_is_left_alone() -> None:
    true = scene()
    seen = filmed(blurred(true, 0.8))
    corner = np.zeros(true.shape[:2], np.bool_)
    corner[100:120, 100:120] = True
    assert match_sharpness([SamePicture(true, seen, corner)]) is None
    assert match_sharpness([pair(np.full_like(true, 255), np.full_like(seen, 255))]) is None


def test_no_dark_ring_around_a_lamp() -> None:
    true = scene()
    found = match_sharpness([pair(true, filmed(blurred(true, 0.6)))])
    assert found is not None
    night = np.full((60, 60, 3), 60, np.float32)
    cv2.circle(night, (30, 30), 6, (4000, 4000, 4000), -1)
    seen = filmed(blurred(night, 0.6))
    for picture, step in ((seen, 1), (seen.astype(np.uint16) * 257, 257)):
        made = found.apply(picture)
        assert made.min() >= 58 * step
        np.testing.assert_array_equal(made[24:37, 24:37], picture[24:37, 24:37])
    night[:, 50:] = 90
    seen = filmed(blurred(night, 0.6))
    assert (found.apply(seen) != seen)[:, 45:55].any()


def test_depth_and_brightness_stay() -> None:
    true = scene()
    found = match_sharpness([pair(true, filmed(blurred(true, 0.6)))])
    assert found is not None
    flat = np.full((40, 40, 3), 117, np.uint8)
    np.testing.assert_array_equal(found.apply(flat), flat)
    seen = filmed(blurred(true, 0.6))
    deep = found.apply(seen.astype(np.uint16) * 257)
    assert deep.dtype == np.uint16
    assert np.abs(deep / 257 - found.apply(seen)).max() <= 0.51
    with pytest.raises(ViewError, match="float64 pictures cannot be sharpened; use uint8 or uint16"):
        Sharpening(found.kernel).apply(true.astype(np.float64))
