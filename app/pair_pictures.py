"""Pictures of both streams by their index, as fusion takes them and as they are compared with each other."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from app.damage import nearest_readable, stand_in
from drivers import FrameSource, Gop, Image, SourceError, StreamPair, to_rgb8, to_rgb16
from fusion.digital_gain import brightness, digital_gain

_LOOKED_AT = (0.25, 0.5, 0.75)
"""Where in a recording it is found out how dark it is."""


class PairPictures:
    """Reads pictures of a pair; those that cannot be read are replaced by their neighbours.

    Args:
        pair: The streams.
        gops: All GoPs of it.
        same_view: The streams show one view in the same colours.

    Attributes:
        gain: How many times as bright the streams are to be fused, see `fusion.digital_gain`.
        damage: One sentence for each picture that could not be read.

    """

    def __init__(self, pair: StreamPair, gops: Sequence[Gop], *, same_view: bool) -> None:
        self._pair = pair
        # Also for a clip of 8 bits: a stream that is darker than the other one is made as bright.
        self._deep = pair.deep
        self.damage: dict[str, None] = {}
        levels: list[float] = []
        # Wherever the part lies that is fused, its frames are those of the whole.
        for gop in {gops[round(place * (len(gops) - 1))] for place in _LOOKED_AT}:
            with suppress(SourceError):
                levels.append(brightness(self.lsr(gop.nearest_lsr)))
                if same_view:
                    levels.append(brightness(self.hsr(gop.hsr_index)))
        self.damage.clear()
        self.gain = digital_gain(levels or [255.0])
        # What is made brighter and dark again would lose what its few grey levels leave of it.
        self._deep |= self.gain > 1

    def hsr(self, index: int) -> Image:
        """An HSR frame, RGB (H, W, 3)."""
        return self._read(self._pair.hsr, "HSR", index)

    def lsr(self, index: int) -> Image:
        """An LSR frame, RGB (h, w, 3)."""
        return self._read(self._pair.lsr, "LSR", index)

    def _read(self, source: FrameSource, name: str, index: int) -> Image:
        frame, used = nearest_readable(source.read, index, source.info.frame_count)
        if used != index:
            self.damage[stand_in(name, index, used)] = None
        return to_rgb16(frame) if self._deep else to_rgb8(frame)
