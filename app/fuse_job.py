"""What one fusion job is to do, and what it did."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

from app.fusion_options import FusionOptions


@dataclass(frozen=True, slots=True)
class FuseJob:
    """A fusion job as the operator describes it.

    Attributes:
        inputs: One take folder, or two clips (HSR first).
        out: The file to write; a name without ending is a folder of pictures.
        options: How to fuse.
        offset_ms: Offset of two clips [ms]; None = find it.
        nudge_ms: Added to that offset, or to the one stored with a take of clips [ms].
        capture_factor: How many times slower the LSR clip of two plays than it was filmed; None = find it.
        codec: A name from `app.sinks.codecs.CODECS`; None chooses by the ending.
        quality: A name from `app.sinks.codecs.QUALITIES`.
        playback_fps: Rate written into the file; None = real time.
        resume: Go on with what a stopped job left.
        overwrite: Replace an existing output.

    """

    inputs: tuple[Path, ...]
    out: Path
    options: FusionOptions = field(default_factory=FusionOptions)
    offset_ms: float | None = None
    nudge_ms: float = 0.0
    capture_factor: float | None = None
    codec: str | None = None
    playback_fps: float | None = None
    resume: bool = False
    overwrite: bool = False
    quality: str = "high"


@dataclass(frozen=True, slots=True)
class FuseResult:
    """What a finished job made."""

    path: Path
    frames: int
    width: int
    height: int
    bits: int
    method: str
    model: str
    device: str
    seconds: float
    sound: str
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """The `--json` line."""
        return {**asdict(self), "path": str(self.path)}
