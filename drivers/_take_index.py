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


def _crc_table() -> npt.NDArray[np.uint32]:
    """The CRC-32 that zlib uses: what each value of a byte does to the sum."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(0xEDB88320), table >> 1)
    return table


_CRC = _crc_table()
_TOGETHER = 4096
"""Rows whose checksums are made together: they stay in the processor's cache."""


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
        chosen: Numbers of the rows that are wanted, ascending, those past the end left out; None for all.

    Returns:
        Structured array of dtype `ROW`, shape (rows,), by ascending `seq`.

    """
    count = len(data) // ROW_BYTES
    rows: Rows = np.frombuffer(data, ROW, count=count)
    if chosen is None:
        places = np.arange(count, dtype=np.uint64)
    else:
        rows, places = rows[chosen[chosen < count]], chosen[chosen < count].astype(np.uint64)
    sound = (rows["seq"] == places) & (rows["offset"] == places * np.uint64(stride))
    sound &= rows["row_crc32"] == _checksums(rows)
    return rows if sound.all() else rows[sound]


def _checksums(rows: Rows) -> npt.NDArray[np.uint32]:
    """CRC-32 of the first 60 bytes of each row; one by one, those of an hour would take seconds."""
    content = rows.view(np.uint8).reshape(len(rows), ROW_BYTES)[:, :_CHECKED_BYTES]
    found = np.full(len(rows), 0xFFFFFFFF, np.uint32)
    for begin in range(0, len(rows), _TOGETHER):
        sums = found[begin : begin + _TOGETHER]
        for column in content[begin : begin + _TOGETHER].T:
            sums[:] = _CRC[(sums ^ column) & 0xFF] ^ (sums >> 8)
    return ~found
