"""LSR frames of other moments, moved onto the frame to be made: what one of them lost, another may have kept.

They show the frame's own scene at other places of the LSR camera's pixels and under other noise, so several
of them say more than one (Tsai and Huang, 1984). They lie close in time, so their motion is short.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2

from fusion.levels import FloatImage, to_bytes
from fusion.motion import luma, patches, search, side_by_side, warp_array
from fusion.resample import upscale

_FINEST = 2
_REFINEMENTS = 10


def move_neighbours(
    upscaled: FloatImage, neighbours: Sequence[FloatImage], noise_variance: float = 0.0
) -> list[FloatImage]:
    """Enlarge other LSR frames and move them onto one, by optical flow (DIS) between frames of that camera.

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
        large = upscale(neighbour, *upscaled.shape[:2])
        flow = search(_searcher(noise_variance), seen, to_bytes(luma(large)))
        return warp_array(large, flow)

    return side_by_side(moved, neighbours)


def _searcher(noise_variance: float) -> cv2.DISOpticalFlow:
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    dis.setVariationalRefinementIterations(_REFINEMENTS)
    dis.setFinestScale(_FINEST)
    side, stride = patches(noise_variance)
    dis.setPatchSize(side)
    dis.setPatchStride(stride)
    return dis
