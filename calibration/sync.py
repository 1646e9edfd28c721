"""When did one clip see what the other saw? Sound first, then motion, then single frames.

The sound places two clips within the time that it takes to travel between the microphones plus whatever the
recorders shift their sound by, and it alone tells drift. Motion energy places silent clips. Matching frames
then says what counts for fusion: which LSR frame shows what an HSR frame shows, to a part of a frame.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from calibration._sync_audio import AUDIO_RATE, NO_AUDIO, AudioSync, sync_audio
from calibration._sync_frames import (
    FrameSync,
    FrameWindow,
    band_pass,
    exposure_kernel,
    match_frames,
)
from calibration._sync_motion import MotionSync, motion_curve, motion_times, sync_motion
from calibration._sync_points import PointSync, sync_points

__all__ = [
    "AUDIO_RATE",
    "BELIEVABLE",
    "NO_AUDIO",
    "AudioSync",
    "FrameSync",
    "FrameWindow",
    "MotionSync",
    "PointSync",
    "SyncEstimate",
    "band_pass",
    "combine",
    "exposure_kernel",
    "match_frames",
    "motion_curve",
    "motion_times",
    "sync_audio",
    "sync_motion",
    "sync_points",
]

BELIEVABLE = 0.5
"""Confidence from which an estimate is used without asking the operator."""

_DRIFT_KNOWN_PPM = 5.0
_SOUND_SPEED = 343.0
_SOME_FRAMES = 4


@dataclass(frozen=True, slots=True)
class SyncEstimate:
    """Relation of two clips in time: t_lsr = t_hsr + shift_s + drift_ppm * 1e-6 * (t_hsr - at_s).

    Attributes:
        shift_s: What to add to an HSR time to get the LSR time of the same instant, at `at_s` [s].
        drift_ppm: How much faster the LSR clock runs [ppm]; 0 where it could not be measured.
        at_s: HSR time that `shift_s` belongs to [s].
        confidence: 0..1; below `BELIEVABLE` the operator should check or enter the offset.
        method: "frames", "audio", "motion" or "none".
        warnings: Contradictions and doubts, one sentence each.

    """

    shift_s: float
    drift_ppm: float
    at_s: float
    confidence: float
    method: str
    warnings: tuple[str, ...] = field(default=())

    def shift_at(self, hsr_s: float) -> float:
        """What to add to this HSR time [s]."""
        return self.shift_s + self.drift_ppm * 1e-6 * (hsr_s - self.at_s)


def combine(
    audio: AudioSync,
    motion: MotionSync | None,
    frames: FrameSync | None,
    *,
    frames_at_s: float,
    lsr_period_s: float,
) -> SyncEstimate:
    """Weigh what sound, motion and frames say.

    Matching frames decides where it is believable, for it measures what fusion needs; the sound's drift is
    kept. Differences of more than one LSR frame are reported.

    Args:
        audio: From `sync_audio`; `NO_AUDIO` where there is none.
        motion: From `sync_motion`; None where it was not needed.
        frames: From `match_frames`; None where there was nothing to start from.
        frames_at_s: Mean HSR time of the matched frames [s].
        lsr_period_s: Time between LSR frames [s].

    """
    warnings = []
    heard = audio.confidence >= BELIEVABLE
    drift = audio.drift_ppm if heard and audio.drift_error_ppm <= _DRIFT_KNOWN_PPM else 0.0
    moved = motion is not None and motion.confidence >= BELIEVABLE
    seen = frames is not None and frames.confidence >= BELIEVABLE
    if frames is not None and seen:
        confidence = frames.confidence
        if heard:
            heard_there = audio.shift_s + drift * 1e-6 * (frames_at_s - audio.at_s)
            apart = frames.shift_s - heard_there
            if abs(apart) > lsr_period_s:
                warnings.append(
                    f"sound and pictures differ by {apart * 1e3:.1f} ms ({abs(apart) / lsr_period_s:.1f} LSR "
                    f"frames, {abs(apart) * _SOUND_SPEED:.1f} m of sound path); the pictures are used"
                )
        elif not moved:
            # Frames were matched around a place that nothing else confirms.
            confidence *= 0.6
            if confidence < BELIEVABLE:
                warnings.append(
                    "the pictures agree, but neither sound nor motion says that it is the right place; "
                    "compare a frame of each clip by eye"
                )
        return SyncEstimate(frames.shift_s, drift, frames_at_s, confidence, "frames", tuple(warnings))
    if heard:
        warnings.append("the pictures cannot check the sound exactly; it may be off by about one LSR frame")
        return SyncEstimate(
            audio.shift_s, drift, audio.at_s, min(audio.confidence, 0.8), "audio", tuple(warnings)
        )
    if frames is not None and frames.frames >= _SOME_FRAMES:
        warnings.append(
            "few frames moved enough to tell the offset exactly; compare a frame of each clip by eye"
        )
        return SyncEstimate(
            frames.shift_s, 0.0, frames_at_s, min(frames.confidence, 0.45), "frames", tuple(warnings)
        )
    if motion is not None and motion.confidence > 0:
        warnings.append("only the amount of motion was usable; compare a frame of each clip by eye")
        return SyncEstimate(
            motion.shift_s, 0.0, frames_at_s, min(motion.confidence, 0.45), "motion", tuple(warnings)
        )
    warnings.append("neither sound nor motion says how the clips relate; enter the offset by hand")
    return SyncEstimate(0.0, 0.0, frames_at_s, 0.0, "none", tuple(warnings))
