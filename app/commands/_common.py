"""What all subcommands share: the `--json` line, sizes, progress bars and warnings."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from app.json_values import finite
from app.paper_rig import PAPER_HSR_SIZE, PAPER_LSR_SIZE
from app.signals import interrupts

HsrSizeOption = Annotated[str, typer.Option(help="HSR region, WIDTHxHEIGHT, centred.")]
LsrSizeOption = Annotated[str, typer.Option(help="LSR region, WIDTHxHEIGHT, centred.")]
JsonOption = Annotated[
    bool, typer.Option("--json", help="End with one machine-readable line on standard output.")
]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace an output that already exists.")]

HSR_SIZE, LSR_SIZE = (f"{width}x{height}" for width, height in (PAPER_HSR_SIZE, PAPER_LSR_SIZE))

out = Console(highlight=False, soft_wrap=True)
err = Console(highlight=False, soft_wrap=True, stderr=True)


def say(text: str, *, quiet: bool = False) -> None:
    """Print one line for a person; nothing where `--json` asked for machine output only."""
    if not quiet:
        out.print(text, markup=False)


def warn(text: str) -> None:
    """Print one warning line on standard error."""
    err.print(f"warning: {text}", markup=False)


class LastLine:
    """The machine-readable line of one run."""

    written = False


def emit(result: Mapping[str, object], *, as_json: bool) -> None:
    """Write `result` as the last line of standard output when `--json` was given."""
    if as_json:
        typer.echo(json.dumps(finite(result)))
        LastLine.written = True


def check_methods(given: Iterable[str], known: Sequence[str]) -> None:
    """Refuse a `--method` that there is not.

    Raises:
        typer.BadParameter: One of `given` is not in `known`.

    """
    odd = next((name for name in given if name not in known), None)
    if odd is not None:
        raise typer.BadParameter(f"--method {odd!r} is no method; choose from: {', '.join(known)}")


def parse_serials(text: str) -> tuple[str, str]:
    """HSR,LSR as two serial numbers.

    Raises:
        typer.BadParameter: It is something else.

    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 2 or not all(parts):
        raise typer.BadParameter(f"--serials {text!r} is not a pair such as 16290001,16290002 (HSR first)")
    return parts[0], parts[1]


def parse_size(text: str, option: str, example: str = HSR_SIZE) -> tuple[int, int]:
    """WIDTHxHEIGHT as two numbers, each at least 1.

    Args:
        text: What was given.
        option: What it was given to, for the message.
        example: Of what is meant, for the message.

    Raises:
        typer.BadParameter: It is something else.

    """
    found = re.fullmatch(r"(\d+)[xX](\d+)", text.strip())
    width, height = (int(found[1]), int(found[2])) if found else (0, 0)
    if width < 1 or height < 1:
        raise typer.BadParameter(f"{option} {text!r} is not a size such as {example}")
    return width, height


class Bar:
    """One running progress bar."""

    def __init__(self, progress: Progress, text: str, total: float | None) -> None:
        self._progress = progress
        self._task = progress.add_task(text, total=total)

    def start(self, text: str, total: int, done: int = 0) -> None:
        """Begin the real work: `done` of `total` steps are behind us already."""
        self._progress.reset(self._task, description=text, total=total, completed=done)

    def advance(self, amount: float = 1.0) -> None:
        """Say that `amount` more of the total is done."""
        self._progress.advance(self._task, amount)


class Writing:
    """Frames being written: how far, and whether to stop.

    Attributes:
        advance: Called after each frame.

    """

    def __init__(self, bar: Bar, until_written: ExitStack) -> None:
        self.advance: Callable[[], None] = bar.advance
        self._bar, self._until_written = bar, until_written
        self._stopped = threading.Event()

    def start(self, text: str, total: int, done: int) -> None:
        """Begin with the first frame: until now Ctrl-C ended the work at once, from here on between two."""
        self._until_written.enter_context(interrupts(self._stopped, insist=True))
        self._bar.start(text, total, done)

    def stopped(self) -> bool:
        """Whether the operator wants it to end."""
        return self._stopped.is_set()


@contextmanager
def writing_frames() -> Iterator[Writing]:
    """A progress bar for a job that writes a clip, which a signal ends between two frames."""
    with progress_bar("preparing") as bar, ExitStack() as until_written:
        yield Writing(bar, until_written)


@contextmanager
def progress_bar(text: str, total: float | None = None) -> Iterator[Bar]:
    """A bar on standard error with time left; it draws nothing when standard error is not a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, disable=not err.is_terminal) as progress:
        yield Bar(progress, text, total)
