"""`twinrate train`: learn the weights of a fusion network from a folder of clips."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands import train_files
from app.commands._common import JsonOption, emit, parse_size, progress_bar, say, warn
from app.errors import AppError, InputError

if TYPE_CHECKING:
    from torch import Tensor

    from fusion.training.clips import Clip
    from fusion.training.crops import SampleOptions
    from fusion.training.loop import LoopOptions, RunOptions, Trainer

app = typer.Typer(
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    help="Train a fusion network; stopped at any time, it goes on exactly where it was.",
)
app.command("pack")(train_files.pack)
app.command("split")(train_files.split)
app.command("join")(train_files.join)

_WIDTH = 640
_JUDGED_WIDTH, _JUDGED_FRAMES = 448, 60
_MINUTES = 30.0
_TELL_SECONDS = 20.0
_ALONE = 1 / 3


class Model(str, Enum):
    """What is trained."""

    LIVE = "live"
    LIVE_FLOW = "live-flow"
    AWNET = "awnet"


class Stages(str, Enum):
    """Steps of the paper's recipe."""

    ALL = "all"
    ZERO = "0"
    ONE = "1"
    TWO = "2"
    THREE = "3"


class ScheduleShape(str, Enum):
    """How the learning rate goes."""

    TRAPEZOID = "trapezoid"
    COSINE = "cosine"


class Precision(str, Enum):
    """Number format of the computation."""

    NO = "no"
    BF16 = "bf16"


class Device(str, Enum):
    """Where training runs."""

    AUTO = "auto"
    CPU = "cpu"


class UpscalerName(str, Enum):
    """How LSR frames are enlarged before they are fused."""

    BICUBIC = "bicubic"
    LEARNED = "learned"


class NoisePlace(str, Enum):
    """Where noise is put."""

    LSR = "lsr"
    UPSCALED = "upscaled"


@app.callback()
def command(
    context: typer.Context,
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder of clips or of folders of pictures, or a pack.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="The run's folder; the same one again goes on there.")
    ] = None,
    model: Annotated[Model, typer.Option(help="The network to train.")] = Model.LIVE,
    stage: Annotated[
        Stages,
        typer.Option(
            help="awnet: 0 synthetic flow, 1 flow on video, 2 fusion, 3 both together; live-flow: 0 and 1. "
            "Each goes on from the one before it in the run's folder."
        ),
    ] = Stages.ALL,
    scale: Annotated[int, typer.Option(min=2, max=16, help="Output pixels per LSR pixel.")] = 4,
    least_scale: Annotated[
        float | None,
        typer.Option(min=1.0, max=16.0, help="Also train for all scales from this one up to --scale."),
    ] = None,
    most_scale: Annotated[
        float | None,
        typer.Option(min=2.0, max=16.0, help="Also train for all scales from --scale up to this one."),
    ] = None,
    noise_variance: Annotated[
        float, typer.Option(min=0.0, max=0.1, help="Most noise on LSR frames, of values in 0..1.")
    ] = 0.0,
    clean: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="With noise: share of samples without any.")
    ] = 0.0,
    noise_on: Annotated[
        NoisePlace, typer.Option(help="Noise on the LSR frame, or on the upscaled one as in the paper.")
    ] = NoisePlace.LSR,
    refs: Annotated[
        int,
        typer.Option(
            min=0,
            max=2,
            help="HSR frames used for each output frame; live: 0 for what LSR frames tell alone.",
        ),
    ] = 1,
    matched: Annotated[
        bool,
        typer.Option(
            "--matched/--sharp",
            help="awnet: its flow sees the reference as blurred as the LSR frame, or sharp as in the paper.",
        ),
    ] = True,
    direct: Annotated[
        bool, typer.Option("--direct", help="awnet: the ablation that writes pixels without filters.")
    ] = False,
    refined: Annotated[
        bool,
        typer.Option(
            "--refined/--plain",
            help="awnet: goes on from what the shipped live models make of a frame, on DIS's motion; or "
            "plain, as in the paper.",
        ),
    ] = True,
    upscaler: Annotated[
        UpscalerName,
        typer.Option(
            help="awnet: LSR frames enlarged bicubically, or with the detail that the shipped live model "
            "for this scale and noise guesses (paper Table 4)."
        ),
    ] = UpscalerName.BICUBIC,
    minutes: Annotated[
        float | None,
        typer.Option(min=0.01, help="Time budget in min; awnet: split 40/5/25/30 % over steps 0 to 3."),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Steps in all (awnet: in each stage), instead of a time budget."),
    ] = None,
    published: Annotated[
        bool, typer.Option("--published", help="awnet: the paper's rates and numbers of steps (days).")
    ] = False,
    validate: Annotated[
        list[str] | None,
        typer.Option("--validate", help="A clip not to train on but to judge by; repeatable."),
    ] = None,
    validation: Annotated[
        Path | None, typer.Option(help="A folder whose clips are only judged by; for packs.")
    ] = None,
    start: Annotated[
        Path | None, typer.Option(help="Weights to start from: a file, or a folder written by split.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Samples in a step.")] = 4,
    crop: Annotated[
        str | None,
        typer.Option(
            help="Crops in px, WIDTHxHEIGHT; 192x192, awnet 384x256. live: multiples of 16; others: of 64."
        ),
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(min=1e-7, help="Highest learning rate; the recipe's where left out.")
    ] = None,
    schedule: Annotated[ScheduleShape, typer.Option(help="live: shape of the learning rate.")] = (
        ScheduleShape.TRAPEZOID
    ),
    cooldown: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="live: last part of the run, with a falling rate.")
    ] = 0.4,
    slow: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="live: the last layer's share of the learning rate.")
    ] = 0.2,
    workers: Annotated[int, typer.Option(min=0, help="Processes that prepare samples; 0: a thread.")] = 0,
    precision: Annotated[
        Precision, typer.Option(help="bf16: mixed precision, for GPUs and CPUs with AMX.")
    ] = Precision.NO,
    device: Annotated[Device, typer.Option(help="auto: a GPU where there is one.")] = Device.AUTO,
    save_every: Annotated[int, typer.Option(min=1, help="Steps between states on disk.")] = 200,
    validate_every: Annotated[int, typer.Option(min=1, help="Steps between validations.")] = 1000,
    seed: Annotated[
        int, typer.Option(min=0, max=2**31 - 1, help="Of the first weights and of all draws.")
    ] = 0,
    json: JsonOption = False,
) -> None:
    """Train a fusion network; stopped at any time, it goes on exactly where it was."""
    if context.invoked_subcommand is not None:
        return
    if data is None or out is None:
        raise typer.BadParameter(f"--{'data' if data is None else 'out'} is missing")
    try:
        import accelerate  # noqa: F401
    except ModuleNotFoundError as error:
        raise InputError("training needs accelerate: pip install 'twinrate[train]'") from error
    from fusion.awnet import MULTIPLE as AWNET_MULTIPLE
    from fusion.cards import upscaler_for
    from fusion.live import MULTIPLE as LIVE_MULTIPLE
    from fusion.training.crops import SampleOptions
    from fusion.training.loop import LoopOptions, RunOptions, slow_in_bf16
    from fusion.training.schedule import Schedule

    size = _crop(
        crop or ("384x256" if model is Model.AWNET else "192x192"),
        LIVE_MULTIPLE if model is Model.LIVE else AWNET_MULTIPLE,
    )
    if upscaler is UpscalerName.LEARNED and model is not Model.AWNET:
        raise typer.BadParameter(f"--upscaler: {model.value} takes bicubic frames; it is for awnet")
    if published and model is not Model.AWNET:
        raise typer.BadParameter(f"--published: the paper says nothing of {model.value}; it is for awnet")
    if refs == 0 and model is not Model.LIVE:
        raise typer.BadParameter(f"--refs 0: {model.value} learns from HSR frames; give 1 or 2")
    if stage is not Stages.ALL and model is Model.LIVE:
        raise typer.BadParameter("--stage: live is trained in one step")
    if steps is not None and minutes is not None:
        raise typer.BadParameter("--steps and --minutes both say how long to train; give one of them")
    learned = upscaler_for(scale, noise_variance) if upscaler is UpscalerName.LEARNED else None
    if clean and not noise_variance:
        raise typer.BadParameter("--clean is the share of noisy samples without noise; give --noise-variance")
    clips, judged = _footage(data, validate or [], validation, out)
    if steps is None and minutes is None and not published:
        minutes = _MINUTES
    refined = refined and model is Model.AWNET and not (direct or published or learned)
    samples = SampleOptions(
        scale=scale,
        least_scale=least_scale,
        most_scale=most_scale,
        noise_variance=noise_variance,
        clean=clean,
        references=refs,
        # The published form is made for one number of references.
        alone=_ALONE if refined and refs > 1 else 0.0,
        noise_on=noise_on.value,
        crop=size,
    )
    loop = LoopOptions(
        steps=steps,
        minutes=minutes,
        slow=slow,
        schedule=Schedule(schedule.value, cooldown),
        workers=workers,
        precision=precision.value,
        device=device.value,
        save_every=save_every,
        validate_every=validate_every,
    )
    if precision is Precision.BF16 and slow_in_bf16(device.value):
        warn("this CPU has no arithmetic for bf16: leave --precision out, or a step takes many times as long")
    run = RunOptions(batch, seed, _whole(start, out))
    if model is Model.LIVE:
        loop = replace(loop, learning_rate=learning_rate or loop.learning_rate)
        weights = _live(clips, judged, out, samples, loop, run, json)
    else:
        from fusion.training.live_flow import train_live_flow
        from fusion.training.runs import AWnetForm, train_awnet

        stages = _stages(model, stage, published, loop, learning_rate)
        tell = partial(_tell, quiet=json)
        if model is Model.LIVE_FLOW:
            weights = train_live_flow(data, clips, judged, out, samples, stages, run, tell)
        else:
            form = AWnetForm(
                matched=matched, direct=direct, refined=refined, calm=not published, upscaler=learned
            )
            weights = train_awnet(data, clips, judged, out, samples, stages, form, run, tell)
    say(f"{weights}: done; curves and pictures are in {out}", quiet=json)
    emit(
        {
            "weights": str(weights),
            "clips": [clip.name for clip in clips],
            "validation": [clip.name for clip in judged],
        },
        as_json=json,
    )


def _footage(
    data: Path, validate: list[str], validation: Path | None, out: Path
) -> tuple[list[Clip], list[Clip]]:
    from fusion.training.clips import also_learnt, find_clips, load_clips

    learn = find_clips(data, without=validate)
    learnt = set(learn)
    judge = [path for path in find_clips(data) if path not in learnt] if validate else []
    judge += find_clips(validation) if validation else []
    if known := also_learnt(learn, judge):
        warn(
            f"{len(known)} of {len(judge)} clips to judge by are learnt from as well, so their figures come "
            f"out too good: {known[0]}; leave them out with --validate"
        )
    cache = out / "cache"
    with progress_bar("decoding", len(learn) + len(judge)) as bar:
        clips = load_clips(learn, cache, width=_WIDTH, on_clip=bar.advance)
        judged = load_clips(judge, cache, width=_JUDGED_WIDTH, most=_JUDGED_FRAMES, on_clip=bar.advance)
    train_files.warn_of_doubts([clip.doubt for clip in (*clips, *judged) if clip.doubt])
    return clips, judged


def _live(
    clips: list[Clip],
    judged: list[Clip],
    out: Path,
    samples: SampleOptions,
    loop: LoopOptions,
    run: RunOptions,
    quiet: bool,
) -> Path:
    from fusion.training.recipe import finish, train_live

    trainer = train_live(clips, judged, out, samples, loop, run)
    with progress_bar("training", loop.steps) as bar:
        bar.advance(trainer.step)
        trainer.run(lambda _step, _loss: bar.advance())
    say(f"{trainer.step} steps in {trainer.seconds:.0f} s", quiet=quiet)
    return finish(trainer, out, samples)


def _stages(
    model: Model, stage: Stages, published: bool, loop: LoopOptions, learning_rate: float | None
) -> dict[int, LoopOptions]:
    """How the chosen steps of a model's recipe go, by number."""
    from fusion.training.stages import LIVE_FLOW, PUBLISHED, SHORT, stage_loops

    recipe = LIVE_FLOW if model is Model.LIVE_FLOW else PUBLISHED if published else SHORT
    chosen = range(len(recipe)) if stage is Stages.ALL else [int(stage.value)]
    if max(chosen) >= len(recipe):
        raise typer.BadParameter(f"--stage {stage.value}: {model.value} has steps 0 to {len(recipe) - 1}")
    return stage_loops(chosen, loop, recipe, learning_rate=learning_rate)


def _whole(start: Path | None, out: Path) -> Path | None:
    """Weights to start from as one file, joined in the run's folder where they come in pieces."""
    if start is None or not start.is_dir():
        return start
    from fusion.training.shards import join_weights

    join_weights(start, joined := out / "start.safetensors")
    return joined


def _tell(number: int, trainer: Trainer, *, quiet: bool) -> Callable[[int, Tensor], None]:
    say(f"step {number} of the recipe, {trainer.step} training steps done", quiet=quiet)
    began = time.monotonic()

    def on_step(step: int, loss: Tensor) -> None:
        nonlocal began
        if time.monotonic() - began > _TELL_SECONDS:
            began = time.monotonic()
            say(f"  {step}: loss {float(loss):.5f}, {trainer.seconds:.0f} s", quiet=quiet)

    return on_step


def _crop(text: str, multiple: int) -> tuple[int, int]:
    """Rows and columns of a crop, multiples of what the network takes."""
    columns, rows = parse_size(text, "--crop", "384x256")
    if rows % multiple or columns % multiple:
        raise typer.BadParameter(
            f"--crop {text}: sides must be multiples of {multiple} px, and at least {multiple}"
        )
    return rows, columns


def _main() -> None:
    """Training alone: the rest of the program needs more libraries than torch and OpenCV."""
    from fusion.errors import FusionError

    try:
        app()
    except (FusionError, AppError, OSError) as error:
        sys.exit(f"train: {error}")


if __name__ == "__main__":
    _main()
