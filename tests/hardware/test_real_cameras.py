"""The contract of the camera driver on real Grasshopper3 cameras; see docs/hardware-tests.md.

TWINRATE_SERIALS=HSR,LSR names the cameras. TWINRATE_PULSES=1 says that a pulse box gives 30 and 240 pulses
per second on Line0 of the HSR and LSR camera. Everything is skipped without cameras.
TWINRATE_SERIALS=emulated runs the same tests on the emulated rig, to try the tests themselves.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.session import RigSetup, Session
from drivers import (
    CameraError,
    CameraSettingError,
    CameraSettings,
    FrameFlag,
    PixelFormat,
    Role,
    Take,
    pair_streams,
)
from drivers.grasshopper import Grasshopper3, list_cameras, open_camera
from drivers.packing import unpacked
from drivers.spinnaker_emulator import VirtualRig, install
from drivers.trigger import ExternalPulses, PulseSource

pytestmark = [pytest.mark.hardware, pytest.mark.timeout(300)]
SETTINGS = {
    Role.HSR: CameraSettings(2304, 1920, triggered=False, frame_rate=30.0),
    Role.LSR: CameraSettings(576, 480, triggered=False, frame_rate=240.0, buffer_count=256),
}


NAMED = os.environ.get("TWINRATE_SERIALS", "")


def _serials() -> dict[Role, str]:
    named = NAMED
    if named:
        hsr, lsr = named.split(",")
        return {Role.HSR: hsr.strip(), Role.LSR: lsr.strip()}
    try:
        found = [c.serial for c in list_cameras() if not c.simulated]
    except CameraError as error:
        pytest.skip(f"no Spinnaker here: {error}")
    if len(found) < 2:
        pytest.skip(f"{len(found)} real cameras are connected, two are needed")
    return {Role.HSR: found[0], Role.LSR: found[1]}


@pytest.fixture(scope="module")
def rig() -> Iterator[VirtualRig | None]:
    if NAMED != "emulated":
        yield None
        return
    rig = install(real_time=True)
    yield rig
    rig.uninstall()


@pytest.fixture(scope="module")
def serials(rig: VirtualRig | None) -> dict[Role, str]:
    return _serials() if rig is None else rig.serials


@pytest.fixture
def pulses(rig: VirtualRig | None) -> PulseSource:
    if rig is not None:
        return rig.box
    if os.environ.get("TWINRATE_PULSES") != "1":
        pytest.skip("TWINRATE_PULSES=1 is not set: no pulse box")
    return ExternalPulses()


@pytest.fixture(params=list(Role), ids=str)
def camera(request: pytest.FixtureRequest, serials: dict[Role, str]) -> Iterator[Grasshopper3]:
    camera = open_camera(serials[request.param], request.param)
    yield camera
    camera.close()


def test_settings_come_back_as_they_were_set(camera: Grasshopper3) -> None:
    applied = camera.configure(SETTINGS[camera.role])
    assert camera.identity.simulated is (NAMED == "emulated")
    assert all(abs(a.applied - a.requested) <= max(0.05, 0.02 * abs(a.requested)) for a in applied)
    assert camera.deviations() == ()
    limits = camera.exposure_limits_us()
    print(camera.identity, limits, camera.gain_limits_db(), camera.region())
    assert limits.minimum < 100 < limits.maximum


def test_values_off_the_increment_are_refused(camera: Grasshopper3) -> None:
    with pytest.raises(CameraSettingError):
        camera.configure(replace(SETTINGS[camera.role], width=SETTINGS[camera.role].width + 1))


def test_free_running_frames_follow_the_rate(camera: Grasshopper3) -> None:
    settings = SETTINGS[camera.role]
    camera.configure(settings)
    camera.arm()
    camera.start()
    frames = [camera.read(1000) for _ in range(60)]
    camera.stop()
    whole = [f for f in frames if f is not None and not f.flags & FrameFlag.INCOMPLETE]
    assert len(whole) == 60
    periods = np.diff([f.mid_exposure_ns for f in whole]) / 1e9
    assert np.median(periods) == pytest.approx(1 / settings.frame_rate, rel=0.01)
    assert [f.frame_id for f in whole] == list(range(whole[0].frame_id, whole[0].frame_id + 60))


def test_the_clock_is_that_of_the_frames(camera: Grasshopper3) -> None:
    """Pairing relies on it: a latched reading and the frames' time stamps come from one clock."""
    camera.configure(SETTINGS[camera.role])
    camera.arm()
    first = camera.clock()
    frames = [camera.read(1000) for _ in range(30)]
    last = camera.clock()
    whole = [f for f in frames if f is not None]
    starts = [f.mid_exposure_ns - round(f.exposure_us * 500) for f in whole]
    print(f"latch within {first.error_ns / 1e3:.0f} and {last.error_ns / 1e3:.0f} us")
    assert max(first.error_ns, last.error_ns) < 1_000_000
    assert first.camera_ns - 1_000_000_000 < starts[0] < starts[-1] < last.camera_ns
    speed = (last.camera_ns - first.camera_ns) / (last.host_ns - first.host_ns)
    assert speed == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("pixel_format", [f for f in PixelFormat if f.packed], ids=str)
def test_packed_frames_hold_the_light_of_unpacked_ones(
    camera: Grasshopper3, pixel_format: PixelFormat
) -> None:
    medians = []
    for wanted in (pixel_format, pixel_format.unpacked):
        camera.configure(replace(SETTINGS[camera.role], pixel_format=wanted))
        camera.arm()
        frame = camera.read(1000)
        camera.stop()
        assert frame is not None
        medians.append(float(np.median(unpacked(frame).image)))
    # A wrong order of nibbles would make noise of the lower bits, but a wrong order of bytes of everything.
    assert medians[0] == pytest.approx(medians[1], rel=0.1, abs=400)


def test_exposure_changes_within_a_tenth_of_a_second(camera: Grasshopper3) -> None:
    camera.configure(SETTINGS[camera.role])
    camera.arm()
    assert camera.read(1000) is not None
    camera.set_exposure_us(500.0)
    frames = [camera.read(1000) for _ in range(max(4, int(SETTINGS[camera.role].frame_rate * 0.1)))]
    assert frames[-1] is not None
    assert frames[-1].exposure_us == pytest.approx(500.0, rel=0.02)


def test_no_pulse_is_a_time_out_and_nothing_else(camera: Grasshopper3) -> None:
    camera.configure(replace(SETTINGS[camera.role], triggered=True, trigger_source="Line3"))
    camera.arm()
    assert camera.read(200) is None
    camera.stop()


def test_a_camera_can_be_opened_again_and_again(serials: dict[Role, str]) -> None:
    for _ in range(5):
        for role in Role:
            open_camera(serials[role], role).close()


def test_a_triggered_recording_loses_nothing(
    serials: dict[Role, str], pulses: PulseSource, tmp_path: Path
) -> None:
    with Session(pulses) as session:
        session.connect(serials)
        session.configure(RigSetup().settings())
        report = session.record(10.0, tmp_path / "take")
    print(report.to_json())
    assert report.frames_lost == 0
    with Take.open(tmp_path / "take") as take:
        pairing = pair_streams(take.pair())
    assert pairing.missing_lsr == pairing.missing_hsr == 0
    assert pairing.clock is not None
    assert abs(pairing.clock.drift_ppm) < 200
    assert pairing.clock.residual_us < 100
