"""Clips with known truth: layers of texture that move by themselves, filmed by two ideal cameras."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from drivers import StreamPair, open_clip_pair
from pictures import RgbImage, textured


@dataclass(frozen=True)
class ClipPair:
    """Two files and what the fused clip should show."""

    hsr: Path
    lsr: Path
    truth: list[RgbImage]
    first_hsr: int
    ratio: int

    @property
    def offset_ms(self) -> float:
        return 1000 * self.first_hsr / 240


def moving_scene(count: int, height: int = 256, width: int = 320, *, seed: int = 0) -> list[RgbImage]:
    """A background that drifts, and a disc with other texture that circles in front of it."""
    back, front = (
        textured(height + 128, width + 256, seed=seed, cell=5),
        textured(160, 160, seed=seed + 1, cell=4),
    )
    yy, xx = np.mgrid[:160, :160]
    disc = (np.hypot(yy - 79.5, xx - 79.5) < 70).astype(np.float32)
    frames = []
    for k in range(count):
        shift = np.array([[1, 0, -20 - 0.6 * k], [0, 1, -20 - 0.25 * k]], np.float32)
        scene = cv2.warpAffine(
            back, shift, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
        )
        angle = 0.06 * k
        x, y = width / 2 - 80 + 60 * np.cos(angle), height / 2 - 80 + 40 * np.sin(angle)
        place = np.array([[1, 0, x], [0, 1, y]], np.float32)
        mask = cv2.warpAffine(disc, place, (width, height))[..., None]
        object_ = cv2.warpAffine(front, place, (width, height), flags=cv2.INTER_CUBIC)
        frames.append(np.clip(np.rint(scene * (1 - mask) + object_ * mask), 0, 255).astype(np.uint8))
    return frames


def shrink(image: RgbImage, factor: int) -> RgbImage:
    """Area-averaged 1/factor of both sides."""
    size = (image.shape[1] // factor, image.shape[0] // factor)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def write_lossless(path: Path, frames: list[RgbImage], rate: int, *, slots: list[int] | None = None) -> Path:
    """FFV1 in Matroska, RGB bit for bit; `slots` says when each frame is shown, in steps of 1 / rate."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=Fraction(rate))
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "bgr0"
        for frame, slot in zip(frames, slots or range(len(frames)), strict=True):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format="bgr0")
            picture.pts, picture.time_base = slot, Fraction(1, rate)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def make_two_views(folder: Path, count: int) -> StreamPair:
    """Clips of two places, a quarter as many sharp frames; the fast view brightens after its eighth frame."""
    truth = moving_scene(count, 192, 240)
    lsr = [
        np.clip(shrink(f[16:176, 24:216], 2) * (0.6 if k < 8 else 1.0), 0, 255).astype(np.uint8)
        for k, f in enumerate(truth)
    ]
    return open_clip_pair(
        write_lossless(folder / "hsr.mkv", truth[1::4], 60),
        write_lossless(folder / "lsr.mkv", lsr, 240),
        offset_ms=1000 / 240,
    )


def make_pair(
    folder: Path,
    count: int = 40,
    *,
    size: tuple[int, int] = (256, 320),
    factor: int = 4,
    ratio: int = 8,
    first_hsr: int = 3,
) -> ClipPair:
    """Both clips of one scene: every frame small at 240/s, each `ratio`-th one whole at 240/ratio."""
    truth = moving_scene(count, *size)
    return ClipPair(
        write_lossless(folder / "hsr.mkv", truth[first_hsr::ratio], 240 // ratio),
        write_lossless(folder / "lsr.mkv", [shrink(f, factor) for f in truth], 240),
        truth,
        first_hsr,
        ratio,
    )
