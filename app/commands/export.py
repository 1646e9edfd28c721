"""`twinrate export`: the cameras of a take as ordinary clips or pictures, without fusion."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from app.commands._common import JsonOption, OverwriteOption, emit, say, warn, writing_frames
from app.commands.fuse import CodecName, QualityName


class View(str, Enum):
    """Which camera."""

    HSR = "hsr"
    LSR = "lsr"
    BOTH = "both"


def command(
    take: Annotated[Path, typer.Argument(metavar="TAKE", help="The take's folder.")],
    out: Annotated[
        Path, typer.Option("--out", help="The clip to write; without an ending, a folder of pictures.")
    ],
    view: Annotated[View, typer.Option(help="One camera, or both side by side.")] = View.BOTH,
    codec: Annotated[
        CodecName | None,
        typer.Option(help="h264 unless the ending says otherwise; all but h264 keep more than 8 bits."),
    ] = None,
    quality: Annotated[
        QualityName, typer.Option(help="Of lossy codecs: from hardly distinguishable to small files.")
    ] = QualityName.HIGH,
    fps: Annotated[
        float | None, typer.Option(min=0.1, max=1000, help="Playback rate; real time if left out.")
    ] = None,
    start: Annotated[float, typer.Option(min=0, help="Begin here, in seconds of real time.")] = 0.0,
    end: Annotated[float | None, typer.Option(min=0, help="Stop here, in seconds of real time.")] = None,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
) -> None:
    """Write what the cameras of a take have filmed, one of them or both side by side."""
    from app.raw_export import RawExportJob, RawView, run_raw_export

    job = RawExportJob(
        take=take,
        out=out,
        view={View.HSR: RawView.HSR, View.LSR: RawView.LSR, View.BOTH: RawView.SIDE_BY_SIDE}[view],
        codec=codec.value if codec else None,
        playback_fps=fps,
        start_s=start,
        end_s=end,
        overwrite=overwrite,
        quality=quality.value,
    )
    with writing_frames() as work:
        result = run_raw_export(job, on_start=work.start, on_frame=work.advance, cancelled=work.stopped)
    for text in result.warnings:
        warn(text)
    say(
        f"{result.path}: {result.frames} frames {result.width}x{result.height}, {result.bits} bits a colour",
        quiet=json,
    )
    emit(result.to_json(), as_json=json)
