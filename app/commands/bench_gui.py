"""`twinrate bench gui`: how smooth the window is while it records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from app.commands._common import (
    HSR_SIZE,
    LSR_SIZE,
    HsrSizeOption,
    JsonOption,
    LsrSizeOption,
    emit,
    out,
    parse_size,
    say,
)


def command(
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="Length of the measurement in s.")] = 60.0,
    hsr_size: HsrSizeOption = HSR_SIZE,
    lsr_size: LsrSizeOption = LSR_SIZE,
    hsr_fps: Annotated[float, typer.Option(min=0.1, help="Pulses per second to the HSR camera.")] = 30.0,
    ratio: Annotated[int, typer.Option(min=1, help="LSR frames per HSR frame.")] = 8,
    record: Annotated[bool, typer.Option(help="Record meanwhile.")] = True,
    take_seconds: Annotated[
        float | None,
        typer.Option(min=1, help="Length of a take in s, then the next begins; one take if left out."),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Disk to record to; the temporary folder if left out.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Open the window on the emulated rig, record, change exposure and baseline, and measure it."""
    from app.gui.bench import run_bench
    from app.session import RigSetup

    setup = RigSetup(
        emulate=True,
        real_time=True,
        hsr_size=parse_size(hsr_size, "--hsr-size"),
        lsr_size=parse_size(lsr_size, "--lsr-size"),
        hsr_fps=hsr_fps,
        ratio=ratio,
    )
    say(f"measuring for {seconds:g} s", quiet=json)
    bench = run_bench(setup, seconds, folder=folder, record=record, take_seconds=take_seconds)
    if not json:
        table = Table("figure", "value")
        for name, value in bench.to_json().items():
            table.add_row(name, str(value))
        out.print(table)
    emit(bench.to_json(), as_json=json)
