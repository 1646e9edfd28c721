"""RGB frames to a clip or a folder of pictures, never leaving a broken file under the final name."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from app.sinks import Codec, PictureSink, VideoSink
from drivers import ClipSound, FrameSource, Image, TakeStream, VideoClip


class Sink(Protocol):
    """Takes RGB frames in order; `finish` gives the output its final name.

    Attributes:
        frames_done: Frames that need not be written (again); above 0 from the start when resuming.
        width: Of the frames in the output [px].
        height: Of the frames in the output [px].

    """

    frames_done: int
    width: int
    height: int

    def write(self, image: Image) -> None:
        """Append one frame, uint8 (H, W, 3), or uint16 where the codec takes 16 bits; all of a clip alike.

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
    slots: Sequence[Fraction] | None = None,
    pixel_aspect: Fraction = Fraction(1),
) -> Sink:
    """A sink for `path`.

    Args:
        path: Final file, or folder for picture sequences.
        codec: How to write; see `app.sinks.codecs`.
        width: Frame width [px]; codecs with half-size colour lose an odd last column.
        height: Frame height [px]; likewise.
        rate: Playback rate [frames/s].
        resume: Go on behind what an earlier, stopped job left.
        sound: Heard from the first frame on; pictures have none.
        slots: When each frame is shown, in steps of 1 / `rate`, from 0 and ascending; None shows one after
            the other. Pictures have no times.
        pixel_aspect: Width of a pixel over its height as it is to be shown; H.264 and HEVC tell it.

    Raises:
        OutputError: Another job is writing it, or the disk refuses.

    """
    if codec.is_sequence:
        return PictureSink(path, codec, width, height, resume=resume)
    return VideoSink(
        path, codec, width, height, rate, resume=resume, sound=sound, slots=slots, pixel_aspect=pixel_aspect
    )


def pixel_aspect(source: FrameSource) -> Fraction:
    """Width of a stream's pixels over their height, as they are to be shown."""
    return source.pixel_aspect if isinstance(source, VideoClip | TakeStream) else Fraction(1)


def aspect_warning(codec: Codec, aspect: Fraction) -> tuple[str, ...]:
    """What the operator should know where files of a codec cannot say that pixels are not square."""
    if aspect == 1 or codec.says_aspect:
        return ()
    shape = f"{aspect.numerator}:{aspect.denominator}"
    return (
        f"pixels are to be shown {shape}, not square, which {codec.name} files do not say; take h264 or hevc",
    )


def cut_to_even(width: int, height: int, sink: Sink) -> tuple[str, ...]:
    """What the operator should know where frames of a size [px] lose an odd last column or row in a sink."""
    if (width, height) == (sink.width, sink.height):
        return ()
    return (
        f"frames are {width}x{height}, the codec needs even sizes: without the last column or row they are "
        f"{sink.width}x{sink.height}",
    )
