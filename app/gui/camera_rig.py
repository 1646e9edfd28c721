"""Which cameras the window works with: the two that are connected, or the emulated rig."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from app.errors import InputError
from app.session import RigSetup, Session, SessionSettings
from drivers import Camera, CameraIdentity, DriverError, DriverMissingError, Limits, Role
from drivers.grasshopper import Grasshopper3, list_cameras, open_camera
from drivers.spinnaker_emulator import RigGeometry, VirtualRig, install
from drivers.trigger import ExternalPulses, PulseSource


@dataclass(frozen=True, slots=True, eq=False)
class CameraRig:
    """Both cameras, and the session that is ready to connect them.

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

    def limits(self, role: Role) -> dict[str, Limits]:
        """What the camera accepts, by SFNC name; only while it does not stream."""
        camera = self.cameras[role]
        found = {
            "ExposureTime": camera.exposure_limits_us(),
            "Gain": camera.gain_limits_db(),
            "AcquisitionFrameRate": camera.frame_rate_limits(),
        }
        with suppress(DriverError):
            # A monochrome camera has no white balance.
            balance = camera.white_balance_limits()
            found |= {"BalanceRatioRed": balance, "BalanceRatioBlue": balance}
        return found

    def release(self) -> None:
        """Close the session and take the emulator away again."""
        try:
            self.session.close()
        finally:
            if self.virtual is not None:
                self.virtual.uninstall()


RigFactory = Callable[[tuple[str, str] | None], CameraRig]
"""Opens the rig with these serial numbers of the HSR and the LSR camera; None for those known already."""


class WhichCameraError(InputError):
    """Cameras are connected, but not which is which.

    Args:
        cameras: What is connected.

    """

    def __init__(self, cameras: tuple[CameraIdentity, ...]) -> None:
        super().__init__(
            f"connected are {', '.join(camera.serial for camera in cameras)}; say which is the HSR and which "
            "the LSR camera (press Connect, or start with --serials HSR,LSR), or use --emulate"
        )
        self.cameras = cameras


def open_rig(setup: RigSetup) -> CameraRig:
    """Find the cameras; without any, or when asked, take the emulated rig.

    Args:
        setup: Which cameras, and what to set them to.

    Raises:
        WhichCameraError: Cameras are there but not which is which.
        InputError: Only one camera is there.
        CameraError: Spinnaker fails.

    """
    if setup.emulate:
        return _emulated(setup, "")
    try:
        seen = tuple(list_cameras())
    except DriverMissingError as error:
        return _emulated(setup, f"emulated rig: {error}")
    if not seen:
        return _emulated(setup, "emulated rig: no camera is connected; check cables and power, then Connect")
    if len(seen) == 1:
        raise InputError(
            f"only camera {seen[0].serial} is connected; connect the other one as well, or use --emulate"
        )
    if setup.serials is None or not set(setup.serials) <= {camera.serial for camera in seen}:
        raise WhichCameraError(seen)
    return _rig(ExternalPulses(), {Role.HSR: setup.serials[0], Role.LSR: setup.serials[1]}, setup, None, "")


def _emulated(setup: RigSetup, note: str) -> CameraRig:
    virtual = install(
        seed=setup.seed, real_time=setup.real_time, geometry=RigGeometry(baseline_mm=setup.baseline_mm)
    )
    return _rig(virtual.box, virtual.serials, setup, virtual, note)


def _rig(
    pulses: PulseSource, serials: dict[Role, str], setup: RigSetup, virtual: VirtualRig | None, note: str
) -> CameraRig:
    cameras: dict[Role, Camera] = {}

    def keep(serial: str, role: Role) -> Grasshopper3:
        camera = open_camera(serial, role)
        cameras[role] = camera
        return camera

    extra = None if virtual is None else (lambda: {"rig": virtual.metadata()})
    session = Session(
        pulses, open_with=keep, paced=virtual is not None and not virtual.real_time, extra=extra
    )
    return CameraRig(session, serials, setup.settings(), cameras, virtual, note)
