"""Colour map and noise estimate against known truth."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from calibration import (
    ColourMap,
    ViewError,
    estimate_noise_sigma,
    match_colours,
    smooth_colours,
    view_mismatch,
)
from fusion.evaluation.metrics import psnr

CROSSTALK = np.array([[0.80, 0.15, 0.02, 6.0], [0.10, 0.78, 0.08, 3.0], [0.02, 0.16, 0.70, 9.0]])


def low_range(image: np.ndarray) -> np.ndarray:
    x = image / 255.0
    return np.clip(255 * (0.08 + 0.5 * x**1.15), 0, 255)


def noisy(image: np.ndarray, sigma: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.clip(np.round(image + rng.normal(0, sigma, image.shape)), 0, 255).astype(np.uint8)


def small(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize(("name", "least"), [("exposure", 38.0), ("crosstalk", 40.0), ("low", 36.0)])
def test_colours_of_the_other_camera(plane: np.ndarray, name: str, least: float) -> None:
    truth = {
        "exposure": lambda im: im * 0.55,
        "crosstalk": lambda im: np.clip(cv2.transform(im.astype(np.float64), CROSSTALK), 0, 255),
        "low": low_range,
    }[name](plane)
    lsr = noisy(small(truth), 8.0)
    fit = match_colours(plane, lsr)
    assert fit.method == "affine"
    assert psnr(fit.apply(plane), truth) > least
    assert psnr(plane, truth) < least - 8


def test_wrong_pixels_do_not_pull_the_fit(plane: np.ndarray) -> None:
    truth = np.clip(cv2.transform(plane.astype(np.float64), CROSSTALK), 0, 255)
    wrong = plane.copy()
    wrong[:250] = plane[250:500][:, ::-1]
    free = match_colours(wrong, noisy(small(truth), 3.0))
    assert psnr(free.apply(plane), truth) > 36
    valid = np.ones(plane.shape[:2], np.bool_)
    valid[:250] = False
    masked = match_colours(wrong, noisy(small(truth), 3.0), valid)
    assert psnr(masked.apply(plane), truth) > 40


def test_grey_scene_falls_back_to_gain_and_offset(plane: np.ndarray) -> None:
    grey = np.repeat(plane[..., :1], 3, axis=2)
    fit = match_colours(grey, small(np.round(grey * 0.5 + 20).astype(np.uint8)))
    assert fit.method == "gain_offset"
    assert psnr(fit.apply(grey), grey * 0.5 + 20) > 40


def test_nothing_to_compare_gives_the_identity(plane: np.ndarray) -> None:
    fit = match_colours(plane, small(plane), np.zeros(plane.shape[:2], np.bool_))
    assert fit.method == "identity"
    assert np.array_equal(fit.apply(plane), plane)


def test_map_applies_alike_to_all_sample_types(plane: np.ndarray) -> None:
    fit = match_colours(plane, small(low_range(plane).astype(np.uint8)))
    eight = fit.apply(plane).astype(float)
    unit = fit.apply(plane.astype(np.float32) / 255) * 255
    sixteen = fit.apply(plane.astype(np.uint16) * 257) / 257
    assert np.abs(eight - unit).max() < 0.75
    assert np.abs(sixteen - unit).max() < 0.01
    with pytest.raises(ViewError, match="int32"):
        fit.apply(plane.astype(np.int32))


def test_colours_of_dark_pictures_are_found_in_bright_ones(plane: np.ndarray) -> None:
    coloured = np.clip(cv2.transform(plane.astype(np.float64), CROSSTALK), 0, 255)
    dark, darker = ((image / part * 257).astype(np.uint16) for image, part in ((plane, 4), (coloured, 10)))
    fit = match_colours(plane, small(coloured).astype(np.uint8)).of_gains(4, 10)
    assert np.abs(fit.apply(dark).astype(float) - darker).mean() < 0.15 * 257
    nothing = match_colours(plane, small(plane), np.zeros(plane.shape[:2], np.bool_)).of_gains(4, 10)
    assert np.array_equal(nothing.apply(dark), dark)


def test_the_way_back_gives_the_own_colours_again(plane: np.ndarray) -> None:
    colours = ColourMap(np.array([[0.8, 0.1, 0, 5], [0.1, 0.7, 0, 3], [0, 0.2, 0.6, 8.0]]), 0.0, 1, "affine")
    there = colours.apply(plane.astype(np.float32) / 255)
    np.testing.assert_allclose(255 * colours.inverse().apply(there), plane, atol=0.01)


def test_from_grey_there_is_no_way_back() -> None:
    grey = ColourMap(np.column_stack([np.full((3, 3), 1 / 3), np.zeros(3)]), 0.0, 1, "affine")
    with pytest.raises(ViewError, match="saw in grey"):
        grey.inverse()


def test_smoothing_moves_towards_the_new_fit(plane: np.ndarray) -> None:
    a = match_colours(plane, small((plane * 0.5).astype(np.uint8)))
    b = match_colours(plane, small((plane * 0.9).astype(np.uint8)))
    assert smooth_colours(None, b) is b
    mixed = smooth_colours(a, b, weight=0.25).matrix
    assert np.allclose(mixed, 0.75 * a.matrix + 0.25 * b.matrix)


def test_a_gop_with_nothing_to_compare_keeps_the_map_that_was_learned(plane: np.ndarray) -> None:
    learned = match_colours(plane, small((plane * 0.5).astype(np.uint8)))
    black = match_colours(np.zeros_like(plane), small(np.zeros_like(plane)))
    assert smooth_colours(learned, black) is learned
    assert smooth_colours(black, learned) is learned
    assert smooth_colours(None, black).method == "identity"


def test_pixels_at_the_end_of_either_range_do_not_count(plane: np.ndarray) -> None:
    lsr = small(plane).astype(np.float64) * 0.7 + 20
    sharp = plane.copy()
    # A fifth of the HSR picture is white where the LSR camera still tells tones apart, a tenth black.
    sharp[:180], sharp[180:270] = 255, 0
    fit = match_colours(sharp, np.round(lsr).astype(np.uint8))
    assert fit.samples < 0.75 * match_colours(plane, np.round(lsr).astype(np.uint8)).samples
    assert np.abs(fit.apply(plane[300:]).astype(float) - (plane[300:] * 0.7 + 20)).max() < 4


@pytest.mark.parametrize("sigma", [2.55, 8.06, 25.5])
@pytest.mark.parametrize("moving", [0.0, 0.5])
def test_noise_where_part_of_the_scene_is_static(plane: np.ndarray, sigma: float, moving: float) -> None:
    lsr = cv2.GaussianBlur(small(plane), (0, 0), 0.8) * 0.7 + 35
    frames = []
    for k in range(4):
        frame = lsr.copy()
        rows = round(len(lsr) * moving)
        frame[:rows] = np.roll(lsr[:rows], 3 * k, axis=1)
        frames.append(noisy(frame, sigma, seed=k))
    found = estimate_noise_sigma(frames)
    luma = sigma * np.sqrt(0.299**2 + 0.587**2 + 0.114**2)
    assert found.reliable
    assert found.sigma == pytest.approx(luma, rel=0.1)


@pytest.mark.parametrize("sigma", [0.8, 3.0])
def test_a_lamp_that_flickers_is_no_noise(plane: np.ndarray, sigma: float) -> None:
    lsr = small(plane).astype(np.float32)
    phases = 2 * np.pi * np.arange(8) * 100 / 240
    steady, flickering = (
        estimate_noise_sigma(
            [noisy(lsr * (0.8 + depth * np.sin(phase)), sigma, seed=k) for k, phase in enumerate(phases)]
        )
        for depth in (0.0, 0.15)
    )
    assert flickering.reliable
    assert flickering.sigma == pytest.approx(steady.sigma, rel=0.05)


def test_scene_that_moves_everywhere_is_not_called_reliable(plane: np.ndarray) -> None:
    soft = cv2.GaussianBlur(small(plane), (0, 0), 2.0)
    frames = [noisy(np.roll(soft, 4 * k, axis=1), 1.0, seed=k) for k in range(4)]
    assert not estimate_noise_sigma(frames).reliable


def test_noise_that_cannot_be_measured_says_so(plane: np.ndarray) -> None:
    still = small(plane)
    assert not estimate_noise_sigma([still, still, still]).reliable
    assert not estimate_noise_sigma([still]).reliable
    with pytest.raises(ViewError, match="without frames"):
        estimate_noise_sigma([])
    with pytest.raises(ViewError, match="one size"):
        estimate_noise_sigma([still, plane])


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0, 5.0])
def test_what_two_views_differ_by_is_told_in_fractions_of_a_level(sigma: float) -> None:
    rng = np.random.default_rng(2)
    reference = rng.integers(40, 200, (240, 320, 3)).astype(np.uint8)
    reduced = cv2.resize(reference.astype(np.float32), (80, 60), interpolation=cv2.INTER_AREA)
    lsr = np.rint(reduced + rng.normal(0, sigma, reduced.shape)).astype(np.uint8)
    found = view_mismatch(reference, lsr, np.ones((240, 320), np.bool_))
    # Rounding to whole levels is noise, too.
    assert found == pytest.approx(np.hypot(sigma, 1 / np.sqrt(12)), rel=0.06)
