"""Moving textures with known truth, for the tests of this folder."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from fusion.levels import to_bytes
from fusion.resample import downscale

Image = npt.NDArray[np.uint8]


def texture(height: int, width: int, seed: int = 0) -> Image:
    """Random detail at every size of structure, (height, width, 3) uint8."""
    rng = np.random.default_rng(seed)
    out = np.zeros((height, width, 3), np.float32)
    for octave in range(5):
        cells = rng.normal(size=(max(height >> (5 - octave), 1), max(width >> (5 - octave), 1), 3))
        layer = cv2.resize(cells.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
        out += 0.75**octave * layer
    return to_bytes(128 + 35 * out)


def pan(count: int, height: int, width: int, step: tuple[float, float], seed: int = 0) -> list[Image]:
    """Frames of a picture moving `step` px (x, y) a frame."""
    margin = 32
    world = texture(height + 2 * margin, width + 2 * margin, seed)
    frames = []
    for k in range(count):
        shift = np.float32([[1, 0, step[0] * k - margin], [0, 1, step[1] * k - margin]])
        frames.append(cv2.warpAffine(world, shift, (width, height), flags=cv2.INTER_CUBIC))
    return frames


def layers(count: int, height: int, width: int) -> list[Image]:
    """Frames of a disc of texture, 2 px right and 1 px up a frame, over one that moves half as fast back."""
    far, near = (
        pan(count, height, width, step, seed) for step, seed in (((-1.0, 0.5), 0), ((2.0, -1.0), 50))
    )
    frames = []
    for k in range(count):
        share = disc(k - count // 2, height, width)[..., None]
        frames.append(to_bytes((far[k] * (1 - share) + near[k] * share).astype(np.float32)))
    return frames


def disc(after: int, height: int, width: int) -> npt.NDArray[np.float64]:
    """Where the disc of `layers` is, 0..1, so many frames after the middle one."""
    rows, columns = np.mgrid[:height, :width]
    x, y = width / 2 + 2.0 * after, height / 2 - 1.0 * after
    return np.asarray(np.clip(45.5 - np.hypot(columns - x, rows - y), 0, 1))


def reduce(frames: list[Image], scale: int) -> list[Image]:
    """The LSR camera's frames."""
    return [to_bytes(downscale(f, f.shape[0] // scale, f.shape[1] // scale)) for f in frames]
