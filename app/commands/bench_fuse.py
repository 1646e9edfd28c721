"""`twinrate bench fuse`: what a fused frame costs on this machine, by method and size."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from app.commands._common import JsonOption, check_methods, emit, out, parse_size, say
from app.commands.fuse import Device


def command(
    method: Annotated[
        list[str] | None, typer.Option(help="A method to measure; repeatable. All of them if left out.")
    ] = None,
    size: Annotated[
        list[str] | None,
        typer.Option(help="Size of the fused frame, WIDTHxHEIGHT; repeatable. Four usual ones if left out."),
    ] = None,
    scale: Annotated[int, typer.Option(min=1, max=16, help="Output pixels per LSR pixel.")] = 4,
    refs: Annotated[
        list[int] | None, typer.Option(min=1, max=2, help="Sharp frames; repeatable. 1 and 2 if left out.")
    ] = None,
    frames: Annotated[
        int, typer.Option(min=1, max=100, help="How often it is measured, after once to warm up.")
    ] = 3,
    device: Annotated[Device, typer.Option(help="Where to compute.")] = Device.AUTO,
    json: JsonOption = False,
) -> None:
    """Measure time, processor time and memory for one fused frame, beside plain OpenCV."""
    from fusion.cards import METHODS, runnable
    from fusion.evaluation.speed import PEER, SIZES, Cost, measure

    check_methods(method or (), (*METHODS, PEER))
    can = runnable()
    # What a network costs does not depend on its weights: awnet is measured with or without.
    methods = method or [PEER, *(m for m in reversed(METHODS) if m in can or m == "awnet")]

    def tell(row: Cost) -> None:
        say(f"{row.width}x{row.height} {row.method}, {row.references} sharp: {row.seconds:.3f} s", quiet=json)

    rows, left_out = measure(
        methods,
        [parse_size(text, "--size") for text in size] if size else SIZES,
        scale=scale,
        references=refs or (1, 2),
        frames=frames,
        device=device.value,
        on_row=tell,
    )
    if not json:
        table = Table("size", "method", "model", "device", "sharp", "s/frame", "CPU s", "MiB")
        for row in rows:
            table.add_row(
                f"{row.width}x{row.height}",
                row.method,
                row.model,
                row.device,
                str(row.references),
                f"{row.seconds:.3f}",
                f"{row.cpu_seconds:.3f}",
                f"{row.memory_mb:.0f}",
            )
        out.print(table)
        for text in left_out:
            out.print(f"left out: {text}", markup=False)
    emit({"rows": [asdict(row) for row in rows], "left_out": left_out}, as_json=json)
