"""Small takes with known content."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drivers import Frame, FrameFlag, PixelFormat, Role
from drivers.take import TakeMetadata, TakeWriter

HSR_SHAPE = (12, 16)
LSR_SHAPE = (6, 8)


def make_metadata(**changes: object) -> TakeMetadata:
    content: dict[str, object] = {
        "name": "ball drop",
        "hsr": {
            "serial": "16290001",
            "width": 16,
            "height": 12,
            "pixel_format": "BayerRG8",
            "frame_rate": 30,
        },
        "lsr": {
            "serial": "16290002",
            "width": 8,
            "height": 6,
            "pixel_format": "BayerRG16",
            "frame_rate": 240,
        },
        "trigger": {"hsr_rate": 30, "ratio": 8},
        "extra": {"scene": {"seed": 7}},
    }
    return TakeMetadata.model_validate(content | changes)


def make_frame(role: Role, number: int, flags: FrameFlag = FrameFlag.NONE) -> Frame:
    rng = np.random.default_rng([number, role is Role.HSR])
    fmt = PixelFormat.BAYER_RG8 if role is Role.HSR else PixelFormat.BAYER_RG16
    shape = HSR_SHAPE if role is Role.HSR else LSR_SHAPE
    image = rng.integers(0, np.iinfo(fmt.dtype).max, shape, fmt.dtype, endpoint=True)
    period = 33_333_333 if role is Role.HSR else 4_166_667
    return Frame(
        image,
        fmt,
        role,
        frame_id=number + 1000,
        mid_exposure_ns=10**15 + number * period,
        exposure_us=1999.125 + number,
        gain_db=3.5,
        host_ns=number * period + 17,
        flags=flags,
    )


def write_take(
    path: Path, hsr: int = 3, lsr: int = 24, *, metadata: TakeMetadata | None = None, first_hsr_id: int = 1000
) -> Path:
    """With HSR ids from 125 on, the HSR frames belong to the LSR frames, whose ids begin at 1000."""
    with TakeWriter(path, metadata or make_metadata()) as writer:
        for number in range(max(lsr, 8 * hsr)):
            if number < lsr:
                writer.append(make_frame(Role.LSR, number))
            if number % 8 == 0 and number // 8 < hsr:
                frame = make_frame(Role.HSR, number // 8)
                writer.append(replace(frame, frame_id=first_hsr_id + number // 8))
        writer.close({"missing": 0})
    return path


def assert_same(frame: Frame, expected: Frame) -> None:
    np.testing.assert_array_equal(frame.image, expected.image)
    assert frame.image.dtype == expected.image.dtype
    for name in ("pixel_format", "role", "frame_id", "mid_exposure_ns", "exposure_us", "host_ns", "flags"):
        assert getattr(frame, name) == getattr(expected, name), name
    assert frame.gain_db == pytest.approx(expected.gain_db, rel=1e-6)
