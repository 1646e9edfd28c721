"""How large an export will be, from a few frames of the take written for a trial. Qt-free."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
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
from drivers import Frame, Image, StreamPair, Take, to_rgb8, to_rgb16

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
        takes_16_bits = CODECS[codec_name].takes_16_bits
        if view is not None:
            deep = takes_16_bits and is_deep(pair, view)
            frames = list(raw_frames(pair, view, indices, deep=deep))
        else:
            deep = takes_16_bits and pair.deep
            frames = _as_if_fused(pair, indices, deep=deep)
        # Any container takes this rate, and the size does not depend on it.
        rate = min(nominal_rate(rate_to_show(source)), Fraction(1000))
        out = Path(folder) / f"trial{CODECS[codec_name].suffixes[0]}"
        codec = codec_for(codec_name, out, quality)
        first, whole = (_weigh(part, out, codec, rate) for part in (frames[:1], frames))
        height, width = frames[0].shape[:2]
        return SizeEstimate(
            width, height, codec.bits(deep=deep), first, (whole - first) / max(1, len(frames) - 1)
        )


def _as_if_fused(pair: StreamPair, indices: Sequence[int], *, deep: bool) -> list[Image]:
    read: Callable[[Frame], Image] = to_rgb16 if deep else to_rgb8
    sharp = read(pair.hsr.read(pair.hsr.info.frame_count // 2))
    height, width = sharp.shape[:2]
    detail = sharp.astype(np.float32)
    detail -= cv2.GaussianBlur(detail, (0, 0), width / pair.lsr.info.width)
    frames: list[Image] = []
    for index in indices:
        lsr = read(pair.lsr.read(index))
        enlarged = cv2.resize(lsr, (width, height), interpolation=cv2.INTER_CUBIC)
        made = np.clip(enlarged + detail, 0, np.iinfo(sharp.dtype).max)
        frames.append(made.astype(np.uint16) if deep else made.astype(np.uint8))
    return frames


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
