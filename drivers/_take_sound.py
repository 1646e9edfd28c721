"""Sound of an imported clip beside its frames in a take: a WAV file, which everything plays."""

from __future__ import annotations

import os
import wave
from pathlib import Path

import numpy as np

from drivers.errors import TakeError
from drivers.iphone import VideoClip

SOUND_NAME = "sound.wav"
MARGIN_NS = 10**9
"""It begins so long before the stream's first frame, and ends so long after its last one [ns]: what is fused
reaches beyond both."""


def write_take_sound(take: Path, clip: VideoClip) -> None:
    """Write the sound of a clip, as PCM of 16 bits, beside the frames that are made of it; if it has any.

    Args:
        take: The take's folder; the stream's is in it already.
        clip: Of the stream; one in slow motion has no sound.

    Raises:
        SourceError: The clip cannot be read any more.
        TakeError: The disk refuses.

    """
    times = clip.mid_exposure_ns
    sound = clip.read_sound(int(times[0]) - MARGIN_NS, int(times[-1]) + MARGIN_NS)
    if sound is None:
        return
    path = take / clip.info.role.value / SOUND_NAME
    try:
        with path.open("wb") as file:
            with wave.open(file, "wb") as written:
                written.setnchannels(sound.channels)
                written.setsampwidth(2)
                written.setframerate(sound.rate)
                for piece in sound.pieces():
                    levels = np.rint(np.clip(piece, -1, 1) * 32767).astype("<i2")
                    written.writeframesraw(levels.T.tobytes())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise TakeError(
            f"{path}: cannot be written ({error.strerror or error}); check the disk that it is on"
        ) from error
