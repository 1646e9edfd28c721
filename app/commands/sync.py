"""`twinrate sync`: how two recordings relate in time."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from app.commands._common import JsonOption, emit, progress_bar, say, warn


def factor_option(text: str) -> float | None:
    """`--capture-factor`: a number, or None for auto."""
    if text == "auto":
        return None
    try:
        factor = float(text)
    except ValueError:
        raise typer.BadParameter(f"--capture-factor {text!r} is neither a number nor auto") from None
    if not factor >= 1:
        raise typer.BadParameter(f"--capture-factor {text} is below 1")
    return factor


def offset_option(text: str) -> float | None:
    """`--offset-ms`: a number, or None for auto."""
    if text == "auto":
        return None
    try:
        offset = float(text)
    except ValueError:
        offset = math.nan
    if not math.isfinite(offset):
        raise typer.BadParameter(f"--offset-ms {text!r} is neither a number nor auto")
    return offset


def command(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="INPUT...", help="Two clips, HSR then LSR; or a take folder.")
    ],
    capture_factor: Annotated[
        str, typer.Option(help="How many times slower the LSR clip plays than it was filmed, or auto.")
    ] = "auto",
    json: JsonOption = False,
) -> None:
    """Find offset, drift and confidence of two recordings of the same event."""
    from app.sync_job import run_sync

    with progress_bar("looking", total=1.0) as bar:
        shown = 0.0

        def on_progress(share: float) -> None:
            nonlocal shown
            bar.advance(max(0.0, share - shown))
            shown = max(shown, share)

        result = run_sync(inputs, capture_factor=factor_option(capture_factor), on_progress=on_progress)
    for text in result.warnings:
        warn(text)
    say(
        f"offset {result.offset_ms:.3f} ms, drift {result.drift_ppm:.2f} ppm, "
        f"confidence {result.confidence:.2f} (by {result.method})",
        quiet=json,
    )
    emit(result.to_json(), as_json=json)
