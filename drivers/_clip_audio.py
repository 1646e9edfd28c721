"""Sound of a clip on the container's time line: one channel to compare, or as it is to be heard."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream
from av.container import InputContainer

from drivers._clip_index import open_container

Samples: TypeAlias = npt.NDArray[np.float32]

_GAP_S = 0.02
_MOST_S = 900.0
"""How much sound is compared at most; bounds the memory [s]."""
_SILENCE = 48_000
"""Samples of silence that are made at once."""


@dataclass(frozen=True, slots=True, eq=False)
class ClipAudio:
    """Mono sound.

    Attributes:
        samples: -1..1, shape (N,); gaps in the track are silent.
        start_s: Time of the first sample on the container's time line [s].
        rate: Samples per second.

    """

    samples: Samples
    start_s: float
    rate: int


@dataclass(frozen=True, slots=True, eq=False)
class ClipSound:
    """Sound as it is to be heard, decoded piece by piece: an hour of it is a gigabyte.

    Attributes:
        channels: One or two.
        rate: Samples per second.
        length: Samples of each channel.
        pieces: Begins to read, and yields all samples in order, -1..1, shape (channels, N); gaps in the track
            are silent. Raises SourceError where the file cannot be opened any more.

    """

    channels: int
    rate: int
    length: int
    pieces: Callable[[], Iterator[Samples]]


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
        found = list(_decode(container, stream, "mono", rate, most_s=_MOST_S))
    if not found:
        return None
    return ClipAudio(np.concatenate([samples for _, samples in found], axis=1)[0], found[0][0], rate)


def read_sound(path: Path | str, start_s: float, stop_s: float) -> ClipSound | None:
    """A part of the first sound track with its channels and at its own rate.

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
        channels = 1 if stream.channels == 1 else 2
        first = next(_decode(container, stream, _layout(channels), rate), None)
    if first is None:
        return None
    length = max(0, round((stop_s - first[0]) * rate) - round((start_s - first[0]) * rate))
    return ClipSound(
        channels, rate, length, partial(_part, Path(path), start_s, stop_s, channels, rate, length)
    )


def _part(
    path: Path, start_s: float, stop_s: float, channels: int, rate: int, length: int
) -> Iterator[Samples]:
    """So many samples from a time on."""
    done = 0
    place: int | None = None
    with open_container(path) as container:
        stream = _sound_stream(container)
        decoded = (
            iter(())
            if stream is None
            else _decode(container, stream, _layout(channels), rate, until_s=stop_s + 1.0)
        )
        for began, samples in decoded:
            if place is None:
                place = -round((start_s - began) * rate)
                yield from _silence(channels, min(max(place, 0), length))
                done = min(max(place, 0), length)
            wanted = samples[:, max(0, -place) : max(0, length - place)]
            place += samples.shape[1]
            if wanted.shape[1]:
                yield wanted
                done += wanted.shape[1]
            if done == length:
                return
    yield from _silence(channels, length - done)


def _silence(channels: int, count: int) -> Iterator[Samples]:
    for start in range(0, count, _SILENCE):
        yield np.zeros((channels, min(_SILENCE, count - start)), np.float32)


def _layout(channels: int) -> str:
    return "mono" if channels == 1 else "stereo"


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
) -> Iterator[tuple[float, Samples]]:
    """The time of the very first sample [s], with each piece of samples (channels, N), one behind the other.

    About `most_s` in all, and none from `until_s` on [s].
    """
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
                for silent in _silence(1 if layout == "mono" else 2, missing):
                    yield start, silent
                length += missing
            try:
                parts = resampler.resample(frame)
            except (ValueError, av.error.FFmpegError):
                # Sound that changes its rate or layout on the way, or only seems to because it is damaged.
                resampler = _resampler(layout, rate)
                continue
            for part in parts:
                samples = part.to_ndarray().astype(np.float32, copy=False)
                yield start, samples
                length += samples.shape[1]
