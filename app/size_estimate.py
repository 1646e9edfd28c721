"""How large an export will be, from a few frames of the take written for a trial. Qt-free."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from app.export import open_sink
from app.rates import nominal_rate
from app.raw_export import RawView, is_deep, raw_frames
from app.sinks import CODECS, SEGMENT_FRAMES, Codec, codec_for
from app.timing import rate_to_show
from drivers import Image, Take, to_rgb8

_TRIAL = 6


@dataclass(frozen=True, slots=True)
class SizeEstimate:
    """What a few frames say.

    Attributes:
        width: Of a frame [px].
        height: Of a frame [px].
        bits: Of a colour of a pixel.
        first_bytes: Of a clip of one frame; later ones may be told by what differs from those before.
        bytes_per_frame: Of each frame that may [bytes].

    """

    width: int
    height: int
    bits: int
    first_bytes: int
    bytes_per_frame: float

    def of(self, frames: int) -> float:
        """Size of so many frames [bytes]."""
        whole = math.ceil(frames / SEGMENT_FRAMES)
        return whole * self.first_bytes + (frames - whole) * self.bytes_per_frame


def estimate_size(path: Path, view: RawView | None, codec_name: str, quality: str) -> SizeEstimate:
    """Write some frames from the middle of a take where nobody sees them, and weigh them.

    A fused picture does not exist yet: the LSR frames at its size, with the fine detail of the HSR frame of
    the same moment, cost about as much.

    Args:
        path: The take.
        view: What is exported; None for the fused view.
        codec_name: A name from `app.sinks.codecs.CODECS`.
        quality: A name from `app.sinks.codecs.QUALITIES`.

    Raises:
        SourceError: The take cannot be read.
        PairingError: Its streams cannot be paired, where that is needed.
        OutputError: The trial cannot be written.

    """
    with Take.open(path) as take, tempfile.TemporaryDirectory() as folder:
        pair = take.pair()
        source = pair.hsr if view is RawView.HSR else pair.lsr
        first = max(0, source.info.frame_count // 2 - _TRIAL // 2)
        indices = list(range(first, min(first + _TRIAL, source.info.frame_count)))
        if view is not None:
            deep = CODECS[codec_name].holds_16_bits and is_deep(pair, view)
            frames = list(raw_frames(pair, view, indices, deep=deep))
        else:
            sharp = to_rgb8(pair.hsr.read(pair.hsr.info.frame_count // 2)).astype(np.int16)
            height, width = sharp.shape[:2]
            detail = sharp - np.asarray(cv2.GaussianBlur(sharp, (0, 0), width / pair.lsr.info.width))
            frames = [
                np.clip(
                    cv2.resize(to_rgb8(pair.lsr.read(i)), (width, height), interpolation=cv2.INTER_CUBIC)
                    + detail,
                    0,
                    255,
                ).astype(np.uint8)
                for i in indices
            ]
        # Any container takes this rate, and the size does not depend on it.
        rate = min(nominal_rate(rate_to_show(source)), Fraction(1000))
        out = Path(folder) / f"trial{CODECS[codec_name].suffixes[0]}"
        codec = codec_for(codec_name, out, quality)
        first, whole = (_weigh(part, out, codec, rate) for part in (frames[:1], frames))
        height, width = frames[0].shape[:2]
        return SizeEstimate(
            width, height, 8 * frames[0].itemsize, first, (whole - first) / max(1, len(frames) - 1)
        )


def _weigh(frames: Sequence[Image], out: Path, codec: Codec, rate: Fraction) -> int:
    """What these frames take when they are written [bytes]; what was written before is replaced."""
    height, width = frames[0].shape[:2]
    sink = open_sink(out, codec, width, height, rate)
    try:
        for frame in frames:
            sink.write(frame)
        sink.finish()
    except BaseException:
        sink.discard()
        raise
    return sum(file.stat().st_size for file in (out.iterdir() if codec.is_sequence else (out,)))
