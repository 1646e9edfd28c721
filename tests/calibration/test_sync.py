"""Synchronisation of recordings: sound, motion and frames with known truth, and honest doubt without it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy import ndimage, signal

from calibration.sync import (
    AUDIO_RATE,
    BELIEVABLE,
    NO_AUDIO,
    AudioSync,
    FrameSync,
    FrameWindow,
    MotionSync,
    band_pass,
    combine,
    exposure_kernel,
    match_frames,
    motion_curve,
    motion_times,
    sync_audio,
    sync_motion,
    sync_points,
)

LSR_PERIOD = 1 / 240


def make_sound(seconds: float, seed: int) -> np.ndarray:
    """Coloured noise in bursts, as steps, speech and clatter are."""
    rng = np.random.default_rng(seed)
    count = int(seconds * AUDIO_RATE)
    b, a = signal.butter(2, [200, 6000], "bandpass", fs=AUDIO_RATE)
    syllables = rng.standard_normal(int(seconds * 6) + 2)
    loudness = np.interp(np.arange(count) * 6 / AUDIO_RATE, np.arange(len(syllables)), syllables)
    sound = signal.lfilter(b, a, rng.standard_normal(count)) * (0.2 + np.abs(loudness))
    return sound / sound.std()


def second_microphone(sound: np.ndarray, offset_s: float, drift_ppm: float) -> np.ndarray:
    """What a recorder hears whose clock shows t * (1 + drift) + offset."""
    fine = signal.resample_poly(sound, 8, 1)
    there = (np.arange(len(sound)) / AUDIO_RATE - offset_s) / (1 + drift_ppm * 1e-6)
    heard = np.interp(there * AUDIO_RATE * 8, np.arange(len(fine)), fine, left=0, right=0)
    echo = heard.copy()
    echo[523:] += 0.25 * heard[:-523]
    return echo


def noisy(sound: np.ndarray, snr_db: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(len(sound)) * sound.std() * 10 ** (-snr_db / 20)
    return (sound + noise).astype(np.float32)


@pytest.mark.parametrize(
    ("offset_s", "drift_ppm", "snr_db"),
    [(0.037, 20, 20), (2.346, -50, 10), (-0.432, 50, 0), (1.111, 100, 0), (-5.0, 0, 5)],
)
def test_sound_gives_offset_and_drift(offset_s: float, drift_ppm: float, snr_db: float) -> None:
    """0.1 ms and 1 ppm down to 0 dB, with an echo that only one microphone hears."""
    sound = make_sound(40, seed=1)
    heard = second_microphone(sound, offset_s, drift_ppm)
    found = sync_audio(noisy(sound, snr_db, 2), noisy(heard, snr_db, 3), hsr_start_s=0.5, lsr_start_s=-0.25)
    truth = offset_s - 0.75 + drift_ppm * 1e-6 * (found.at_s - 0.5)
    assert abs(found.shift_s - truth) < 1e-4
    assert abs(found.drift_ppm - drift_ppm) < 1.0
    assert found.confidence > 0.9


def test_short_sounds_give_an_offset_but_no_sure_drift() -> None:
    sound = make_sound(2.0, seed=4)
    found = sync_audio(noisy(sound, 20, 5), noisy(second_microphone(sound, 0.2, 0), 20, 6))
    assert abs(found.shift_s - 0.2) < 1e-4
    assert found.confidence >= BELIEVABLE
    assert found.drift_error_ppm > 5


def test_unrelated_sounds_and_silence_are_not_believed() -> None:
    silence = np.zeros(5 * AUDIO_RATE, np.float32)
    for first, second in (
        (make_sound(12, 7), make_sound(12, 8)),
        (silence, make_sound(5, 9)),
        (silence, silence),
        (make_sound(0.1, 1), make_sound(0.1, 1)),
    ):
        found = sync_audio(first.astype(np.float32), second.astype(np.float32))
        assert found.confidence < BELIEVABLE


class Scene:
    """A textured plane that jitters along a random path, and a film of it at any instant and exposure."""

    def __init__(self, seed: int, *, speed: float = 40.0) -> None:
        rng = np.random.default_rng(seed)
        noise = rng.standard_normal((3, 260, 320))
        self._texture = sum(
            ndimage.gaussian_filter(layer, size) * size
            for layer, size in zip(noise, (1.5, 4, 10), strict=True)
        )
        self._texture = (self._texture - self._texture.mean()) / self._texture.std() * 45 + 120
        knots = rng.standard_normal((2, 40)) * speed / 8
        self._path = [np.interp(np.arange(0, 4, 1e-3), np.linspace(0, 4, 40), k) for k in knots]
        self._path = [ndimage.gaussian_filter1d(p, 25) for p in self._path]

    def at(self, time_s: float, exposure_s: float = 0.0) -> np.ndarray:
        instants = time_s + (np.linspace(-0.5, 0.5, 9) * exposure_s if exposure_s else np.zeros(1))
        pictures = []
        for instant in instants:
            dx, dy = (np.interp(instant, np.arange(0, 4, 1e-3), p) for p in self._path)
            move = np.array([[1, 0, dx - 80], [0, 1, dy - 80]], np.float64)
            pictures.append(cv2.warpAffine(self._texture.astype(np.float32), move, (160, 100)))
        return np.asarray(np.mean(pictures, axis=0), np.float32)


def film(
    scene: Scene, times: np.ndarray, *, exposure_s: float, noise: float, gain: float, seed: int
) -> np.ndarray:
    rng = np.random.default_rng(seed)
    clean = np.stack([scene.at(t, exposure_s) for t in times])
    return np.clip(clean * gain + noise * rng.standard_normal(clean.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("shift", "exposure_frames"), [(0.3, 1), (-1.4, 4), (2.75, 7)])
def test_motion_then_frames_give_a_sub_frame_offset(shift: float, exposure_frames: float) -> None:
    """The offset is right to a tenth of an LSR frame in spite of blur, noise and a darker picture."""
    scene = Scene(3)
    hsr_times = 0.4 + np.arange(60) / 30
    hsr = film(scene, hsr_times, exposure_s=exposure_frames * LSR_PERIOD, noise=2, gain=0.7, seed=1)
    lsr_times = 0.2 + np.arange(600) * LSR_PERIOD
    lsr = film(scene, lsr_times, exposure_s=LSR_PERIOD * 0.5, noise=4, gain=1.0, seed=2)
    hsr_clock = hsr_times - 0.4
    lsr_clock = lsr_times - 0.2 + shift * LSR_PERIOD
    truth = 0.2 + shift * LSR_PERIOD

    motion = sync_motion(
        motion_curve(hsr, 1), motion_times(hsr_clock, 1), motion_curve(lsr, 8), motion_times(lsr_clock, 8)
    )
    assert motion.confidence >= BELIEVABLE
    assert abs(motion.shift_s - truth) < LSR_PERIOD
    assert motion.candidates[0] == motion.shift_s

    windows = []
    for j in range(4, 60, 5):
        centre = int(np.argmin(np.abs(lsr_clock - hsr_clock[j] - motion.shift_s)))
        if centre < 11 or centre + 11 > len(lsr):
            continue
        part = slice(centre - 10, centre + 11)
        windows.append(
            FrameWindow(
                band_pass(hsr[j].astype(np.float32)),
                hsr_clock[j],
                [band_pass(p.astype(np.float32)) for p in lsr[part]],
                lsr_clock[part],
            )
        )
    frames = match_frames(windows)
    assert abs(frames.shift_s - truth) < 0.1 * LSR_PERIOD
    assert frames.confidence >= BELIEVABLE
    assert frames.exposure_frames == pytest.approx(exposure_frames, abs=2)

    estimate = combine(NO_AUDIO, motion, frames, frames_at_s=1.0, lsr_period_s=LSR_PERIOD)
    assert estimate.method == "frames"
    assert estimate.warnings == ()
    assert abs(estimate.shift_at(0.0) - truth) < 0.1 * LSR_PERIOD


@pytest.mark.parametrize("width", [1, 2, 3, 3.5, 4, 8])
def test_the_exposure_kernel_is_symmetric(width: float) -> None:
    """Also for an even number of frames: a box of 4 would shift everything by half a frame."""
    kernel = exposure_kernel(width)
    assert len(kernel) % 2 == 1
    np.testing.assert_allclose(kernel, kernel[::-1])
    assert kernel.sum() == pytest.approx(1)
    places = np.arange(len(kernel)) - len(kernel) // 2
    # Widths between odd numbers end in part-weighted frames, so the spread is near that of a plain box.
    assert np.sqrt((kernel * places**2).sum()) == pytest.approx(width / np.sqrt(12), abs=0.3)


@pytest.mark.parametrize("error", np.linspace(0.01, 1.0, 12))
def test_every_doubt_is_given_a_reason(error: float) -> None:
    """Whatever sound, motion and frames say: an offset that is not believed comes with what to check."""
    frames = FrameSync(0.1, error, 12, 0.9, 2.0)
    for motion in (None, MotionSync(0.1, 0.6, 1.1, 0.1), MotionSync(0.1, 0.95, 1.5, 0.4)):
        estimate = combine(NO_AUDIO, motion, frames, frames_at_s=0.5, lsr_period_s=LSR_PERIOD)
        assert estimate.confidence >= BELIEVABLE or estimate.warnings


def test_a_still_scene_is_not_believed() -> None:
    scene = Scene(5, speed=0.0)
    rng = np.random.default_rng(0)
    still = scene.at(1.0)
    hsr = np.clip(still + rng.standard_normal((40, *still.shape)) * 3, 0, 255).astype(np.uint8)
    lsr = np.clip(still + rng.standard_normal((320, *still.shape)) * 3, 0, 255).astype(np.uint8)
    hsr_s, lsr_s = np.arange(40) / 30, np.arange(320) / 240
    motion = sync_motion(
        motion_curve(hsr, 1), motion_times(hsr_s, 1), motion_curve(lsr, 8), motion_times(lsr_s, 8)
    )
    assert motion.confidence < BELIEVABLE
    windows = [
        FrameWindow(
            band_pass(hsr[j].astype(np.float32)),
            hsr_s[j],
            [band_pass(p.astype(np.float32)) for p in lsr[8 * j - 10 : 8 * j + 11]],
            lsr_s[8 * j - 10 : 8 * j + 11],
        )
        for j in range(3, 36, 3)
    ]
    frames = match_frames(windows)
    assert frames.confidence < BELIEVABLE
    estimate = combine(NO_AUDIO, motion, frames, frames_at_s=0.5, lsr_period_s=LSR_PERIOD)
    assert estimate.confidence < BELIEVABLE
    assert estimate.warnings


def test_motion_that_repeats_itself_is_not_believed() -> None:
    at = np.arange(300) / 30
    fast_at = np.arange(2400) / 240
    found = sync_motion(1 + np.sin(at * 12), at, 1 + np.sin(fast_at * 12 + 0.5), fast_at)
    assert found.correlation > 0.9
    assert found.confidence < BELIEVABLE


def test_too_little_to_compare_is_not_believed() -> None:
    assert sync_motion(np.ones(2), np.arange(2.0), np.ones(9), np.arange(9.0)).confidence == 0
    assert match_frames([]).confidence == 0
    assert combine(NO_AUDIO, None, None, frames_at_s=0, lsr_period_s=LSR_PERIOD).method == "none"


def heard(shift_s: float) -> AudioSync:
    return AudioSync(shift_s, 40.0, 5.0, 1e-5, 0.3, 30, 1.0, 4.0)


def seen(shift_s: float, error: float = 0.05) -> FrameSync:
    return FrameSync(shift_s, error, 12, 0.95, 2.0)


def test_pictures_decide_and_the_sound_gives_drift() -> None:
    estimate = combine(heard(0.1), None, seen(0.101), frames_at_s=5.0, lsr_period_s=LSR_PERIOD)
    assert (estimate.method, estimate.shift_s, estimate.drift_ppm) == ("frames", 0.101, 40.0)
    assert estimate.warnings == ()
    assert estimate.shift_at(15.0) == pytest.approx(0.101 + 40e-6 * 10)


def test_disagreement_of_sound_and_pictures_is_told() -> None:
    estimate = combine(heard(0.1), None, seen(0.11), frames_at_s=5.0, lsr_period_s=LSR_PERIOD)
    assert estimate.shift_s == 0.11
    assert "differ by 10.0 ms (2.4 LSR frames" in estimate.warnings[0]


def test_sound_alone_is_used_with_a_warning() -> None:
    estimate = combine(heard(0.1), None, seen(0.11, error=2.0), frames_at_s=5.0, lsr_period_s=LSR_PERIOD)
    assert (estimate.method, estimate.shift_s) == ("audio", 0.1)
    assert estimate.confidence >= BELIEVABLE
    assert estimate.warnings


def test_motion_alone_asks_the_operator_to_check() -> None:
    motion = MotionSync(0.2, 0.95, 1.5, 0.4, (0.2,))
    estimate = combine(NO_AUDIO, motion, None, frames_at_s=0.0, lsr_period_s=LSR_PERIOD)
    assert (estimate.method, estimate.shift_s) == ("motion", 0.2)
    assert estimate.confidence < BELIEVABLE


def moving_points(
    *, late: float, depth: float, noise: float, steady: bool, seed: int = 3
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Residuals, velocities and instants of a still wall and a near thing that moves, in eight HSR frames."""
    rng = np.random.default_rng(seed)
    residual, velocity, instant = [], [], []
    for one in range(8):
        pace = np.array([2.0, 0.0]) if steady else rng.normal(0, 2, 2)
        still = np.zeros((60, 2))
        moving = pace + rng.normal(0, 0.05, (30, 2))
        velocity += [still, moving]
        residual += [still, moving * late + np.array([depth, 0.0])]
        instant += [one] * 90
    speeds = np.concatenate(velocity)
    apart = np.concatenate(residual) + rng.normal(0, noise, speeds.shape)
    return apart, speeds, np.array(instant)


@pytest.mark.parametrize("late", [-1.5, 0.0, 0.4])
def test_a_near_thing_that_moves_tells_time_in_spite_of_its_depth(late: float) -> None:
    found = sync_points(*moving_points(late=late, depth=8.0, noise=0.2, steady=False))
    assert found is not None
    assert found.late_frames == pytest.approx(late, abs=0.05)
    assert found.error_frames < 0.05
    assert found.parallax_px == pytest.approx(8.0, abs=4.0)


def test_steady_motion_along_the_baseline_cannot_be_told_from_depth() -> None:
    found = sync_points(*moving_points(late=0.5, depth=8.0, noise=0.2, steady=True))
    assert found is not None
    assert found.error_frames > 0.1


def test_one_plane_has_no_parallax() -> None:
    assert sync_points(*moving_points(late=0.0, depth=0.0, noise=0.2, steady=False)) is None
