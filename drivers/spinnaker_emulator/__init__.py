"""A PySpin-compatible module: two virtual Grasshopper3 cameras and a trigger box that look at a scene.

`install()` registers it as `PySpin`; from then on every PySpin program, this project's driver included, sees
the emulated rig. The rig knows the true high-speed, high-resolution frames.
"""

from drivers.spinnaker_emulator.optics import Region, RigGeometry
from drivers.spinnaker_emulator.rig import (
    SERIALS,
    SceneTruth,
    TakeTruth,
    VirtualRig,
    install,
    installed,
    rig_from_metadata,
    truth_from_take,
)

__all__ = [
    "SERIALS",
    "Region",
    "RigGeometry",
    "SceneTruth",
    "TakeTruth",
    "VirtualRig",
    "install",
    "installed",
    "rig_from_metadata",
    "truth_from_take",
]
