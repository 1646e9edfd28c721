"""`twinrate demo`: the whole line on the emulated rig, measured against the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands._common import JsonOption, emit, progress_bar, say


def command(
    out: Annotated[Path, typer.Option("--out", help="Folder for the take, the clip and the picture.")] = Path(
        "demo"
    ),
    json: JsonOption = False,
) -> None:
    """Record an emulated rig, fuse the take, and compare the clip with the truth."""
    from app.demo import run_demo

    with progress_bar("starting the emulated rig") as bar:
        result = run_demo(out, on_stage=bar.start, on_step=bar.advance)
    say(f"take     {result.take} ({result.frames_lost} frames lost)", quiet=json)
    say(
        f"clip     {result.clip} ({result.frames} frames by {result.method}, {result.seconds:.0f} s)",
        quiet=json,
    )
    say(f"picture  {result.picture} (LSR upscaled | fused | truth)", quiet=json)
    say(f"PSNR     bicubic {result.psnr_bicubic:.2f} dB, fused {result.psnr_fused:.2f} dB", quiet=json)
    emit(result.to_json(), as_json=json)
