"""`twinrate bench`: what this machine manages, measured now and beside other programs."""

from __future__ import annotations

import typer

from app.commands import bench_capture, bench_fuse, bench_gui

app = typer.Typer(no_args_is_help=True, help="Measure this machine: recording, fusion and the window.")
app.command("capture")(bench_capture.command)
app.command("fuse")(bench_fuse.command)
app.command("gui")(bench_gui.command)
