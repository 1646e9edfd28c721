"""Two clips -> a take: by reference to the files, or as raw frames. Qt-free."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from pydantic import JsonValue

from app import __version__
from app.errors import CancelledError
from app.inputs import nudged
from app.outputs import write_picture
from app.sync import SyncedClips, TimerCheck, TimerReadings, check_by_timer, open_synced
from drivers import (
    CameraMetadata,
    ClipReference,
    DriverError,
    FrameSource,
    Pairing,
    PairingError,
    Role,
    SourceError,
    TakeMetadata,
    TakeWriter,
    VideoClip,
    pair_streams,
    write_clip_take,
)

_THUMBNAIL_WIDTH = 320


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import found and made.

    Attributes:
        path: The take's folder.
        hsr_frames: Frames of the HSR clip.
        lsr_frames: Frames of the LSR clip.
        gops: HSR frames with LSR frames around them.
        ratio: LSR frames per HSR frame, as measured.
        offset_ms: Time of the first HSR frame minus that of the first LSR frame [ms].
        drift_ppm: How much faster the LSR clock runs [ppm].
        confidence: Of the offset, 0..1; 1 when it was given.
        capture_factor: Of the LSR clip.
        capture_reason: What says so.
        timer_offset_ms: What a filmed timer says [ms]; None where none was read.
        damaged: Packets of both clips that could not be decoded.
        warnings: What the operator should know, one sentence each.

    """

    path: Path
    hsr_frames: int
    lsr_frames: int
    gops: int
    ratio: float
    offset_ms: float
    drift_ppm: float
    confidence: float
    capture_factor: float
    capture_reason: str
    timer_offset_ms: float | None
    damaged: int
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, JsonValue]:
        """Keys for `--json`, and the report in done.json."""
        return {
            "path": str(self.path),
            "hsr_frames": self.hsr_frames,
            "lsr_frames": self.lsr_frames,
            "gops": self.gops,
            "ratio": self.ratio,
            "offset_ms": self.offset_ms,
            "drift_ppm": self.drift_ppm,
            "confidence": self.confidence,
            "capture_factor": self.capture_factor,
            "capture_reason": self.capture_reason,
            "timer_offset_ms": self.timer_offset_ms,
            "damaged_packets": self.damaged,
            "warnings": list(self.warnings),
        }


def import_clips(
    hsr_path: Path,
    lsr_path: Path,
    out: Path,
    *,
    offset_ms: float | None = None,
    nudge_ms: float = 0.0,
    capture_factor: float | None = None,
    timer: TimerReadings | None = None,
    sure: bool = False,
    transcode: bool = False,
    notes: str = "",
    on_progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> ImportResult:
    """Make a take of two clips.

    Args:
        hsr_path: The sharp, slow clip.
        lsr_path: The coarse, fast clip.
        out: Folder of the new take.
        offset_ms: Known offset [ms]; None finds it.
        nudge_ms: Added to it [ms].
        capture_factor: Of the LSR clip; None finds it.
        timer: What a timer shows that both have filmed, to check the offset.
        sure: Refuse an offset that was not found surely, rather than warn about it.
        transcode: Store raw frames instead of referring to the files: larger by far, but independent of them.
        notes: Free text for the take.
        on_progress: Called with the share done, 0..1.
        cancelled: Asked now and then; True ends the import, and nothing of it is left.

    Raises:
        CancelledError: Stopped by the operator.
        SourceError: A clip cannot be read, or they are swapped.
        OffsetError: Nothing tells the offset; or it was not found surely, and `sure` asks for that.
        InputError: The capture factor cannot be found, or the timer was read in a frame that there is not.
        PairingError: The clips do not overlap in time.
        TakeError: The folder exists or cannot be written.

    """
    if out.exists():
        raise SourceError(f"{out}: already exists; choose another folder for the take")

    def tell(share: float) -> None:
        if cancelled is not None and cancelled():
            raise CancelledError(f"{out} was not finished; import the clips again")
        if on_progress is not None:
            on_progress(share)

    synced = open_synced(
        hsr_path, lsr_path, offset_ms=offset_ms, capture_factor=capture_factor, on_progress=tell
    )
    if sure or (synced.report is not None and synced.report.method == "none"):
        synced.require_offset()
    synced = replace(synced, pair=nudged(synced.pair, nudge_ms))
    pair = synced.pair
    try:
        pairing = pair_streams(pair)
        check = None if timer is None else check_by_timer(pair, timer)
        result = _result(out, synced, offset_ms, nudge_ms, check, pairing)
        metadata = _metadata(synced, result, out, notes, transcode=transcode)
        if transcode:
            _write_frames(out, metadata, pair.hsr, pair.lsr, result, tell)
        else:
            tell(1.0)
            counts = {Role.HSR: result.hsr_frames, Role.LSR: result.lsr_frames}
            write_clip_take(out, metadata, counts=counts, report=result.to_json())
        for source in (pair.hsr, pair.lsr):
            _write_thumbnail(out, source)
    finally:
        pair.hsr.close()
        pair.lsr.close()
    return result


def _result(
    out: Path,
    synced: SyncedClips,
    offset_ms: float | None,
    nudge_ms: float,
    check: TimerCheck | None,
    pairing: Pairing,
) -> ImportResult:
    report, pair = synced.report, synced.pair
    if report is None and offset_ms is None:
        raise PairingError("the clips have no offset")
    clips = [c for c in (pair.hsr, pair.lsr) if isinstance(c, VideoClip)]
    warnings = list(synced.warnings)
    damaged = sum(c.damaged_packets for c in clips)
    if damaged:
        warnings.append(f"{damaged} damaged packets were left out")
    used_ms = (report.offset_ms if report is not None else float(offset_ms or 0.0)) + nudge_ms
    doubt = None if check is None else check.warning(used_ms)
    if doubt is not None:
        warnings.append(doubt)
    return ImportResult(
        path=out,
        hsr_frames=pair.hsr.info.frame_count,
        lsr_frames=pair.lsr.info.frame_count,
        gops=len(pairing.gops),
        ratio=pairing.ratio,
        offset_ms=used_ms,
        drift_ppm=report.drift_ppm if report is not None else 0.0,
        confidence=report.confidence if report is not None else 1.0,
        capture_factor=synced.capture.factor,
        capture_reason=synced.capture.reason,
        timer_offset_ms=None if check is None else check.offset_ms,
        damaged=damaged,
        warnings=tuple(warnings),
    )


def _camera(source: FrameSource) -> CameraMetadata:
    info = source.info
    return CameraMetadata(
        model=source.model if isinstance(source, VideoClip) else "",
        vendor=source.maker if isinstance(source, VideoClip) else "",
        width=info.width,
        height=info.height,
        pixel_format=info.pixel_format,
        frame_rate=info.fps,
    )


def _reference(source: FrameSource, out: Path) -> ClipReference | None:
    if not isinstance(source, VideoClip):
        return None
    path = source.path.resolve()
    try:
        relative = os.path.relpath(path, out.resolve())
    except ValueError:
        # Another drive on Windows: there is no way from one to the other.
        relative = ""
    return ClipReference(
        path=str(path),
        relative=relative,
        size=path.stat().st_size,
        capture_factor=source.capture_factor,
    )


def _metadata(
    synced: SyncedClips, result: ImportResult, out: Path, notes: str, *, transcode: bool
) -> TakeMetadata:
    pair = synced.pair
    hsr = pair.hsr
    created = hsr.created if isinstance(hsr, VideoClip) else None
    return TakeMetadata(
        name=out.name,
        created=created.isoformat() if created is not None else "",
        hsr=_camera(pair.hsr),
        lsr=_camera(pair.lsr),
        clock_offset_ns=pair.clock_offset_ns,
        clock_drift_ppm=pair.drift_ppm,
        software_version=__version__,
        notes=notes,
        hsr_clip=None if transcode else _reference(pair.hsr, out),
        lsr_clip=None if transcode else _reference(pair.lsr, out),
        extra={"rig": "scene", "import": result.to_json()},
    )


def _write_frames(
    out: Path,
    metadata: TakeMetadata,
    hsr: FrameSource,
    lsr: FrameSource,
    result: ImportResult,
    tell: Callable[[float], None],
) -> None:
    total = result.hsr_frames + result.lsr_frames
    done = 0
    writer = TakeWriter(out, metadata)
    try:
        for source in (hsr, lsr):
            for frame in source.frames():
                writer.append(frame)
                done += 1
                if done % 8 == 0:
                    tell(done / total)
    except CancelledError:
        writer.close(complete=False)
        shutil.rmtree(out)
        raise
    except (DriverError, KeyboardInterrupt):
        writer.close(complete=False)
        raise
    writer.close(result.to_json())


def _write_thumbnail(out: Path, source: FrameSource) -> None:
    """hsr.jpg and lsr.jpg: a frame of the middle, so that a take can be recognised in a file manager."""
    middle = source.info.frame_count // 2
    image = source.read(source.key_frame_near(middle) if isinstance(source, VideoClip) else middle).image
    width = min(_THUMBNAIL_WIDTH, image.shape[1])
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    write_picture(out / f"{source.info.role.value}.jpg", np.asarray(small, np.uint8))
