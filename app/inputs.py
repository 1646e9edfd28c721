"""What the operator names on the command line or drops on the window -> a pair of streams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from app.errors import InputError
from app.sync import open_synced
from drivers import Role, StreamPair, Take, VideoClip

FARTHEST_MS = 7 * 24 * 3600e3
"""No two clips of one event are farther apart than a week [ms]."""


def open_inputs(
    paths: Sequence[Path],
    *,
    offset_ms: float | None = None,
    nudge_ms: float = 0.0,
    capture_factor: float | None = None,
) -> StreamPair:
    """The streams of a take folder, or of two clips (HSR first).

    Args:
        paths: One take folder, or two clips.
        offset_ms: Time of the first HSR frame minus that of the first LSR frame [ms]; None finds it.
        nudge_ms: Added to the offset that was given, found, or stored with the take [ms].
        capture_factor: How many times slower the LSR clip plays than it was filmed; None finds it.

    Raises:
        InputError: Neither one take nor two clips; a take of which one stream has no frames; or what is left
            to be found of two clips cannot be.
        SourceError: An input cannot be read.

    """
    if len(paths) == 1:
        path = paths[0]
        if path.exists() and not path.is_dir():
            raise InputError(f"{path} is one clip; fuse needs two (HSR then LSR), or the folder of a take")
        if offset_ms is not None:
            raise InputError("--offset-ms belongs to two clips; a take knows its own times")
        if capture_factor is not None:
            raise InputError("--capture-factor belongs to two clips; a take knows its own times")
        take = Take.open(path)
        empty = next((role.name for role in Role if not take.stream(role).info.frame_count), None)
        if empty:
            take.close()
            raise InputError(
                f"{path}: the {empty} stream has no frames, and both are needed; "
                "record again with both cameras triggered"
            )
        return nudged(take.pair(), nudge_ms)
    if len(paths) == 2:
        synced = open_synced(paths[0], paths[1], offset_ms=offset_ms, capture_factor=capture_factor)
        synced.require_offset()
        pair = replace(synced.pair, findings=(*synced.pair.findings, *synced.warnings))
        return nudged(pair, nudge_ms)
    raise InputError(f"{len(paths)} inputs were given; give one take folder or two clips (HSR then LSR)")


def nudged(pair: StreamPair, nudge_ms: float) -> StreamPair:
    """The same streams, the HSR frames later by so much on the LSR clock [ms].

    Raises:
        InputError: No number, more than a week, or both cameras followed one trigger, which leaves nothing to
            correct.

    """
    if nudge_ms == 0:
        return pair
    if not abs(nudge_ms) <= FARTHEST_MS:
        pair.hsr.close()
        pair.lsr.close()
        raise InputError(f"--nudge-ms {nudge_ms:g} is no number of milliseconds within a week")
    if pair.clock_offset_ns is None:
        pair.hsr.close()
        pair.lsr.close()
        raise InputError("--nudge-ms belongs to clips; the frames of this take are paired by their trigger")
    return replace(pair, clock_offset_ns=pair.clock_offset_ns + round(nudge_ms * 1e6))


def clips_of(pair: StreamPair) -> list[Path]:
    """The video files behind a pair; a take may refer to clips that lie elsewhere."""
    return [stream.path for stream in (pair.hsr, pair.lsr) if isinstance(stream, VideoClip)]
