"""How noisy the LSR frames of one view are: what sets them apart from the sharp frames of their instants.

Where both streams show one view, a sharp frame reduced is the truth of the LSR frame of its instant. What is
left between the two is sensor noise, and what codec, lens and colours did. Fusion has to know of all of it;
frames compared with each other alone tell nothing of a codec, and of noise nothing where everything moves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from app.differences import spread, spread_beside_blur
from app.moments import reduced_ways
from app.sharp_views import in_the_light_of
from calibration import match_colours
from drivers import Gop, Image, RgbImage
from fusion.digital_gain import brightness, gain_of_moment, gained
from fusion.levels import FloatImage, to_bytes
from fusion.motion import luma, search, warp_array

_PLACES = (0.25, 0.5, 0.75)
"""Where in a clip it is measured: one of these may be blank, a flash or a cut."""


def noise_of_one_view(
    gops: Sequence[Gop],
    read_lsr: Callable[[int], Image],
    read_hsr: Callable[[int], Image],
    gain: float = 1.0,
) -> float:
    """Standard deviation of what sets LSR frames apart from reduced sharp frames of the same view [0..255].

    Args:
        gops: What is fused, at least one.
        read_lsr: Gives an LSR frame (h, w, 3) by its index.
        read_hsr: Gives an HSR frame (H, W, 3) by its index.
        gain: How many times as bright they are compared, less in a bright moment, as they are fused.

    """
    apart = [0 not in gop.away for gop in gops]
    places = [round(place * (len(gops) - 1)) for place in _PLACES]
    chosen = {min(range(len(gops)), key=lambda k: (apart[k], abs(k - place))) for place in places}
    return float(np.median([_noise(gops[k], read_lsr, read_hsr, gain) for k in sorted(chosen)]))


def _noise(
    gop: Gop, read_lsr: Callable[[int], Image], read_hsr: Callable[[int], Image], gain: float
) -> float:
    nearest = min(range(len(gop.distances)), key=lambda k: abs(gop.distances[k]))
    filmed = read_hsr(gop.hsr_index), read_lsr(gop.lsr_indices[nearest])
    gain = gain_of_moment(map(brightness, filmed), gain)
    sharp, lsr = (gained(one, gain) for one in filmed)
    # Fusion compares in the frame's light, so what a lens or a lamp darkens is no noise either.
    sharp = np.asarray(in_the_light_of(sharp, lsr), np.uint8)
    picture = sharp.astype(np.float32) / 255
    matched = np.asarray(255 * match_colours(sharp, lsr).apply(picture), np.float32)
    ways = reduced_ways(matched, lsr)
    if 0 not in gop.away:
        # What moved between the two instants is no noise.
        ways += [_moved(way, lsr) for way in ways]
    best = min(ways, key=lambda way: spread(way - lsr))
    return spread_beside_blur(best, lsr) / gain


def _moved(reduced: FloatImage, lsr: RgbImage) -> FloatImage:
    """The reduced sharp frame moved to where the LSR frame shows things."""
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    dis.setFinestScale(0)
    shown, sought = (to_bytes(luma(picture)) for picture in (lsr.astype(np.float32), reduced))
    return warp_array(reduced, search(dis, shown, sought))
