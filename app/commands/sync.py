"""`twinrate sync`: how two recordings relate in time."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands._common import JsonOption, emit, progress_bar, say, warn

if TYPE_CHECKING:
    from app.sync import TimerReadings


def factor_option(text: str) -> float | None:
    """`--capture-factor`: a number, or None for auto."""
    if text == "auto":
        return None
    try:
        factor = float(text)
    except ValueError:
        raise typer.BadParameter(f"--capture-factor {text!r} is neither a number nor auto") from None
    if not 1 <= factor < math.inf:
        raise typer.BadParameter(f"--capture-factor {text} is not a number from 1 on")
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
    from app.inputs import FARTHEST_MS

    if abs(offset) > FARTHEST_MS:
        raise typer.BadParameter(f"--offset-ms {text} is more than a week; give it in milliseconds")
    return offset


def timer_option(name: str, text: str | None) -> tuple[int, float] | None:
    """`--timer-hsr` and `--timer-lsr`: frame and reading in ms, or None."""
    if text is None:
        return None
    frame, _, shown = text.partition("=")
    try:
        found = int(frame), float(shown)
    except ValueError:
        found = -1, math.nan
    if found[0] < 0 or not math.isfinite(found[1]):
        raise typer.BadParameter(f"{name} {text!r} is not FRAME=MS, such as 120=53417")
    return found


def timer_readings(hsr: str | None, lsr: str | None, step_ms: float | None) -> TimerReadings | None:
    """The timer options of `sync` and `import`; None without a timer."""
    from app.sync.timer_check import SCREEN_STEP_MS, TimerReading, TimerReadings

    first, second = timer_option("--timer-hsr", hsr), timer_option("--timer-lsr", lsr)
    if (first is None) != (second is None):
        raise typer.BadParameter("a timer must be read in both clips: give --timer-hsr and --timer-lsr")
    if first is None or second is None:
        if step_ms is not None:
            raise typer.BadParameter("--timer-step-ms belongs to --timer-hsr and --timer-lsr")
        return None
    step = SCREEN_STEP_MS if step_ms is None else step_ms
    if not (math.isfinite(step) and step > 0):
        raise typer.BadParameter(f"--timer-step-ms {step_ms:g} is not above 0")
    return TimerReadings(TimerReading(*first), TimerReading(*second), step)


TimerHsrOption = Annotated[
    str | None,
    typer.Option(
        metavar="FRAME=MS", help="What a filmed millisecond timer shows in an HSR frame, as a check."
    ),
]
TimerLsrOption = Annotated[
    str | None, typer.Option(metavar="FRAME=MS", help="What the same timer shows in an LSR frame.")
]
TimerStepOption = Annotated[
    float | None,
    typer.Option(help="How long the timer shows the same number in ms; 16.7, a screen's, if left out."),
]


def command(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="INPUT...", help="Two clips, HSR then LSR; or a take folder.")
    ],
    capture_factor: Annotated[
        str, typer.Option(help="How many times slower the LSR clip plays than it was filmed, or auto.")
    ] = "auto",
    timer_hsr: TimerHsrOption = None,
    timer_lsr: TimerLsrOption = None,
    timer_step_ms: TimerStepOption = None,
    timer_pictures: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Write one frame of each clip at the same moment, to read a timer in."
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Find offset, drift and confidence of two recordings of the same event."""
    from app.sync.job import run_sync

    timer = timer_readings(timer_hsr, timer_lsr, timer_step_ms)
    with progress_bar("looking", total=1.0) as bar:
        shown = 0.0

        def on_progress(share: float) -> None:
            nonlocal shown
            bar.advance(max(0.0, share - shown))
            shown = max(shown, share)

        result = run_sync(
            inputs,
            capture_factor=factor_option(capture_factor),
            timer=timer,
            pictures=timer_pictures,
            on_progress=on_progress,
        )
    for text in result.warnings:
        warn(text)
    say(
        f"offset {result.offset_ms:.3f} ms, drift {result.drift_ppm:.2f} ppm, "
        f"confidence {result.confidence:.2f} (by {result.method})",
        quiet=json,
    )
    if result.stored_offset_ms is not None:
        apart = result.offset_ms - result.stored_offset_ms
        found = "" if result.method == "none" else f"; the one found differs by {apart:+.3f} ms"
        say(f"the take has an offset of {result.stored_offset_ms:.3f} ms{found}", quiet=json)
    if result.timer_offset_ms is not None:
        say(f"the filmed timer says {result.timer_offset_ms:.3f} ms", quiet=json)
    emit(result.to_json(), as_json=json)
