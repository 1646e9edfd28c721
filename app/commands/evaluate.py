"""`twinrate evaluate`: figures of the fusion methods on clips with known truth."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands._common import JsonOption, check_methods, emit, progress_bar, say
from app.commands.fuse import Recursion

if TYPE_CHECKING:
    from fusion.evaluation import Row

_SCALE, _TABLE_5_SCALE = 4, 8
_NOISES = (0.0, 0.001, 0.01)
_NAME_WIDTH = 28


class Protocol(str, Enum):
    """What is judged."""

    SEPTUPLET = "septuplet"
    GOP = "gop"
    ENDS = "ends"
    ASIDE = "aside"


class Table(str, Enum):
    """Tables that a paper would print."""

    METHODS = "methods"
    FOUR = "4"
    FIVE = "5"
    NOISE = "noise"


def command(
    data: Annotated[
        Path,
        typer.Option(
            "--data", help="Folder of clips or of folders of pictures; Vimeo90K, KITTI, light fields."
        ),
    ],
    scale: Annotated[
        int | None,
        typer.Option(min=2, max=16, help="Output pixels per LSR pixel; 4 if left out, in table 5 it is 8."),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="A method to judge; repeatable. All that can run if left out. plain: the bare idea of "
            "classical, a yardstick that stays."
        ),
    ] = None,
    weights: Annotated[
        list[Path] | None, typer.Option(help="Weights of your own to judge as well; repeatable.")
    ] = None,
    flow: Annotated[
        Path | None,
        typer.Option(help="Motion from a network (a file, or shipped), not from DIS."),
    ] = None,
    refs: Annotated[
        list[int] | None, typer.Option(min=1, max=2, help="gop, ends: 1 or 2 sharp frames; repeatable.")
    ] = None,
    protocol: Annotated[
        Protocol,
        typer.Option(
            help="septuplet: reference two frames later, 448 px wide; gop: GoPs of 8, 640 px wide; ends: "
            "five frames between two sharp ones; aside: reference from elsewhere (KITTI, light fields)."
        ),
    ] = Protocol.SEPTUPLET,
    table: Annotated[
        Table | None,
        typer.Option(
            help="methods: PSNR and SSIM of each clip; 4: LSR frames enlarged by bicubic and by the learned "
            "upscaler, and your --weights trained over either (paper Table 4); 5: one against two "
            "references at 1/8 (paper Table 5); noise: variances 0, 0.001 and 0.01 with the mean weight W "
            "(paper Fig. 5)."
        ),
    ] = None,
    noise_variance: Annotated[
        float, typer.Option(min=0.0, max=0.1, help="Noise put on the LSR frames, of values in 0..1.")
    ] = 0.0,
    recursion: Annotated[
        Recursion | None,
        typer.Option(help="As of fuse; each method's better one if left out."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Judge fusion methods against truth: every frame is reduced, fused again and compared."""
    from fusion.cards import METHODS, flow_file, runnable
    from fusion.evaluation import PLAIN, evaluate

    check_methods(method or (), (*METHODS, PLAIN))
    references: Sequence[int] = refs or [1]
    noises: Sequence[float] = [noise_variance]
    if table is Table.FIVE:
        if protocol not in (Protocol.SEPTUPLET, Protocol.ENDS):
            raise typer.BadParameter(f"--protocol {protocol.value}: table 5 judges between two sharp frames")
        protocol, references = Protocol.ENDS, refs or [1, 2]
        scale = scale or _TABLE_5_SCALE
    elif table is Table.NOISE:
        if noise_variance:
            raise typer.BadParameter("--noise-variance: table noise has variances of its own; leave one out")
        noises = _NOISES
    scale = scale or _SCALE
    methods = method or ([] if weights else runnable(max(references)))
    if table is Table.FOUR:
        methods = ["bicubic", *(name for name in method or [] if name != "bicubic")]
    rows: list[Row] = []
    with progress_bar("judging") as bar:
        for noise in noises:
            rows += evaluate(
                data,
                scale=scale,
                methods=methods,
                weights=weights or [],
                flow=flow_file(flow),
                upscaler=table is Table.FOUR,
                references=references,
                protocol=protocol.value,
                noise_variance=noise,
                recursion=recursion.value if recursion else None,
                on_clip=lambda _name: bar.advance(),
            )
    _say_rows(rows, quiet=json)
    if table is Table.METHODS:
        _say_clips(rows, quiet=json)
    if protocol is Protocol.GOP:
        _say_distances(rows, quiet=json)
    if table is Table.FIVE:
        _say_gain(rows, quiet=json)
    emit({"rows": [row.to_json() for row in rows]}, as_json=json)


def _say_rows(rows: Sequence[Row], *, quiet: bool) -> None:
    models = [row.model if row.flow == "own" else f"{row.model} ({row.flow})" for row in rows]
    width = max(20, *(len(model) + 2 for model in models))
    say(
        f"{'method':<12}{'model':<{width}}{'refs':>5}{'noise':>7}{'frames':>7}{'PSNR dB':>9}"
        f"{'SSIM':>8}{'W':>7}{'s/frame':>9}",
        quiet=quiet,
    )
    for row, model in zip(rows, models, strict=True):
        say(
            f"{row.method:<12}{model:<{width}}{row.references:>5}{row.noise_variance:>7g}{row.frames:>7}"
            f"{row.psnr:>9.2f}{row.ssim:>8.4f}{row.weight:>7.3f}{row.seconds:>9.3f}",
            quiet=quiet,
        )


def _say_clips(rows: Sequence[Row], *, quiet: bool) -> None:
    labels = [_label(row, rows) for row in rows]
    width = max(17, *(len(label) + 2 for label in labels)) - 8
    say(f"\n{'clip':<{_NAME_WIDTH}}" + "".join(f"{label:>{width + 8}}" for label in labels), quiet=quiet)
    for clip in rows[0].by_clip:
        cells = "".join(f"{row.by_clip[clip]:>{width}.2f}{row.ssim_by_clip[clip]:>8.4f}" for row in rows)
        say(f"{clip[:_NAME_WIDTH]:<{_NAME_WIDTH}}{cells}", quiet=quiet)
    cells = "".join(f"{row.psnr:>{width}.2f}{row.ssim:>8.4f}" for row in rows)
    say(f"{'mean':<{_NAME_WIDTH}}{cells}", quiet=quiet)


def _say_distances(rows: Sequence[Row], *, quiet: bool) -> None:
    distances = sorted(rows[0].by_distance)
    labels = [_label(row, rows, always_count=True) for row in rows]
    width = max(_NAME_WIDTH, *(len(label) + 1 for label in labels))
    say(f"\n{'PSNR dB at distance':<{width}}" + "".join(f"{d:>+7}" for d in distances), quiet=quiet)
    for row, label in zip(rows, labels, strict=True):
        cells = "".join(f"{row.by_distance[d]:>7.2f}" for d in distances)
        say(f"{label:<{width}}{cells}", quiet=quiet)


def _say_gain(rows: Sequence[Row], *, quiet: bool) -> None:
    for one in (row for row in rows if row.references == 1):
        same = (r for r in rows if (r.method, r.model) == (one.method, one.model))
        two = next((r for r in same if r.references > 1), None)
        if two:
            label = _label(one, [row for row in rows if row.references == 1])
            say(f"{label}: two references bring {two.psnr - one.psnr:+.2f} dB", quiet=quiet)


def _label(row: Row, rows: Sequence[Row], *, always_count: bool = False) -> str:
    """The method, and whatever else tells a row from the others."""
    alike = [other for other in rows if other.method == row.method]
    parts = [row.method]
    if len({other.model for other in alike}) > 1:
        parts.append(row.model)
    if always_count or len({other.references for other in alike}) > 1:
        parts.append(f"{row.references} reference{'s' if row.references > 1 else ''}")
    if len({other.noise_variance for other in rows}) > 1:
        parts.append(f"noise {row.noise_variance:g}")
    return ", ".join(parts)
