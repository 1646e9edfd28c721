"""Which cameras the window works with: the two that are connected, or the emulated rig."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from app.capture import CaptureJob
from app.errors import InputError
from app.session import Session, SessionSettings
from drivers import Camera, DriverMissingError, Limits, Role
from drivers.grasshopper import Grasshopper3, list_cameras, open_camera
from drivers.spinnaker_emulator import RigGeometry, VirtualRig, install
from drivers.trigger import ExternalPulses, PulseSource


@dataclass(frozen=True, slots=True, eq=False)
class Rig:
    """A session that is ready to connect.

    Attributes:
        session: The session.
        serials: Which camera is which.
        settings: What to configure first.
        cameras: The opened cameras; filled while the session connects.
        virtual: The emulated rig; None for real cameras.
        note: Why this rig was chosen, for the operator; "" when it was asked for.

    """

    session: Session
    serials: dict[Role, str]
    settings: SessionSettings
    cameras: dict[Role, Camera] = field(default_factory=dict)
    virtual: VirtualRig | None = None
    note: str = ""

    def limits(self, role: Role) -> tuple[Limits, Limits]:
        """What the camera accepts as exposure [us] and gain [dB]; only while it does not stream."""
        camera = self.cameras[role]
        return camera.exposure_limits_us(), camera.gain_limits_db()

    def release(self) -> None:
        """Close the session and take the emulator away again."""
        try:
            self.session.close()
        finally:
            if self.virtual is not None:
                self.virtual.uninstall()


RigFactory = Callable[[], Rig]


def default_job(**changes: object) -> CaptureJob:
    """The paper's rig, unless `changes` say otherwise; the recording fields are not used."""
    return CaptureJob(Path("take"), 1.0, real_time=True, **changes)  # type: ignore[arg-type]


def open_rig(job: CaptureJob, *, emulate: bool = False) -> Rig:
    """Find the cameras; without any, or when asked, take the emulated rig.

    Args:
        job: Sizes, rates, exposures and, if known, serial numbers.
        emulate: Take the emulated rig even when cameras are there.

    Raises:
        InputError: Two cameras are there but not which is which, or only one is.
        CameraError: Spinnaker fails.

    """
    if emulate:
        return _emulated(job, "")
    try:
        seen = [camera.serial for camera in list_cameras()]
    except DriverMissingError as error:
        return _emulated(job, f"emulated rig: {error}")
    if not seen:
        return _emulated(job, "emulated rig: no camera is connected; check cables and power, then Connect")
    if job.serials is None or not set(job.serials) <= set(seen):
        raise InputError(
            f"connected are {', '.join(seen)}; say which is which with --serials HSR,LSR, or use --emulate"
        )
    return _rig(ExternalPulses(), {Role.HSR: job.serials[0], Role.LSR: job.serials[1]}, job, None, "")


def _emulated(job: CaptureJob, note: str) -> Rig:
    virtual = install(
        seed=job.seed, real_time=job.real_time, geometry=RigGeometry(baseline_mm=job.baseline_mm)
    )
    return _rig(virtual.box, virtual.serials, job, virtual, note)


def _rig(
    pulses: PulseSource, serials: dict[Role, str], job: CaptureJob, virtual: VirtualRig | None, note: str
) -> Rig:
    cameras: dict[Role, Camera] = {}

    def keep(serial: str, role: Role) -> Grasshopper3:
        camera = open_camera(serial, role)
        cameras[role] = camera
        return camera

    extra = None if virtual is None else (lambda: {"rig": virtual.metadata()})
    session = Session(
        pulses, open_with=keep, paced=virtual is not None and not virtual.real_time, extra=extra
    )
    return Rig(session, serials, job.settings(), cameras, virtual, note)
