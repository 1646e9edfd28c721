"""Picture files as 8-bit RGB, also those of which a camera of fewer bits fills only the dark end of 16."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from fusion.errors import TrainingError
from fusion.levels import ByteImage

_ALL_BITS = 16
_FEWER_BITS = (8, 10, 12, 14)
_CLIPPED = 16
"""So many samples at the largest value of a camera: fewer a scene may have by chance."""
_LOOKED_AT = 120
"""Pictures of one clip."""
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_DEPTH_AT = 24
_TIFF = (b"II", b"MM")


@dataclass(frozen=True, slots=True)
class Depth:
    """How many bits the pictures of a clip fill.

    Attributes:
        bits: Of 16; that is all of them too where they have 8 bits.
        doubt: What speaks for fewer without proving it, as one sentence; "" when nothing does.

    """

    bits: int = _ALL_BITS
    doubt: str = ""


def depth_of(pictures: Sequence[Path]) -> Depth:
    """How many bits the pictures of one clip fill, by the brightest of all of them.

    Cameras of 10, 12 or 14 bits are told from a dark scene by what was too bright for them: several samples
    have their largest value, 4095 for 12 bits, and none has more. Where nothing was, only the operator knows.

    Args:
        pictures: The clip's files; what is wrong with them is told when they are read.

    """
    chosen = pictures[:: max(1, -(-len(pictures) // _LOOKED_AT))]
    if not chosen or not _may_be_deep(chosen[0]):
        return Depth()
    brightest = count = 0
    for path in chosen:
        image = decoded(path, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
        if image is None:
            continue
        most = int(image.max())
        if image.dtype != np.uint16 or most >= 1 << _FEWER_BITS[-1]:
            return Depth()
        if most >= brightest:
            count = int(np.count_nonzero(image == most)) + (count if most == brightest else 0)
            brightest = most
    bits = next(bits for bits in _FEWER_BITS if brightest < 1 << bits)
    if brightest == (1 << bits) - 1 and count >= _CLIPPED:
        return Depth(bits)
    if not brightest:
        return Depth()
    times = 1 << _ALL_BITS - bits
    return Depth(
        doubt=f"{chosen[0].parent}: its 16-bit pictures are nowhere brighter than {brightest} of 65535 and "
        f"are taken to be dark; if their camera has {bits} bits, multiply their values by {times}"
    )


def read_picture(path: Path, bits: int = _ALL_BITS) -> ByteImage:
    """(H, W, 3) uint8 RGB.

    Args:
        path: The file.
        bits: How many of 16 its clip fills; see `depth_of`.

    Raises:
        TrainingError: It is no picture.

    """
    image = decoded(path, cv2.IMREAD_COLOR | (cv2.IMREAD_ANYDEPTH if bits < _ALL_BITS else 0))
    if image is None:
        raise TrainingError(f"{path}: not a readable picture; remove or replace it")
    if image.dtype == np.uint16:
        image = np.minimum(image >> (bits - 8), 255)
    return np.ascontiguousarray(image[..., ::-1], dtype=np.uint8)


def decoded(path: Path, flags: int) -> npt.NDArray[Any] | None:
    """A picture as `cv2.imread` gives it, also where Windows keeps OpenCV from names with other letters."""
    try:
        return cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), flags)
    except (OSError, cv2.error):
        return None


def _may_be_deep(path: Path) -> bool:
    """Whether a picture may have 16 bits, by its first bytes: decoding one of each clip takes too long."""
    try:
        with path.open("rb") as file:
            head = file.read(_PNG_DEPTH_AT + 1)
    except OSError:
        return False
    if head.startswith(_PNG):
        return head[_PNG_DEPTH_AT:] == bytes([_ALL_BITS])
    return head.startswith(_TIFF)
