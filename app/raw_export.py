"""The raw streams of a take as ordinary clips: one of them, or both side by side, without fusion."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import Enum
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from app.damage import nearest_readable, stand_in
from app.errors import CancelledError, InputError
from app.export import Sink, aspect_warning, cut_to_even, open_sink, pixel_aspect
from app.inputs import clips_of
from app.outputs import check_output, partial_path, sidecar_path, write_json
from app.rates import nominal_rate
from app.sinks import codec_for
from app.sound import sound_of
from app.timing import TOLD_NS, between, missing_frames, rate_to_show, read_timing, stream_timing
from app.versions import versions
from drivers import (
    FrameSource,
    Image,
    Pairing,
    PairingError,
    Role,
    StreamPair,
    Take,
    hsr_times_on_lsr_clock,
    pair_streams,
    to_rgb8,
    to_rgb16,
)

_SAME_MOMENT = 0.25
"""LSR periods between frames of one moment at most."""


class RawView(str, Enum):
    """What a raw export shows."""

    HSR = "hsr"
    LSR = "lsr"
    SIDE_BY_SIDE = "side by side"


@dataclass(frozen=True, slots=True)
class RawExportResult:
    """What a finished export made."""

    path: Path
    frames: int
    width: int
    height: int
    bits: int
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """The `--json` line."""
        return {**asdict(self), "path": str(self.path)}


@dataclass(frozen=True, slots=True)
class RawExportJob:
    """A raw export as the operator describes it.

    Attributes:
        take: The take's folder.
        out: The file to write; a name without ending is a folder of pictures.
        view: Which stream, or both.
        codec: A name from `app.sinks.codecs.CODECS`; None chooses by the ending.
        quality: A name from `app.sinks.codecs.QUALITIES`.
        playback_fps: Rate written into the file; None = real time.
        start_s: First moment, in real seconds after the first LSR frame; after the first HSR frame where
            there is no other.
        end_s: Moment to stop at; None = the end.
        overwrite: Replace an existing output.

    """

    take: Path
    out: Path
    view: RawView = RawView.SIDE_BY_SIDE
    codec: str | None = None
    playback_fps: float | None = None
    start_s: float = 0.0
    end_s: float | None = None
    overwrite: bool = False
    quality: str = "high"


def run_raw_export(
    job: RawExportJob,
    *,
    on_start: Callable[[str, int, int], None] | None = None,
    on_frame: Callable[[], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> RawExportResult:
    """Write the clip, and FILE.json beside it with how it was made.

    Args:
        job: What to write.
        on_start: Called once with (text, frames in all, 0).
        on_frame: Called after each written frame.
        cancelled: Asked before each frame; True removes what was written.

    Raises:
        CancelledError: Stopped by the operator.
        InputError: Nothing lies in the chosen range, or a stream that is shown has no frames.
        SourceError: The take cannot be read.
        PairingError: The times of its frames go backwards, or both are shown and cannot be paired.
        OutputError: The clip cannot be written.

    """
    codec = codec_for(job.codec, job.out, job.quality)
    check_output(job.out, overwrite=job.overwrite, inputs=(job.take,), described=True)
    with Take.open(job.take, deep=codec.takes_16_bits) as take:
        pair = take.pair()
        check_output(job.out, overwrite=job.overwrite, inputs=clips_of(pair))
        role = Role.HSR if job.view is RawView.HSR else Role.LSR
        indices = _range(take.stream(role), pair, job)
        pairing = pairing_of(pair)
        timing = stream_timing(pair, role, pairing)
        slots = [timing.slots[index] - timing.slots[indices[0]] for index in indices]
        missing = missing_frames(slots, role.name, "exported")
        findings = dict.fromkeys([missing] if missing else [])
        beside = side_by_side(pair, pairing) if job.view is RawView.SIDE_BY_SIDE else None
        deep = codec.takes_16_bits and is_deep(pair, job.view)
        bits = codec.bits(deep=deep)
        frames = raw_frames(pair, job.view, indices, findings, beside, deep=deep)
        first = next(frames)
        height, width = first.shape[:2]
        rate = timing.rate if job.playback_fps is None else nominal_rate(job.playback_fps)
        # What a stopped fusion left under this name cannot be resumed any more.
        sidecar_path(partial_path(job.out)).unlink(missing_ok=True)
        # Side by side, the LSR picture is brought to the HSR picture's pixels.
        aspect = pixel_aspect(pair.lsr if job.view is RawView.LSR else pair.hsr)
        sound, heard = sound_of(
            pair,
            Role.LSR if job.view is RawView.LSR else Role.HSR,
            role,
            indices[0],
            (slots[-1] + 1) / rate,
            codec=codec,
            real_time=rate == timing.rate,
        )
        sink = open_sink(job.out, codec, width, height, rate, sound=sound, slots=slots, pixel_aspect=aspect)
        if on_start is not None:
            on_start(f"exporting {job.view.value}", len(indices), 0)
        _write(sink, job, chain([first], frames), on_frame, cancelled)
        warnings = (*findings, *cut_to_even(width, height, sink), *aspect_warning(codec, aspect))
        write_json(
            sidecar_path(job.out),
            {
                "take": str(job.take),
                "name": take.metadata.name,
                "notes": take.metadata.notes,
                "simulated": take.metadata.simulated,
                "view": job.view.value,
                "frames": len(indices),
                "width": sink.width,
                "height": sink.height,
                "codec": codec.name,
                "bits": bits,
                "quality": job.quality,
                "start_s": job.start_s,
                "end_s": job.end_s,
                "playback_rate": str(rate),
                "sound": heard,
                "warnings": list(warnings),
                "versions": versions(),
                **_frame_rows(pair, role, indices, beside),
            },
        )
    return RawExportResult(job.out, len(indices), sink.width, sink.height, bits, warnings)


def _range(source: FrameSource, pair: StreamPair, job: RawExportJob) -> list[int]:
    if not (pair.hsr.info.frame_count or pair.lsr.info.frame_count):
        raise InputError(f"{job.take}: neither camera has frames in this take; there is nothing to export")
    if job.view is RawView.SIDE_BY_SIDE and not pair.hsr.info.frame_count:
        raise InputError(f"{job.take}: the HSR stream has no frames; export the LSR camera alone")
    if not source.info.frame_count:
        name, other = ("HSR", "LSR") if source is pair.hsr else ("LSR", "HSR")
        raise InputError(f"{job.take}: the {name} stream has no frames; export the {other} camera alone")
    if job.start_s <= 0 and job.end_s is None:
        return list(range(source.info.frame_count))
    times, zero = source.mid_exposure_ns, source
    leeway = TOLD_NS
    if source is pair.hsr and pair.lsr.info.frame_count:
        # Parts are chosen by LSR frames; the HSR frame of the same moment may be a trifle earlier or later.
        times, zero = hsr_times_on_lsr_clock(pair), pair.lsr
        leeway = round(_SAME_MOMENT * 1e9 / rate_to_show(pair.lsr))
    passed = times - zero.mid_exposure_ns[0]
    chosen = np.flatnonzero(between(passed, job.start_s, job.end_s, leeway_ns=leeway))
    if not len(chosen):
        end = "the end" if job.end_s is None else f"{job.end_s:g} s"
        last = int(passed[-1]) * 1e-9
        raise InputError(
            f"{job.take}: no frame lies between {job.start_s:g} s and {end}; the last one is at {last:.3f} s"
        )
    return [int(i) for i in chosen]


def _frame_rows(
    pair: StreamPair, role: Role, indices: list[int], beside: SideBySide | None
) -> dict[str, object]:
    """Where each frame of the clip comes from and when it was filmed, with names as in `FrameRecord`."""
    source, zero = pair.lsr if role is Role.LSR else pair.hsr, role
    times = source.mid_exposure_ns
    start = times[0]
    if role is Role.HSR and pair.lsr.info.frame_count:
        # One stream can be shown where nothing says how both relate: then it has its own time.
        with suppress(PairingError):
            times, start, zero = hsr_times_on_lsr_clock(pair), pair.lsr.mid_exposure_ns[0], Role.LSR
    name = role.name.lower()
    rows: list[dict[str, float | None]] = [
        {
            f"{name}_index": index,
            f"{name}_frame_id": int(source.frame_ids[index]),
            "time_s": round(int(times[index] - start) * 1e-9, 6),
        }
        for index in indices
    ]
    if beside is not None:
        for row, index in zip(rows, indices, strict=True):
            row["hsr_index"] = int(beside.owner[index]) if beside.owner[index] >= 0 else None
    return {"time_zero": f"first {zero.name} frame", "per_frame": rows}


def _write(
    sink: Sink,
    job: RawExportJob,
    frames: Iterable[Image],
    on_frame: Callable[[], None] | None,
    cancelled: Callable[[], bool] | None,
) -> None:
    """Write all frames and finish; whatever ends it earlier leaves nothing."""
    try:
        # Another job may have finished this output while this one prepared itself.
        check_output(job.out, overwrite=job.overwrite)
        for image in frames:
            if cancelled is not None and cancelled():
                raise CancelledError(f"{job.out} was not finished; export it again")
            sink.write(image)
            if on_frame is not None:
                on_frame()
        sink.finish()
    except BaseException:
        sink.discard()
        raise


def pairing_of(pair: StreamPair) -> Pairing | None:
    """How the streams are paired; None where they cannot be. Takes seconds for takes of an hour."""
    try:
        return pair_streams(pair)
    except PairingError:
        return None


class SideBySide(NamedTuple):
    """Which HSR frames are shown beside LSR frames.

    Attributes:
        owner: For every LSR frame the HSR frame that is shown beside it, -1 where none is, shape
            (LSR frames,): that of its GoP; where HSR frames are missing, the one before the gap until it
            ends.
        slots: Places of the HSR frames as in `app.timing.Timing`.

    """

    owner: npt.NDArray[np.int64]
    slots: tuple[Fraction, ...]


def side_by_side(pair: StreamPair, pairing: Pairing | None = None) -> SideBySide:
    """Find out what is shown beside what; takes seconds for takes of an hour.

    Args:
        pair: Both streams.
        pairing: What `pair_streams` found, where that is known already.

    Raises:
        PairingError: The streams cannot be paired.

    """
    pairing = pairing or pair_streams(pair)
    slots = read_timing(pair.hsr.mid_exposure_ns, pairing.lsr_period_ns * pairing.ratio).slots
    earliest = 1 - math.ceil(round(pairing.ratio / 2, 1))
    owner = np.full(pair.lsr.info.frame_count, -1, np.int64)
    for gop in pairing.gops:
        owner[list(gop.lsr_indices)] = gop.hsr_index
        before = gop.hsr_index - 1
        if before >= 0 and slots[gop.hsr_index] - slots[before] >= 2:
            # The GoP reaches back to the middle of the gap: from there on, its picture would come too early.
            early = sum(distance < earliest for distance in gop.distances)
            owner[list(gop.lsr_indices[:early])] = before
    return SideBySide(owner, slots)


def raw_frames(
    pair: StreamPair,
    view: RawView,
    indices: list[int],
    findings: dict[str, None] | None = None,
    beside: SideBySide | None = None,
    *,
    deep: bool = False,
) -> Iterator[Image]:
    """RGB pictures of a view, (H, W, 3), for these frames of the stream that sets its rate.

    Args:
        pair: Both streams.
        view: What is shown.
        indices: Frames of the HSR stream for that view, of the LSR stream otherwise.
        findings: Told, as keys, for which damaged frames others stand in, and how many HSR frames are missing
            beside those of the LSR stream.
        beside: What `side_by_side` found, where that is known already.
        deep: As uint16, whatever was recorded; otherwise as uint8.

    Raises:
        SourceError: A frame cannot be read, nor those around it.
        PairingError: Both are shown and cannot be paired.

    """

    def picture(hsr: bool, index: int) -> Image:
        source, name = (pair.hsr, "HSR") if hsr else (pair.lsr, "LSR")
        frame, used = nearest_readable(source.read, index, source.info.frame_count)
        if used != index and findings is not None:
            findings[stand_in(name, index, used)] = None
        return to_rgb16(frame) if deep else to_rgb8(frame)

    if view is not RawView.SIDE_BY_SIDE:
        for index in indices:
            yield picture(view is RawView.HSR, index)
        return
    owner, slots = beside or side_by_side(pair)
    seen = owner[indices][owner[indices] >= 0]
    missing = missing_frames(slots[seen[0] : seen[-1] + 1], "HSR", "exported") if len(seen) else ""
    if missing and findings is not None:
        findings[missing] = None
    dtype = np.uint16 if deep else np.uint8
    shown, left = -1, np.zeros((pair.hsr.info.height, pair.hsr.info.width, 3), dtype)
    height = left.shape[0]
    wider = float(pixel_aspect(pair.lsr) / pixel_aspect(pair.hsr))
    for index in indices:
        if owner[index] >= 0 and owner[index] != shown:
            shown = int(owner[index])
            left = picture(True, shown)
        lsr = picture(False, index)
        width = round(lsr.shape[1] * height / lsr.shape[0] * wider)
        right = cv2.resize(lsr, (width, height), interpolation=cv2.INTER_NEAREST)
        yield np.hstack([left, np.asarray(right, dtype)])


def is_deep(pair: StreamPair, view: RawView) -> bool:
    """Whether a stream that is shown was recorded with more than 8 bits."""
    if view is RawView.SIDE_BY_SIDE:
        return pair.deep
    return (pair.hsr if view is RawView.HSR else pair.lsr).info.pixel_format.deep
