"""`twinrate capture`: record a take without a window."""

from __future__ import annotations

import threading
from dataclasses import asdict
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
    progress_bar,
    say,
    warn,
)
from app.session import SessionError
from app.signals import interrupts
from drivers import PixelFormat, Role


class PulseMaker(str, Enum):
    """Who makes the trigger pulses."""

    BOX = "box"
    CAMERA = "camera"


def command(
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of the new take; it must not exist.")
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=0.01, max=86400, help="Length in seconds; Ctrl-C ends it earlier.")
    ] = 10.0,
    emulate: Annotated[bool, typer.Option("--emulate", help="Use the emulated rig.")] = False,
    real_time: Annotated[
        bool, typer.Option("--real-time", help="With --emulate: pulses by the clock, frames can be lost.")
    ] = False,
    seed: Annotated[int | None, typer.Option(min=0, help="With --emulate: scene and noise (0).")] = None,
    baseline_mm: Annotated[
        float | None, typer.Option(min=1, max=1000, help="With --emulate: baseline in mm (50).")
    ] = None,
    rig: Annotated[
        Path | None, typer.Option("--rig", help="Rig file in use; fuse warns of another one.")
    ] = None,
    serials: Annotated[str | None, typer.Option(help="Serial numbers HSR,LSR.")] = None,
    hsr_size: HsrSizeOption = HSR_SIZE,
    lsr_size: LsrSizeOption = LSR_SIZE,
    hsr_fps: Annotated[float, typer.Option(min=0.1, max=1000, help="HSR frames per second.")] = 30.0,
    ratio: Annotated[int, typer.Option(min=1, max=1000, help="LSR frames per HSR frame.")] = 8,
    exposure_us: Annotated[
        float, typer.Option(min=1, help="Exposure in us of both cameras, or of the LSR camera alone.")
    ] = 2000.0,
    hsr_exposure_us: Annotated[
        float | None, typer.Option(min=1, help="Exposure in us of the HSR camera.")
    ] = None,
    gain_db: Annotated[float, typer.Option(min=0, max=48, help="Gain of both cameras in dB.")] = 0.0,
    pixel_format: Annotated[
        PixelFormat,
        typer.Option(
            help="Pixel format of both cameras; the 12-bit ones are stored packed, 3 bytes for 2 pixels."
        ),
    ] = PixelFormat.BAYER_RG8,
    line: Annotated[str, typer.Option(help="Trigger input, Line0 (opto) or Line3 (3.3 V).")] = "Line0",
    pulses: Annotated[
        PulseMaker, typer.Option(help="Who makes the pulses: a box, or the LSR camera through a divider.")
    ] = PulseMaker.BOX,
    pulse_test: Annotated[
        bool, typer.Option("--pulse-test", help="Only look whether the pulses arrive as planned.")
    ] = False,
    name: Annotated[str, typer.Option(help="Name of the take.")] = "",
    notes: Annotated[str, typer.Option(help="Notes kept in the take.")] = "",
    json: JsonOption = False,
) -> None:
    """Record a take with two triggered cameras.

    Missing frames are counted and warned of; the exit code is 0 as long as both
    cameras are part of the take at its end. It is 1 when one of them left for
    good or the take ended early: the take is kept, and the last line on standard
    error says what it lacks.
    """
    from app.capture import CaptureJob, check_pulses, run_job
    from app.session import RigSetup

    if out is None and not pulse_test:
        raise typer.BadParameter("--out is missing: the folder of the new take")
    if emulate and serials is not None:
        raise typer.BadParameter("--serials names real cameras; leave it out with --emulate")
    if not emulate and (real_time or seed is not None or baseline_mm is not None):
        raise typer.BadParameter("--real-time, --seed and --baseline-mm belong to --emulate")
    setup = RigSetup(
        emulate=emulate,
        real_time=real_time,
        seed=seed or 0,
        baseline_mm=50.0 if baseline_mm is None else baseline_mm,
        serials=parse_serials(serials) if serials is not None else None,
        hsr_size=parse_size(hsr_size, "--hsr-size"),
        lsr_size=parse_size(lsr_size, "--lsr-size"),
        hsr_fps=hsr_fps,
        ratio=ratio,
        hsr_exposure_us=hsr_exposure_us if hsr_exposure_us is not None else exposure_us,
        lsr_exposure_us=exposure_us,
        gain_db=gain_db,
        pixel_format=pixel_format,
        line=line,
        master=pulses is PulseMaker.CAMERA,
    )
    if pulse_test:
        findings = check_pulses(setup, lambda t: say(t, quiet=json))
        for finding in findings.values():
            say(finding.text, quiet=json)
        emit({str(role): asdict(finding) for role, finding in findings.items()}, as_json=json)
        if not all(finding.ok for finding in findings.values()):
            raise SessionError("the pulses are not as planned, see above; `--json` has the figures")
        return
    job = CaptureJob(setup, out or Path(), seconds, rig_file=rig, name=name, notes=notes)
    with (
        interrupts(threading.Event()) as stop,
        progress_bar("recording", total=job.expected_lsr_frames) as bar,
    ):
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            bar.advance(count - done)
            done = count

        report = run_job(
            job,
            on_frame=advance,
            should_stop=stop.is_set,
            say=lambda t: say(t, quiet=json),
            alarm=warn,
        )
    counts = " and ".join(f"{report.frames(role)} {role.name}" for role in Role)
    if report.kept:
        say(
            f"{report.path}: {counts} frames in {report.seconds:.2f} s, {report.frames_lost} lost", quiet=json
        )
    incomplete = tuple(map(str, report.left)) if report.stop_reason is None and report.kept else ()
    # That a take which was stopped before its first frame lacks frames is no news.
    for warning in report.recording.warnings if report.kept else ():
        if warning not in (f"recording stopped: {report.stop_reason}", *incomplete):
            warn(warning)
    emit(report.to_json(), as_json=json)
    if not report.kept:
        raise SessionError(
            f"nothing was recorded, {report.path} is not kept: {report.stop_reason or 'stopped'}"
        )
    if report.stop_reason is not None:
        raise SessionError(f"{report.path} ended early and is kept: {report.stop_reason}")
    if incomplete:
        raise SessionError(f"{report.path} is kept but incomplete: {'; '.join(incomplete)}")
