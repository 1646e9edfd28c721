"""`twinrate evaluate`: figures of the fusion methods on clips with known truth."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from app.commands._common import JsonOption, emit, progress_bar, say


class Protocol(str, Enum):
    """What is judged."""

    SEPTUPLET = "septuplet"
    GOP = "gop"


def command(
    data: Annotated[Path, typer.Option("--data", help="Folder of clips or of folders of pictures.")],
    scale: Annotated[int, typer.Option(min=2, max=16, help="Output pixels per LSR pixel.")] = 4,
    method: Annotated[
        list[str] | None, typer.Option(help="A method to judge; repeatable. All that can run if left out.")
    ] = None,
    protocol: Annotated[
        Protocol,
        typer.Option(help="septuplet: reference two frames later, 448 px wide; gop: GoPs of 8, 640 px wide."),
    ] = Protocol.SEPTUPLET,
    noise_variance: Annotated[
        float, typer.Option(min=0.0, max=0.1, help="Noise put on the LSR frames, of values in 0..1.")
    ] = 0.0,
    recursion: Annotated[
        str | None, typer.Option(help="recurrent or direct; each method's better one if left out.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Judge fusion methods against truth: every frame is reduced, fused again and compared."""
    from fusion.engine import runnable
    from fusion.evaluation import evaluate
    from fusion.training.clips import find_clips

    methods = method or runnable()
    with progress_bar("judging", len(find_clips(data))) as bar:
        rows = evaluate(
            data,
            scale=scale,
            methods=methods,
            protocol=protocol.value,
            noise_variance=noise_variance,
            recursion=recursion,
            on_clip=lambda _name: bar.advance(),
        )
    say(
        f"{'method':<12}{'model':<20}{'frames':>7}{'PSNR dB':>9}{'SSIM':>8}{'W':>7}{'s/frame':>9}", quiet=json
    )
    for row in rows:
        say(
            f"{row.method:<12}{row.model:<20}{row.frames:>7}{row.psnr:>9.2f}{row.ssim:>8.4f}"
            f"{row.weight:>7.3f}{row.seconds:>9.3f}",
            quiet=json,
        )
    emit({"rows": [row.to_json() for row in rows]}, as_json=json)
