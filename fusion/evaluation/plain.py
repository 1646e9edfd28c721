"""A yardstick that stays: flow at equal sharpness and transfer of detail where both agree, nothing more.

`classical` is this idea, and keeps getting better; figures from different times can be compared over it.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from fusion.gop import Reference, Synthesis
from fusion.levels import FloatImage, to_bytes
from fusion.motion import luma, search, warp_array

_TOLERANCE = 0.02


class Plain:
    """OpenCV's DIS as it comes, on the resolution-matched pair; uses the first reference only."""

    recursion = "direct"

    def __init__(self) -> None:
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def synthesise(
        self,
        lsr: FloatImage,
        upscaled: FloatImage,
        references: Sequence[Reference],
        neighbours: Sequence[FloatImage] = (),
    ) -> Synthesis:
        """Add the reference's detail to one frame; see `fusion.gop.Synthesiser`."""
        reference = references[0]
        seen, sought = (to_bytes(luma(image)) for image in (upscaled, reference.matched))
        flow = search(self._dis, seen, sought)
        matched = warp_array(reference.matched, flow)
        error = np.mean(((matched - upscaled) / 255) ** 2, axis=2, keepdims=True)
        share = np.exp(-error / (2 * _TOLERANCE**2))
        out: FloatImage = np.add(
            upscaled, share * (warp_array(reference.image, flow) - matched), dtype=np.float32
        )
        return Synthesis(out, np.asarray(share[..., 0], dtype=np.float32), None)
