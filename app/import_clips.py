"""Two clips -> a take: by reference to the files, or as raw frames. Qt-free."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from pydantic import JsonValue

from app import __version__
from app.damage import nearest_readable, stand_in
from app.errors import CancelledError, InputError
from app.export import pixel_aspect
from app.import_folder import whole_or_nothing
from app.inputs import nudged
from app.outputs import real_path, write_picture
from app.sync import SyncedClips, TimerCheck, TimerReadings, check_by_timer, open_synced
from drivers import (
    CameraMetadata,
    ClipReference,
    FrameSource,
    Pairing,
    PairingError,
    RgbImage,
    Role,
    SourceError,
    StreamPair,
    TakeMetadata,
    TakeWriter,
    VideoClip,
    pair_streams,
    to_rgb8,
    write_clip_take,
    write_take_sound,
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

    def warning_of(self, found: Iterable[str]) -> ImportResult:
        """The same with these sentences for the operator as well."""
        return replace(self, warnings=(*self.warnings, *found))

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
    on_write: Callable[[], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> ImportResult:
    """Make a take of two clips, whole or not at all.

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
        on_write: Called once, before anything is written.
        cancelled: Asked now and then; True ends the import, and nothing of it is left.

    Raises:
        CancelledError: Stopped by the operator.
        SourceError: A clip cannot be read, or they are swapped.
        OffsetError: Nothing tells the offset; or it was not found surely, and `sure` asks for that.
        InputError: The capture factor cannot be found, the timer was read in a frame that there is not, or a
            name is no text.
        PairingError: The clips do not overlap in time.
        TakeError: The folder exists or cannot be written.

    """
    for text in (*map(str, (hsr_path.absolute(), lsr_path.absolute(), out.absolute())), notes):
        _check_text(text)
    if os.path.lexists(out):
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

        def describe(known: ImportResult) -> TakeMetadata:
            return _metadata(synced, known, out, notes, transcode=transcode)

        found: dict[str, None] = {}
        pictures = _thumbnails(pair, found)
        if on_write is not None:
            on_write()
        with whole_or_nothing(out) as folder:
            if transcode:
                result = _write_frames(folder, describe, pair, result, found, tell)
            else:
                tell(1.0)
                result = result.warning_of(found)
                counts = {Role.HSR: result.hsr_frames, Role.LSR: result.lsr_frames}
                write_clip_take(folder, describe(result), counts=counts, report=result.to_json())
            for role, picture in pictures.items():
                write_picture(folder / f"{role.value}.jpg", picture)
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


def _check_text(text: str) -> None:
    """Refuse what take.json cannot hold, such as a name in the bytes of an old Windows.

    Raises:
        InputError: So it is.

    """
    try:
        text.encode()
    except UnicodeEncodeError:
        readable = text.encode(errors="backslashreplace").decode()
        raise InputError(
            f"{readable}: holds characters that are no UTF-8, which a take cannot keep; rename it"
        ) from None


def _camera(source: FrameSource) -> CameraMetadata:
    info = source.info
    return CameraMetadata(
        model=source.model if isinstance(source, VideoClip) else "",
        vendor=source.maker if isinstance(source, VideoClip) else "",
        width=info.width,
        height=info.height,
        pixel_format=info.pixel_format,
        frame_rate=info.fps,
        pixel_aspect=pixel_aspect(source).as_integer_ratio(),
    )


def _reference(source: FrameSource, out: Path) -> ClipReference | None:
    if not isinstance(source, VideoClip):
        return None
    path = real_path(source.path)
    try:
        size = path.stat().st_size
    except OSError as error:
        raise SourceError(
            f"{path}: has gone while it was imported ({error.strerror}); put it back and import it again"
        ) from error
    try:
        relative = os.path.relpath(path, real_path(out)).replace(os.sep, "/")
    except ValueError:
        # Another drive on Windows: there is no way from one to the other.
        relative = ""
    return ClipReference(
        path=str(path),
        relative=relative,
        size=size,
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
    folder: Path,
    describe: Callable[[ImportResult], TakeMetadata],
    pair: StreamPair,
    result: ImportResult,
    found: dict[str, None],
    tell: Callable[[float], None],
) -> ImportResult:
    total = result.hsr_frames + result.lsr_frames
    done = 0
    with TakeWriter(folder, describe(result)) as writer:
        for source in (pair.hsr, pair.lsr):
            if isinstance(source, VideoClip):
                write_take_sound(folder, source)
            ids, times = source.frame_ids, source.mid_exposure_ns
            for index in range(len(times)):
                frame, used = nearest_readable(source.read, index, len(times))
                if used != index:
                    found[stand_in(source.info.role.name, index, used)] = None
                    frame = replace(frame, frame_id=int(ids[index]), mid_exposure_ns=int(times[index]))
                writer.append(frame)
                done += 1
                if done % 8 == 0:
                    tell(done / total)
        result = result.warning_of(found)
        writer.restate(describe(result))
        writer.close(result.to_json())
    return result


def _thumbnails(pair: StreamPair, found: dict[str, None]) -> dict[Role, RgbImage]:
    """A small frame of the middle of each stream, so that a take can be recognised in a file manager."""
    small: dict[Role, RgbImage] = {}
    for source in (pair.hsr, pair.lsr):
        info = source.info
        middle = info.frame_count // 2
        wanted = source.key_frame_near(middle) if isinstance(source, VideoClip) else middle
        try:
            frame, used = nearest_readable(source.read, wanted, info.frame_count)
        except SourceError as error:
            # A take without this picture is as good as any other.
            found[str(error)] = None
            continue
        if used != wanted:
            found[stand_in(info.role.name, wanted, used)] = None
        image = to_rgb8(frame)
        width = min(_THUMBNAIL_WIDTH, image.shape[1])
        height = max(1, round(image.shape[0] * width / image.shape[1]))
        picture = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        small[info.role] = np.asarray(picture, np.uint8)
    return small
