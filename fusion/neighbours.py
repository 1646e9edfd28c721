"""LSR frames of other moments, moved onto the frame to be made: what one of them lost, another may have kept.

They show the frame's own scene at other places of the LSR camera's pixels and under other noise, so several
of them say more than one (Tsai and Huang, 1984). They lie close in time, so their motion is short.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fusion.levels import FloatImage, channel_mean, to_bytes
from fusion.motion import luma, search, searcher, side_by_side, warp_array
from fusion.resample import upscale

_MOST_FLICKER = 2.0
LEARNED_FLICKER = 0.05
"""Networks learn on neighbours that are up to so much brighter or darker."""
_LEAST_LEVEL = 1.0
_STRANGE = 12.0
"""Grey levels, beside what is left of the noise in a pixel's mean over colours, by which a moved neighbour
may miss the frame on average. Between unlike scenes it is 24 and more, within one mostly below 6."""
_NOISE_LEFT = 0.53
_FINEST = 2


def move_neighbours(
    upscaled: FloatImage, neighbours: Sequence[FloatImage], noise_variance: float = 0.0
) -> list[FloatImage]:
    """Enlarge other LSR frames and move them onto one, by optical flow (DIS) between frames of that camera.

    Where lamps flicker on mains power, neighbours are brought into the frame's light as a whole.

    Args:
        upscaled: (H, W, 3) the enlarged frame, in 0..255.
        neighbours: (h, w, 3) other frames of the same camera, in 0..255.
        noise_variance: Of these frames, of values in 0..1.

    Returns:
        (H, W, 3) for each of them.

    """
    if not neighbours:
        return []
    seen, level = to_bytes(luma(upscaled)), _level(upscaled)

    def moved(neighbour: FloatImage) -> FloatImage:
        large = upscale(_at_level(neighbour, level), *upscaled.shape[:2])
        flow = search(searcher(noise_variance, finest=_FINEST), seen, to_bytes(luma(large)))
        return warp_array(large, flow)

    return side_by_side(moved, neighbours)


def usable_neighbours(
    upscaled: FloatImage, neighbours: Sequence[FloatImage], noise_variance: float = 0.0
) -> list[FloatImage]:
    """As `move_neighbours`, without those that plainly show something else, as after a cut."""
    most = _STRANGE + _NOISE_LEFT * 255 * noise_variance**0.5
    moved = move_neighbours(upscaled, neighbours, noise_variance)
    misfits = side_by_side(lambda one: float(np.abs(channel_mean(one - upscaled)).mean()), moved)
    return [one for one, misfit in zip(moved, misfits, strict=True) if misfit <= most]


def _level(image: FloatImage) -> npt.NDArray[np.float32]:
    """Mean of each colour, (3,)."""
    return np.asarray(np.maximum(image.mean(axis=(0, 1)), _LEAST_LEVEL), np.float32)


def _at_level(image: FloatImage, level: npt.NDArray[np.float32]) -> FloatImage:
    gain = np.clip(level / _level(image), 1 / _MOST_FLICKER, _MOST_FLICKER)
    if np.abs(gain - 1).max() <= LEARNED_FLICKER:
        return image
    return np.asarray(image * gain, np.float32)
