"""`twinrate fuse`: a take or two clips to one HSTR clip."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from app.commands._common import JsonOption, OverwriteOption, emit, say, warn, writing_frames
from app.commands.sync import factor_option, offset_option


class Method(str, Enum):
    """How to fuse."""

    AWNET = "awnet"
    LIVE = "live"
    CLASSICAL = "classical"
    BICUBIC = "bicubic"


class Recursion(str, Enum):
    """What each frame is made from."""

    DIRECT = "direct"
    RECURRENT = "recurrent"


class Device(str, Enum):
    """Where to compute."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class Colours(str, Enum):
    """Whose colours and light."""

    LSR = "lsr"
    HSR = "hsr"


class QualityName(str, Enum):
    """How much a lossy codec may lose."""

    HIGH = "high"
    MEDIUM = "medium"
    SMALL = "small"


class CodecName(str, Enum):
    """How to write."""

    H264 = "h264"
    HEVC = "hevc"
    FFV1 = "ffv1"
    PRORES = "prores"
    PNG = "png"
    TIFF = "tiff"


def command(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="INPUT...", help="A take folder, or two clips: HSR then LSR.")
    ],
    out: Annotated[
        Path, typer.Option("--out", help="The clip to write; without an ending, a folder of pictures.")
    ],
    method: Annotated[
        Method | None, typer.Option(help="How to fuse; the best shipped one if left out.")
    ] = None,
    refs: Annotated[
        int | None,
        typer.Option(min=1, max=2, help="HSR frames used for each output frame; 2 where the method can."),
    ] = None,
    recursion: Annotated[
        Recursion | None,
        typer.Option(
            help="direct: each frame from the sharp ones; recurrent: from the one made before, as in the "
            "paper; the method's better one if left out."
        ),
    ] = None,
    align: Annotated[str, typer.Option(help="auto, none (same view already), or a rig file.")] = "auto",
    offset_ms: Annotated[
        str, typer.Option(help="First HSR frame's time minus first LSR frame's in ms, or auto.")
    ] = "auto",
    nudge_ms: Annotated[
        float, typer.Option(help="Added to the offset that was found or given, in ms; to correct by eye.")
    ] = 0.0,
    capture_factor: Annotated[
        str, typer.Option(help="How many times slower the LSR clip plays than it was filmed, or auto.")
    ] = "auto",
    device: Annotated[Device, typer.Option(help="Where to compute.")] = Device.AUTO,
    weights: Annotated[
        Path | None, typer.Option(help="Weights of your own from twinrate train, instead of shipped ones.")
    ] = None,
    flow: Annotated[
        Path | None,
        typer.Option(
            help="Motion from a network, not from DIS: a file of your own (train --model "
            "live-flow), or shipped for AWnet's: faster on a GPU, but less exact (docs/fusion.md)."
        ),
    ] = None,
    colours: Annotated[
        Colours,
        typer.Option(
            help="Whose colours and light the clip has: the fast camera's as filmed, or the sharp one's, "
            "in which lamps do not flicker."
        ),
    ] = Colours.LSR,
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
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a job that was stopped.")] = False,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
) -> None:
    """Fuse a sharp slow stream and a coarse fast one into a sharp fast clip."""
    from app.fuse import run_job
    from app.fuse_job import FuseJob
    from app.fusion_options import FusionOptions
    from fusion.cards import flow_file

    job = FuseJob(
        inputs=tuple(inputs),
        out=out,
        options=FusionOptions(
            method=method.value if method else None,
            references=refs,
            recursion=recursion.value if recursion else None,
            align=align,
            device=device.value,
            weights=weights,
            flow=flow_file(flow),
            start_s=start,
            end_s=end,
            colours=colours.value,
        ),
        offset_ms=offset_option(offset_ms),
        nudge_ms=nudge_ms,
        capture_factor=factor_option(capture_factor),
        codec=codec.value if codec else None,
        quality=quality.value,
        playback_fps=fps,
        resume=resume,
        overwrite=overwrite,
    )
    with writing_frames() as work:
        result = run_job(job, on_start=work.start, on_frame=work.advance, cancelled=work.stopped)
    for text in result.warnings:
        warn(text)
    say(
        f"{result.path}: {result.frames} frames {result.width}x{result.height}, {result.bits} bits a colour, "
        f"by {result.method} ({result.model}) on {result.device} in {result.seconds:.1f} s; "
        f"sound: {result.sound}",
        quiet=json,
    )
    emit(result.to_json(), as_json=json)
