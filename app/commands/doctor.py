"""`twinrate doctor`: what is installed, found, fast enough, and what to do about the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands._common import JsonOption, emit, progress_bar, say
from app.errors import AppError


def command(
    folder: Annotated[
        Path, typer.Option("--folder", help="Where takes will be recorded; its disk is measured.")
    ] = Path("."),
    json: JsonOption = False,
) -> None:
    """Check the machine: packages, cameras, USB, GPU, disk; say what to do about each problem."""
    from app.doctor import examine

    with progress_bar("examining"):
        findings = examine(folder)
    mark = {"ok": "ok     ", "note": "note   ", "problem": "PROBLEM"}
    for finding in findings:
        say(f"{mark[finding.state]}  {finding.subject}: {finding.text}", quiet=json)
        if finding.advice:
            say(f"         -> {finding.advice}", quiet=json)
    problems = [finding.subject for finding in findings if finding.state == "problem"]
    emit(
        {
            "problems": len(problems),
            "findings": [
                {"subject": f.subject, "state": f.state, "text": f.text, "advice": f.advice} for f in findings
            ],
        },
        as_json=json,
    )
    if problems:
        raise AppError(f"{len(problems)} of {len(findings)} checks found a problem: {', '.join(problems)}")
