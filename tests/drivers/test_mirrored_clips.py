"""Clips that are to be shown turned and mirrored, as selfie cameras and editors store them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from drivers import Role
from drivers.iphone import open_clip
from pictures import RgbImage, textured


def write_posed(path: Path, shown: RgbImage, codec: str, pix_fmt: str, *, turns: int, mirrored: bool) -> Path:
    """Three frames that a player turns counter-clockwise, then mirrors, and which then look like `shown`."""
    stored = np.ascontiguousarray(np.rot90(shown[:, ::-1] if mirrored else shown, -turns))
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30, options={"qp": "0"})
        stream.height, stream.width = stored.shape[:2]
        stream.pix_fmt = pix_fmt
        stream.set_display_rotation(90 * turns, hflip=mirrored)
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(stored, format="rgb24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = number, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "levels"), [("libx264rgb", "rgb24", 0.0), ("libx264", "yuv420p", 12.0)]
)
@pytest.mark.parametrize("mirrored", [True, False])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_clip_looks_as_players_show_it(
    tmp_path: Path, codec: str, pix_fmt: str, levels: float, mirrored: bool, turns: int
) -> None:
    shown = textured(64, 96, seed=3, cell=8)
    path = write_posed(tmp_path / "a.mp4", shown, codec, pix_fmt, turns=turns, mirrored=mirrored)
    with open_clip(path, Role.HSR) as clip:
        assert (clip.info.width, clip.info.height) == (96, 64)
        image, luma = clip.read(1).image, clip.read_luma(1, 48)
    assert np.abs(image.astype(int) - shown).mean() <= levels
    grey = cv2.resize(cv2.cvtColor(shown, cv2.COLOR_RGB2GRAY), (48, 32), interpolation=cv2.INTER_AREA)
    assert luma.shape == grey.shape
    assert np.corrcoef(luma.ravel(), grey.ravel())[0, 1] > 0.9
