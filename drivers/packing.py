"""Packed 12-bit pictures: two samples in three bytes, as cameras send them and takes keep them.

Unpacked samples are scaled to the full 16 bits (PFNC Mono16 and BayerRG16), so that nothing behind this file
has to know about 12 bits.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from drivers.frame import Frame, PixelFormat

Bytes = npt.NDArray[np.uint8]
Samples = npt.NDArray[np.uint16]

Words = npt.NDArray[np.uint32]

_BLOCK = 1 << 14
"""Pairs at a time: as many as stay in the first cache between the steps."""
_LSB_FIRST = (PixelFormat.MONO12P, PixelFormat.BAYER_RG12P)


def pack(samples: Samples, pixel_format: PixelFormat) -> Bytes:
    """12 most significant bits of each sample in the byte order of `pixel_format`.

    Args:
        samples: Full 16-bit range, shape (H, W), W even.
        pixel_format: Mono12p, BayerRG12p (a stream of bits, least significant first) or Mono12Packed,
            BayerRG12Packed (the upper eight bits of both samples around a byte with the lower four of each).

    Returns:
        Shape (H, W * 3 / 2).

    """
    height, width = samples.shape
    codes = samples >> 4
    first, second = codes[:, 0::2], codes[:, 1::2]
    out = np.empty((height, width // 2, 3), np.uint8)
    if pixel_format in _LSB_FIRST:
        out[..., 0] = first & 0xFF
        out[..., 1] = (first >> 8) | (second & 0x0F) << 4
        out[..., 2] = second >> 4
    else:
        out[..., 0] = first >> 4
        out[..., 1] = (first & 0x0F) | (second & 0x0F) << 4
        out[..., 2] = second >> 4
    return out.reshape(pixel_format.shape(height, width))


def unpack(packed: Bytes, pixel_format: PixelFormat, out: Samples | None = None) -> Samples:
    """Samples of a packed picture, scaled so that 0 stays 0 and 4095 becomes 65535.

    Args:
        packed: Shape (H, W * 3 / 2).
        pixel_format: Its packed format.
        out: Where to put them, contiguous, shape (H, W); new memory when None.

    """
    height, width = packed.shape[0], packed.shape[1] // 3 * 2
    if out is None:
        out = np.empty((height, width), np.uint16)
    data = np.ascontiguousarray(packed).reshape(-1)
    pairs = out.reshape(-1).view("<u4")
    # Every three bytes with the one that follows them; the last three have none.
    last = len(pairs) - 1
    words = np.ndarray((last,), "<u4", data, 0, (3,))
    spare = np.empty(min(_BLOCK, last), np.uint32)
    for start in range(0, last, _BLOCK):
        stop = min(start + _BLOCK, last)
        _spread(words[start:stop], pixel_format, pairs[start:stop], spare[: stop - start])
    end = np.array([int.from_bytes(data[-3:].tobytes(), "little")], np.uint32)
    _spread(end, pixel_format, pairs[last:], np.empty(1, np.uint32))
    return out


def _spread(words: Words, pixel_format: PixelFormat, pairs: Words, spare: Words) -> None:
    """Two samples from each word's lower three bytes to both halves of `pairs`; `spare` is scratch memory."""
    np.copyto(spare, words)
    if pixel_format in _LSB_FIRST:
        np.bitwise_and(spare, 0xFFF000, out=pairs)
        np.left_shift(pairs, 4, out=pairs)
        np.bitwise_and(spare, 0xFFF, out=spare)
        np.bitwise_or(pairs, spare, out=pairs)
        np.left_shift(pairs, 4, out=pairs)
    else:
        np.left_shift(spare, 8, out=pairs)
        np.bitwise_and(pairs, 0xFF00FF00, out=pairs)
        np.bitwise_and(spare, 0xFF00, out=spare)
        np.bitwise_or(pairs, np.bitwise_and(np.right_shift(spare, 4), 0xF0), out=pairs)
        np.bitwise_or(pairs, np.left_shift(np.bitwise_and(spare, 0xF000), 8), out=pairs)
    np.right_shift(pairs, 12, out=spare)
    np.bitwise_and(spare, 0x000F000F, out=spare)
    np.bitwise_or(pairs, spare, out=pairs)


def unpacked(frame: Frame) -> Frame:
    """The frame with 16-bit samples if it is packed, itself otherwise."""
    if not frame.pixel_format.packed:
        return frame
    image = unpack(np.asarray(frame.image, np.uint8), frame.pixel_format)
    return replace(frame, image=image, pixel_format=frame.pixel_format.unpacked)
