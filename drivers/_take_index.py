"""index.bin: one row of 64 bytes per frame, little endian, each with its own checksum."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt

from drivers.frame import Frame, Image

ROW = np.dtype(
    [
        ("seq", "<u8"),  # row number from 0
        ("frame_id", "<i8"),  # the camera's counter, unwrapped
        ("mid_exposure_ns", "<i8"),  # camera clock [ns]
        ("host_ns", "<i8"),  # host monotonic clock [ns]
        ("exposure_us", "<f8"),
        ("gain_db", "<f4"),
        ("flags", "<u4"),  # FrameFlag
        ("offset", "<u8"),  # first byte of the frame, counted over all segments of the stream
        ("crc32", "<u4"),  # of the frame's bytes
        ("row_crc32", "<u4"),  # of the 60 bytes before it
    ]
)
ROW_BYTES = 64
_CHECKED_BYTES = 60
_HEAD = struct.Struct("<QqqqdfIQI")  # `ROW` without its last field

Rows = npt.NDArray[np.void]


def frame_bytes(image: Image) -> npt.NDArray[np.uint8]:
    """Bytes of a picture as they lie on disk; a view where the picture is contiguous."""
    return np.ascontiguousarray(image).reshape(-1).view(np.uint8)


def encode_row(seq: int, frame: Frame, *, stride: int, crc32: int) -> bytes:
    """Row number `seq` of the index, 64 bytes.

    Args:
        seq: Row number from 0.
        frame: The frame; its picture is not looked at.
        stride: Bytes of one frame on disk.
        crc32: Checksum of the frame's bytes.

    """
    head = _HEAD.pack(
        seq,
        frame.frame_id,
        frame.mid_exposure_ns,
        frame.host_ns,
        frame.exposure_us,
        frame.gain_db,
        frame.flags,
        seq * stride,
        crc32,
    )
    return head + zlib.crc32(head).to_bytes(4, "little")


def decode_rows(data: bytes, *, stride: int, chosen: npt.NDArray[np.int64] | None = None) -> Rows:
    """All sound rows of an index: those in their place with the right checksum.

    Rows have a fixed size and name their frame's place, so a damaged one costs no other.

    Args:
        data: Content of index.bin; a torn last row and a preallocated tail of zeros are allowed.
        stride: Bytes of one frame on disk.
        chosen: Numbers of the rows that are wanted, ascending; those past the end are left out. All when
            None: an hour of a fast camera takes seconds.

    Returns:
        Structured array of dtype `ROW`, shape (rows,), by ascending `seq`.

    """
    count = len(data) // ROW_BYTES
    rows: Rows = np.frombuffer(data, ROW, count=count)
    places = np.arange(count, dtype=np.uint64)
    if chosen is not None:
        chosen = chosen[chosen < count]
        rows, places = rows[chosen], places[chosen]
        data = rows.tobytes()
    sound = (rows["seq"] == places) & (rows["offset"] == places * np.uint64(stride))
    view = memoryview(data)
    checksums = rows["row_crc32"]
    for place in np.flatnonzero(sound):
        at = int(place) * ROW_BYTES
        sound[place] = zlib.crc32(view[at : at + _CHECKED_BYTES]) == checksums[place]
    return rows if sound.all() else rows[sound]
