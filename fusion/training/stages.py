"""The steps of a recipe: how long each goes, and how fast it learns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from fusion.training.loop import LoopOptions
from fusion.training.schedule import Schedule

_CONSTANT = Schedule(cooldown=0.0, warm_up=1)
_BRISK = Schedule(cooldown=0.5, warm_up=100)
_USUAL = 0.03
"""About the norm of most gradients of FusionNet. One thirty times as long, as some batches give, throws Adam
far off: it moves all weights at once."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the recipe.

    Attributes:
        steps: Steps where neither steps nor minutes are asked for.
        share: Share of the minutes.
        learning_rate: The highest.
        slow: Share of the rate for FlowNet where both networks learn, and for the last layer if `calm`.
        schedule: How the rate goes.
        clip: Largest norm of the gradient.

    """

    steps: int
    share: float
    learning_rate: float
    slow: float = 1.0
    schedule: Schedule = _CONSTANT
    clip: float = 1.0


PUBLISHED = (
    Stage(200_000, 0.40, 1e-4),
    Stage(40_000, 0.05, 1e-6),
    Stage(100_000, 0.25, 1e-4),
    Stage(100_000, 0.30, 1e-5, slow=0.3),
)
"""Steps and rates of the paper, batches of 4 crops of 256x384; step 0, which it has not, is ours."""

SHORT = (
    Stage(20_000, 0.40, 4e-4, schedule=_BRISK),
    Stage(2_000, 0.05, 3e-5, schedule=_BRISK),
    Stage(10_000, 0.25, 3e-4, slow=0.2, schedule=_BRISK, clip=_USUAL),
    Stage(10_000, 0.30, 2e-4, slow=0.3, schedule=_BRISK, clip=_USUAL),
)
"""For a time budget: higher rates that end at zero, and how the time is split."""

LIVE_FLOW = (
    Stage(20_000, 0.6, 1e-3, schedule=_BRISK),
    Stage(10_000, 0.4, 2e-4, schedule=_BRISK),
)
"""The small flow network: synthetic truth, then its teacher."""


def stage_loops(
    stages: Iterable[int], loop: LoopOptions, recipe: Sequence[Stage], *, learning_rate: float | None = None
) -> dict[int, LoopOptions]:
    """How each of the chosen steps goes, by its number.

    Args:
        stages: Numbers of steps of the recipe, ascending.
        loop: What they have in common. Its minutes are split over the chosen steps; its number of steps
            counts for each of them.
        recipe: All steps of the recipe.
        learning_rate: Instead of the recipe's.

    """
    chosen = list(stages)
    shares = sum(recipe[number].share for number in chosen)

    def own(number: int) -> LoopOptions:
        stage = recipe[number]
        minutes = None if loop.minutes is None else loop.minutes * stage.share / shares
        return replace(
            loop,
            steps=stage.steps if loop.steps is None and minutes is None else loop.steps,
            minutes=minutes,
            learning_rate=learning_rate or stage.learning_rate,
            slow=stage.slow,
            schedule=stage.schedule,
            clip=stage.clip,
        )

    return {number: own(number) for number in chosen}
