"""Two recordings without a common clock -> their offset in time: `twinrate sync`, import and fuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from app.sync.picture_search import PictureSearch
from calibration.sync import (
    BELIEVABLE,
    NO_AUDIO,
    AudioSync,
    FrameSync,
    MotionSync,
    SyncEstimate,
    combine,
)
from drivers import StreamPair


@dataclass(frozen=True, slots=True)
class SyncReport:
    """How two streams relate in time, and what said so.

    Attributes:
        offset_ms: Time of the first HSR frame's mid-exposure minus that of the first LSR frame [ms].
        drift_ppm: How much faster the LSR clock runs [ppm]; 0 where it could not be measured.
        confidence: 0..1; below 0.5 the operator should check.
        method: "frames", "audio", "motion", "none" or "trigger".
        warnings: Contradictions and doubts, one sentence each.
        audio_offset_ms: What the sound alone says [ms]; None without believable sound.
        motion_offset_ms: What the amount of motion says [ms]; None where it was not used.
        frames_offset_ms: What matching frames says [ms]; None where it was not possible.
        timer_offset_ms: What a filmed timer says [ms]; None where none was read.
        stored_offset_ms: What the take says, and fusing it goes by [ms]; None where it says nothing.

    """

    offset_ms: float
    drift_ppm: float
    confidence: float
    method: str
    warnings: tuple[str, ...] = ()
    audio_offset_ms: float | None = None
    motion_offset_ms: float | None = None
    frames_offset_ms: float | None = None
    timer_offset_ms: float | None = None
    stored_offset_ms: float | None = None

    def to_json(self) -> dict[str, object]:
        """Keys for `--json`."""
        return {
            "offset_ms": self.offset_ms,
            "drift_ppm": self.drift_ppm,
            "confidence": self.confidence,
            "method": self.method,
            "warnings": list(self.warnings),
            "audio_offset_ms": self.audio_offset_ms,
            "motion_offset_ms": self.motion_offset_ms,
            "frames_offset_ms": self.frames_offset_ms,
            "timer_offset_ms": self.timer_offset_ms,
            "stored_offset_ms": self.stored_offset_ms,
        }


def sync_streams(
    pair: StreamPair,
    *,
    audio: AudioSync = NO_AUDIO,
    search: PictureSearch | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> SyncReport:
    """Find the offset of two recorded streams.

    Args:
        pair: Both streams; `clock_offset_ns` is not looked at.
        audio: What their sound says, with times counted from the first frame of each stream.
        search: One that has looked at their pictures already.
        on_progress: Called with the share done, 0..1, where there is no such search.

    Raises:
        SourceError: A frame cannot be read.

    """
    if search is None:
        search = PictureSearch(pair, on_progress or (lambda _: None))
    if audio.confidence >= BELIEVABLE:
        search.check_only()
    motion: MotionSync | None = None
    starts: tuple[float, ...] = ()
    if audio.confidence >= BELIEVABLE:
        middle = float(search.hsr_s[-1]) / 2
        starts = (audio.shift_s + audio.drift_ppm * 1e-6 * (middle - audio.at_s),)
    else:
        motion = search.motion()
        starts = motion.candidates[: 1 if motion.confidence >= BELIEVABLE else None]
    tried = [search.frames(start) for start in starts]
    frames, frames_at = max(tried, key=_alike, default=(None, 0.0))
    estimate = combine(audio, motion, frames, frames_at_s=frames_at, lsr_period_s=search.lsr_period)
    return _report(estimate, audio, motion, frames)


def _alike(tried: tuple[FrameSync | None, float]) -> tuple[bool, float]:
    """Order of attempts: those in which several frames agree first, then by how alike the pictures are."""
    frames = tried[0]
    return (False, 0.0) if frames is None else (frames.frames >= 4, frames.similarity)


def _report(
    estimate: SyncEstimate,
    audio: AudioSync,
    motion: MotionSync | None,
    frames: FrameSync | None,
) -> SyncReport:
    heard = audio.shift_s - audio.drift_ppm * 1e-6 * audio.at_s
    return SyncReport(
        offset_ms=estimate.shift_at(0.0) * 1e3,
        drift_ppm=estimate.drift_ppm,
        confidence=estimate.confidence,
        method=estimate.method,
        warnings=estimate.warnings,
        audio_offset_ms=heard * 1e3 if audio.confidence >= BELIEVABLE else None,
        motion_offset_ms=None if motion is None or motion.confidence == 0 else motion.shift_s * 1e3,
        frames_offset_ms=None if frames is None or frames.frames == 0 else frames.shift_s * 1e3,
    )
