"""The emulated rig as a whole: install it as `PySpin`, move its parts, ask it for the truth."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from drivers.errors import DriverError
from drivers.frame import Frame, PixelFormat, Role
from drivers.spinnaker_emulator import blackfly, gs3, module, painter
from drivers.spinnaker_emulator.camera import Device
from drivers.spinnaker_emulator.clock import CameraClock, TimeKeeper, TriggerBox
from drivers.spinnaker_emulator.faults import Faults
from drivers.spinnaker_emulator.optics import Region, RigGeometry
from drivers.spinnaker_emulator.painter import Shot
from drivers.spinnaker_emulator.scene import Scene
from drivers.spinnaker_emulator.sensor import Exposure
from drivers.spinnaker_emulator.stream import Wiring
from drivers.spinnaker_emulator.system import System
from drivers.spinnaker_emulator.world import World
from drivers.take import Take

SERIALS: dict[Role, str] = {Role.HSR: "16290001", Role.LSR: "16290002"}
_CLOCKS = {Role.HSR: CameraClock(7_104_233_517_000, 11.0), Role.LSR: CameraClock(3_982_770_125_000, -14.0)}
_INPUTS = frozenset({"Line0", "Line3"})


@dataclass(slots=True, eq=False)
class SceneTruth:
    """The scene as the LSR camera would see it without noise and with any number of pixels.

    Attributes:
        scene: What is looked at.
        geometry: Where the cameras stand.
        clock: The LSR camera's clock.

    """

    scene: Scene
    geometry: RigGeometry
    clock: CameraClock

    def at(
        self, mid_exposure_ns: int, exposure: Exposure, region: Region, height: int, width: int
    ) -> npt.NDArray[np.uint8]:
        """True HSTR frame.

        Args:
            mid_exposure_ns: Mid-exposure time on the LSR camera's clock [ns].
            exposure: The LSR frame's exposure.
            region: The LSR camera's region [sensor px].
            height: Rows of the result.
            width: Columns of the result; pixel x of the LSR picture is at (x + 0.5) * width / w - 0.5.

        Returns:
            RGB, uint8, shape (height, width, 3).

        """
        start = self.clock.true_time(mid_exposure_ns - round(exposure.exposure_us * 500))
        shot = Shot(Role.LSR, region, PixelFormat.RGB8, start, exposure)
        return painter.true_picture(self.scene, self.geometry, shot, height, width)


@dataclass(slots=True, eq=False)
class VirtualRig:
    """Two virtual GS3-U3-51S5C and one trigger box, looking at one scene.

    Attributes:
        world: Scene, time and trigger box.
        system: The PySpin System that programs see.
        devices: The cameras by role.

    """

    world: World
    system: System
    devices: dict[Role, Device]
    _replaced: object = field(default=None)

    @property
    def box(self) -> TriggerBox:
        """The trigger box, a `drivers.trigger.PulseSource`."""
        return self.world.box

    @property
    def serials(self) -> dict[Role, str]:
        """Serial number by role."""
        return {role: device.serial for role, device in self.devices.items()}

    @property
    def real_time(self) -> bool:
        """Whether pulses follow the host's clock."""
        return self.world.keeper.real_time

    @property
    def baseline_mm(self) -> float:
        """Distance between the cameras [mm]; setting it moves the HSR camera along the rail at once."""
        return self.world.geometry.baseline_mm

    @baseline_mm.setter
    def baseline_mm(self, value: float) -> None:
        if not 0 < value <= 1000:
            raise DriverError(f"the rail holds baselines from 0 to 1000 mm, got {value:g}")
        self.world.geometry = replace(self.world.geometry, baseline_mm=float(value))

    def faults(self, role: Role) -> Faults:
        """What can be made to go wrong with one camera."""
        return self.devices[role].faults

    def unplug(self, role: Role) -> None:
        """Pull one camera's cable."""
        device = self.devices[role]
        device.unplug()
        self.system.announce(device)

    def replug(self, role: Role) -> None:
        """Put one camera's cable back; it comes up with factory settings."""
        device = self.devices[role]
        device.plug()
        self.system.announce(device)

    def reset_settings(self, role: Role) -> None:
        """A brown-out: the camera goes on, but with its default user set."""
        nodes = self.devices[role].nodes
        locked, active = nodes.raw("TLParamsLocked"), nodes.raw("ChunkModeActive")
        nodes.reset()
        nodes.force("TLParamsLocked", locked)
        nodes.force("ChunkModeActive", active)

    def truth(self, lsr_frame_id: int, height: int, width: int) -> npt.NDArray[np.uint8]:
        """True HSTR frame for an LSR frame that was captured since the last start of its acquisition.

        Args:
            lsr_frame_id: Frame id of the LSR frame.
            height: Rows of the result.
            width: Columns of the result.

        Returns:
            The LSR camera's field of view in its colours without noise, RGB uint8, (height, width, 3).

        Raises:
            DriverError: No such frame was captured.

        """
        shot = self.devices[Role.LSR].shots.get(lsr_frame_id)
        if shot is None:
            raise DriverError(f"the emulated LSR camera has taken no frame {lsr_frame_id}")
        return painter.true_picture(self.world.scene, self.world.geometry, shot, height, width)

    def metadata(self) -> dict[str, Any]:
        """What `rig_from_metadata` needs to compute the truth again, as JSON values."""
        return {
            "emulator": 1,
            "seed": self.world.seed,
            "real_time": self.real_time,
            "geometry": asdict(self.world.geometry),
            "clocks": {str(role): asdict(device.clock) for role, device in self.devices.items()},
        }

    def uninstall(self) -> None:
        """Give the name `PySpin` back to whatever had it."""
        if self._replaced is None:
            sys.modules.pop("PySpin", None)
        else:
            sys.modules["PySpin"] = self._replaced  # type: ignore[assignment]


def install(
    *,
    seed: int = 0,
    real_time: bool = False,
    geometry: RigGeometry | None = None,
    serials: Mapping[Role, str] | None = None,
    profile: Literal["gs3", "blackfly_s"] = "gs3",
) -> VirtualRig:
    """Put an emulated rig in the place of PySpin and return it.

    Args:
        seed: Textures and noise; the same seed gives the same pictures.
        real_time: Pulses follow the host's clock, as in a laboratory. Otherwise time advances as frames are
            rendered and read, nothing is dropped, and every run gives the same bytes.
        geometry: Where the cameras stand.
        serials: Serial numbers by role.
        profile: Which features the cameras have; only "gs3" is a camera that this project drives.

    Returns:
        The rig; `sys.modules["PySpin"]` is its module until `uninstall`.

    """
    numbers = dict(SERIALS if serials is None else serials)
    world = World(seed, geometry or RigGeometry(), TimeKeeper(real_time=real_time))
    table = gs3.device_table if profile == "gs3" else blackfly.device_table
    devices = {
        role: Device(
            world,
            numbers[role],
            role,
            table(numbers[role]),
            _CLOCKS[role],
            Wiring(_INPUTS, slow=role is Role.HSR),
        )
        for role in Role
    }
    system = System(list(devices.values()), module.quick_names())
    rig = VirtualRig(world, system, devices, sys.modules.get("PySpin"))
    sys.modules["PySpin"] = module.build(system)
    return rig


def installed() -> bool:
    """Whether the name `PySpin` stands for the emulator now."""
    return getattr(sys.modules.get("PySpin"), "__doc__", None) == module.DOC


def rig_from_metadata(metadata: Mapping[str, Any]) -> SceneTruth:
    """The scene, geometry and LSR clock that a take was recorded with, from `VirtualRig.metadata`.

    Raises:
        DriverError: The values do not describe an emulated rig.

    """
    try:
        clock = CameraClock(**metadata["clocks"][str(Role.LSR)])
        return SceneTruth(Scene(int(metadata["seed"])), RigGeometry(**metadata["geometry"]), clock)
    except (KeyError, TypeError, ValueError) as error:
        raise DriverError(f"this take does not say how its emulated rig stood: {error!r}") from error


@dataclass(slots=True, eq=False)
class TakeTruth:
    """True HSTR frames of a take that an emulated rig recorded.

    Attributes:
        scene: The scene, rebuilt from the take.
        region: The LSR camera's region.
        black_level_percent: The LSR camera's pedestal.
        red: Its white balance, factor on red.
        blue: Its white balance, factor on blue.

    """

    scene: SceneTruth
    region: Region
    black_level_percent: float
    red: float
    blue: float

    def frame(self, lsr_frame: Frame, height: int, width: int) -> npt.NDArray[np.uint8]:
        """True frame for one LSR frame of the take; see `SceneTruth.at`."""
        exposure = Exposure(
            lsr_frame.exposure_us, lsr_frame.gain_db, self.black_level_percent, self.red, self.blue
        )
        return self.scene.at(lsr_frame.mid_exposure_ns, exposure, self.region, height, width)


def truth_from_take(take: Take) -> TakeTruth:
    """The truth of an emulated take, from the take alone.

    Raises:
        DriverError: The take was not recorded with the emulated rig.

    """
    described = take.metadata.extra
    if not take.metadata.simulated or "emulator" not in described:
        raise DriverError(f"{take.path}: only takes of the emulated rig have a known truth")
    lsr = take.metadata.lsr
    region = Region(
        lsr.offset_x * lsr.binning,
        lsr.offset_y * lsr.binning,
        lsr.width * lsr.binning,
        lsr.height * lsr.binning,
        lsr.binning,
    )
    pedestal, red, blue = (
        float(lsr.nodes.get(name, usual))
        for name, usual in (("BlackLevel", "0"), ("BalanceRatioRed", "1"), ("BalanceRatioBlue", "1"))
    )
    return TakeTruth(rig_from_metadata(described), region, pedestal, red, blue)
