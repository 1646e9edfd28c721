"""What real Spinnaker libraries and GS3 cameras do that no data sheet says; sources are with the faults."""

from __future__ import annotations

import gc
import time
from dataclasses import replace

import numpy as np
import pytest

from drivers import CameraDisconnectedError, CameraSettings, FrameFlag, PhaseBasis, Role
from drivers._spinnaker import release_system
from drivers.clock_latch import ClockLatch, ClockReading
from drivers.grasshopper import Grasshopper3, list_cameras, open_camera
from drivers.pairing import fit_hardware_clocks
from drivers.spinnaker_emulator import VirtualRig
from drivers.spinnaker_emulator.errors import ErrorCode
from drivers.spinnaker_emulator.specs import boolean
from drivers.trigger import judge_rate, plan_trigger

SETTINGS = CameraSettings(96, 80, exposure_us=1500.0)
HZ = 200.0


@pytest.mark.parametrize("ahead", [{5}, {5, 6}, {0}, {9}])
def test_a_time_stamp_that_is_a_turn_of_the_cycle_timer_ahead(
    rig: VirtualRig, camera: Grasshopper3, ahead: set[int]
) -> None:
    rig.faults(Role.LSR).ahead_frames = ahead
    rig.faults(Role.LSR).damaged_frames = {7}
    camera.configure(SETTINGS)
    camera.arm()
    rig.box.start(HZ, 4, ticks=10)
    found = [frame for _ in range(10) if (frame := camera.read(1000)) is not None]
    assert [frame.frame_id for frame in found] == list(range(10))
    assert [bool(frame.flags & FrameFlag.INCOMPLETE) for frame in found].index(True) == 7
    steps = np.diff([frame.mid_exposure_ns for frame in found])
    assert steps == pytest.approx(1e9 / HZ, rel=1e-3)


def test_a_slow_host_changes_no_time_stamp(
    rig: VirtualRig, camera: Grasshopper3, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = iter(range(0, 10**15, 300 * 10**9))
    monkeypatch.setattr("drivers.grasshopper.time.perf_counter_ns", lambda: next(slow))
    camera.configure(SETTINGS)
    camera.arm()
    rig.box.start(HZ, 4, ticks=6)
    found = [frame for _ in range(6) if (frame := camera.read(1000)) is not None]
    assert np.diff([f.mid_exposure_ns for f in found]) == pytest.approx(1e9 / HZ, rel=1e-3)


def test_a_clock_is_read_exactly_where_the_hosts_monotonic_clock_is_coarse(
    camera: Grasshopper3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows before Python 3.13: a reading 16 ms off would shift the pairing by up to four pulses."""
    exact = time.monotonic_ns
    monkeypatch.setattr("time.monotonic_ns", lambda: exact() // 15_625_000 * 15_625_000)
    for _ in range(8):
        before = time.perf_counter_ns()
        reading = camera.clock()
        assert before <= reading.host_ns <= time.perf_counter_ns()


def test_the_library_outlives_every_camera(rig: VirtualRig) -> None:
    """The last reference to its System must not die before a camera, or the process ends."""
    list_cameras()
    for _ in range(2):
        cameras = [open_camera(rig.serials[role], role) for role in Role]
        for camera in cameras:
            camera.close()
    gc.collect()
    assert rig.system.aborted == []


def test_an_error_that_somebody_keeps_holds_no_camera(rig: VirtualRig) -> None:
    camera = open_camera(rig.serials[Role.LSR], Role.LSR)
    camera.configure(SETTINGS)
    camera.arm()
    rig.unplug(Role.LSR)
    kept = []
    for action in (lambda: camera.read(10), camera.deviations):
        with pytest.raises(CameraDisconnectedError) as caught:
            action()
        kept.append(caught.value)
    camera.close()
    gc.collect()
    assert not rig.system.IsInUse()
    assert all(error.__cause__ is not None for error in kept)


def test_what_is_still_held_at_the_end_does_not_end_the_process(rig: VirtualRig) -> None:
    list_cameras()
    held = rig.system.GetCameras()
    release_system()
    release_system()
    gc.collect()
    assert rig.system.aborted == []
    assert len(held) == 2
    assert len(list_cameras()) == 2


def test_a_list_that_refuses_to_be_cleared_is_no_trouble(rig: VirtualRig) -> None:
    rig.system.lists_refuse_to_clear = True
    camera = open_camera(rig.serials[Role.LSR], Role.LSR)
    assert len(list_cameras()) == 2
    camera.close()


@pytest.mark.parametrize("removal", [None, ErrorCode.REMOVED])
def test_every_version_says_otherwise_that_a_camera_has_left(
    rig: VirtualRig, removal: ErrorCode | None
) -> None:
    rig.faults(Role.LSR).removal = removal
    camera = open_camera(rig.serials[Role.LSR], Role.LSR)
    camera.configure(SETTINGS)
    camera.arm()
    rig.unplug(Role.LSR)
    with pytest.raises(CameraDisconnectedError, match="stopped answering, check its cable"):
        camera.read(10)
    camera.close()
    rig.replug(Role.LSR)
    open_camera(rig.serials[Role.LSR], Role.LSR).close()


def test_a_camera_that_left_is_noticed_by_what_was_read_before(rig: VirtualRig, camera: Grasshopper3) -> None:
    """GenApi keeps what was read: it answers for a camera that is gone."""
    camera.configure(SETTINGS)
    assert camera.region() == (1176, 984, 96, 80)
    rig.unplug(Role.LSR)
    with pytest.raises(CameraDisconnectedError):
        camera.region()


def test_what_the_camera_changed_by_itself_is_written_again(rig: VirtualRig, camera: Grasshopper3) -> None:
    free = CameraSettings(96, 80, triggered=False, frame_rate=50.0)
    camera.configure(free)
    assert camera.deviations() == ()
    nodes = rig.devices[Role.LSR].nodes
    for name, value in (("ReverseX", True), ("TriggerMode", "On"), ("TestPattern", "TestImage1")):
        nodes.force(name, value)
    camera.configure(free)
    assert [nodes.raw(name) for name in ("ReverseX", "TriggerMode", "TestPattern")] == [False, "Off", "Off"]


def test_a_white_balance_that_the_camera_found_is_seen(rig: VirtualRig, camera: Grasshopper3) -> None:
    camera.configure(CameraSettings(96, 80, triggered=False, frame_rate=50.0))
    camera.start_white_balance()
    assert camera.settled_white_balance() is None
    nodes = rig.devices[Role.LSR].nodes
    nodes.force("BalanceRatio", 1.7, 0)
    nodes.force("BalanceWhiteAuto", "Off")
    found = camera.settled_white_balance()
    assert found is not None
    assert found[0].applied == 1.7


def test_a_clock_that_is_read_in_coarse_ticks_still_finds_lost_pulses(camera: Grasshopper3) -> None:
    """A GS3 ignores its first pulses after each start: only the clocks tell which frames belong together."""
    tick = camera.clock().tick_ns
    assert tick == 125_000
    hsr_s, lsr_s = np.arange(2, 60) / 30, np.arange(5, 480) / 240
    latches = []
    for early in (0, tick - 1):
        hsr = ClockReading(-10_000_000, 0, 5_000, tick)
        lsr = ClockReading(-10_000_000 - early, 0, 5_000, tick)
        latches.append(ClockLatch.of(hsr, lsr))
    ids = np.arange(len(hsr_s)), np.arange(len(lsr_s))
    for latch in latches:
        hsr_ns, lsr_ns = (np.rint(s * 1e9).astype(np.int64) for s in (hsr_s, lsr_s))
        fit = fit_hardware_clocks(ids[0], hsr_ns, ids[1], lsr_ns, 8.0, latch=latch)
        assert (fit.basis, fit.phase) == (PhaseBasis.CLOCKS, 2 * 8 - 5)
        assert "2 HSR pulses and 5 LSR pulses" in fit.warning


@pytest.mark.parametrize(("pulse_us", "slow"), [(2400.0, False), (1400.0, True)])
def test_a_pulse_longer_than_the_exposure_is_named(
    rig: VirtualRig, camera: Grasshopper3, pulse_us: float, slow: bool
) -> None:
    rig.box.pulse_us = pulse_us
    camera.configure(SETTINGS)
    camera.arm()
    rig.box.start(HZ, 4, ticks=20)
    found = [frame for _ in range(15) if (frame := camera.read(1000)) is not None]
    seen = 1e9 / float(np.median(np.diff([frame.mid_exposure_ns for frame in found])))
    trouble = judge_rate(Role.LSR, seen, {Role.HSR: HZ / 4, Role.LSR: HZ})
    assert ("make the pulses shorter than the exposure" in trouble) is not slow
    assert (trouble == "") is slow


def test_the_wiring_says_how_long_a_pulse_may_be() -> None:
    for master in (False, True):
        plan = plan_trigger(30, ratio=8, hsr_rows=1920, lsr_rows=480, master=master)
        assert "shorter than the" in plan.wiring()


def test_another_trigger_that_was_left_selected_does_not_keep_the_camera_waiting(
    rig: VirtualRig, camera: Grasshopper3
) -> None:
    nodes = rig.devices[Role.LSR].nodes
    nodes.force("TriggerMode", "On", 0)
    nodes.force("TriggerSelector", "ExposureActive")
    camera.configure(CameraSettings(96, 80, triggered=False, frame_rate=50.0))
    assert camera.deviations() == ()
    camera.arm()
    assert camera.read(1000) is not None


def test_a_chunk_that_cannot_be_had_is_done_without(rig: VirtualRig, camera: Grasshopper3) -> None:
    """A chunk may be offered and not be writable: campy/cameras/flir.py of ksseverson57/campy."""
    nodes = rig.devices[Role.LSR].nodes
    gain = nodes.entries("ChunkSelector")["Gain"]
    nodes.specs["ChunkEnable"] = replace(
        nodes.specs["ChunkEnable"], hidden_if=f"ChunkSelector == {gain}", locked_if="TLParamsLocked != 0"
    )
    camera.configure(SETTINGS)
    camera.arm()
    rig.box.start(HZ, 4, ticks=2)
    frame = camera.read(1000)
    assert frame is not None
    assert (frame.exposure_us, frame.gain_db) == (1500.0, 0.0)


def test_a_strobe_without_a_switch_is_as_long_as_the_exposure(rig: VirtualRig, camera: Grasshopper3) -> None:
    """The CM3 of the same family has StrobeDuration and no StrobeEnabled (klecknerlab/simple_pyspin)."""
    nodes = rig.devices[Role.LSR].nodes
    line = nodes.entries("LineSelector")["Line2"]
    del nodes.specs["StrobeEnabled"]
    for name in ("StrobeDelay", "StrobeDuration"):
        nodes.specs[name] = replace(nodes.specs[name], hidden_if="LineMode == 0")
        nodes.force(name, 300.0, line)
    camera.configure(CameraSettings(96, 80, triggered=False, frame_rate=100.0, exposure_output="Line2"))
    assert [nodes.raw(name, line) for name in ("StrobeDelay", "StrobeDuration")] == [0.0, 0.0]


def test_a_camera_that_reads_too_slowly_begins_late_and_is_told_of(
    rig: VirtualRig, camera: Grasshopper3
) -> None:
    camera.configure(CameraSettings(96, 1000, exposure_us=1500.0))
    camera.arm()
    rig.box.start(HZ, 4, ticks=24)
    found = [frame for _ in range(14) if (frame := camera.read(1000)) is not None]
    steps = np.diff([frame.mid_exposure_ns for frame in found])
    assert steps.min() > 1.2e9 / HZ
    trouble = judge_rate(Role.LSR, 1e9 / float(np.median(steps)), {Role.HSR: HZ / 4, Role.LSR: HZ})
    assert "use fewer rows" in trouble


def test_a_take_tells_whether_the_camera_processes_colours(rig: VirtualRig, camera: Grasshopper3) -> None:
    """Raw asks for off: www.manualslib.com/manual/1790613/Flir-Grasshopper-3-Series.html?page=64."""
    assert "OnBoardColorProcessEnabled" not in camera.picture_features()
    nodes = rig.devices[Role.LSR].nodes
    nodes.specs["OnBoardColorProcessEnabled"] = boolean("OnBoardColorProcessEnabled", True)
    assert camera.picture_features()["OnBoardColorProcessEnabled"] == "True"
