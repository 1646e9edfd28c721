"""Sound of a clip on the container's time line: one channel to compare, or as it is to be heard."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream
from av.container import InputContainer

from drivers._clip_index import open_container

_GAP_S = 0.02
_MOST_S = 900.0
"""How much sound is compared at most; bounds the memory [s]."""


@dataclass(frozen=True, slots=True, eq=False)
class ClipAudio:
    """Mono sound.

    Attributes:
        samples: -1..1, shape (N,); gaps in the track are silent.
        start_s: Time of the first sample on the container's time line [s].
        rate: Samples per second.

    """

    samples: npt.NDArray[np.float32]
    start_s: float
    rate: int


@dataclass(frozen=True, slots=True, eq=False)
class ClipSound:
    """Sound as it is to be heard.

    Attributes:
        samples: -1..1, shape (channels, N), one or two channels; gaps in the track are silent.
        rate: Samples per second.

    """

    samples: npt.NDArray[np.float32]
    rate: int


def read_audio(path: Path | str, *, rate: int) -> ClipAudio | None:
    """Decode the first quarter of an hour of a file's first sound track as one channel.

    Args:
        path: The file.
        rate: Samples per second to convert to.

    Returns:
        The sound; None where the file has none that can be decoded.

    Raises:
        SourceError: The file cannot be opened.

    """
    with open_container(Path(path)) as container:
        stream = _sound_stream(container)
        if stream is None:
            return None
        found = _decode(container, stream, "mono", rate, most_s=_MOST_S)
    return None if found is None else ClipAudio(found[0][0], found[1], rate)


def read_sound(path: Path | str, start_s: float, stop_s: float) -> ClipSound | None:
    """Decode a part of the first sound track with its channels and at its own rate.

    Args:
        path: The file.
        start_s: Begin here on the container's time line [s]; what lies before the track's start is silent.
        stop_s: Stop here [s].

    Returns:
        Exactly that part; None where the file has no sound that can be decoded.

    Raises:
        SourceError: The file cannot be opened.

    """
    with open_container(Path(path)) as container:
        stream = _sound_stream(container)
        if stream is None:
            return None
        rate = int(stream.rate or 48000)
        layout = "mono" if stream.channels == 1 else "stereo"
        found = _decode(container, stream, layout, rate, until_s=stop_s + 1.0)
    if found is None:
        return None
    samples, began = found
    first, stop = (round((t - began) * rate) for t in (start_s, stop_s))
    out = np.zeros((len(samples), max(0, stop - first)), np.float32)
    low, high = max(first, 0), min(stop, samples.shape[1])
    if high > low:
        out[:, low - first : high - first] = samples[:, low:high]
    return ClipSound(out, rate)


def _sound_stream(container: InputContainer) -> AudioStream | None:
    return next((s for s in container.streams.audio if s.codec_context is not None), None)


def _resampler(layout: str, rate: int) -> av.AudioResampler:
    return av.AudioResampler(format="fltp", layout=layout, rate=rate)


def _decode(
    container: InputContainer,
    stream: AudioStream,
    layout: str,
    rate: int,
    *,
    most_s: float = math.inf,
    until_s: float = math.inf,
) -> tuple[npt.NDArray[np.float32], float] | None:
    """Samples (channels, N) and the time of the first one [s]; about `most_s`, none from `until_s` on [s]."""
    pieces: list[npt.NDArray[np.float32]] = []
    start: float | None = None
    length = 0
    resampler = _resampler(layout, rate)
    packets = container.demux(stream)
    while length < most_s * rate:
        try:
            packet = next(packets)
        except (StopIteration, av.error.FFmpegError, OSError):
            break
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            # The place of a damaged packet stays silent: the next frame knows its own time.
            continue
        for frame in frames:
            if frame.pts is None or frame.time_base is None:
                continue
            time = float(frame.pts * frame.time_base)
            if start is None:
                start = time
                most_s = min(most_s, until_s - start)
            missing = round((time - start) * rate) - length
            if _GAP_S * rate < missing < most_s * rate:
                pieces.append(np.zeros((1 if layout == "mono" else 2, missing), np.float32))
                length += missing
            try:
                parts = resampler.resample(frame)
            except (ValueError, av.error.FFmpegError):
                # Sound that changes its rate or layout on the way, or only seems to because it is damaged.
                resampler = _resampler(layout, rate)
                continue
            for part in parts:
                samples = part.to_ndarray().astype(np.float32, copy=False)
                pieces.append(samples)
                length += samples.shape[1]
    if start is None or not pieces:
        return None
    return np.concatenate(pieces, axis=1), start
