"""How the learning rate goes from the first step of a run to its last."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fusion.errors import TrainingError

SHAPES = ("trapezoid", "cosine")


@dataclass(frozen=True, slots=True)
class Schedule:
    """The learning rate as a share of its highest value.

    Attributes:
        shape: "trapezoid": full until the last part of the run, then straight down to zero; "cosine": half a
            cosine over the whole run.
        cooldown: The trapezoid's last part, as a share of the run; 0 keeps the rate constant.
        warm_up: Steps in which the rate rises from nothing.

    """

    shape: str = "trapezoid"
    cooldown: float = 0.4
    warm_up: int = 50

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            raise TrainingError(f"unknown schedule {self.shape!r}; choose {' or '.join(SHAPES)}")

    def share(self, step: int, progress: float) -> float:
        """The share for step number `step`, when `progress` (0..1) of the run is behind us."""
        rising = min(1.0, (step + 1) / max(self.warm_up, 1))
        if self.shape == "cosine":
            return rising * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
        return rising * min(1.0, max(0.0, 1 - progress) / self.cooldown if self.cooldown else 1.0)
