"""`twinrate train`: learn the weights of the live network from a folder of clips."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands._common import JsonOption, emit, progress_bar, say


def command(
    data: Annotated[Path, typer.Option("--data", help="Folder of clips or of folders of pictures.")],
    out: Annotated[Path, typer.Option("--out", help="The run's folder; the same one again goes on there.")],
    scale: Annotated[int, typer.Option(min=2, max=16, help="Output pixels per LSR pixel.")] = 4,
    noise_variance: Annotated[
        float, typer.Option(min=0.0, max=0.1, help="Most noise on LSR frames, of values in 0..1.")
    ] = 0.0,
    refs: Annotated[int, typer.Option(min=1, max=2, help="HSR frames used for each output frame.")] = 1,
    minutes: Annotated[
        float | None, typer.Option(min=0.01, help="Time budget; 30 where no number of steps is given.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps in all, instead of a time budget.")] = None,
    validate: Annotated[
        list[str] | None,
        typer.Option("--validate", help="A clip not to train on but to judge by; repeatable."),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Samples in a step.")] = 4,
    seed: Annotated[int, typer.Option(help="Of the first weights and of all draws.")] = 0,
    json: JsonOption = False,
) -> None:
    """Train the live network; stopped at any time, it goes on exactly where it was."""
    from fusion.training.clips import find_clips, load_clips
    from fusion.training.loop import LoopOptions
    from fusion.training.recipe import finish, train_live
    from fusion.training.samples import SampleOptions

    held_out = validate or []
    learn = find_clips(data, without=held_out)
    judge = [path for path in find_clips(data) if path not in learn]
    cache = out / "cache"
    with progress_bar("decoding", len(learn) + len(judge)) as bar:
        clips = load_clips(learn, cache, on_clip=bar.advance)
        judged = load_clips(judge, cache, width=448, most=60, on_clip=bar.advance)
    if steps is None and minutes is None:
        minutes = 30.0
    trainer = train_live(
        clips,
        judged,
        out,
        SampleOptions(scale=scale, noise_variance=noise_variance, references=refs),
        LoopOptions(steps=steps, minutes=None if steps else minutes),
        batch=batch,
        seed=seed,
    )
    begun = trainer.step
    with progress_bar("training", steps) as bar:
        bar.advance(begun)
        trainer.run(lambda _step, _loss: bar.advance())
    weights = finish(trainer, out, scale=scale, noise_variance=noise_variance, references=refs)
    say(
        f"{weights}: {trainer.step} steps in {trainer.seconds:.0f} s, curve in {out / 'curve.png'}",
        quiet=json,
    )
    emit(
        {
            "weights": str(weights),
            "steps": trainer.step,
            "seconds": round(trainer.seconds, 1),
            "clips": [clip.name for clip in clips],
            "validation": [clip.name for clip in judged],
        },
        as_json=json,
    )
