"""`twinrate bench capture`: what the capture path costs and loses at the paper's rates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from app.commands._common import JsonOption, emit, out, progress_bar


def command(
    seconds: Annotated[
        float, typer.Option(min=1, max=3600, help="Length of the recording in seconds.")
    ] = 60.0,
    peer_seconds: Annotated[
        float, typer.Option(min=0, max=600, help="Seconds of each other measurement; 0 = none.")
    ] = 10.0,
    folder: Annotated[
        Path | None, typer.Option(help="Disk to record to; the temporary folder if left out.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Record the emulated rig at 199 MB/s with previews on, beside other programs' read loops."""
    from app.bench.capture import run_capture_bench

    with progress_bar("measuring") as bar:
        bench = run_capture_bench(
            seconds=seconds,
            peer_seconds=peer_seconds,
            folder=folder,
            on_stage=bar.start,
            on_second=bar.advance,
        )
    if not json:
        table = Table("program", "frames", "lost", "MB/s", "CPU s per 1000", "grab p99.9 ms", "memory +MB")
        for row in bench.rows:
            table.add_row(
                row.program,
                str(row.frames),
                str(row.frames_lost),
                f"{row.mb_per_s:.1f}",
                f"{row.cpu_s_per_1000:.2f}",
                "-" if row.grab_p999_ms is None else f"{row.grab_p999_ms:.2f}",
                "-" if row.memory_growth_mb is None else f"{row.memory_growth_mb:.1f}",
            )
        out.print(table)
        for row in bench.rows:
            if row.stop_reason is not None:
                out.print(f"{row.program} ended early: {row.stop_reason}", markup=False)
        for name in bench.missing:
            out.print(f"{name} is not installed and was left out", markup=False)
    emit(bench.to_json(), as_json=json)
