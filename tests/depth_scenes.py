"""Pictures full of detail, and two views of a scene with depth layers whose true map is known."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np


def texture(height: int, width: int, seed: int) -> np.ndarray:
    """RGB picture (height, width, 3) uint8 with corners and detail at every size; deterministic."""
    rng = np.random.default_rng(seed)
    out = np.full((height, width, 3), 110.0)
    for size in (128, 64, 32, 16, 8, 4, 2):
        noise = rng.normal(0, 1, (height // size + 2, width // size + 2, 3))
        out += 9 * cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(width * height // 2500):
        color = rng.uniform(15, 240, 3)
        centre = rng.uniform(0, 1, 2) * (width, height)
        radius = float(rng.uniform(4, 30))
        angle = rng.uniform(0, np.pi)
        corners = [
            centre + radius * np.array([np.cos(angle + k * 2.1), np.sin(angle + k * 2.1)]) for k in range(3)
        ]
        cv2.fillPoly(out, [np.round(corners).astype(np.int32)], color.tolist(), cv2.LINE_AA)
    return np.clip(out, 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class DepthScene:
    """Two rectified views of layers at several depths.

    Attributes:
        hsr: Right view, full size.
        lsr: Left view, a quarter of the size.
        truth: Left view, full size.
        map_xy: True HSR position of each pixel of `truth`.
        visible: Where the HSR view shows the same surface.

    """

    hsr: np.ndarray
    lsr: np.ndarray
    truth: np.ndarray
    map_xy: np.ndarray
    visible: np.ndarray


def depth_scene(width: int = 640, height: int = 480, *, noise: float = 0.0, seed: int = 3) -> DepthScene:
    """Slanted background and discs in front of it, seen from two places."""
    rng = np.random.default_rng(seed)
    unit = width / 640
    margin = round(100 * unit)
    canvas_w = width + 2 * margin
    y, x = np.mgrid[0:height, 0:canvas_w].astype(np.float32)
    layers = [
        (texture(height, canvas_w, seed), np.ones((height, canvas_w), bool), unit * (12 + 6 * y / height))
    ]
    for k in range(7):
        cx = rng.uniform(120 * unit, canvas_w - 120 * unit)
        cy = rng.uniform(40 * unit, height - 40 * unit)
        radius = unit * rng.uniform(35, 80)
        mask = (x - cx) ** 2 + (y - cy) ** 2 < radius**2
        layers.append(
            (texture(height, canvas_w, seed + 10 + k), mask, np.full_like(y, unit * (26 + 7.0 * k)))
        )
    views, depth_maps = [], []
    base_x, base_y = np.meshgrid(
        np.arange(width, dtype=np.float32) + margin, np.arange(height, dtype=np.float32)
    )
    for side in (0.0, 1.0):
        view = np.zeros((height, width, 3), np.uint8)
        depth = np.zeros((height, width), np.float32)
        for image, mask, disparity in layers:
            # Disparity depends on the row only, so looking it up at the target pixel is exact.
            shift = disparity[:, :width]
            at = np.stack([base_x + side * shift, base_y], -1)
            layer = cv2.remap(image, at, None, cv2.INTER_CUBIC)
            inside = cv2.remap(mask.astype(np.float32), at, None, cv2.INTER_LINEAR) > 0.5
            view[inside], depth[inside] = layer[inside], shift[inside]
        views.append(view)
        depth_maps.append(depth)
    map_xy = np.stack([base_x - margin - depth_maps[0], base_y], -1)
    seen = cv2.remap(depth_maps[1], map_xy, None, cv2.INTER_NEAREST, borderValue=-1)
    lsr = cv2.resize(views[0], (width // 4, height // 4), interpolation=cv2.INTER_AREA)
    lsr = np.clip(np.round(lsr + rng.normal(0, noise, lsr.shape)), 0, 255).astype(np.uint8)
    return DepthScene(views[1], lsr, views[0], map_xy, np.abs(seen - depth_maps[0]) < 1)
