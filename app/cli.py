"""The `twinrate` program: its subcommands, exit codes and the way it speaks about failures.

Exit codes: 0 done, 1 failed (one line on standard error), 2 wrong usage.
"""

from __future__ import annotations

import io
import os
import sys
import traceback
from contextlib import suppress
from datetime import datetime, timezone
from typing import Annotated, NoReturn

import typer
from typer.exceptions import Abort, TyperException

from app import __version__
from app.commands import (
    bench,
    calibrate,
    capture,
    demo,
    doctor,
    evaluate,
    export,
    fuse,
    gui,
    import_,
    sync,
    train,
)
from app.commands._common import LastLine, emit, err
from app.errors import AppError
from app.logs import log_folder
from app.memory_short import memory_problem
from app.torch_missing import TorchMissingError, comes_of_torch
from calibration.errors import CalibrationError
from drivers.errors import DriverError

cli = typer.Typer(
    name="twinrate",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Two ordinary cameras become one that is both sharp and fast.",
)
cli.command("demo")(demo.command)
cli.command("gui")(gui.command)
cli.command("capture")(capture.command)
cli.command("import")(import_.command)
cli.add_typer(calibrate.app, name="calibrate")
cli.command("sync")(sync.command)
cli.command("fuse")(fuse.command)
cli.command("export")(export.command)
cli.command("evaluate")(evaluate.command)
cli.add_typer(train.app, name="train")
cli.add_typer(bench.app, name="bench")
cli.command("doctor")(doctor.command)


_INTERRUPTED = 130  # what typer returns when a Ctrl-C reached nobody else


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"twinrate {__version__}")
        raise typer.Exit


@cli.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Show where an error came from (anywhere on the line).")
    ] = False,
) -> None:
    pass


def _keep_traceback() -> str:
    """Append the traceback to the log file; return where it is, or why it could not be kept."""
    try:
        log = log_folder() / "errors.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(f"{datetime.now(timezone.utc).isoformat()} {' '.join(sys.argv)}\n")
            stream.write(traceback.format_exc() + "\n")
    except OSError as error:
        return f"the log could not be written: {error}"
    return f"details are in {log}"


def _is_fusion_error(error: Exception) -> bool:
    """Whether it comes from `fusion`, whose import takes longer than many a command has to do."""
    if "fusion" not in sys.modules:
        return False
    from fusion.errors import FusionError

    return isinstance(error, FusionError)


def _command_of(error: TyperException) -> str:
    """The command that found the error; what it found may be no command, so the line typed does not say."""
    context = getattr(error, "ctx", None)
    return "twinrate" if context is None else str(context.command_path)


def _fail(message: str, arguments: list[str], code: int = 1) -> NoReturn:
    sentence = " ".join(message.split())
    with suppress(OSError):
        err.print(f"twinrate: {sentence}", markup=False)
    try:
        # A script that reads the last line finds the reason there, unless the command has its figures there.
        emit({"error": sentence, "exit_code": code}, as_json="--json" in arguments and not LastLine.written)
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        _mute_output()
    sys.exit(code)


def _mute_output() -> None:
    """Nobody takes what is still in the buffer: neither is it worth a word when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run(arguments: list[str]) -> NoReturn:
    """Run one command line (without the program's name) and exit with its code."""
    verbose = any(a in ("-v", "--verbose") for a in arguments)
    arguments = [a for a in arguments if a not in ("-v", "--verbose")]
    LastLine.written = False
    try:
        code = cli(args=arguments, prog_name="twinrate", standalone_mode=False)
    except (AppError, DriverError, CalibrationError) as error:
        if verbose:
            traceback.print_exc()
        _fail(str(error), arguments)
    except TyperException as error:
        message = error.format_message()
        if not message:
            # A bare `twinrate` or `twinrate calibrate` has printed its help; there is nothing to add.
            sys.exit(2)
        _fail(f"{message} (try: {_command_of(error)} --help)", arguments, code=2)
    except (KeyboardInterrupt, Abort):
        _fail("stopped", arguments)
    except BrokenPipeError:
        # The reader of our output went away (`| head`): nothing is left to say to anyone.
        _mute_output()
        sys.exit(1)
    except OSError as error:
        if verbose:
            traceback.print_exc()
        if comes_of_torch(error):
            _fail(str(TorchMissingError(error)), arguments)
        where = f" {error.filename}:" if error.filename else ""
        reason = f"{where} {error.strerror or error}; check the path, its permissions and the free disk space"
        _fail(reason, arguments)
    except Exception as error:
        if verbose:
            traceback.print_exc()
        if comes_of_torch(error):
            _fail(str(TorchMissingError(error)), arguments)
        if _is_fusion_error(error):
            _fail(str(error), arguments)
        if short := memory_problem(error):
            _fail(short, arguments)
        reason = f"internal error, please report it: {type(error).__name__}: {error}; {_keep_traceback()}"
        _fail(reason, arguments)
    if code == _INTERRUPTED:
        _fail("stopped", arguments)
    sys.exit(code if isinstance(code, int) else 0)


def main() -> NoReturn:
    """Entry point of `twinrate` and `python -m app`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            # A name that this terminal has no letters for is no reason to fail.
            stream.reconfigure(errors="backslashreplace")
    try:
        os.getcwd()
    except FileNotFoundError:
        # Not left to the libraries: some of torch's end the program there, in words of their own.
        _fail("the folder that this terminal stands in was deleted; go to another one (cd)", sys.argv[1:])
    run(sys.argv[1:])
