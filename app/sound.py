"""The sound of a clip that belongs to pictures made from it, as long as they play in real time."""

from __future__ import annotations

from fractions import Fraction

from app.sinks import Codec
from drivers import ClipSound, FrameSource, Role, StreamPair, TakeStream, VideoClip


def sound_of(
    pair: StreamPair,
    heard: Role,
    shown: Role,
    first: int,
    seconds: Fraction,
    *,
    codec: Codec,
    real_time: bool,
) -> tuple[ClipSound | None, str]:
    """Sound for pictures of a pair.

    Args:
        pair: Both streams.
        heard: Whose sound is wanted: that of the stream shown, or the HSR stream's.
        shown: Whose moments the pictures show.
        first: That stream's frame which is shown first.
        seconds: How long the pictures last.
        codec: What they are written by.
        real_time: Whether they play as fast as they were filmed.

    Returns:
        The sound, or None where there is none that fits, and a word on it for the operator.

    """
    source: FrameSource = pair.hsr if heard is Role.HSR else pair.lsr
    if not isinstance(source, VideoClip | TakeStream) or not source.has_audio:
        return None, f"none: the {heard.name} stream has no sound"
    if codec.is_sequence:
        return None, "none: pictures have no sound"
    if not real_time:
        return None, "none: the output does not play in real time"
    start = int(source.mid_exposure_ns[first]) if heard is shown else _on_hsr_clock(pair, first)
    if isinstance(source, VideoClip) and source.capture_factor != 1:
        return None, f"none: the {heard.name} clip plays slower than it was filmed"
    sound = source.read_sound(start, start + round(seconds * 10**9))
    if sound is None:
        return None, f"none: the {heard.name} clip's sound cannot be decoded"
    return sound, f"of the {heard.name} clip"


def _on_hsr_clock(pair: StreamPair, lsr_index: int) -> int:
    """When an LSR frame was filmed, on the clock of the HSR clip [ns]."""
    hsr_start, lsr_start = int(pair.hsr.mid_exposure_ns[0]), int(pair.hsr_on_lsr_clock[0])
    passed = (int(pair.lsr.mid_exposure_ns[lsr_index]) - lsr_start) / (1 + pair.drift_ppm * 1e-6)
    return hsr_start + round(passed)
