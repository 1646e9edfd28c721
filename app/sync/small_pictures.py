"""Small grey pictures of a stream, each decoded once while memory allows. Qt-free."""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol, runtime_checkable

import cv2
import numpy as np
import numpy.typing as npt

from app.damage import nearest_readable
from drivers import FrameSource, to_rgb8

Picture = npt.NDArray[np.uint8]

_BYTES = 160 * 1024**2


@runtime_checkable
class LumaSource(Protocol):
    """A source that makes small grey pictures without a full conversion, such as `drivers.VideoClip`."""

    def read_luma(self, index: int, width: int) -> Picture:
        """Grey picture of one frame reduced to `width` [px]."""
        ...


class SmallPictures:
    """Grey pictures of one stream by index; memory is bounded. Not thread-safe.

    Args:
        source: The stream. Ascending indices are cheapest.
        width: Of the pictures [px]; the stream's own where that is less.

    """

    def __init__(self, source: FrameSource, width: int) -> None:
        self._source = source
        self._width = min(width, source.info.width)
        self._kept: OrderedDict[int, Picture] = OrderedDict()

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the pictures [px]."""
        return self._size(self._width)

    def __len__(self) -> int:
        return self._source.info.frame_count

    def read(self, index: int) -> Picture:
        """Picture of frame `index`, shape (h, w).

        Raises:
            SourceError: The frame and all near it are damaged.

        """
        picture = self._kept.get(index)
        if picture is None:
            picture = self._kept[index] = self._load(index)
            while len(self._kept) * picture.nbytes > _BYTES:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(index)
        return picture

    def thumbnail(self, index: int, width: int) -> Picture:
        """The same picture, no wider than `width` [px]."""
        return _reduced(self.read(index), self._size(min(width, self._width)))

    def _size(self, width: int) -> tuple[int, int]:
        info = self._source.info
        return width, max(1, round(info.height * width / info.width))

    def _load(self, index: int) -> Picture:
        return nearest_readable(self._decode, index, self._source.info.frame_count)[0]

    def _decode(self, index: int) -> Picture:
        if isinstance(self._source, LumaSource):
            return self._source.read_luma(index, self._width)
        grey = cv2.cvtColor(to_rgb8(self._source.read(index)), cv2.COLOR_RGB2GRAY)
        return _reduced(np.asarray(grey, np.uint8), self.size)


def _reduced(picture: Picture, size: tuple[int, int]) -> Picture:
    if size == (picture.shape[1], picture.shape[0]):
        return picture
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
