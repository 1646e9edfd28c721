"""What the operator names on the command line or drops on the window -> a pair of streams."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from app.errors import InputError
from drivers import StreamPair, Take, open_clip_pair


def open_inputs(paths: Sequence[Path], *, offset_ms: float | None = None) -> StreamPair:
    """The streams of a take folder, or of two clips (HSR first).

    Args:
        paths: One take folder, or two clips.
        offset_ms: Time of the first HSR frame minus that of the first LSR frame [ms]; None = not known.

    Raises:
        InputError: Neither one take nor two clips; or two clips whose offset is not known.
        SourceError: An input cannot be read.

    """
    if len(paths) == 1:
        path = paths[0]
        if path.exists() and not path.is_dir():
            raise InputError(f"{path} is one clip; fuse needs two (HSR then LSR), or the folder of a take")
        if offset_ms is not None:
            raise InputError("--offset-ms belongs to two clips; a take knows its own times")
        return Take.open(path).pair()
    if len(paths) == 2:
        if offset_ms is None:
            raise InputError("the offset between the two clips is not known; give it with --offset-ms")
        return open_clip_pair(paths[0], paths[1], offset_ms=offset_ms)
    raise InputError(f"{len(paths)} inputs were given; give one take folder or two clips (HSR then LSR)")
