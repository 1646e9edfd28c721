"""What `twinrate sync` does, without the command line around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from app.errors import InputError
from app.sync.clips import offset_by_sound, open_synced
from app.sync.streams import SyncReport, sync_streams
from app.sync.timer_check import TimerReadings, check_by_timer, write_timer_pictures
from calibration.sync import BELIEVABLE
from drivers import PairingError, PhaseBasis, StreamPair, Take, pair_streams

_CONFIDENCE = {PhaseBasis.CLOCKS: 1.0, PhaseBasis.COUNTERS: 0.9, PhaseBasis.DOUBTFUL: 0.3}
"""Frame ids alone cannot show a pulse that was lost before a camera's first frame."""


def run_sync(
    inputs: Sequence[Path],
    *,
    capture_factor: float | None = None,
    timer: TimerReadings | None = None,
    pictures: Path | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> SyncReport:
    """Find how two clips, or the streams of a take, relate in time.

    Args:
        inputs: Two clips, HSR first; or one take folder.
        capture_factor: Of the LSR clip; None finds it.
        timer: What a timer shows that both have filmed, to check the result.
        pictures: Folder to which one frame of each is written, at the same moment, to read a timer in.
        on_progress: Called with the share done, 0..1.

    Raises:
        InputError: Neither one take nor two clips, a take of which one stream has no frames, the capture
            factor cannot be found or is given for a take, or the timer was read in a frame that there is not.
        SourceError: An input cannot be read.

    """
    if len(inputs) == 2:
        synced = open_synced(inputs[0], inputs[1], capture_factor=capture_factor, on_progress=on_progress)
        pair, report = synced.pair, synced.report
        if report is None:
            raise InputError("the offset was given, there is nothing to find")
        report = replace(report, warnings=synced.warnings)
        try:
            return _checked(pair, report, timer, pictures)
        finally:
            pair.hsr.close()
            pair.lsr.close()
    if len(inputs) != 1:
        raise InputError(f"{len(inputs)} inputs were given; give two clips (HSR then LSR) or one take folder")
    if inputs[0].exists() and not inputs[0].is_dir():
        raise InputError(f"{inputs[0]} is one clip; give two (HSR then LSR), or the folder of a take")
    if capture_factor is not None:
        raise InputError("--capture-factor belongs to two clips; a take knows its own times")
    with Take.open(inputs[0]) as take:
        return _checked(take.pair(), _sync_take(inputs[0], take, on_progress), timer, pictures)


def _checked(
    pair: StreamPair, report: SyncReport, timer: TimerReadings | None, pictures: Path | None
) -> SyncReport:
    if pictures is not None:
        write_timer_pictures(pair, report.offset_ms, pictures)
    if timer is None:
        return report
    check = check_by_timer(pair, timer)
    warning = check.warning(report.offset_ms)
    warnings = report.warnings if warning is None else (*report.warnings, warning)
    return replace(report, timer_offset_ms=check.offset_ms, warnings=warnings)


def _sync_take(path: Path, take: Take, on_progress: Callable[[float], None] | None) -> SyncReport:
    """A triggered take by its frame ids; any other by its sound and pictures, beside the offset it has."""
    pair = take.pair()
    for name, stream in (("HSR", pair.hsr), ("LSR", pair.lsr)):
        if not stream.info.frame_count:
            raise InputError(f"{path}: the {name} stream has no frames; there is nothing to compare")
    try:
        clock = pair_streams(pair).clock
    except PairingError:
        clock = None
    if clock is None:
        sound = offset_by_sound(pair.hsr, pair.lsr)
        return _beside_stored(pair, sync_streams(pair, audio=sound, on_progress=on_progress))
    hsr, lsr = pair.hsr.mid_exposure_ns, pair.lsr.mid_exposure_ns
    offset_ns = int(clock.to_lsr(hsr[:1])[0]) - int(lsr[0])
    lost = [
        f"{count} {name} frames are missing"
        for name, count in (("HSR", clock.missing_hsr), ("LSR", clock.missing_lsr))
        if count
    ]
    return SyncReport(
        offset_ms=offset_ns / 1e6,
        drift_ppm=clock.drift_ppm,
        confidence=_CONFIDENCE[clock.basis],
        method="trigger",
        warnings=(*lost, *([clock.warning] if clock.warning else [])),
    )


def _beside_stored(pair: StreamPair, report: SyncReport) -> SyncReport:
    """The report with the offset that the take has, and a warning where it differs from what was found."""
    stored = pair.offset_ms
    if stored is None:
        return report
    warnings, apart = report.warnings, report.offset_ms - stored
    frames = abs(apart) * pair.lsr.info.fps / 1e3
    if report.confidence >= BELIEVABLE and frames > 1:
        warnings += (
            f"the take has an offset of {stored:.1f} ms, {frames:.1f} LSR frames "
            f"{'less' if apart > 0 else 'more'} than the one found; compare a frame of each by eye, and "
            f"fuse it with --nudge-ms {apart:.1f} if the one found is right",
        )
    return replace(report, warnings=warnings, stored_offset_ms=stored)
