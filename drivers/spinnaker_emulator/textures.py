"""Pictures drawn by program: dead leaves (edges at all scales, like photographs), print and parts."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

_BAND = 16

Rgb = npt.NDArray[np.uint8]

_PALETTE = (
    (196, 142, 96), (92, 118, 150), (214, 206, 188), (58, 66, 74), (150, 60, 52),
    (86, 128, 84), (226, 186, 90), (128, 104, 132), (170, 176, 178), (40, 44, 60),
)  # fmt: skip
_WORDS = ("AWNET", "HSTR", "twinrate", "240 fps", "30 fps", "GoP", "sample", "lab", "0123456789", "optics")


def _colour(rng: np.random.Generator, jitter: float = 18.0) -> tuple[int, int, int]:
    # One by one: a wall asks for tens of thousands, each too small for what an array costs.
    base = _PALETTE[int(rng.integers(len(_PALETTE)))]
    r, g, b = (
        int(min(max(value + jitter * change, 12.0), 243.0))
        for value, change in zip(base, rng.standard_normal(3).tolist(), strict=True)
    )
    return r, g, b


def dead_leaves(rng: np.random.Generator, height: int, width: int, leaves: int, largest: float) -> Rgb:
    """Overlapping ellipses whose radii follow r^-3 from 2 px to `largest` px (Lee, Mumford, Huang 2001)."""
    picture = np.full((height, width, 3), _colour(rng), np.uint8)
    smallest = 2.0
    u = rng.random(leaves)
    radii = 1.0 / np.sqrt(u / smallest**2 + (1 - u) / largest**2)
    covering = int(3 * height * width / (largest * largest))
    radii = np.concatenate([rng.uniform(0.3, 1.0, covering) * largest, radii])
    for radius in radii.tolist():
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        axes = (max(1, int(radius)), max(1, int(radius * (0.35 + 0.65 * rng.random()))))
        angle = 180 * rng.random()
        cv2.ellipse(picture, centre, axes, angle, 0, 360, _colour(rng), -1, cv2.LINE_AA)
    return picture


def grain(rng: np.random.Generator, picture: Rgb, strength: float) -> Rgb:
    """Fine surface structure, two octaves: one and three texels."""
    height, width = picture.shape[:2]
    fine = rng.standard_normal((height, width), dtype=np.float32)
    fine = cv2.GaussianBlur(fine, (0, 0), 0.7) * 2.0 + cv2.GaussianBlur(fine, (0, 0), 2.0) * 3.0
    fine *= strength
    result = np.empty_like(picture)
    for row in range(0, height, _BAND):
        # In bands that stay in the processor's cache.
        band = picture[row : row + _BAND] + fine[row : row + _BAND, :, None]
        result[row : row + _BAND] = np.clip(band, 0, 255, out=band)
    return result


def printed(rng: np.random.Generator, picture: Rgb, lines: int) -> Rgb:
    """Words, rulers and fine gratings printed over a picture (in place), returned for chaining."""
    height, width = picture.shape[:2]
    for _ in range(lines):
        x, y = int(rng.integers(width)), int(rng.integers(height))
        word = _WORDS[rng.integers(len(_WORDS))]
        scale = float(rng.uniform(0.4, 1.6))
        cv2.putText(picture, word, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, _colour(rng), 2, cv2.LINE_AA)
        pitch = int(rng.integers(3, 9))
        bars = int(rng.integers(6, 20))
        colour = _colour(rng)
        for bar in range(bars):
            left = x + bar * pitch
            cv2.line(
                picture, (left, y + 8), (left, y + 8 + 4 * pitch), colour, max(1, pitch // 2), cv2.LINE_AA
            )
    return picture


def disc_mask(size: int) -> npt.NDArray[np.uint8]:
    """A gear: disc with teeth, antialiased, shape (size, size), 255 inside."""
    mask = np.zeros((size, size), np.uint8)
    centre = (size - 1) / 2
    theta = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    radius = (size / 2 - 4) * (0.92 + 0.08 * np.sign(np.sin(18 * theta)))
    points = np.stack([centre + radius * np.cos(theta), centre + radius * np.sin(theta)], axis=1)
    cv2.fillPoly(mask, [np.round(points * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return mask


def card_mask(height: int, width: int, corner: int) -> npt.NDArray[np.uint8]:
    """A rectangle with round corners, antialiased, 255 inside."""
    mask = np.zeros((height, width), np.uint8)
    box = (4 + corner, 4 + corner, width - 5 - corner, height - 5 - corner)
    cv2.rectangle(mask, (box[0], 4), (box[2], height - 5), 255, -1)
    cv2.rectangle(mask, (4, box[1]), (width - 5, box[3]), 255, -1)
    for x in (box[0], box[2]):
        for y in (box[1], box[3]):
            cv2.circle(mask, (x, y), corner, 255, -1, cv2.LINE_AA)
    return mask
