"""What all virtual cameras share: the scene, the rig's geometry, time and the trigger box."""

from __future__ import annotations

from dataclasses import dataclass, field

from drivers.frame import Role
from drivers.spinnaker_emulator.clock import TimeKeeper, TriggerBox
from drivers.spinnaker_emulator.loop import PictureLoop
from drivers.spinnaker_emulator.optics import RigGeometry
from drivers.spinnaker_emulator.scene import Scene


@dataclass(slots=True, eq=False)
class World:
    """One emulated laboratory.

    Attributes:
        seed: Textures and noise.
        geometry: Where the cameras stand; replaced as a whole when the operator moves one.
        keeper: Virtual time.
        box: The trigger box.
        scene: What the cameras look at.
        loops: In real time, each camera's pictures of one scene period.

    """

    seed: int
    geometry: RigGeometry
    keeper: TimeKeeper
    box: TriggerBox = field(init=False)
    scene: Scene = field(init=False)
    loops: dict[Role, PictureLoop] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.scene = Scene(self.seed)
        self.box = TriggerBox(self.keeper)
