"""Names that the window proposes for outputs: free, short enough, and with the ending of their format."""

from __future__ import annotations

import os
from itertools import chain, count
from pathlib import Path

from app.outputs import partial_path, sidecar_path
from app.sinks import CODECS

_ENDINGS = {suffix for codec in CODECS.values() for suffix in codec.suffixes if suffix}
_MOST_BYTES = 180
"""Of a take's name in that of an output: disks have names of 255, and longer ones stand beside the output."""


def proposed_name(take: str, kind: str, suffix: str) -> str:
    """Name of an output of a take: what a long name of the take leaves room for.

    Args:
        take: The take's name.
        kind: What is shown.
        suffix: The ending, or "".

    """
    short = os.fsencode(take)[:_MOST_BYTES].decode(errors="ignore")
    return f"{take if len(os.fsencode(take)) <= _MOST_BYTES else short}_{kind}{suffix}"


def free_name(wished: Path, taken: frozenset[Path]) -> Path:
    """The file, or one of a similar name, that neither exists nor is going to, nor has a part to resume."""

    def free(path: Path) -> bool:
        part = sidecar_path(partial_path(path))
        return path not in taken and not path.exists() and not part.exists()

    others = (wished.with_stem(f"{wished.stem}_{number}") for number in count(2))
    return next(filter(free, chain([wished], others)))


def with_ending(text: str, suffix: str) -> str:
    """The same file with the ending of another format; text that names no file stays as it is."""
    path = Path(text.strip()).expanduser()
    if os.path.basename(text.strip()) in ("", ".", ".."):
        return text
    # What follows a dot is part of the name unless it is the ending of a format: trial.01.
    stem = text.strip().removesuffix(path.suffix) if path.suffix.lower() in _ENDINGS else text.strip()
    return stem + suffix
