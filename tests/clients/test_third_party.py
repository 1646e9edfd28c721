"""PySpin programs that others wrote, unmodified, on the emulated cameras."""

from __future__ import annotations

import gc
import importlib
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from itertools import pairwise
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest

from drivers.frame import Role
from drivers.spinnaker_emulator import VirtualRig, install

CLIENTS = ("EasyPySpin", "simple_pyspin")


def _forget_clients() -> None:
    for name in [n for n in sys.modules if n.split(".")[0] in CLIENTS]:
        del sys.modules[name]


@pytest.fixture
def make_rig() -> Iterator[Callable[..., VirtualRig]]:
    rigs: list[VirtualRig] = []

    def make(**options: Any) -> VirtualRig:
        rig = install(**options)
        rigs.append(rig)
        return rig

    _forget_clients()
    yield make
    gc.collect()
    for rig in reversed(rigs):
        rig.uninstall()
    _forget_clients()


def load(name: str) -> ModuleType:
    return importlib.import_module(name)


# -- simple_pyspin ------------------------------------------------------------------------------------


def test_simple_pyspin_grabs_and_sets_through_attributes(make_rig: Callable[..., VirtualRig]) -> None:
    rig = make_rig()
    with load("simple_pyspin").Camera(rig.serials[Role.LSR]) as cam:
        cam.Width, cam.Height = 192, 160
        cam.OffsetX, cam.OffsetY = 1128, 944
        cam.ExposureAuto = "Off"
        cam.ExposureTime = 1500.0
        cam.GainAuto = "Off"
        cam.Gain = 3.0
        cam.AcquisitionFrameRateEnabled = True
        cam.AcquisitionFrameRateAuto = "Off"
        cam.AcquisitionFrameRate = 60.0
        assert cam.ExposureTime == 1500.0
        assert cam.PixelFormat == "BayerRG8"
        cam.start()
        pictures = [cam.get_array() for _ in range(4)]
        cam.stop()
    assert {p.shape for p in pictures} == {(160, 192)}
    assert all(p.dtype == np.uint8 and p.std() > 5 for p in pictures)


def test_simple_pyspin_never_releases_and_still_streams_on(make_rig: Callable[..., VirtualRig]) -> None:
    rig = make_rig()
    with load("simple_pyspin").Camera(rig.serials[Role.LSR]) as cam:
        cam.Width, cam.Height = 64, 64
        cam.start()
        pictures = [cam.get_array().copy() for _ in range(25)]
        cam.stop()
    assert all((now != before).any() for before, now in pairwise(pictures)), "each is a picture of its own"


def test_simple_pyspin_refuses_what_the_camera_refuses(make_rig: Callable[..., VirtualRig]) -> None:
    make_rig()
    simple = load("simple_pyspin")
    pyspin = load("PySpin")
    with simple.Camera(0) as cam:
        with pytest.raises(simple.CameraError, match="not currently writable"):
            cam.ExposureTime = 100.0
        with pytest.raises(simple.CameraError, match="Unknown property"):
            cam.AcquisitionFrameRateEnable = True
        cam.ExposureAuto = "Off"
        with pytest.raises(pyspin.SpinnakerException, match=r"OutOfRangeException.*\[-2002\]"):
            cam.ExposureTime = 1.0
        with pytest.raises(pyspin.SpinnakerException, match=r"\[-2001\]"):
            cam.ExposureAuto = "Sometimes"


def test_simple_pyspin_documents_every_feature(make_rig: Callable[..., VirtualRig]) -> None:
    make_rig()
    with load("simple_pyspin").Camera(0) as cam:
        text = cam.document()
        assert text.startswith("Twinrate (simulated) Grasshopper3 GS3-U3-51S5C")
        assert "`TriggerOverlap`" in text
        assert len(cam.camera_attributes) > 90


def test_simple_pyspin_chunk_data(make_rig: Callable[..., VirtualRig]) -> None:
    make_rig()
    with load("simple_pyspin").Camera(1) as cam:
        cam.Width, cam.Height = 64, 64
        cam.ChunkModeActive = True
        for name in ("FrameCounter", "Timestamp", "ExposureTime"):
            cam.ChunkSelector = name
            cam.ChunkEnable = True
        cam.start()
        chunks = [cam.get_array(get_chunk=True)[1] for _ in range(3)]
        cam.stop()
    assert [c.GetFrameID() for c in chunks] == [0, 1, 2]
    assert np.all(np.diff([c.GetTimestamp() for c in chunks]) > 0)
    with pytest.raises(Exception, match="-1014"):
        chunks[0].GetGain()


# -- EasyPySpin ---------------------------------------------------------------------------------------


def test_easypyspin_reads_frames_like_opencv(make_rig: Callable[..., VirtualRig]) -> None:
    rig = make_rig()
    easy = load("EasyPySpin")
    cap = easy.VideoCapture(rig.serials[Role.LSR])
    assert cap.isOpened()
    assert cap.set(cv2.CAP_PROP_FRAME_WIDTH, 128)
    assert cap.set(cv2.CAP_PROP_FRAME_HEIGHT, 96)
    assert cap.set(cv2.CAP_PROP_EXPOSURE, 1200)
    assert cap.set(cv2.CAP_PROP_GAIN, 2.5)
    assert cap.get(cv2.CAP_PROP_EXPOSURE) == 1200
    assert cap.get(cv2.CAP_PROP_TEMPERATURE) > 20
    for _ in range(3):
        ok, picture = cap.read()
        assert ok
        assert picture.shape == (96, 128)
    cap.release()


def test_easypyspin_clips_and_warns_like_on_a_camera(make_rig: Callable[..., VirtualRig]) -> None:
    make_rig()
    easy = load("EasyPySpin")
    cap = easy.VideoCapture(0)
    cap.set_pyspin_value("ExposureAuto", "Off")
    with pytest.warns(easy.EasyPySpinWarning, match="become 6.0"):
        assert cap.set(cv2.CAP_PROP_EXPOSURE, 0.5)
    with pytest.warns(easy.EasyPySpinWarning, match="must be 'int'"):
        assert not cap.set_pyspin_value("Width", 256.5)
    with pytest.warns(easy.EasyPySpinWarning, match="not writable"):
        assert not cap.set_pyspin_value("DeviceSerialNumber", "1")
    with pytest.warns(easy.EasyPySpinWarning, match="has no attribute 'hoge'"):
        assert not cap.set_pyspin_value("hoge", 1)
    cap.release()


def test_easypyspin_frame_rate_fails_on_a_grasshopper3(make_rig: Callable[..., VirtualRig]) -> None:
    make_rig()
    easy = load("EasyPySpin")
    cap = easy.VideoCapture(0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert not cap.set(cv2.CAP_PROP_FPS, 40.0)
    assert [str(w.message) for w in caught] == [
        "'AcquisitionFrameRateEnable' is not writable",
        "'AcquisitionFrameRate' is not writable",
    ]
    cap.release()


def test_easypyspin_frame_rate_works_on_a_blackfly_s(make_rig: Callable[..., VirtualRig]) -> None:
    make_rig(profile="blackfly_s")
    easy = load("EasyPySpin")
    cap = easy.VideoCapture(0)
    assert cap.set(cv2.CAP_PROP_FPS, 40.0)
    assert cap.get(cv2.CAP_PROP_FPS) == 40.0
    assert cap.set(cv2.CAP_PROP_GAMMA, 1.5)
    assert cap.set(cv2.CAP_PROP_BACKLIGHT, False)
    cap.release()


def test_easypyspin_synchronised_cameras_wait_for_the_box(make_rig: Callable[..., VirtualRig]) -> None:
    rig = make_rig()
    easy = load("EasyPySpin")
    # It sets the overlap before the trigger mode, which a Grasshopper3 does not allow.
    with pytest.warns(easy.EasyPySpinWarning, match="'TriggerOverlap' is not writable"):
        cap = easy.SynchronizedVideoCapture(None, rig.serials[Role.HSR], rig.serials[Role.LSR])
    for camera in cap:
        camera.set(cv2.CAP_PROP_EXPOSURE, 1000)
        camera.set(cv2.CAP_PROP_FRAME_WIDTH, 64)
        camera.set(cv2.CAP_PROP_FRAME_HEIGHT, 64)
        camera.cam.BeginAcquisition()
    rig.box.start(60.0, 1)
    for _ in range(3):
        assert [ok for ok, _ in cap.read()] == [True, True]
    stamps = [
        c._pyspin_image.GetTimeStamp() - rig.devices[r].clock.offset_ns
        for c, r in zip(cap, Role, strict=True)
    ]
    assert abs(stamps[0] - stamps[1]) < 10_000
    rig.box.stop()
    cap.release()


def test_easypyspin_software_trigger(make_rig: Callable[..., VirtualRig]) -> None:
    make_rig()
    easy = load("EasyPySpin")
    cap = easy.VideoCapture(0)
    cap.set_pyspin_value("Width", 64)
    cap.set_pyspin_value("Height", 64)
    cap.set_pyspin_value("TriggerMode", "On")
    cap.set_pyspin_value("TriggerSource", "Software")
    cap.auto_software_trigger_execute = True
    for number in range(3):
        assert cap.grab()
        assert cap._pyspin_image.GetFrameID() == number
    cap.release()


# -- a script in the style of multi-camera recorders --------------------------------------------------


def test_a_multi_camera_script(make_rig: Callable[..., VirtualRig]) -> None:
    rig = make_rig()
    PySpin = load("PySpin")
    events: list[str] = []

    class Watch(PySpin.InterfaceEventHandler):
        def OnDeviceArrival(self, camera: Any) -> None:  # noqa: N802
            events.append(f"arrived {camera.TLDevice.DeviceSerialNumber.GetValue()}")

        def OnDeviceRemoval(self, camera: Any) -> None:  # noqa: N802
            events.append("left")

    system = PySpin.System.GetInstance()
    watch = Watch()
    system.RegisterEventHandler(watch)
    cameras = system.GetCameras()
    assert cameras.GetSize() == len(cameras) == 2
    for cam in cameras:
        cam.Init()
        node_map = cam.GetNodeMap()
        mode = PySpin.CEnumerationPtr(node_map.GetNode("AcquisitionMode"))
        mode.SetIntValue(mode.GetEntryByName("Continuous").GetValue())
        stream = cam.GetTLStreamNodeMap()
        handling = PySpin.CEnumerationPtr(stream.GetNode("StreamBufferHandlingMode"))
        entry = PySpin.CEnumEntryPtr(handling.GetEntryByName("OldestFirst"))
        assert PySpin.IsAvailable(entry)
        assert PySpin.IsReadable(entry)
        handling.SetIntValue(entry.GetValue())
        PySpin.CIntegerPtr(stream.GetNode("StreamBufferCountManual")).SetValue(16)
        cam.Width.SetValue(128)
        cam.Height.SetValue(96)
        cam.TimestampLatch.Execute()
        info = PySpin.CCategoryPtr(cam.GetNodeMap().GetNode("DeviceControl"))
        names = {f.GetName() for f in info.GetFeatures()}
        assert "DeviceModelName" in names
        cam.BeginAcquisition()
    processor = PySpin.ImageProcessor()
    processor.SetColorProcessing(PySpin.SPINNAKER_COLOR_PROCESSING_ALGORITHM_HQ_LINEAR)
    for _ in range(2):
        for cam in cameras:
            image = cam.GetNextImage(1000)
            assert not image.IsIncomplete()
            assert image.GetImageStatus() == PySpin.SPINNAKER_IMAGE_STATUS_NO_ERROR
            colour = processor.Convert(image, PySpin.PixelFormat_RGB8)
            assert colour.GetNDArray().shape == (96, 128, 3)
            image.Release()
            with pytest.raises(PySpin.SpinnakerException, match=r"\[-1013\]"):
                image.GetNDArray()
    with pytest.raises(PySpin.SpinnakerException, match=r"still streaming.*\[-1004\]"):
        cam.DeInit()
    for cam in cameras:
        cam.EndAcquisition()
        cam.DeInit()
    with pytest.raises(PySpin.SpinnakerException, match=r"\[-1004\]"):
        system.ReleaseInstance()
    rig.unplug(Role.HSR)
    rig.replug(Role.HSR)
    assert events == ["left", f"arrived {rig.serials[Role.HSR]}"]
    system.UnregisterEventHandler(watch)
    del cam
    cameras.Clear()
    gc.collect()
    system.ReleaseInstance()


def test_buffers_run_out_when_nothing_is_released(make_rig: Callable[..., VirtualRig]) -> None:
    make_rig()
    PySpin = load("PySpin")
    cam = PySpin.System.GetInstance().GetCameras().GetByIndex(0)
    cam.Init()
    cam.Width.SetValue(64)
    cam.Height.SetValue(64)
    cam.TLStream.StreamBufferCountManual.SetValue(4)
    cam.BeginAcquisition()
    held = [cam.GetNextImage(1000) for _ in range(4)]
    with pytest.raises(PySpin.SpinnakerException, match=r"NEW_BUFFER_DATA event\. \[-1011\]"):
        cam.GetNextImage(30)
    view = held[0].GetNDArray()
    before = view.copy()
    held[0].Release()
    again = cam.GetNextImage(1000)
    assert np.shares_memory(view, again.GetNDArray())
    assert not np.array_equal(view, before)
    cam.EndAcquisition()


def test_the_api_speaks_the_modern_generation_only(make_rig: Callable[..., VirtualRig]) -> None:
    make_rig()
    PySpin = load("PySpin")
    for old in ("InterfaceEvent", "ImageEvent", "HQ_LINEAR", "PNG", "StreamBufferCountMode_Auto"):
        assert not hasattr(PySpin, old)
    cam = PySpin.System.GetInstance().GetCameras().GetByIndex(0)
    cam.Init()
    pointer = PySpin.CEnumerationPtr(cam.GetNodeMap().GetNode("TriggerMode"))
    assert not hasattr(pointer, "GetValue")
    assert cam.TriggerMode.GetValue() == PySpin.TriggerMode_Off
    assert type(cam.Width) is PySpin.IInteger
    assert not PySpin.IsAvailable(cam.AcquisitionFrameRateEnable)
    with pytest.raises(AttributeError):
        _ = cam.AcquisitionFrameRateEnabled
    assert PySpin.System.GetInstance().GetCameras().GetBySerial("0").IsValid() is False
    started = time.monotonic()
    cam.BeginAcquisition()
    cam.TriggerMode.SetValue(PySpin.TriggerMode_On)
    with pytest.raises(PySpin.SpinnakerException, match="-1011"):
        cam.GetNextImage(50)
    assert time.monotonic() - started > 0.045
