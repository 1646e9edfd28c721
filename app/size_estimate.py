"""How large an export will be, from a few frames of the take written for a trial. Qt-free."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from app.aligner import Aligner
from app.export import open_sink
from app.fusion_options import FusionOptions
from app.rates import nominal_rate
from app.raw_export import RawView, is_deep, raw_frames
from app.sinks import CODECS, SEGMENT_FRAMES, Codec, codec_for
from app.timing import rate_to_show
from calibration import CalibrationError
from drivers import Image, StreamPair, Take, pair_streams, to_rgb8, to_rgb16
from fusion.digital_gain import brightened
from fusion.levels import FloatImage

_TRIAL = 8
_MOVED = 10.0
"""Change of an LSR frame since the moment of the HSR frame, of 0..255, that halves the detail."""


@dataclass(frozen=True, slots=True)
class SizeEstimate:
    """What a few frames say.

    Attributes:
        width: Of a frame [px].
        height: Of a frame [px].
        bits: Of a colour of a pixel.
        first_bytes: Of the first frame; later ones may be told by what differs from those before.
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


def estimate_size(
    path: Path, view: RawView | None, codec_name: str, quality: str, options: FusionOptions | None = None
) -> SizeEstimate:
    """Write some frames from the middle of a take where nobody sees them, and weigh them.

    A fused picture does not exist yet: the LSR frames in the output view, with the fine detail that the HSR
    frame of the same moment has there, cost about as much.

    Args:
        path: The take.
        view: What is exported; None for the fused view.
        codec_name: A name from `app.sinks.codecs.CODECS`.
        quality: A name from `app.sinks.codecs.QUALITIES`.
        options: How it is fused.

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
            frames = _as_if_fused(pair, options or FusionOptions(), deep=deep)
        # Any container takes this rate, and the size does not depend on it.
        rate = min(nominal_rate(rate_to_show(source)), Fraction(1000))
        out = Path(folder) / f"trial{CODECS[codec_name].suffixes[0]}"
        codec = codec_for(codec_name, out, quality)
        key, *others = _weigh(frames, out, codec, rate)
        height, width = frames[0].shape[:2]
        return SizeEstimate(
            width, height, codec.bits(deep=deep), key, sum(others) / len(others) if others else 0.0
        )


def _as_if_fused(pair: StreamPair, options: FusionOptions, *, deep: bool) -> list[Image]:
    """The LSR frames around the HSR frame in the middle, enlarged, with its detail where fusion adds any."""
    read = to_rgb16 if deep else to_rgb8
    gops = pair_streams(pair).gops
    gop = gops[len(gops) // 2]
    sharp, coarse = read(pair.hsr.read(gop.hsr_index)), read(pair.lsr.read(gop.nearest_lsr))
    left, top, columns, rows = 0, 0, coarse.shape[1], coarse.shape[0]
    valid = np.ones(sharp.shape[:2], np.bool_)
    # What hinders the alignment here may be passed over when all of it is fused.
    with suppress(CalibrationError):
        _, alignment = Aligner(options.align, pair).first([(brightened(sharp)[0], brightened(coarse)[0])])
        sharp, valid = alignment.warp(sharp), alignment.valid
        left, top, columns, rows = alignment.lsr_crop
    (height, width), white = sharp.shape[:2], np.iinfo(sharp.dtype).max

    def enlarged(lsr: Image) -> FloatImage:
        seen = lsr[top : top + rows, left : left + columns].astype(np.float32)
        return _resized(seen, width, height, cv2.INTER_CUBIC)

    still = enlarged(coarse)
    detail = np.zeros(sharp.shape, np.float32)
    if options.method != "bicubic":
        floats = sharp.astype(np.float32)
        without = _resized(floats, columns, rows, cv2.INTER_AREA)
        detail = (floats - _resized(without, width, height, cv2.INTER_CUBIC)) * valid[..., None]
    frames: list[Image] = []
    for index in sorted(sorted(gop.lsr_indices, key=lambda k: abs(k - gop.nearest_lsr))[:_TRIAL]):
        lsr = enlarged(read(pair.lsr.read(index)))
        # Where something moves, fusion brings less detail, and none of it stays in its place.
        moved = cv2.blur(np.abs(lsr - still), (5, 5)) / (_MOVED * white / 255)
        made = np.rint(lsr + detail / (1 + moved**2))
        frames.append(np.clip(made, 0, white).astype(sharp.dtype))
    return frames


def _resized(image: FloatImage, width: int, height: int, how: int) -> FloatImage:
    return np.asarray(cv2.resize(image, (width, height), interpolation=how), np.float32)


def _weigh(frames: Sequence[Image], out: Path, codec: Codec, rate: Fraction) -> list[int]:
    """What each of these frames takes when they are written [bytes]; the first one what the file takes, too.

    All in one file: HEVC spends far more on a first frame from which others follow than on one alone.
    """
    height, width = frames[0].shape[:2]
    sink = open_sink(out, codec, width, height, rate)
    try:
        for frame in frames:
            sink.write(frame)
        sink.finish()
    except BaseException:
        sink.discard()
        raise
    if codec.is_sequence:
        return [file.stat().st_size for file in sorted(out.iterdir())]
    with av.open(str(out)) as container:
        sizes = [packet.size for packet in container.demux(video=0) if packet.size]
    return [out.stat().st_size - sum(sizes[1:]), *sizes[1:]]
