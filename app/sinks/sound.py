"""A sound track beside the pictures of a clip, written in step with them."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer

from drivers import ClipSound

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
        channels = len(sound.samples)
        self._layout = "mono" if channels == 1 else "stereo"
        codec = "pcm_s16le" if suffix.lower() == ".avi" else "aac"
        rates = av.Codec(codec, "w").audio_rates
        rate = _USUAL_RATE if rates and sound.rate not in rates else sound.rate
        self._resampler = av.AudioResampler("fltp", self._layout, rate) if rate != sound.rate else None
        stream = container.add_stream(codec, rate=rate, layout=self._layout)
        assert isinstance(stream, AudioStream)
        if codec == "aac":
            stream.bit_rate = _BITS_PER_SECOND
        self._container, self._stream, self._sound = container, stream, sound
        self._done = 0

    def write_until(self, time_s: Fraction) -> None:
        """Write what is heard before a picture at `time_s`, so that both lie side by side in the file."""
        stop = min(self._sound.samples.shape[1], round(time_s * self._sound.rate))
        while self._done < stop:
            piece = self._sound.samples[
                :, self._done : min(self._done + _PIECE, self._sound.samples.shape[1])
            ]
            self._encode(piece)
            self._done += piece.shape[1]

    def finish(self, end_s: Fraction) -> None:
        """Write the rest up to the end of the pictures."""
        self.write_until(end_s)
        if self._resampler is not None:
            self._mux(self._resampler.resample(None))
        self._container.mux(self._stream.encode(None))

    def _encode(self, piece: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> None:
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece), format="fltp", layout=self._layout)
        frame.rate, frame.pts, frame.time_base = self._sound.rate, self._done, Fraction(1, self._sound.rate)
        self._mux([frame] if self._resampler is None else self._resampler.resample(frame))

    def _mux(self, frames: Iterable[av.AudioFrame]) -> None:
        for frame in frames:
            self._container.mux(self._stream.encode(frame))
