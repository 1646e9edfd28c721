"""What the program knows about the sensor of the GS3-U3-51S5C without asking the camera."""

from __future__ import annotations

PIXEL_PITCH_UM = 3.45
"""Pixel pitch [um], unbinned."""
ROW_TIME_US = 6.5
"""Read-out of one sensor row [us]: 2048 rows in 1/75 s, rounded up."""
READOUT_OVERHEAD_US = 100.0
"""Frame overhead of the sensor and the opto-isolated input [us]."""


def readout_us(rows: int) -> float:
    """Time that reading `rows` sensor rows takes [us]; columns are free on this sensor."""
    return rows * ROW_TIME_US + READOUT_OVERHEAD_US
