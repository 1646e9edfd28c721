"""RGB frames to a video file, in segments: a stopped job leaves what plays, and can be resumed.

A video is encoded in short segments (one file of `SEGMENT_FRAMES` frames each, in a folder beside the output)
and joined at the end without encoding again. A stopped job therefore leaves a playable `clip.partial.mp4`,
and even a killed one loses only the segment it was writing: `resume=True` goes on behind the last whole one.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np
from av.container import OutputContainer

from app.errors import OutputError
from app.outputs import claim_parts, explain_write_error, partial_path
from app.sinks.codecs import Codec
from app.sinks.segments import BITEXACT, SEGMENT_FRAMES, SEGMENT_STEP, Segment, is_whole, location
from app.sinks.sound import SoundTrack
from drivers import ClipSound, Image, SourceError
from drivers.durable import give_name

_MOST = 1000  # frames/s where times are whole milliseconds (Matroska), or may not be finer (AVI)


class VideoSink:
    """A video file, colours converted and tagged as BT.709 unless the codec keeps RGB."""

    def __init__(
        self,
        path: Path,
        codec: Codec,
        width: int,
        height: int,
        rate: Fraction,
        *,
        resume: bool = False,
        sound: ClipSound | None = None,
        slots: Sequence[Fraction] | None = None,
        pixel_aspect: Fraction = Fraction(1),
    ) -> None:
        suffix = path.suffix.lower()
        if suffix in (".mkv", ".avi") and rate > _MOST:
            raise OutputError(
                f"{path}: {suffix} files hold at most {_MOST} frames/s, not {float(rate):g}; give a file "
                f"ending in .mp4 or .mov, or --fps {_MOST}"
            )
        self._path = path
        self._codec = codec
        self._sound = sound
        # Whole numbers of parts of a step: nearly always, one part is the step.
        self._parts = math.lcm(*(slot.denominator for slot in slots or ()))
        if suffix == ".avi":
            self._parts = min(self._parts, int(_MOST / rate))
        self._slots = [0]
        for slot in (slots or ())[1:]:
            self._slots.append(max(round(slot * self._parts), self._slots[-1] + 1))
        even = codec.needs_even_size
        self.width = width - width % 2 if even else width
        self.height = height - height % 2 if even else height
        self._rate = rate
        self._pixel_aspect = pixel_aspect
        partial = partial_path(path)
        self._folder = partial.with_name(partial.name + ".segments")
        self._segment: Segment | None = None
        self._claim = claim_parts(path, self._folder, resume=resume)
        self._done: list[Path] = []
        while is_whole(self._name(len(self._done))):
            self._done.append(self._name(len(self._done)))
        dropped = len(self._done)
        while self._name(dropped).exists():
            # One that is not whole, and what comes behind it.
            self._name(dropped).unlink()
            dropped += 1
        self.frames_done = len(self._done) * SEGMENT_FRAMES

    def _name(self, number: int) -> Path:
        return self._folder / f"{number:06d}.mkv"

    def _slot(self, number: int) -> int:
        """When a frame is shown, in ticks; before the first and after the last one at the rate."""
        nearest = min(max(number, 0), len(self._slots) - 1)
        return self._slots[nearest] + (number - nearest) * self._parts

    @property
    def _ticks(self) -> Fraction:
        """Ticks per second of the joined clip."""
        return self._rate * self._parts

    def write(self, image: Image) -> None:
        """See `Sink.write`."""
        if image.dtype != np.uint8 and not self._codec.takes_16_bits:
            raise TypeError(f"{self._codec.name} takes frames of 8 bits, not {image.dtype}")
        try:
            if self._segment is None:
                self._segment = Segment(
                    self._name(len(self._done)),
                    self._codec,
                    self.width,
                    self.height,
                    self._rate,
                    self._pixel_aspect,
                    deep=image.dtype == np.uint16,
                )
            self._segment.write(image[: self.height, : self.width])
            self.frames_done += 1
            if self._segment.frames == SEGMENT_FRAMES:
                self._close_segment()
        except (OSError, av.error.FFmpegError) as error:
            self._drop_segment()
            raise explain_write_error(error, self._path) from error

    def _drop_segment(self) -> None:
        """Forget a segment that could not be written; the whole ones before it stay."""
        self.frames_done = len(self._done) * SEGMENT_FRAMES
        if self._segment is not None:
            self._segment.drop()
        self._segment = None

    def _close_segment(self) -> None:
        if self._segment is not None:
            self.frames_done = len(self._done) * SEGMENT_FRAMES + self._segment.frames
            self._done.append(self._segment.close())
            self._segment = None

    def _join(self, target: Path) -> None:
        quicktime = target.suffix.lower() in (".mp4", ".mov")
        options = {"movflags": "faststart"} if quicktime else {}
        with av.open(location(target), "w", options=options) as container:
            container.flags |= BITEXACT
            with av.open(location(self._done[0])) as segment:
                stream = container.add_stream_from_template(segment.streams.video[0], opaque=True)
            stream.time_base = 1 / self._ticks
            if quicktime and self._codec.tag:
                stream.codec_context.codec_tag = self._codec.tag
            track = None if self._sound is None else SoundTrack(container, self._sound, target.suffix)
            frames = 0
            for part in self._done:
                frames += self._append(part, container, stream, track, frames)
            if track is not None:
                track.finish(self._slot(frames) / self._ticks)
        if frames != self.frames_done:
            raise OutputError(
                f"{self._path}: {frames} of its {self.frames_done} frames can be read back; check the disk "
                "and run again"
            )

    def _append(
        self,
        part: Path,
        container: OutputContainer,
        stream: av.VideoStream,
        track: SoundTrack | None,
        first: int,
    ) -> int:
        """Copy a segment behind the `first` frames that the clip has; return how many it holds."""
        count = 0
        with av.open(location(part)) as segment:
            for packet in segment.demux(segment.streams.video[0]):
                if packet.pts is None or packet.time_base is None:
                    continue
                shown = first + round(packet.pts * packet.time_base / SEGMENT_STEP)
                packet.pts = self._slot(shown)
                # Matroska stores no decoding times; they follow from the order.
                packet.dts = self._slot(first + count - self._codec.reorder)
                packet.duration = self._slot(shown + 1) - packet.pts
                packet.time_base = 1 / self._ticks
                packet.stream = stream
                if track is not None:
                    track.write_until(self._slot(first + count) / self._ticks)
                container.mux_one(packet)
                count += 1
        return count

    def finish(self) -> None:
        """See `Sink.finish`."""
        try:
            self._close_segment()
            if not self._done:
                raise OutputError(f"{self._path}: there is no frame to write")
            self._join(partial_path(self._path))
            give_name(partial_path(self._path), self._path)
            shutil.rmtree(self._folder, ignore_errors=True)
        except (OSError, av.error.FFmpegError, OutputError, SourceError) as error:
            # The segments stay, and --resume goes on from them.
            partial_path(self._path).unlink(missing_ok=True)
            if isinstance(error, OutputError):
                raise
            if isinstance(error, SourceError):
                raise OutputError(f"{self._path}: its sound cannot be read; {error}") from error
            raise explain_write_error(error, self._path) from error
        finally:
            self._claim.give_up()

    def discard(self) -> None:
        """See `Sink.discard`."""
        self._drop_segment()
        partial_path(self._path).unlink(missing_ok=True)
        shutil.rmtree(self._folder, ignore_errors=True)
        self._claim.give_up()

    def abandon(self) -> Path | None:
        """See `Sink.abandon`."""
        try:
            return self._keep()
        finally:
            self._claim.give_up()

    def _keep(self) -> Path | None:
        short: Path | None = None
        named = self._name(len(self._done))
        if named.exists():
            # Stopped between the moment a segment got its name and the moment it was counted.
            self._done.append(named)
            self._segment = None
        if self._segment is not None and self._segment.frames:
            try:
                self._close_segment()
                short = self._done[-1]
            except (OSError, av.error.FFmpegError):
                self._drop_segment()
        if not self._done or not self._folder.is_dir():
            shutil.rmtree(self._folder, ignore_errors=True)
            return None
        kept = partial_path(self._path)
        try:
            self._join(kept)
        except (OSError, av.error.FFmpegError, OutputError, SourceError):
            # No room to join them: the segments themselves are playable, and --resume goes on from them.
            kept.unlink(missing_ok=True)
            kept = self._folder
        if short is not None:
            # Resuming counts whole segments only.
            short.unlink()
            self._done.pop()
        return kept
