"""Sound of a clip as one mono signal on the container's time line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import av.error
import numpy as np
import numpy.typing as npt

from drivers._clip_index import open_container

_GAP_S = 0.02


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


def read_audio(path: Path | str, *, rate: int, max_seconds: float = 900.0) -> ClipAudio | None:
    """Decode the first sound track of a file.

    Args:
        path: The file.
        rate: Samples per second to convert to.
        max_seconds: Stop after this much [s]; bounds the memory.

    Returns:
        The sound; None where the file has none that can be decoded.

    Raises:
        SourceError: The file cannot be opened.

    """
    pieces: list[npt.NDArray[np.float32]] = []
    start: float | None = None
    length = 0
    with open_container(Path(path)) as container:
        usable = [s for s in container.streams.audio if s.codec_context is not None]
        if not usable:
            return None
        stream = usable[0]
        resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
        packets = container.demux(stream)
        while length < max_seconds * rate:
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
                missing = round((time - start) * rate) - length
                if missing > _GAP_S * rate and missing < max_seconds * rate:
                    pieces.append(np.zeros(missing, np.float32))
                    length += missing
                for part in resampler.resample(frame):
                    samples = part.to_ndarray().reshape(-1).astype(np.float32)
                    pieces.append(samples)
                    length += len(samples)
    if start is None or not pieces:
        return None
    return ClipAudio(np.concatenate(pieces), start, rate)
