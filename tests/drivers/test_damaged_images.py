"""Images that came damaged or that the library cannot read: one frame is lost, never the stream."""

from __future__ import annotations

import numpy as np
import pytest

from drivers import CameraSettings, Frame, FrameFlag, PixelFormat, Role
from drivers.grasshopper import Grasshopper3
from drivers.spinnaker_emulator import VirtualRig
from drivers.spinnaker_emulator.errors import ErrorCode, SpinnakerException
from drivers.spinnaker_emulator.image import ImagePtr

HZ = 200.0


def frames(
    rig: VirtualRig, camera: Grasshopper3, count: int, pixel_format: PixelFormat = PixelFormat.BAYER_RG8
) -> list[Frame]:
    camera.configure(CameraSettings(96, 80, exposure_us=1500.0, pixel_format=pixel_format))
    camera.arm()
    rig.box.start(HZ, 4, ticks=count)
    found = [camera.read(1000) for _ in range(count)]
    return [frame for frame in found if frame is not None]


def is_damaged(frame: Frame) -> bool:
    return bool(frame.flags & FrameFlag.INCOMPLETE)


@pytest.mark.parametrize("header", [None, (0, 0), (2**60, 2**62), (2**64 - 1, 2**64 - 1)])
@pytest.mark.parametrize("first_id", [1, 40_000])
def test_a_lost_leader_confuses_no_other_frame(
    rig: VirtualRig, camera: Grasshopper3, header: tuple[int, int] | None, first_id: int
) -> None:
    faults = rig.faults(Role.LSR)
    faults.first_id, faults.id_bits = first_id, 16
    faults.damaged_frames, faults.damaged_header = {6, 7}, header
    found = frames(rig, camera, 12)
    assert [is_damaged(frame) for frame in found] == [number in (6, 7) for number in range(12)]
    whole = [frame for frame in found if not is_damaged(frame)]
    assert [f.frame_id - first_id for f in whole] == [0, 1, 2, 3, 4, 5, 8, 9, 10, 11]
    # The two are accounted for: nothing else is missing.
    assert not any(frame.flags & FrameFlag.GAP_BEFORE for frame in found)
    assert camera.counters().lost == 0
    for frame in found[6:8]:
        assert first_id + 5 < frame.frame_id < first_id + 10_000
        assert 0 < frame.mid_exposure_ns - found[5].mid_exposure_ns < 10**11
    steps = np.diff([frame.mid_exposure_ns for frame in whole])
    assert np.median(steps) == pytest.approx(1e9 / HZ, rel=1e-3)


def test_an_intact_header_of_a_damaged_frame_is_believed(rig: VirtualRig, camera: Grasshopper3) -> None:
    faults = rig.faults(Role.LSR)
    faults.damaged_frames, faults.lost_frames = {7}, {5, 6}
    camera.configure(CameraSettings(96, 80))
    camera.arm()
    rig.box.start(HZ, 4, ticks=10)
    found = [frame for _ in range(8) if (frame := camera.read(1000)) is not None]
    assert [frame.frame_id for frame in found] == [0, 1, 2, 3, 4, 7, 8, 9]
    # Two are lost and one is damaged.
    assert camera.counters().lost == 2


@pytest.mark.parametrize("rows", [20, 0])
@pytest.mark.parametrize("pixel_format", [PixelFormat.BAYER_RG8, PixelFormat.BAYER_RG12P])
def test_a_damaged_frame_has_the_usual_size(
    rig: VirtualRig, camera: Grasshopper3, rows: int, pixel_format: PixelFormat
) -> None:
    rig.faults(Role.LSR).damaged_frames, rig.faults(Role.LSR).damaged_rows = {3}, rows
    found = frames(rig, camera, 6, pixel_format)
    assert [is_damaged(frame) for frame in found] == [False] * 3 + [True] + [False] * 2
    assert {frame.image.shape for frame in found} == {pixel_format.shape(80, 96)}
    assert not found[3].image.any()


def test_the_very_first_frame_is_damaged(rig: VirtualRig, camera: Grasshopper3) -> None:
    rig.faults(Role.LSR).damaged_frames, rig.faults(Role.LSR).damaged_header = {0, 1}, (2**60, 2**62)
    found = frames(rig, camera, 5)
    assert [frame.frame_id for frame in found[2:]] == [2, 3, 4]
    assert not any(frame.flags & FrameFlag.GAP_BEFORE for frame in found)


def test_chunks_that_cannot_be_read_cost_no_frame(rig: VirtualRig, camera: Grasshopper3) -> None:
    rig.faults(Role.LSR).bad_chunks = {2}
    found = frames(rig, camera, 5)
    assert [frame.exposure_us for frame in found] == [1500.0] * 5
    assert not any(is_damaged(frame) for frame in found)
    assert not any(frame.flags & FrameFlag.SETTINGS_CHANGED for frame in found)


def test_an_image_that_cannot_be_given_back_costs_no_frame(
    rig: VirtualRig, camera: Grasshopper3, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = ImagePtr.Release

    def failing(image: ImagePtr) -> None:
        release(image)
        raise SpinnakerException("Could not release the buffer.", ErrorCode.INVALID_BUFFER)

    monkeypatch.setattr(ImagePtr, "Release", failing)
    assert [frame.frame_id for frame in frames(rig, camera, 4)] == [0, 1, 2, 3]
