"""Runs of several steps: what they start from, and one training after the other in folders of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from torch import Tensor

from fusion.errors import TrainingError
from fusion.training.loop import LoopOptions, Trainer

OnStage = Callable[[int, Trainer], Callable[[int, Tensor], None] | None]
"""Told each step's number and its trainer; what it returns hears every training step."""


def weights_before(stages: Mapping[int, LoopOptions], start: Path | None, before: Path) -> Path | None:
    """What the chosen steps start from: the weights given, else those of the step before; None for step 0.

    Args:
        stages: How each chosen step goes, by its number, ascending.
        start: The weights given, or None.
        before: The weights file that the step before the first chosen one leaves.

    Raises:
        TrainingError: Nothing is given, and the step before has not been trained.

    """
    first = min(stages)
    if start is not None or first == 0:
        return start
    if not before.is_file():
        raise TrainingError(f"{before}: missing; train step {first - 1} first, or give weights to start")
    return before


def given_starts(stages: Mapping[int, LoopOptions], start: Path | None) -> dict[int, str]:
    """Names of the weights that chosen steps start from where it is not those of the step before, by number.

    Args:
        stages: How each chosen step goes, by its number, ascending.
        start: The weights given, or None.

    """
    return {min(stages): start.name} if start else {}


def run_stages(
    folder: Path,
    stages: Mapping[int, LoopOptions],
    set_up: Callable[[int, Path, LoopOptions], Trainer],
    on_stage: OnStage | None = None,
) -> Iterator[tuple[int, Trainer]]:
    """Train the chosen steps one after the other; steps that are done already are only read.

    Args:
        folder: Gets a folder for each step.
        stages: How each chosen step goes, by its number, ascending.
        set_up: Step number, its folder and how it goes -> its trainer.
        on_stage: See `OnStage`.

    Yields:
        Each step's number and its trainer when it is done, the averaged weights in the trainer's network.

    """
    for number, loop in stages.items():
        trainer = set_up(number, folder / f"stage{number}", loop)
        trainer.run(on_stage(number, trainer) if on_stage else None)
        trainer.load_averaged(trainer.network)
        yield number, trainer
