"""LSR frames of other moments, moved onto the frame to be made: what one of them lost, another may have kept.

They show the frame's own scene at other places of the LSR camera's pixels and under other noise, so several
of them say more than one (Tsai and Huang, 1984). They lie close in time, so their motion is short.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from fusion.levels import FloatImage, channel_mean, to_bytes
from fusion.motion import luma, patches, search, side_by_side, warp_array
from fusion.resample import upscale

_MOST_FLICKER = 2.0
_LEARNED_FLICKER = 0.05
"""Networks learn on neighbours that are so much brighter or darker."""
_LEAST_LEVEL = 1.0
_STRANGE = 12.0
"""Grey levels, beside what is left of the noise in a pixel's mean over colours, by which a moved neighbour
may miss the frame on average. Between unlike scenes it is 24 and more, within one mostly below 6."""
_NOISE_LEFT = 0.53
_FINEST = 2
_REFINEMENTS = 10


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
    seen = to_bytes(luma(upscaled))

    def moved(neighbour: FloatImage) -> FloatImage:
        large = upscale(_in_light_of(upscaled, neighbour), *upscaled.shape[:2])
        flow = search(_searcher(noise_variance), seen, to_bytes(luma(large)))
        return warp_array(large, flow)

    return side_by_side(moved, neighbours)


def usable_neighbours(
    upscaled: FloatImage, neighbours: Sequence[FloatImage], noise_variance: float = 0.0
) -> list[FloatImage]:
    """As `move_neighbours`, without those that plainly show something else, as after a cut."""
    most = _STRANGE + _NOISE_LEFT * 255 * noise_variance**0.5
    moved = move_neighbours(upscaled, neighbours, noise_variance)
    return [one for one in moved if np.abs(channel_mean(one - upscaled)).mean() <= most]


def _in_light_of(frame: FloatImage, neighbour: FloatImage) -> FloatImage:
    levels, own = (np.maximum(image.mean(axis=(0, 1)), _LEAST_LEVEL) for image in (frame, neighbour))
    gain = np.clip(levels / own, 1 / _MOST_FLICKER, _MOST_FLICKER)
    if np.abs(gain - 1).max() <= _LEARNED_FLICKER:
        return neighbour
    return np.asarray(neighbour * gain, np.float32)


def _searcher(noise_variance: float) -> cv2.DISOpticalFlow:
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    dis.setVariationalRefinementIterations(_REFINEMENTS)
    dis.setFinestScale(_FINEST)
    side, stride = patches(noise_variance)
    dis.setPatchSize(side)
    dis.setPatchStride(stride)
    return dis
