"""The emulated rig itself: geometry, light, time and truth."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest

from drivers import CameraSettings, DriverError, Frame, Role, to_rgb8
from drivers.grasshopper import Grasshopper3, open_camera
from drivers.spinnaker_emulator import Region, RigGeometry, VirtualRig, install, rig_from_metadata
from drivers.spinnaker_emulator.clock import CameraClock, PulseRun
from drivers.spinnaker_emulator.optics import SENSOR_HEIGHT, SENSOR_WIDTH
from drivers.spinnaker_emulator.painter import view_of


@pytest.fixture
def make_rig() -> Iterator[Callable[..., VirtualRig]]:
    rigs: list[VirtualRig] = []

    def make(**options: object) -> VirtualRig:
        rigs.append(install(**options))  # type: ignore[arg-type]
        return rigs[-1]

    yield make
    for rig in reversed(rigs):
        rig.uninstall()


def capture(rig: VirtualRig, role: Role, settings: CameraSettings, count: int = 1) -> list[Frame]:
    camera = open_camera(rig.serials[role], role)
    camera.configure(settings)
    camera.arm()
    rig.box.start(100.0, 1, ticks=count)
    frames = [camera.read(20_000) for _ in range(count)]
    camera.close()
    assert all(frames)
    return [f for f in frames if f is not None]


def centred(width: int, height: int) -> Region:
    return Region((SENSOR_WIDTH - width) // 2, (SENSOR_HEIGHT - height) // 2, width, height)


# -- optics -------------------------------------------------------------------------------------------


def test_plane_homography_is_direct_projection() -> None:
    geometry = RigGeometry(baseline_mm=120.0)
    region = centred(1152, 960)
    point = np.array([37.0, -21.0, 1800.0])
    seen = geometry.rotation(Role.HSR) @ point + geometry.translation(Role.HSR)
    direct = geometry.intrinsics(Role.HSR, region, 1152, 960) @ seen
    mapped = geometry.image_from_plane(Role.HSR, region, 1152, 960, 1800.0) @ np.array([37.0, -21.0, 1.0])
    np.testing.assert_allclose(mapped[:2] / mapped[2], direct[:2] / direct[2], rtol=1e-12)


def test_disparity_of_the_papers_rig() -> None:
    geometry = RigGeometry(baseline_mm=50.0, yaw_deg=0.0, pitch_deg=0.0, roll_deg=0.0)
    region = centred(2304, 1920)
    near = geometry.image_from_plane(Role.HSR, region, 2304, 1920, 2000.0) @ [0.0, 0.0, 1.0]
    far = geometry.image_from_plane(Role.HSR, region, 2304, 1920, 1e12) @ [0.0, 0.0, 1.0]
    assert abs(near[0] / near[2] - far[0] / far[2]) == pytest.approx(144.9, abs=0.05)


def test_sampling_keeps_pixel_centres() -> None:
    geometry = RigGeometry()
    region = centred(288, 240)
    native = geometry.image_from_plane(Role.LSR, region, 288, 240, 2000.0) @ [10.0, 5.0, 1.0]
    finer = geometry.image_from_plane(Role.LSR, region, 1152, 960, 2000.0) @ [10.0, 5.0, 1.0]
    np.testing.assert_allclose(finer[:2] / finer[2], (native[:2] / native[2] + 0.5) * 4 - 0.5)


# -- light --------------------------------------------------------------------------------------------


def test_the_truth_has_the_light_of_the_lsr_picture(make_rig: Callable[..., VirtualRig]) -> None:
    rig = make_rig()
    frame = capture(rig, Role.LSR, CameraSettings(288, 240))[0]
    truth = rig.truth(0, 960, 1152)
    small = cv2.resize(truth, (288, 240), interpolation=cv2.INTER_AREA).astype(float)
    green = frame.image[0::2, 1::2].astype(float)
    error = small[0::2, 1::2, 1] - green
    assert abs(error.mean()) < 0.3
    assert error.std() < 3.0
    assert truth.std() > 40
    enlarged = cv2.resize(to_rgb8(frame), (1152, 960), interpolation=cv2.INTER_CUBIC).astype(float)
    assert 15 < 10 * np.log10(255**2 / np.mean((enlarged - truth) ** 2)) < 26


def test_exposure_gain_and_pedestal_scale_the_light(make_rig: Callable[..., VirtualRig]) -> None:
    rig = make_rig()
    base = capture(rig, Role.LSR, CameraSettings(96, 80, exposure_us=500.0))[0].image.astype(float)
    longer = capture(rig, Role.LSR, CameraSettings(96, 80, exposure_us=1000.0))[0].image.astype(float)
    louder = capture(rig, Role.LSR, CameraSettings(96, 80, exposure_us=500.0, gain_db=6.0206))[
        0
    ].image.astype(float)
    raised = capture(rig, Role.LSR, CameraSettings(96, 80, exposure_us=500.0, black_level_percent=5.0))[
        0
    ].image
    assert longer.mean() == pytest.approx(2 * base.mean(), rel=0.02)
    assert louder.mean() == pytest.approx(2 * base.mean(), rel=0.02)
    assert raised.astype(float).mean() == pytest.approx(base.mean() + 12.75, abs=0.5)


def test_shot_noise_grows_with_the_square_root_of_the_light(make_rig: Callable[..., VirtualRig]) -> None:
    rig = make_rig()
    shot_noise = []
    for exposure in (400.0, 1600.0):
        frames = capture(
            rig, Role.LSR, CameraSettings(64, 64, offset_x=16, offset_y=16, exposure_us=exposure), 24
        )
        stack = np.stack([f.image for f in frames]).astype(float)
        still = stack.max(axis=0) - stack.min(axis=0) < 40
        variance = stack.var(axis=0)[still].mean() - 1 / 12
        shot_noise.append(variance / stack.mean(axis=0)[still].mean())
    # Variance over mean is the same at any brightness: 255 codes stand for a full well of 10500 electrons.
    assert shot_noise[1] == pytest.approx(255 / 10_500, rel=0.35)
    assert shot_noise[0] == pytest.approx(shot_noise[1], rel=0.5)


def test_long_exposures_blur_what_moves_and_nothing_else(make_rig: Callable[..., VirtualRig]) -> None:
    rig = make_rig()
    detail = []
    for exposure_us, gain_db in ((250.0, 30.103), (8000.0, 0.0)):
        picture = capture(rig, Role.HSR, CameraSettings(1152, 960, exposure_us=exposure_us, gain_db=gain_db))[
            0
        ]
        shot = rig.devices[Role.HSR].shots[0]
        view, _ = view_of(rig.world.geometry, shot)
        window = rig.world.scene.moving(view, (shot.start_ns * 1e-9 + 0.004,))
        assert window is not None
        (left, top), pixels = window
        green = picture.image[0::2, 1::2].astype(np.float32)
        # At a coarse scale, so that the high gain's noise does not pass for detail.
        edges = np.abs(cv2.Laplacian(cv2.GaussianBlur(green, (0, 0), 1.5), cv2.CV_32F))
        moving = np.zeros(green.shape, bool)
        moving[top // 2 : (top + pixels.shape[0]) // 2, left // 2 : (left + pixels.shape[1]) // 2] = True
        detail.append((edges[moving].mean(), edges[~moving].mean()))
    assert detail[1][0] < 0.9 * detail[0][0]
    assert detail[1][1] > 0.95 * detail[0][1]


def test_hsr_sees_parallax(make_rig: Callable[..., VirtualRig]) -> None:
    rig = make_rig()
    near = capture(rig, Role.HSR, CameraSettings(384, 320))[0].image.astype(float)
    rig.baseline_mm = 60.0
    moved = capture(rig, Role.HSR, CameraSettings(384, 320))[0].image.astype(float)
    shift, _ = cv2.phaseCorrelate(near, moved)
    expected = -10.0 * rig.world.geometry.focal_px(Role.HSR) / 2200.0
    assert shift[0] == pytest.approx(expected, abs=4.0)
    with pytest.raises(DriverError, match="rail"):
        rig.baseline_mm = -1.0


# -- time ---------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes(make_rig: Callable[..., VirtualRig]) -> None:
    settings = CameraSettings(96, 80)
    one = [f.image for f in capture(make_rig(), Role.LSR, settings, 3)]
    two = [f.image for f in capture(make_rig(), Role.LSR, settings, 3)]
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def test_truth_can_be_computed_from_the_description(make_rig: Callable[..., VirtualRig]) -> None:
    rig = make_rig()
    frame = capture(rig, Role.LSR, CameraSettings(96, 80), 5)[4]
    shot = rig.devices[Role.LSR].shots[4]
    again = rig_from_metadata(rig.metadata())
    np.testing.assert_array_equal(
        again.at(frame.mid_exposure_ns, shot.exposure, shot.region, 320, 384), rig.truth(4, 320, 384)
    )
    with pytest.raises(DriverError, match="does not say"):
        rig_from_metadata({})
    with pytest.raises(DriverError, match="no frame 99"):
        rig.truth(99, 10, 10)


def test_clocks_differ_and_drift() -> None:
    clock = CameraClock(10**12, 35.0)
    assert clock.reading(10**9) - clock.reading(0) == 10**9 + 35_000
    assert all(clock.true_time(clock.reading(t)) == t for t in (0, 1, 999, 123_456_789_012))


def test_one_counter_drives_both_lines() -> None:
    run = PulseRun(1000, 240.0, 8, 24)
    assert [run.time_of(k, 8) for k in range(4)] == [run.time_of(8 * k, 1) for k in range(3)] + [None]
    assert run.ticks_until(999) == 0
    assert run.ticks_until(1000) == 1


def grab(rig: VirtualRig, settings: CameraSettings) -> Grasshopper3:
    camera = open_camera(rig.serials[Role.LSR], Role.LSR)
    camera.configure(settings)
    camera.arm()
    return camera


def test_pulses_during_read_out_are_ignored_without_a_trace_in_the_ids(
    make_rig: Callable[..., VirtualRig],
) -> None:
    rig = make_rig()
    camera = grab(rig, CameraSettings(96, 80, exposure_us=6000.0))
    rig.box.start(200.0, 1, ticks=10)
    frames = [camera.read(2000) for _ in range(5)]
    assert camera.read(30) is None
    camera.close()
    assert [f.frame_id for f in frames if f] == [0, 1, 2, 3, 4]
    steps = np.diff([f.mid_exposure_ns for f in frames if f])
    np.testing.assert_allclose(steps, 1e7, rtol=1e-4)


def test_real_time_follows_the_clock_and_loses_what_nobody_reads(make_rig: Callable[..., VirtualRig]) -> None:
    rig = make_rig(real_time=True)
    camera = grab(rig, CameraSettings(96, 80, buffer_count=8))
    rig.box.start(240.0, 8)
    started = time.monotonic()
    for _ in range(24):
        assert camera.read(1000) is not None
    took = time.monotonic() - started
    assert took > 23 / 240 * 0.8
    time.sleep(0.25)
    rig.box.stop()
    rest = 0
    while camera.read(50) is not None:
        rest += 1
    lost = camera.counters().lost
    given = rig.box.ticks_given()
    camera.close()
    # One that was just being exposed finds a buffer free again.
    assert rest in (8, 9)
    assert 24 + rest + lost == given


def test_real_time_exposure_changes_at_once(make_rig: Callable[..., VirtualRig]) -> None:
    rig = make_rig(real_time=True)
    camera = grab(rig, CameraSettings(96, 80))
    rig.box.start(60.0, 1)
    before = camera.read(1000)
    camera.set_exposure_us(400.0)
    after = [camera.read(1000) for _ in range(3)][-1]
    camera.close()
    assert before is not None
    assert after is not None
    assert after.image.mean() == pytest.approx(before.image.mean() / 5, rel=0.15)


def test_real_time_pictures_match_the_rendered_ones(make_rig: Callable[..., VirtualRig]) -> None:
    rig = make_rig(real_time=True)
    camera = grab(rig, CameraSettings(192, 160))
    rig.box.start(240.0, 8)
    frames = [camera.read(1000) for _ in range(30)]
    camera.close()
    last = frames[-1]
    assert last is not None
    truth = rig.truth(last.frame_id, 160, 192).astype(float)
    assert np.abs(truth[0::2, 1::2, 1] - last.image[0::2, 1::2]).mean() < 4.0


def test_a_stalled_stream_shows_as_missing_ids(make_rig: Callable[..., VirtualRig]) -> None:
    rig = make_rig(real_time=True)
    camera = grab(rig, CameraSettings(48, 40))
    rig.box.start(200.0, 1)
    assert camera.read(1000) is not None
    rig.faults(Role.LSR).stalled = True
    time.sleep(0.1)
    while camera.read(30) is not None:
        pass
    rig.faults(Role.LSR).stalled = False
    frame = camera.read(1000)
    camera.close()
    assert frame is not None
    assert frame.frame_id > 5
    assert camera.counters().lost >= frame.frame_id - 10
