"""One fusion job from inputs to a finished file: what `twinrate fuse` and the window's job list run."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

from app.described import described
from app.errors import CancelledError, OutputError
from app.export import Sink, aspect_warning, cut_to_even, open_sink, pixel_aspect
from app.fuse_job import FuseJob, FuseResult
from app.inputs import clips_of, open_inputs
from app.outputs import check_output, partial_path, sidecar_path, write_json
from app.pipeline import Pipeline
from app.rates import nominal_rate
from app.sinks import Codec, codec_for
from app.sound import sound_of
from app.versions import versions
from drivers import Role, StreamPair


def _identity(job: FuseJob, pipeline: Pipeline, rate: Fraction) -> str:
    # What must be equal for frames of an earlier run to fit in front of this one's. A take's folder does not
    # tell: its time changes with every file in it, and the output may be one of them.
    takes = [path / "take.json" for path in job.inputs if path.is_dir()]
    parts = {
        "inputs": [[str(p.resolve()), p.stat().st_mtime_ns] for p in (*takes, *clips_of(pipeline.pair))],
        "pipeline": described(pipeline),
        "offset_ms": job.offset_ms,
        "nudge_ms": job.nudge_ms,
        "codec": job.codec,
        "quality": job.quality,
        "rate": str(rate),
        "versions": versions(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _may_resume(job: FuseJob, note: Path, identity: str) -> bool:
    if not job.resume or not note.is_file():
        return False
    try:
        found = json.loads(note.read_text(encoding="utf-8")).get("job")
    except (OSError, ValueError, AttributeError):
        found = None
    if found != identity:
        raise OutputError(
            f"{partial_path(job.out)} was made with other inputs or options; run with the same ones, "
            f"or without --resume to start afresh"
        )
    return True


def _clocks(pair: StreamPair, nudge_ms: float) -> dict[str, float | None]:
    """How the streams of a fused clip relate in time, for the file beside it; pulses need neither figure."""
    if pair.clock_offset_ns is None:
        return {"offset_ms": None, "drift_ppm": None}
    apart = int(pair.hsr_on_lsr_clock[0]) - int(pair.lsr.mid_exposure_ns[0])
    return {"offset_ms": round(apart * 1e-6 - nudge_ms, 6), "drift_ppm": pair.drift_ppm}


def run_job(
    job: FuseJob,
    *,
    on_start: Callable[[str, int, int], None] | None = None,
    on_frame: Callable[[], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> FuseResult:
    """Fuse, write, and leave exactly one of: the finished clip, or a playable partial one.

    Args:
        job: What to do.
        on_start: Called once with (text, frames in all, frames already done).
        on_frame: Called after each written frame.
        cancelled: Asked before each frame; True stops as Ctrl-C does.

    Raises:
        CancelledError: Stopped by the operator; names what was kept.
        AppError, DriverError, CalibrationError, FusionError: As their messages say.

    """
    codec = codec_for(job.codec, job.out, job.quality)
    check_output(job.out, overwrite=job.overwrite, inputs=job.inputs, described=True)
    pair = open_inputs(
        job.inputs, offset_ms=job.offset_ms, nudge_ms=job.nudge_ms, capture_factor=job.capture_factor
    )
    try:
        check_output(job.out, overwrite=job.overwrite, inputs=clips_of(pair))
        pipeline = Pipeline(pair, job.options, deep=codec.takes_16_bits)
        rate = pipeline.rate if job.playback_fps is None else nominal_rate(job.playback_fps)
        note = sidecar_path(partial_path(job.out))
        identity = _identity(job, pipeline, rate)
        resume = _may_resume(job, note, identity)
        sound, heard = sound_of(
            pipeline.pair,
            Role.HSR,
            Role.LSR,
            pipeline.gops[0].lsr_indices[0],
            (pipeline.slots[-1] + 1) / rate,
            codec=codec,
            real_time=rate == pipeline.rate,
        )
        sink = open_sink(
            job.out,
            codec,
            pipeline.width,
            pipeline.height,
            rate,
            resume=resume,
            sound=sound,
            slots=pipeline.slots,
            pixel_aspect=pixel_aspect(pipeline.pair.lsr),
        )

        def begin() -> None:
            # Another job may have finished this output while this one prepared itself.
            check_output(job.out, overwrite=job.overwrite)
            write_json(note, {"job": identity, **described(pipeline)})
            if on_start is not None:
                text = f"fusing by {pipeline.fuser.method} on {pipeline.fuser.device}"
                on_start(text, pipeline.frame_count, sink.frames_done)

        return _run(job, codec, pipeline, sink, rate, heard, begin, on_frame, cancelled)
    finally:
        pair.hsr.close()
        pair.lsr.close()


def _goes_on(error: OutputError) -> OutputError:
    """The same, where what was written before is kept."""
    return OutputError(f"{error}; --resume goes on with what is done")


def _run(
    job: FuseJob,
    codec: Codec,
    pipeline: Pipeline,
    sink: Sink,
    rate: Fraction,
    heard: str,
    begin: Callable[[], None],
    on_frame: Callable[[], None] | None,
    cancelled: Callable[[], bool] | None,
) -> FuseResult:
    note = sidecar_path(partial_path(job.out))
    began = time.monotonic()
    computed = 0
    try:
        begin()
        for frame in pipeline.frames(skip=sink.frames_done, cancelled=cancelled):
            sink.write(frame.image)
            computed += 1
            if on_frame is not None:
                on_frame()
    except (KeyboardInterrupt, CancelledError):
        kept = sink.abandon()
        if kept is None:
            note.unlink(missing_ok=True)
            raise CancelledError("stopped before the first frame; nothing was written") from None
        raise CancelledError(
            f"stopped after {sink.frames_done} of {pipeline.frame_count} frames; they are in {kept}; "
            f"run again with --resume to go on"
        ) from None
    except BaseException as error:
        if sink.abandon() is None:
            note.unlink(missing_ok=True)
        elif isinstance(error, OutputError):
            raise _goes_on(error) from error
        raise
    try:
        sink.finish()
    except OutputError as error:
        if note.is_file():
            raise _goes_on(error) from error
        raise
    seconds = time.monotonic() - began
    partial_path(job.out).unlink(missing_ok=True)
    note.unlink(missing_ok=True)
    result = FuseResult(
        path=job.out,
        frames=pipeline.frame_count,
        width=sink.width,
        height=sink.height,
        bits=codec.bits(deep=pipeline.deep),
        method=pipeline.fuser.method,
        model=pipeline.fuser.model,
        device=pipeline.fuser.device,
        seconds=round(seconds, 3),
        sound=heard,
        warnings=(
            *pipeline.warnings,
            *cut_to_even(pipeline.width, pipeline.height, sink),
            *aspect_warning(codec, pixel_aspect(pipeline.pair.lsr)),
        ),
    )
    write_json(
        sidecar_path(job.out),
        {
            **result.to_json(),
            **described(pipeline),
            "inputs": [str(p) for p in job.inputs],
            **_clocks(pipeline.pair, job.nudge_ms),
            "nudge_ms": job.nudge_ms,
            "codec": codec.name,
            "quality": job.quality,
            "playback_rate": str(rate),
            "versions": versions(),
            "seconds_per_frame": round(seconds / computed, 4) if computed else None,
            "frames_computed": computed,
            "frames_resumed": pipeline.frame_count - computed,
            "per_frame": [asdict(record) for record in pipeline.records()],
        },
    )
    return result
