"""Two clips of any camera -> a synchronised pair: capture factor, sound, pictures. Qt-free."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np

from app.errors import CaptureFactorError, OffsetError
from app.sync.picture_search import PictureSearch
from app.sync.streams import SyncReport, sync_streams
from calibration.sync import AUDIO_RATE, BELIEVABLE, NO_AUDIO, AudioSync, sync_audio
from drivers import FrameSource, StreamPair, TakeStream, VideoClip
from drivers.iphone import check_rates, open_clips
from drivers.pairing import regular_times

_REAL_TIME = 1.5  # an LSR clip this much faster than the HSR clip was not slowed down
_FACTORS = (1.0, 2.0, 4.0, 8.0, 16.0)
_FILMED = (120, 240, 480, 960)  # rates of slow motion [1/s]; shown at 24, 25 or 50 they give other factors
_SHOWN = (24, 25, 30, 50, 60)
_NTSC = 0.005  # 29.97 is 30 here: cameras slow both rates down by 1.001
_CLEAR = 0.75
_MARGIN = 0.04
_WHOLE = 0.02  # a factor this near to a whole number is one: tags and containers round their rates


@dataclass(frozen=True, slots=True)
class CaptureFactor:
    """How many times slower the LSR clip plays than it was filmed.

    Attributes:
        factor: 1 for clips in real time.
        reason: What says so, for the operator.
        doubt: What the operator should know where the pictures do not confirm it.

    """

    factor: float
    reason: str
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class SyncedClips:
    """Two open clips on one clock.

    Attributes:
        pair: The streams with their offset.
        capture: The LSR clip's capture factor.
        report: How the offset was found; None when the operator gave it.
        warnings: What the operator should know, one sentence each.

    """

    pair: StreamPair
    capture: CaptureFactor
    report: SyncReport | None
    warnings: tuple[str, ...]

    def require_offset(self) -> None:
        """Close both clips and raise where the offset was found, but not surely.

        Raises:
            OffsetError: So it is; the message says what to do.

        """
        report = self.report
        if report is None or report.confidence >= BELIEVABLE:
            return
        self.pair.hsr.close()
        self.pair.lsr.close()
        known = report.method != "none"
        guess = f" (best guess {report.offset_ms:.1f} ms)" if known else ""
        raise OffsetError(
            f"the offset between the two clips cannot be found surely{guess}; {report.warnings[0]}, "
            f"or give it with --offset-ms{self.capture.doubt and f'; {self.capture.doubt}'}",
            report.offset_ms if known else None,
        )


def find_capture_factor(hsr: VideoClip, lsr: VideoClip, search: PictureSearch) -> CaptureFactor:
    """Propose how much slower the LSR clip plays than it was filmed, and verify it by the motion in both.

    Phones save 240 fps slow motion as an ordinary 30 fps video without a mark. A clip that is not clearly
    faster than its partner is tried at 2 to 16 times its rate, and at the rates that cameras film at.

    Raises:
        CaptureFactorError: No factor makes both clips move alike; the operator must say it.

    """
    if lsr.info.frame_count == 1:
        return CaptureFactor(1.0, "it is one frame")
    declared = lsr.declared_rate
    slowed = 1.0 if declared is None else declared / _playback_rate(lsr)
    if slowed > _REAL_TIME:
        whole = float(round(slowed))
        factor = whole if abs(slowed - whole) <= _WHOLE * whole else slowed
        return CaptureFactor(factor, f"its tags say that it was filmed at {declared:g} fps")
    if lsr.info.fps > hsr.info.fps * _REAL_TIME:
        return CaptureFactor(1.0, f"it plays at {lsr.info.fps:.2f} fps")
    factors = _possible_factors(_playback_rate(lsr))
    scores = search.correlations(factors)
    ranked = sorted(factors, key=lambda f: -scores[f])
    best, second = scores[ranked[0]], scores[ranked[1]]
    if search.is_still() or best < _CLEAR or best - second < _MARGIN:
        raise CaptureFactorError(
            f"{lsr.path}: plays at {lsr.info.fps:.0f} fps, no faster than the HSR clip, and its motion does "
            "not tell by how much it was slowed down; give --capture-factor (8 for 240 fps shown at 30)"
        )
    return CaptureFactor(
        ranked[0],
        f"its motion matches the HSR clip's (correlation {best:.2f})",
        f"the capture factor {ranked[0]:g} was told by motion alone and may be wrong, above all where one "
        "clip shows a part of the other; give --capture-factor if you know it",
    )


def _possible_factors(shown: float) -> list[float]:
    """Capture factors worth a try for a clip that plays at so many frames per second."""
    usual = [rate for rate in _SHOWN if abs(shown / rate - 1) < _NTSC]
    return sorted({*_FACTORS, *(filmed / rate for rate in usual for filmed in _FILMED)})


def _playback_rate(clip: VideoClip) -> float:
    """Frames per second as most steps of a clip show them: missing frames do not lower it."""
    return 1e9 / float(np.median(np.diff(regular_times(clip.mid_exposure_ns))))


def offset_by_sound(hsr: FrameSource, lsr: FrameSource) -> AudioSync:
    """Offset of two streams by their sound, with times counted from the first frame of each."""
    if not (isinstance(hsr, VideoClip | TakeStream) and isinstance(lsr, VideoClip | TakeStream)):
        return NO_AUDIO
    first, second = hsr.read_audio(AUDIO_RATE), lsr.read_audio(AUDIO_RATE)
    if first is None or second is None:
        return NO_AUDIO
    return sync_audio(
        first.samples,
        second.samples,
        hsr_start_s=first.start_s - int(hsr.mid_exposure_ns[0]) / 1e9,
        lsr_start_s=second.start_s - int(lsr.mid_exposure_ns[0]) / 1e9,
    )


def _created_warning(hsr: VideoClip, lsr: VideoClip, offset_ms: float) -> tuple[str, ...]:
    if hsr.created is None or lsr.created is None:
        return ()
    apart = (hsr.created - lsr.created).total_seconds()
    length = max(float(np.ptp(c.mid_exposure_ns)) / 1e9 for c in (hsr, lsr))
    if abs(apart - offset_ms / 1e3) <= length + 5.0:
        return ()
    told = timedelta(seconds=round(abs(apart)))
    return (f"the clips were made {told} apart by their dates; check that they show the same event",)


def _picture_warnings(hsr: VideoClip, lsr: VideoClip) -> tuple[str, ...]:
    found = [
        f"{clip.path} is interlaced, every other line of a frame shows another moment; deinterlace it "
        "first, or film progressive frames"
        for clip in (hsr, lsr)
        if clip.interlaced
    ]
    found += [
        f"{clip.path} ends {clip.missing_s:.2f} s before the end that it states, as a file that was cut off; "
        "copy it again from the camera"
        for clip in (hsr, lsr)
        if clip.missing_s
    ]
    if hsr.hdr != lsr.hdr:
        found.append(
            f"{(hsr if hsr.hdr else lsr).path} is HDR and was brought to ordinary colours; film with HDR "
            "switched off for best match"
        )
    return tuple(found)


def open_synced(
    hsr_path: Path | str,
    lsr_path: Path | str,
    *,
    offset_ms: float | None = None,
    capture_factor: float | None = None,
    deep: bool = True,
    on_progress: Callable[[float], None] | None = None,
) -> SyncedClips:
    """Open two clips and find what is not given.

    Args:
        hsr_path: The sharp, slow clip.
        lsr_path: The coarse, fast clip.
        offset_ms: Time of the first HSR frame minus that of the first LSR frame [ms]; None finds it.
        capture_factor: Of the LSR clip; None finds it.
        deep: See `drivers.open_clip`.
        on_progress: Called with the share done, 0..1.

    Raises:
        SourceError: A clip cannot be read, or they are swapped.
        CaptureFactorError: The capture factor cannot be found.

    """
    hsr, lsr = open_clips(hsr_path, lsr_path, capture_factor=capture_factor, deep=deep)
    try:
        return _synced(hsr, lsr, offset_ms, capture_factor, on_progress or (lambda _: None))
    except BaseException:
        hsr.close()
        lsr.close()
        raise


def _synced(
    hsr: VideoClip,
    lsr: VideoClip,
    offset_ms: float | None,
    capture_factor: float | None,
    on_progress: Callable[[float], None],
) -> SyncedClips:
    pair = StreamPair(hsr, lsr, None)
    search = PictureSearch(pair, on_progress)
    if capture_factor is None:
        capture = find_capture_factor(hsr, lsr, search)
        if capture.factor != 1.0:
            lsr.assume_capture_factor(capture.factor)
            search.read_times()
        check_rates(hsr.info, lsr.info)
    else:
        capture = CaptureFactor(capture_factor, "given")
    if offset_ms is not None:
        return SyncedClips(pair.at_offset(offset_ms), capture, None, _picture_warnings(hsr, lsr))
    report = sync_streams(pair, audio=offset_by_sound(hsr, lsr), search=search)
    warnings = report.warnings + _created_warning(hsr, lsr, report.offset_ms)
    if capture.doubt and report.confidence < BELIEVABLE:
        warnings += (capture.doubt,)
    warnings += _picture_warnings(hsr, lsr)
    return SyncedClips(pair.at_offset(report.offset_ms, report.drift_ppm), capture, report, warnings)
