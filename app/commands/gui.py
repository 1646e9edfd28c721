"""`twinrate gui`: the operator's window."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from app.commands._common import (
    HSR_SIZE,
    LSR_SIZE,
    HsrSizeOption,
    JsonOption,
    LsrSizeOption,
    emit,
    parse_serials,
    parse_size,
)
from app.errors import InputError
from drivers import is_take


class Look(str, Enum):
    """Colours of the window."""

    DARK = "dark"
    LIGHT = "light"


class View(str, Enum):
    """What is shown below the two cameras."""

    LIVE = "live"
    OVERLAY = "overlay"
    FUSED = "fused"


def command(
    emulate: Annotated[
        bool, typer.Option("--emulate", help="Work with the emulated rig even when cameras are there.")
    ] = False,
    take: Annotated[Path | None, typer.Option(help="Show this take at the start.")] = None,
    folder: Annotated[Path | None, typer.Option(help="Where new takes go.")] = None,
    serials: Annotated[
        str | None, typer.Option(metavar="HSR,LSR", help="Serial numbers of the two cameras.")
    ] = None,
    hsr_size: HsrSizeOption = HSR_SIZE,
    lsr_size: LsrSizeOption = LSR_SIZE,
    hsr_fps: Annotated[float, typer.Option(min=0.1, help="Pulses per second to the HSR camera.")] = 30.0,
    ratio: Annotated[int, typer.Option(min=1, help="LSR frames per HSR frame.")] = 8,
    view: Annotated[
        View, typer.Option(help="Show the cameras alone, their overlay as well, or their live fusion.")
    ] = View.LIVE,
    theme: Annotated[Look | None, typer.Option(help="Colours; as last time if left out.")] = None,
    window: Annotated[
        str | None, typer.Option("--window", metavar="WIDTHxHEIGHT", help="Size of the window.")
    ] = None,
    screenshot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Make a picture of the window and exit.")
    ] = None,
    after: Annotated[
        float, typer.Option(min=0, help="Time from the first live pictures to the picture in s.")
    ] = 3.0,
    json: JsonOption = False,
) -> None:
    """Open the window: both live views, exposure, recording."""
    from app.gui.application import GuiOptions, run
    from app.logs import log_folder
    from app.session import RigSetup
    from app.settings import settings_path

    if emulate and serials is not None:
        raise typer.BadParameter("--serials names real cameras; leave it out with --emulate")
    if take is not None and not is_take(take):
        raise InputError(f"{take}: no such take; check the path, a take is a folder with take.json in it")
    setup = RigSetup(
        emulate=emulate,
        real_time=True,
        serials=parse_serials(serials) if serials is not None else None,
        hsr_size=parse_size(hsr_size, "--hsr-size"),
        lsr_size=parse_size(lsr_size, "--lsr-size"),
        hsr_fps=hsr_fps,
        ratio=ratio,
    )
    code = run(
        GuiOptions(
            setup=setup,
            folder=folder,
            log_file=log_folder() / "window.log",
            settings_path=settings_path(),
            view=view.value,
            take=take,
            theme=theme.value if theme else None,
            size=parse_size(window, "--window", "1280x800") if window else None,
            screenshot=screenshot,
            after_s=after,
        )
    )
    if code:
        raise typer.Exit(code)
    emit({"screenshot": str(screenshot) if screenshot else None}, as_json=json)
