"""RGB frames to a clip or a folder of pictures, never leaving a broken file under the final name.

A video is encoded in short segments (one file of `SEGMENT_FRAMES` frames each, in a folder beside the output)
and joined at the end without encoding again. A stopped job therefore leaves a playable `clip.partial.mp4`,
and even a killed one loses only the segment it was writing: `resume=True` goes on behind the last whole one.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Protocol, cast

import av
import av.error
import cv2
import numpy as np
import tifffile

from app.codecs import Codec
from app.errors import OutputError
from app.outputs import Claim, explain_write_error, partial_path
from app.sound import SoundTrack
from drivers import ClipSound, RgbImage

SEGMENT_FRAMES = 48
_BT709 = 1  # ITU-T H.273: primaries, transfer and matrix all use code point 1
_LIMITED_RANGE = 1
# No creation time and no library version in the file: a second run gives the same bytes.
_BITEXACT = cast("int", av.container.Flags.bitexact.value)
# ITU-R BT.709 R'G'B' -> Y'CbCr for 10-bit limited range, from 8-bit samples.
_YCBCR10 = np.array(
    [
        [0.2126 * 876, 0.7152 * 876, 0.0722 * 876, 64 * 255],
        [-0.2126 / 1.8556 * 896, -0.7152 / 1.8556 * 896, 448, 512 * 255],
        [448, -0.7152 / 1.5748 * 896, -0.0722 / 1.5748 * 896, 512 * 255],
    ],
    np.float32,
) / np.float32(255)


class Sink(Protocol):
    """Takes RGB frames in order; `finish` gives the output its final name.

    Attributes:
        frames_done: Frames that need not be written (again); above 0 from the start when resuming.

    """

    frames_done: int

    def write(self, image: RgbImage) -> None:
        """Append one frame, uint8 (H, W, 3).

        Raises:
            OutputError: The disk is full or the encoder refused the frame.

        """
        ...

    def finish(self) -> None:
        """Complete the output under its final name and remove everything partial."""
        ...

    def abandon(self) -> Path | None:
        """Keep what is done under the partial name and return it; None when there is no frame yet."""
        ...

    def discard(self) -> None:
        """Remove all that has been written."""
        ...


def open_sink(
    path: Path,
    codec: Codec,
    width: int,
    height: int,
    rate: Fraction,
    *,
    resume: bool = False,
    sound: ClipSound | None = None,
) -> Sink:
    """A sink for `path`.

    Args:
        path: Final file, or folder for picture sequences.
        codec: How to write; see `app.codecs`.
        width: Frame width [px]; codecs with half-size colour lose an odd last column.
        height: Frame height [px]; likewise.
        rate: Playback rate [frames/s].
        resume: Go on behind what an earlier, stopped job left.
        sound: Heard from the first frame on; pictures have none.

    Raises:
        OutputError: Another job is writing it, or the disk refuses.

    """
    if codec.is_sequence:
        return SequenceSink(path, codec, resume=resume)
    return VideoSink(path, codec, width, height, rate, resume=resume, sound=sound)


def _take(folder: Path, path: Path, *, resume: bool) -> Claim:
    """Claim `path`, and make the folder of its parts, empty unless a job is resumed."""
    claim = Claim(path)
    if not resume:
        shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        claim.give_up()
        raise explain_write_error(error, path) from error
    return claim


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
    ) -> None:
        self._path = path
        self._codec = codec
        self._sound = sound
        even = codec.needs_even_size
        self._width = width - width % 2 if even else width
        self._height = height - height % 2 if even else height
        self._rate = rate
        partial = partial_path(path)
        self._folder = partial.with_name(partial.name + ".segments")
        self._segment: _Segment | None = None
        self._claim = _take(self._folder, path, resume=resume)
        self._done = self._whole_segments()
        self.frames_done = len(self._done) * SEGMENT_FRAMES

    def _name(self, number: int) -> Path:
        return self._folder / f"{number:06d}.mkv"

    def _whole_segments(self) -> list[Path]:
        # A segment gets its final name only when it is complete, so an existing one can be trusted.
        done: list[Path] = []
        while self._name(len(done)).is_file():
            done.append(self._name(len(done)))
        return done

    def write(self, image: RgbImage) -> None:
        """See `Sink.write`."""
        try:
            if self._segment is None:
                self._segment = _Segment(
                    self._name(len(self._done)), self._codec, self._width, self._height, self._rate
                )
            self._segment.write(image[: self._height, : self._width])
            self.frames_done += 1
            if self._segment.frames == SEGMENT_FRAMES:
                self._close_segment()
        except (OSError, av.error.FFmpegError) as error:
            self._drop_segment()
            raise explain_write_error(error, self._path) from error

    def _drop_segment(self) -> None:
        """Forget a segment that could not be written; the whole ones before it stay."""
        self.frames_done = len(self._done) * SEGMENT_FRAMES
        self._segment = None
        for broken in self._folder.glob("*.tmp"):
            broken.unlink(missing_ok=True)

    def _close_segment(self) -> None:
        if self._segment is not None:
            self._done.append(self._segment.close())
            self._segment = None

    def _join(self, target: Path) -> None:
        rate = self._rate
        tag = self._codec.tag if target.suffix.lower() in (".mp4", ".mov") else ""
        options = {"movflags": "faststart"} if target.suffix.lower() in (".mp4", ".mov") else {}
        with av.open(str(target), "w", options=options) as container:
            container.flags |= _BITEXACT
            stream: av.VideoStream | None = None
            track: SoundTrack | None = None
            first = 0
            for part in self._done:
                with av.open(str(part)) as segment:
                    source = segment.streams.video[0]
                    if stream is None:
                        stream = container.add_stream_from_template(source, opaque=True)
                        stream.time_base = 1 / rate
                        if tag:
                            stream.codec_context.codec_tag = tag
                        if self._sound is not None:
                            track = SoundTrack(container, self._sound, target.suffix)
                    count = 0
                    for packet in segment.demux(source):
                        if packet.pts is None or packet.time_base is None:
                            continue
                        packet.pts = first + round(packet.pts * packet.time_base * rate)
                        # Matroska stores no decoding times; at a constant rate they follow from the order.
                        packet.dts = first + count - self._codec.reorder
                        packet.duration = 1
                        packet.time_base = 1 / rate
                        packet.stream = stream
                        if track is not None:
                            track.write_until((first + count) / rate)
                        container.mux_one(packet)
                        count += 1
                    first += count
            if track is not None:
                track.finish(first / rate)

    def finish(self) -> None:
        """See `Sink.finish`."""
        try:
            self._close_segment()
            if not self._done:
                raise OutputError(f"{self._path}: there is no frame to write")
            self._join(partial_path(self._path))
            partial_path(self._path).replace(self._path)
            shutil.rmtree(self._folder, ignore_errors=True)
        except (OSError, av.error.FFmpegError) as error:
            # The segments stay, and --resume goes on from them.
            partial_path(self._path).unlink(missing_ok=True)
            raise explain_write_error(error, self._path) from error
        finally:
            self._claim.give_up()

    def discard(self) -> None:
        """See `Sink.discard`."""
        self._segment = None
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
        whole = self._whole_segments()
        if len(whole) > len(self._done):
            # Stopped between the moment a segment got its name and the moment it was counted.
            self._done, self._segment = whole, None
            self.frames_done = len(whole) * SEGMENT_FRAMES
        if self._segment is not None and self._segment.frames:
            try:
                self._close_segment()
                short = self._done[-1]
            except (OSError, av.error.FFmpegError):
                self._drop_segment()
        if not self._done:
            shutil.rmtree(self._folder, ignore_errors=True)
            return None
        kept = partial_path(self._path)
        try:
            self._join(kept)
        except (OSError, av.error.FFmpegError):
            # No room to join them: the segments themselves are playable, and --resume goes on from them.
            kept.unlink(missing_ok=True)
            kept = self._folder
        if short is not None:
            # Resuming counts whole segments only.
            short.unlink()
            self._done.pop()
        return kept


def _encoder_frame(image: RgbImage, codec: Codec) -> av.VideoFrame:
    if codec.pix_fmt == "yuv422p10le":
        return _frame_422_10(image)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
    if codec.lossless:
        return frame.reformat(format=codec.pix_fmt)
    return frame.reformat(format=codec.pix_fmt, dst_colorspace=_BT709, dst_color_range=_LIMITED_RANGE)


def _frame_422_10(image: RgbImage) -> av.VideoFrame:
    # FFmpeg's own conversion to this format leaves uninitialised samples at the right edge.
    planes = np.rint(cv2.transform(image.astype(np.float32), _YCBCR10)).astype(np.uint16)
    height, width = image.shape[:2]
    frame = av.VideoFrame(width, height, "yuv422p10le")
    frame.colorspace = frame.color_primaries = frame.color_trc = _BT709
    frame.color_range = _LIMITED_RANGE
    left = np.concatenate([planes[:, :1, 1:], planes[:, 1:-1:2, 1:]], axis=1)
    # Chroma sits on the even luma columns: 1-2-1 weights around each of them.
    chroma = (left + 2 * planes[:, ::2, 1:] + planes[:, 1::2, 1:] + 2) // 4
    for plane, data in zip(frame.planes, (planes[:, :, 0], chroma[:, :, 0], chroma[:, :, 1]), strict=True):
        padded = np.zeros((data.shape[0], plane.line_size // 2), np.uint16)
        padded[:, : data.shape[1]] = data
        plane.update(padded.tobytes())
    return frame


class _Segment:
    """One short Matroska clip: it holds any codec, and its millisecond times still tell the frame number."""

    def __init__(self, path: Path, codec: Codec, width: int, height: int, rate: Fraction) -> None:
        self._path = path
        self._temporary = path.with_name(path.name + ".tmp")
        self._codec = codec
        self.frames = 0
        self._container = av.open(str(self._temporary), "w", format="matroska")
        self._container.flags |= _BITEXACT
        stream = self._container.add_stream(codec.encoder, rate=rate, options=dict(codec.options))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, codec.pix_fmt
        stream.time_base = self._time_base = 1 / rate
        context = stream.codec_context
        context.time_base = self._time_base
        context.gop_size = SEGMENT_FRAMES
        context.thread_count = codec.threads
        if not codec.lossless:
            context.color_primaries = context.color_trc = context.colorspace = _BT709
            context.color_range = _LIMITED_RANGE
        self._stream = stream

    def write(self, image: RgbImage) -> None:
        frame = _encoder_frame(image, self._codec)
        frame.pts = self.frames
        frame.time_base = self._time_base
        self.frames += 1
        self._container.mux(self._stream.encode(frame))

    def close(self) -> Path:
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._temporary.replace(self._path)


class SequenceSink:
    """A folder of numbered pictures: 000000.png or 000000.tiff upwards."""

    def __init__(self, path: Path, codec: Codec, *, resume: bool = False) -> None:
        self._path = path
        self._codec = codec
        self._folder = partial_path(path)
        self._claim = _take(self._folder, path, resume=resume)
        self.frames_done = sum(1 for _ in self._whole_pictures())

    def _name(self, number: int) -> Path:
        return self._folder / f"{number:06d}.{self._codec.name}"

    def _whole_pictures(self) -> Iterator[Path]:
        number = 0
        while self._name(number).is_file():
            yield self._name(number)
            number += 1

    def write(self, image: RgbImage) -> None:
        """See `Sink.write`."""
        name = self._name(self.frames_done)
        temporary = name.with_name(name.name + ".tmp")
        try:
            if self._codec.name == "tiff":
                tifffile.imwrite(temporary, image, photometric="rgb", compression="zlib", predictor=True)
            else:
                whole, data = cv2.imencode(".png", image[:, :, ::-1])
                if not whole:
                    raise OutputError(f"{name}: a picture of {image.shape} cannot be stored as PNG")
                temporary.write_bytes(data.tobytes())
            temporary.replace(name)
        except OSError as error:
            raise explain_write_error(error, self._path) from error
        self.frames_done += 1

    def finish(self) -> None:
        """See `Sink.finish`."""
        try:
            if not self.frames_done:
                raise OutputError(f"{self._path}: there is no frame to write")
            if self._path.is_dir():
                shutil.rmtree(self._path)
            self._folder.replace(self._path)
        except OSError as error:
            raise explain_write_error(error, self._path) from error
        finally:
            self._claim.give_up()

    def abandon(self) -> Path | None:
        """See `Sink.abandon`."""
        if not self.frames_done:
            self.discard()
            return None
        self._claim.give_up()
        return self._folder

    def discard(self) -> None:
        """See `Sink.discard`."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._claim.give_up()
