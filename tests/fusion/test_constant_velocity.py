"""Even motion between two sharp pictures: where it says pixels are, and when a frame follows it."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from fusion_scene import Image, disc, layers, pan, reduce
from hypothesis import given
from hypothesis import strategies as st

from fusion import Fuser
from fusion.classical import Classical
from fusion.constant_velocity import choose_motion, even_motion, share_of_way
from fusion.evaluation.metrics import psnr
from fusion.gop import Reference, prepare_reference, synthesise_gop
from fusion.joint_motion import JointMotion
from fusion.levels import to_bytes
from fusion.motion import DisFlow, FlowArray
from fusion.resample import upscale

HEIGHT, WIDTH, SCALE = 160, 224, 4
INNER = (slice(40, -40), slice(40, -40))
STEP = np.array((3.0, -1.5), np.float32)
NOISE = 0.003


def picture() -> Image:
    return np.zeros((8, 8, 3), np.uint8)


def at(*distances: float | None) -> list[Reference]:
    return [prepare_reference(picture(), None, (2, 2), distance=d) for d in distances]


def everywhere(motion: np.ndarray) -> FlowArray:
    return np.zeros((HEIGHT, WIDTH, 2), np.float32) + np.asarray(motion, np.float32)


def noisy(frame: Image, seed: int = 0) -> Image:
    noise = np.random.default_rng(seed).normal(size=frame.shape) * 255 * NOISE**0.5
    return to_bytes((frame + noise).astype(np.float32))


def off(flow: FlowArray, motion: np.ndarray) -> float:
    """Mean end-point error [px] away from the borders."""
    return float(np.linalg.norm(flow[INNER] - motion, axis=2).mean())


@given(st.integers(0, 20), st.integers(0, 20))
def test_the_share_of_the_way_follows_the_clocks(passed: int, coming: int) -> None:
    share = share_of_way(at(passed, -coming))
    if passed + coming == 0:
        assert share is None
    else:
        assert share == pytest.approx(passed / (passed + coming))
        # The sharp picture that comes first need not be the one named first.
        assert share_of_way(at(-coming, passed)) == pytest.approx(coming / (passed + coming))


@pytest.mark.parametrize("distances", [(3,), (3, None), (None, -3), (3, 2), (-2, -3), (2, -2, 4)])
def test_a_frame_that_is_not_known_to_lie_between_two_pictures_has_no_share(
    distances: tuple[float | None, ...],
) -> None:
    assert share_of_way(at(*distances)) is None


def test_what_moves_evenly_is_found_at_each_of_its_places() -> None:
    # Two frames of `layers` on either side: the disc moves against what lies behind it.
    near = disc(-2, HEIGHT, WIDTH)[..., None] > 0.5
    way = np.where(near, 4 * np.array((2.0, -1.0)), 4 * np.array((-1.0, 0.5))).astype(np.float32)
    for share in (0.25, 0.5, 0.75):
        first, second = even_motion(way, share)
        after = 4 * share - 2
        rows, columns = np.mgrid[:HEIGHT, :WIDTH]
        middle = np.hypot(columns - (WIDTH / 2 + 2 * after), rows - (HEIGHT / 2 - after))
        # Along the edge, what goes in front of what is not told by motion alone.
        inside, far = middle < 30, middle > 60
        for flow, gone in ((first, -share), (second, 1 - share)):
            assert np.abs(flow[inside] - gone * 4 * np.array((2.0, -1.0))).max() < 1e-3
            assert np.abs(flow[far] - gone * 4 * np.array((-1.0, 0.5))).max() < 1e-3


def scene(jump: np.ndarray | float = 0.0) -> tuple[Image, Reference]:
    """A frame of a pan, off its even way by `jump`, and the sharp one two frames before."""
    frames = pan(2, HEIGHT, WIDTH, tuple(float(x) for x in 2 * STEP + jump), seed=3)
    (lsr,) = reduce(frames[1:], SCALE)
    return lsr, prepare_reference(frames[0], None, lsr.shape[:2], distance=2)


def restless(amount: float) -> FlowArray:
    """Errors as a search in a noisy frame makes them: other ones every few pixels."""
    rng = np.random.default_rng(7)
    cells = rng.normal(size=(HEIGHT // 8, WIDTH // 8, 2)).astype(np.float32)
    return np.asarray(amount * cv2.resize(cells, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR))


def test_in_a_noisy_frame_even_motion_stands_against_a_search_that_follows_noise() -> None:
    lsr, reference = scene()
    true = -2 * STEP
    found = everywhere(true) + restless(1.0)
    flow = choose_motion(found, [everywhere(true)], reference, noisy(lsr), noise_variance=NOISE, scale=SCALE)
    assert off(flow, true) < 0.3 * off(found, true)


def test_a_shake_of_the_whole_picture_is_followed() -> None:
    jump = np.array((3.0, 2.0), np.float32)
    lsr, reference = scene(jump)
    true = -2 * STEP - jump
    found = everywhere(true) + restless(1.0)
    flow = choose_motion(
        found, [everywhere(-2 * STEP)], reference, noisy(lsr), noise_variance=NOISE, scale=SCALE
    )
    assert off(flow, true) < 0.5 * off(found, true)


def test_where_a_clean_frame_goes_its_own_way_the_search_is_believed() -> None:
    jump = np.array((2.5 * SCALE, 0.0), np.float32)
    lsr, reference = scene(jump)
    true = -2 * STEP - jump
    flow = choose_motion(
        everywhere(true), [everywhere(-2 * STEP)], reference, lsr, noise_variance=0, scale=SCALE
    )
    assert off(flow, true) < 0.1


def test_of_two_answers_the_one_that_fits_counts_in_each_place() -> None:
    lsr, reference = scene()
    true = everywhere(-2 * STEP)
    left, right = true.copy(), true.copy()
    left[:, WIDTH // 2 :] += 6
    right[:, : WIDTH // 2] += 6
    flow = choose_motion(true + 6, [left, right], reference, lsr, noise_variance=0, scale=SCALE)
    assert off(flow[:, : WIDTH // 2 - 8], -2 * STEP) < 0.1
    assert off(flow[:, WIDTH // 2 + 8 :], -2 * STEP) < 0.1


def test_even_motion_leads_nowhere_a_reference_shows_nothing() -> None:
    lsr, reference = scene()
    valid = np.ones((HEIGHT, WIDTH), np.bool_)
    valid[:, : WIDTH // 2] = False
    # Filled as `synthesise_gop` fills it: with what the frame itself shows.
    up = upscale(lsr, HEIGHT, WIDTH)
    limited = replace(reference, image=np.where(valid[..., None], reference.image, up), valid=valid)
    found, even = everywhere(-2 * STEP), everywhere((-40.0, 0.0))
    flow = choose_motion(found, [even], limited, lsr, noise_variance=0, scale=SCALE)
    beside = (slice(40, -40), slice(WIDTH // 2 + 12, WIDTH // 2 + 36))
    assert np.abs(flow[beside] - found[beside]).max() < 0.2


def test_noisy_frames_between_two_sharp_ones_come_out_better() -> None:
    frames = layers(5, HEIGHT, WIDTH)
    lsr = [noisy(one, seed) for seed, one in enumerate(reduce(frames[1:4], SCALE))]

    def quality(next_distances: tuple[int, ...] | None) -> float:
        made = synthesise_gop(
            Classical(SCALE, NOISE),
            lsr,
            (1, 2, 3),
            [(frames[0], None), (frames[-1], None)],
            recursion="direct",
            cancelled=lambda: False,
            next_distances=next_distances,
        )
        pairs = zip(made, frames[1:4], strict=True)
        return float(np.mean([psnr(one.image[INNER], truth[INNER]) for one, truth in pairs]))

    assert quality((-3, -2, -1)) > quality(None) + 1.0


@pytest.mark.parametrize(("scale", "noise", "gains"), [(4, 0.0, False), (4, 1e-4, True), (8, 0.0, True)])
def test_fine_clean_frames_are_searched_alone(scale: int, noise: float, gains: bool) -> None:
    frames = layers(3, HEIGHT, WIDTH)
    (lsr,) = reduce(frames[1:2], scale)
    joint = JointMotion(DisFlow(scale, noise), scale, noise)
    given = [prepare_reference(frames[k], None, lsr.shape[:2], distance=1 - k) for k in (0, 2)]
    timeless = [replace(one, distance=None) for one in given]
    up = upscale(lsr, HEIGHT, WIDTH)
    pairs = zip(joint(lsr, up, given), joint(lsr, up, timeless), strict=True)
    assert all(np.array_equal(one, other) != gains for one, other in pairs)


def test_the_fuser_hands_the_distances_on() -> None:
    frames = layers(5, HEIGHT, WIDTH)
    lsr = [noisy(one, seed) for seed, one in enumerate(reduce(frames[1:4], SCALE))]
    fuser = Fuser("classical", scale=SCALE, references=2, device="cpu", noise_variance=NOISE)

    def quality(next_distances: tuple[int, ...]) -> float:
        made = fuser.fuse_gop(
            lsr, (1, 2, 3), frames[0], next_reference=frames[-1], next_distances=next_distances
        )
        pairs = zip(made, frames[1:4], strict=True)
        return float(np.mean([psnr(one.image[INNER], truth[INNER]) for one, truth in pairs]))

    # Clocks that put the second picture elsewhere put the frames elsewhere on the way.
    assert quality((-3, -2, -1)) > quality((-30, -29, -28)) + 0.3
