"""`twinrate import`: two phone clips, or any other two videos, become a take."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from app.commands._common import JsonOption, emit, progress_bar, say, warn
from app.commands.sync import (
    TimerHsrOption,
    TimerLsrOption,
    TimerStepOption,
    factor_option,
    offset_option,
    timer_readings,
)
from app.signals import interrupts


def command(
    hsr: Annotated[Path, typer.Argument(metavar="HSR", help="The sharp, slow clip.")],
    lsr: Annotated[Path, typer.Argument(metavar="LSR", help="The coarse, fast clip.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the new take; it must not exist.")],
    capture_factor: Annotated[
        str, typer.Option(help="How many times slower the LSR clip plays than it was filmed, or auto.")
    ] = "auto",
    offset_ms: Annotated[
        str, typer.Option(help="First HSR frame's time minus first LSR frame's in ms, or auto.")
    ] = "auto",
    nudge_ms: Annotated[
        float, typer.Option(help="Added to the offset that was found or given, in ms; to correct by eye.")
    ] = 0.0,
    transcode: Annotated[
        bool, typer.Option("--transcode", help="Store raw frames instead of referring to the clips.")
    ] = False,
    timer_hsr: TimerHsrOption = None,
    timer_lsr: TimerLsrOption = None,
    timer_step_ms: TimerStepOption = None,
    notes: Annotated[str, typer.Option(help="Free text for the take.")] = "",
    json: JsonOption = False,
) -> None:
    """Make a take of two clips: capture factor and offset are found, or given."""
    from app.import_clips import import_clips

    timer = timer_readings(timer_hsr, timer_lsr, timer_step_ms)
    stopped = threading.Event()
    with progress_bar("importing", total=1.0) as bar, ExitStack() as until_written:
        shown = 0.0

        def on_progress(share: float) -> None:
            nonlocal shown
            bar.advance(share - shown)
            shown = share

        def writing() -> None:
            # While both clips are searched Ctrl-C ends the work at once; from here on between two frames.
            until_written.enter_context(interrupts(stopped, insist=True))

        result = import_clips(
            hsr,
            lsr,
            out,
            offset_ms=offset_option(offset_ms),
            nudge_ms=nudge_ms,
            capture_factor=factor_option(capture_factor),
            timer=timer,
            transcode=transcode,
            notes=notes,
            on_progress=on_progress,
            on_write=writing,
            cancelled=stopped.is_set,
        )
    for text in result.warnings:
        warn(text)
    if result.capture_factor != 1:
        say(f"capture factor {result.capture_factor:g}: {result.capture_reason}", quiet=json)
    say(
        f"{result.path}: {result.hsr_frames} HSR and {result.lsr_frames} LSR frames, {result.gops} GoPs of "
        f"{result.ratio:.3f}, offset {result.offset_ms:.3f} ms (confidence {result.confidence:.2f})",
        quiet=json,
    )
    emit(result.to_json(), as_json=json)
