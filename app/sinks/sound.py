"""A sound track beside the pictures of a clip, written in step with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TypeAlias

import av
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream
from av.container import OutputContainer

from drivers import ClipSound

_Samples: TypeAlias = npt.NDArray[np.float32]

_PIECE = 1024
_BITS_PER_SECOND = 192_000
_USUAL_RATE = 48_000  # of sound whose own rate the codec does not know


class SoundTrack:
    """Encodes sound into a container whose pictures are being written.

    Args:
        container: Open for writing; its video stream is there already.
        sound: From the first picture on.
        suffix: Ending of the file: AVI gets PCM, everything else AAC, resampled where that has no such rate.

    """

    def __init__(self, container: OutputContainer, sound: ClipSound, suffix: str) -> None:
        self._layout = "mono" if sound.channels == 1 else "stereo"
        codec = "pcm_s16le" if suffix.lower() == ".avi" else "aac"
        rates = av.Codec(codec, "w").audio_rates
        rate = _USUAL_RATE if rates and sound.rate not in rates else sound.rate
        self._resampler = av.AudioResampler("fltp", self._layout, rate) if rate != sound.rate else None
        stream = container.add_stream(codec, rate=rate, layout=self._layout)
        assert isinstance(stream, AudioStream)
        if codec == "aac":
            stream.bit_rate = _BITS_PER_SECOND
        self._container, self._stream, self._sound = container, stream, sound
        self._pieces = _pieces_of(sound)
        self._done = 0

    def write_until(self, time_s: Fraction) -> None:
        """Write what is heard before a picture at `time_s`, so that both lie side by side in the file."""
        stop = min(self._sound.length, round(time_s * self._sound.rate))
        while self._done < stop:
            piece = next(self._pieces)
            self._encode(piece)
            self._done += piece.shape[1]

    def finish(self, end_s: Fraction) -> None:
        """Write the rest up to the end of the pictures."""
        self.write_until(end_s)
        if self._resampler is not None:
            self._mux(self._resampler.resample(None))
        self._container.mux(self._stream.encode(None))

    def _encode(self, piece: _Samples) -> None:
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece), format="fltp", layout=self._layout)
        frame.rate, frame.pts, frame.time_base = self._sound.rate, self._done, Fraction(1, self._sound.rate)
        self._mux([frame] if self._resampler is None else self._resampler.resample(frame))

    def _mux(self, frames: Iterable[av.AudioFrame]) -> None:
        for frame in frames:
            self._container.mux(self._stream.encode(frame))


def _pieces_of(sound: ClipSound) -> Iterator[_Samples]:
    """The sound in pieces of `_PIECE` samples, the last one shorter."""
    held = np.zeros((sound.channels, 0), np.float32)
    for samples in sound.pieces():
        held = np.concatenate([held, samples], axis=1)
        whole = held.shape[1] - held.shape[1] % _PIECE
        for start in range(0, whole, _PIECE):
            yield held[:, start : start + _PIECE]
        held = held[:, whole:]
    if held.shape[1]:
        yield held
