"""A camera that another program has changed: everything that shapes the picture or the pulses is put back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.capture import emulated_session
from drivers import CameraSettings, Role, Take
from drivers.grasshopper import Grasshopper3
from drivers.spinnaker_emulator import VirtualRig
from drivers.spinnaker_emulator.specs import Scalar
from emulated import SETUP

SETTINGS = CameraSettings(96, 80, exposure_us=1500.0)
LEFT: dict[str, Scalar] = {
    "VideoMode": "Mode7",
    "TestPattern": "TestImage1",
    "ReverseX": True,
    "LUTEnable": True,
    "pgrHDRModeEnabled": True,
    "DecimationVertical": 2,
}
PLAIN: dict[str, str] = {
    "VideoMode": "Mode0",
    "TestPattern": "Off",
    "ReverseX": "False",
    "LUTEnable": "False",
    "pgrHDRModeEnabled": "False",
    "DecimationVertical": "1",
    "DecimationHorizontal": "1",
}


def first_picture(rig: VirtualRig, camera: Grasshopper3) -> np.ndarray:
    camera.arm()
    rig.box.start(20.0, 1, ticks=1)
    frame = camera.read(2000)
    camera.stop()
    assert frame is not None
    return frame.image


def test_what_changes_the_picture_is_put_back(rig: VirtualRig, camera: Grasshopper3) -> None:
    nodes = rig.devices[Role.LSR].nodes
    for name, value in LEFT.items():
        nodes.force(name, value)
    camera.configure(SETTINGS)
    assert camera.picture_features() == PLAIN
    assert camera.deviations() == ()


@pytest.mark.parametrize("name", LEFT)
def test_what_changes_the_picture_later_is_told(rig: VirtualRig, camera: Grasshopper3, name: str) -> None:
    camera.configure(SETTINGS)
    rig.devices[Role.LSR].nodes.force(name, LEFT[name])
    assert any(text.startswith(f"{name} is {LEFT[name]}, should be") for text in camera.deviations())


@pytest.mark.parametrize("name", ["TestPattern", "ReverseX"])
def test_the_emulated_camera_shows_what_was_left_on(rig: VirtualRig, camera: Grasshopper3, name: str) -> None:
    camera.configure(SETTINGS)
    plain = first_picture(rig, camera).astype(int)
    rig.devices[Role.LSR].nodes.force(name, LEFT[name])
    altered = first_picture(rig, camera).astype(int)
    assert np.abs(altered - plain).mean() > 5
    camera.configure(SETTINGS)
    assert np.abs(first_picture(rig, camera).astype(int) - plain).mean() < 5


def test_features_that_a_camera_lacks_or_locks_do_no_harm(rig: VirtualRig, camera: Grasshopper3) -> None:
    nodes = rig.devices[Role.LSR].nodes
    del nodes.specs["VideoMode"]
    nodes.force("LUTEnable", True)
    nodes.specs["LUTEnable"] = replace(nodes.specs["LUTEnable"], locked_if="1")
    camera.configure(SETTINGS)
    assert "VideoMode" not in camera.picture_features()
    assert camera.deviations() == ("LUTEnable is True, should be False",)


def test_a_line_that_was_an_output_hears_pulses_again(rig: VirtualRig, camera: Grasshopper3) -> None:
    nodes = rig.devices[Role.LSR].nodes
    line = nodes.entries("LineSelector")["Line3"]
    nodes.force("LineMode", "Output", line)
    nodes.force("StrobeEnabled", True, line)
    camera.configure(replace(SETTINGS, trigger_source="Line3"))
    assert (nodes.raw("LineMode", line), nodes.raw("StrobeEnabled", line)) == ("Input", False)
    assert first_picture(rig, camera).shape == (80, 96)
    nodes.force("LineMode", "Output", line)
    assert camera.deviations() == ("LineMode is Output, should be Input",)
    camera.arm()
    rig.box.start(20.0, 1, ticks=1)
    assert camera.read(50) is None


def test_a_low_throughput_limit_is_raised_before_the_rate_that_it_bounds(
    rig: VirtualRig, camera: Grasshopper3
) -> None:
    nodes = rig.devices[Role.LSR].nodes
    free = replace(SETTINGS, width=576, height=480, triggered=False, frame_rate=240.0)
    camera.configure(free)
    nodes.force("DeviceLinkThroughputLimit", 20_000_000)
    assert camera.frame_rate_limits().maximum == pytest.approx(20e6 / (576 * 480))
    camera.configure(free)
    assert nodes.raw("DeviceLinkThroughputLimit") == 384_000_000
    assert nodes.raw("AcquisitionFrameRate") == 240.0


def test_a_master_whose_line_inverter_is_not_available(rig: VirtualRig, camera: Grasshopper3) -> None:
    nodes = rig.devices[Role.LSR].nodes
    nodes.specs["LineInverter"] = replace(nodes.specs["LineInverter"], hidden_if="1")
    camera.configure(replace(SETTINGS, triggered=False, frame_rate=100.0, exposure_output="Line2"))
    assert camera.deviations() == ()


def test_a_take_says_what_shaped_its_pictures(rig: VirtualRig, tmp_path: Path) -> None:
    with emulated_session(rig) as session:
        session.connect(rig.serials)
        session.configure(SETUP.settings())
        session.record(0.1, tmp_path / "take")
    with Take.open(tmp_path / "take") as take:
        assert take.metadata.lsr.nodes.items() >= PLAIN.items()
