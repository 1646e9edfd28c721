"""The camera driver against the emulated Spinnaker library."""

from __future__ import annotations

import sys
import time
import types
from dataclasses import replace

import numpy as np
import pytest

from drivers import (
    CameraDisconnectedError,
    CameraError,
    CameraNotFoundError,
    CameraSettingError,
    CameraSettings,
    DriverMissingError,
    FrameFlag,
    PixelFormat,
    Role,
)
from drivers.grasshopper import Grasshopper3, list_cameras, open_camera
from drivers.spinnaker_emulator import VirtualRig, install
from drivers.spinnaker_emulator.camera import CameraPtr
from drivers.spinnaker_emulator.errors import ErrorCode, SpinnakerException

SETTINGS = CameraSettings(96, 80, exposure_us=1500.0)


def test_cameras_are_listed_and_known_as_simulated(rig: VirtualRig) -> None:
    cameras = list_cameras()
    assert {c.serial for c in cameras} == set(rig.serials.values())
    assert all(c.simulated and "GS3-U3-51S5C" in c.model and "FLIR" not in c.vendor for c in cameras)


def test_an_unknown_serial_names_the_connected_ones(rig: VirtualRig) -> None:
    with pytest.raises(CameraNotFoundError, match=f"number 7; connected are {rig.serials[Role.HSR]}"):
        open_camera("7", Role.HSR)


def test_a_search_that_fails_is_an_error_of_the_camera(rig: VirtualRig) -> None:
    rig.system.failing_lists = 2
    with pytest.raises(CameraError, match="cannot search for cameras"):
        list_cameras()
    with pytest.raises(CameraError, match="cannot search for cameras"):
        open_camera(rig.serials[Role.LSR], Role.LSR)
    assert len(list_cameras()) == 2


def test_a_camera_that_fails_right_after_it_was_opened_is_given_back(
    rig: VirtualRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(pointer: CameraPtr) -> object:
        raise SpinnakerException("Could not read the description file.", ErrorCode.IO)

    with monkeypatch.context() as broken:
        broken.setattr(CameraPtr, "GetTLStreamNodeMap", failing)
        with pytest.raises(CameraError, match="description file"):
            open_camera(rig.serials[Role.LSR], Role.LSR)
    assert not rig.devices[Role.LSR].initialized
    open_camera(rig.serials[Role.LSR], Role.LSR).close()


def test_another_model_is_refused() -> None:
    rig = install(profile="blackfly_s")
    try:
        with pytest.raises(CameraSettingError, match="Blackfly S"):
            open_camera(rig.serials[Role.HSR], Role.HSR)
    finally:
        rig.uninstall()


@pytest.mark.parametrize(
    ("module", "sentence"),
    [(None, "not installed"), (types.ModuleType("PySpin"), "not the camera maker's")],
)
def test_a_missing_or_wrong_pyspin(
    monkeypatch: pytest.MonkeyPatch, module: types.ModuleType | None, sentence: str
) -> None:
    monkeypatch.setitem(sys.modules, "PySpin", module)
    with pytest.raises(DriverMissingError, match=sentence):
        list_cameras()


def test_the_whole_trigger_chain_is_set_whatever_was_before(rig: VirtualRig, camera: Grasshopper3) -> None:
    nodes = rig.devices[Role.LSR].nodes
    for name, value in (
        ("TriggerMode", "On"),
        ("TriggerSource", "Software"),
        ("TriggerActivation", "FallingEdge"),
    ):
        nodes.force(name, value)
    nodes.force("OffsetX", 1600)
    nodes.force("Width", 800)
    applied = camera.configure(SETTINGS)
    chain = {n: nodes.raw(n) for n in ("TriggerMode", "TriggerSource", "TriggerActivation", "TriggerOverlap")}
    assert tuple(chain.values()) == ("On", "Line0", "RisingEdge", "ReadOut")
    assert camera.region() == (1176, 984, 96, 80)
    assert {a.name: a.applied for a in applied}["ExposureTime"] == 1500.0
    assert nodes.raw("AcquisitionFrameRateAuto") == "Off"
    assert camera.deviations() == ()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"width": 100}, "Width 100 .* increment of 8; use 96 or 104"),
        ({"width": 5000}, "Width 5000 .* outside 16 to 2448"),
        ({"offset_x": 2400}, "OffsetX 2400 .* outside 0 to 2352"),
        ({"exposure_us": 1.0}, "ExposureTime 1 us .* outside 6 to"),
        ({"gain_db": 60.0}, "Gain 60 dB .* outside 0 to 47.994"),
        ({"trigger_source": "Line9"}, "TriggerSource .* no entry Line9"),
        ({"binning": 3}, "BinningVertical 3 .* outside 1 to 2"),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(
    camera: Grasshopper3, change: dict[str, object], sentence: str
) -> None:
    with pytest.raises(CameraSettingError, match=sentence) as caught:
        camera.configure(replace(SETTINGS, **change))
    assert "\n" not in str(caught.value)


def test_frames_carry_ids_times_and_exposure(rig: VirtualRig, camera: Grasshopper3) -> None:
    camera.configure(SETTINGS)
    camera.arm()
    camera.start()
    rig.box.start(200.0, 4, ticks=6)
    frames = [camera.read(1000) for _ in range(6)]
    assert camera.read(20) is None
    camera.stop()
    shots = rig.devices[Role.LSR].shots
    clock = rig.devices[Role.LSR].clock
    for number, frame in enumerate(frames):
        assert frame is not None
        assert frame.frame_id == number
        assert frame.exposure_us == 1500.0
        assert frame.flags == FrameFlag.SIMULATED
        assert frame.mid_exposure_ns == clock.reading(shots[number].start_ns) + 750_000
        assert frame.image.flags.owndata
    assert camera.counters().delivered == 6
    assert camera.counters().lost == 0


def test_exposure_and_gain_change_while_streaming(rig: VirtualRig, camera: Grasshopper3) -> None:
    camera.configure(SETTINGS)
    camera.arm()
    rig.box.start(200.0, 4)
    before = camera.read(1000)
    assert camera.set_exposure_us(3000.0).applied == 3000.0
    camera.set_gain_db(6.0)
    after = camera.read(1000)
    assert before is not None
    assert after is not None
    assert after.flags & FrameFlag.SETTINGS_CHANGED
    assert (after.exposure_us, after.gain_db) == (3000.0, 6.0)
    assert after.image.mean() > 1.5 * before.image.mean()
    with pytest.raises(CameraSettingError, match="outside"):
        camera.set_gain_db(-1.0)


def test_a_camera_that_does_not_tell_its_exposure_is_believed_to_have_what_was_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("drivers._gs3_settings._CHUNKS", ("FrameCounter", "Timestamp"))
    rig = install(real_time=True)
    camera = open_camera(rig.serials[Role.LSR], Role.LSR)
    try:
        camera.configure(SETTINGS)
        camera.arm()
        rig.box.start(200.0, 4)
        first = camera.read(1000)
        time.sleep(0.05)
        # By now some frames wait in the buffers that were exposed before.
        camera.set_exposure_us(700.0)
        found = [first, *(camera.read(1000) for _ in range(30))]
    finally:
        camera.close()
        rig.box.stop()
        rig.uninstall()
    shots = rig.devices[Role.LSR].shots
    wrong = [f.frame_id for f in found if f and f.exposure_us != shots[f.frame_id].exposure.exposure_us]
    # The camera takes the new value between two looks at its clock: one frame may be on the border.
    assert len(wrong) <= 1
    assert {frame.exposure_us for frame in found if frame} == {1500.0, 700.0}
    assert sum(bool(frame.flags & FrameFlag.SETTINGS_CHANGED) for frame in found if frame) == 1


def test_gaps_damage_and_wrapping_counters(rig: VirtualRig, camera: Grasshopper3) -> None:
    faults = rig.faults(Role.LSR)
    faults.first_id, faults.id_bits = 65530, 16
    faults.lost_frames, faults.damaged_frames = {4}, {7}
    camera.configure(SETTINGS)
    camera.arm()
    rig.box.start(200.0, 4, ticks=12)
    frames = [camera.read(1000) for _ in range(11)]
    assert [f.frame_id - 65530 for f in frames if f] == [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11]
    assert [bool(f.flags & FrameFlag.GAP_BEFORE) for f in frames if f].index(True) == 4
    assert [bool(f.flags & FrameFlag.INCOMPLETE) for f in frames if f].index(True) == 6
    assert camera.counters().incomplete == 1


def test_a_camera_that_leaves(rig: VirtualRig, camera: Grasshopper3) -> None:
    camera.configure(SETTINGS)
    camera.arm()
    rig.unplug(Role.LSR)
    with pytest.raises(CameraDisconnectedError, match="stopped answering, check its cable"):
        camera.read(100)
    with pytest.raises(CameraDisconnectedError):
        camera.deviations()
    camera.stop()
    camera.close()
    with pytest.raises(CameraNotFoundError):
        open_camera(rig.serials[Role.LSR], Role.LSR)
    rig.replug(Role.LSR)
    again = open_camera(rig.serials[Role.LSR], Role.LSR)
    again.configure(SETTINGS)
    again.close()


def test_phases_in_the_wrong_order(camera: Grasshopper3) -> None:
    with pytest.raises(CameraSettingError, match="configured before it is armed"):
        camera.arm()
    with pytest.raises(CameraError, match="not armed"):
        camera.read(10)
    camera.configure(SETTINGS)
    camera.arm()
    camera.arm()
    with pytest.raises(CameraSettingError, match="streaming; stop it"):
        camera.configure(SETTINGS)
    camera.stop()
    camera.stop()
    camera.close()
    camera.close()


@pytest.mark.parametrize("pixel_format", list(PixelFormat))
def test_every_pixel_format(camera: Grasshopper3, pixel_format: PixelFormat) -> None:
    if pixel_format is PixelFormat.RGB16:
        with pytest.raises(CameraSettingError, match="no entry RGB16"):
            camera.configure(replace(SETTINGS, pixel_format=pixel_format))
        return
    camera.configure(replace(SETTINGS, pixel_format=pixel_format, triggered=False, frame_rate=50.0))
    camera.arm()
    frame = camera.read(1000)
    assert frame is not None
    assert frame.image.dtype == pixel_format.dtype
    assert frame.image.ndim == (3 if pixel_format.channels == 3 else 2)
    assert int(frame.image.max()) > np.iinfo(frame.image.dtype).max // 4


def test_binning_halves_the_field(rig: VirtualRig, camera: Grasshopper3) -> None:
    camera.configure(replace(SETTINGS, width=1224, height=1024, binning=2))
    camera.arm()
    rig.box.start(20.0, 1, ticks=1)
    frame = camera.read(5000)
    assert frame is not None
    assert frame.image.shape == (1024, 1224)
    shot = rig.devices[Role.LSR].shots[0]
    assert (shot.region.width, shot.region.height) == (2448, 2048)
