"""What the virtual cameras look at: textured planes at several depths, some of them in fast motion."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from drivers.frame import Role
from drivers.spinnaker_emulator import textures
from drivers.spinnaker_emulator.optics import Matrix, Region, RigGeometry

PERIOD_S = 0.8
"""Every motion repeats after this time, so that a real-time rig can loop over rendered pictures [s]."""
_TEXEL_MM = 0.3
_CACHED_BACKGROUNDS = 6


@dataclass(frozen=True, slots=True)
class Motion:
    """Sinusoidal path and steady spin, periodic in PERIOD_S.

    Attributes:
        centre_mm: Middle of the path (X, Y) [mm].
        swing_mm: Amplitude along X and Y [mm].
        phase: Phase of X and Y [turns].
        turns: Whole turns about the layer's centre per period; 0 for none.

    """

    centre_mm: tuple[float, float] = (0.0, 0.0)
    swing_mm: tuple[float, float] = (0.0, 0.0)
    phase: tuple[float, float] = (0.0, 0.0)
    turns: int = 0

    @property
    def is_still(self) -> bool:
        """Whether the layer never moves."""
        return self.turns == 0 and self.swing_mm == (0.0, 0.0)

    def pose(self, time_s: float) -> Matrix:
        """Rigid motion at `time_s` of the plane's millimetres, shape (3, 3)."""
        turn = 2 * math.pi * (time_s / PERIOD_S)
        x = self.centre_mm[0] + self.swing_mm[0] * math.sin(turn + 2 * math.pi * self.phase[0])
        y = self.centre_mm[1] + self.swing_mm[1] * math.sin(turn + 2 * math.pi * self.phase[1])
        c, s = math.cos(turn * self.turns), math.sin(turn * self.turns)
        return np.array([[c, -s, x], [s, c, y], [0, 0, 1]], np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One textured plane, parallel to the LSR sensor.

    Attributes:
        pyramid: Premultiplied RGBA of halving size, each (H, W, 4) uint8.
        depth_mm: Distance from the LSR camera [mm].
        motion: How it moves.
        opaque: Covers every pixel of every view (the wall).

    """

    pyramid: tuple[npt.NDArray[np.uint8], ...]
    depth_mm: float
    motion: Motion
    opaque: bool = False

    def plane_from_texel(self, level: int) -> Matrix:
        """Texel of `level` (centres at integers) to millimetres about the layer's centre."""
        height, width = self.pyramid[0].shape[:2]
        step = 2.0**level
        shift = (step - 1) / 2
        a = _TEXEL_MM * step
        return np.array(
            [
                [a, 0, _TEXEL_MM * (shift - (width - 1) / 2)],
                [0, a, _TEXEL_MM * (shift - (height - 1) / 2)],
                [0, 0, 1],
            ],
            np.float64,
        )


def _layer(rgb: textures.Rgb, mask: npt.NDArray[np.uint8] | None, depth_mm: float, motion: Motion) -> Layer:
    if mask is None:
        pyramid = [np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2RGBA), np.uint8)]
    else:
        colour = (rgb * (mask[..., None] / 255.0) + 0.5).astype(np.uint8)
        pyramid = [np.dstack([colour, mask])]
    while min(pyramid[-1].shape[:2]) >= 64 and len(pyramid) < 6:
        height, width = pyramid[-1].shape[:2]
        even = pyramid[-1][: height // 2 * 2, : width // 2 * 2]
        pyramid.append(
            np.asarray(cv2.resize(even, (width // 2, height // 2), interpolation=cv2.INTER_AREA), np.uint8)
        )
    return Layer(tuple(pyramid), depth_mm, motion, opaque=mask is None)


@lru_cache(maxsize=2)
def _layers(seed: int) -> tuple[Layer, ...]:
    rng = np.random.default_rng([seed, 1])
    wall = textures.printed(rng, textures.dead_leaves(rng, 2816, 3712, 30000, 190), 260)
    poster = textures.printed(rng, textures.dead_leaves(rng, 520, 700, 1400, 60), 40)
    gear = textures.printed(rng, textures.dead_leaves(rng, 380, 380, 900, 40), 10)
    card = textures.printed(rng, textures.dead_leaves(rng, 260, 420, 700, 40), 14)
    chip = textures.printed(rng, textures.dead_leaves(rng, 200, 200, 360, 30), 5)
    quarter = 0.25
    return (
        _layer(textures.grain(rng, wall, 7.0), None, 2200.0, Motion((30.0, 0.0))),
        _layer(
            textures.grain(rng, poster, 7.0),
            textures.card_mask(520, 700, 12),
            2050.0,
            Motion((-70.0, 60.0)),
        ),
        _layer(
            textures.grain(rng, gear, 6.0),
            textures.disc_mask(380),
            1950.0,
            Motion((75.0, 45.0), (8.0, 6.0), (0.0, quarter), 0),
        ),
        _layer(
            textures.grain(rng, card, 6.0),
            textures.card_mask(260, 420, 24),
            1850.0,
            Motion((-20.0, -60.0), (42.0, 10.0), (0.1, 0.6), 0),
        ),
        _layer(
            textures.grain(rng, chip, 6.0),
            textures.disc_mask(200),
            1750.0,
            Motion((60.0, -45.0), (12.0, 34.0), (0.35, 0.2), 0),
        ),
    )


@dataclass(frozen=True, slots=True)
class View:
    """One camera's field of view sampled at a size: what a picture is rendered for."""

    role: Role
    region: Region
    width: int
    height: int
    geometry: RigGeometry


@dataclass(slots=True, eq=False)
class Scene:
    """A wall, a poster, a turning gear and moving cards; the same for the same seed.

    Attributes:
        seed: Chooses the textures.

    """

    seed: int
    layers: tuple[Layer, ...] = field(init=False)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)
    _backgrounds: OrderedDict[View, npt.NDArray[np.uint8]] = field(init=False, default_factory=OrderedDict)

    def __post_init__(self) -> None:
        self.layers = _layers(self.seed)

    def radiance(self, view: View, times_s: tuple[float, ...]) -> npt.NDArray[np.float32]:
        """Mean over `times_s` of what the view sees, linear, shape (height, width, 3), 0..255 RGB."""
        result = self.background(view).astype(np.float32)
        window = self.moving(view, times_s)
        if window is not None:
            (left, top), pixels = window
            result[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
        return result

    def moving(
        self, view: View, times_s: tuple[float, ...]
    ) -> tuple[tuple[int, int], npt.NDArray[np.float32]] | None:
        """The part of `radiance` that differs from the background: (left, top) and pixels, or None."""
        layers = [layer for layer in self.layers if not layer.motion.is_still]
        boxes = [_bounds(layer, view, t) for layer in layers for t in times_s]
        # On a grid of 4, so that a mosaic and an average over 2x2 fall the same way as in the whole picture.
        left = max(0, min(b[0] for b in boxes)) // 4 * 4
        top = max(0, min(b[1] for b in boxes)) // 4 * 4
        right = min(view.width, -(-max(b[2] for b in boxes) // 4) * 4)
        bottom = min(view.height, -(-max(b[3] for b in boxes) // 4) * 4)
        if left >= right or top >= bottom:
            return None
        behind = self.background(view)[top:bottom, left:right]
        total = np.zeros(behind.shape, np.float32)
        for time_s in times_s:
            picture = behind.copy()
            for layer in layers:
                _draw(picture, layer, view, time_s, (left, top))
            cv2.accumulate(picture, total)
        total *= np.float32(1.0 / len(times_s))
        return (left, top), total

    def background(self, view: View) -> npt.NDArray[np.uint8]:
        """What never moves, shape (height, width, 3)."""
        with self._lock:
            cached = self._backgrounds.get(view)
            if cached is None:
                cached = np.zeros((view.height, view.width, 3), np.uint8)
                for layer in self.layers:
                    if layer.motion.is_still:
                        _draw(cached, layer, view, 0.0, (0, 0))
                self._backgrounds[view] = cached
                while len(self._backgrounds) > _CACHED_BACKGROUNDS:
                    self._backgrounds.popitem(last=False)
            return cached


def _image_from_texel(layer: Layer, view: View, time_s: float, level: int) -> Matrix:
    plane = view.geometry.image_from_plane(view.role, view.region, view.width, view.height, layer.depth_mm)
    result: Matrix = plane @ layer.motion.pose(time_s) @ layer.plane_from_texel(level)
    return result


def _level(layer: Layer, view: View) -> int:
    focal = view.geometry.focal_px(view.role) * view.width / view.region.width
    texels_per_pixel = layer.depth_mm / focal / _TEXEL_MM
    level = max(0, math.floor(math.log2(texels_per_pixel) + 0.3)) if texels_per_pixel > 1 else 0
    return min(level, len(layer.pyramid) - 1)


def _bounds(layer: Layer, view: View, time_s: float) -> tuple[int, int, int, int]:
    height, width = layer.pyramid[0].shape[:2]
    corners = np.array([[[-1, -1], [width, -1], [width, height], [-1, height]]], np.float64)
    points = cv2.perspectiveTransform(corners, _image_from_texel(layer, view, time_s, 0))[0]
    low, high = np.floor(points.min(axis=0)) - 1, np.ceil(points.max(axis=0)) + 2
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _draw(
    picture: npt.NDArray[np.uint8], layer: Layer, view: View, time_s: float, origin: tuple[int, int]
) -> None:
    height, width = picture.shape[:2]
    level = _level(layer, view)
    if layer.opaque:
        left, top, right, bottom = 0, 0, width, height
    else:
        box = _bounds(layer, view, time_s)
        left, top = max(0, box[0] - origin[0]), max(0, box[1] - origin[1])
        right, bottom = min(width, box[2] - origin[0]), min(height, box[3] - origin[1])
        if left >= right or top >= bottom:
            return
    shift = np.array([[1, 0, -(origin[0] + left)], [0, 1, -(origin[1] + top)], [0, 0, 1]], np.float64)
    matrix = shift @ _image_from_texel(layer, view, time_s, level)
    border = cv2.BORDER_REFLECT if layer.opaque else cv2.BORDER_CONSTANT
    drawn = cv2.warpPerspective(
        layer.pyramid[level], matrix, (right - left, bottom - top), flags=cv2.INTER_LINEAR, borderMode=border
    )
    target = picture[top:bottom, left:right]
    if layer.opaque:
        target[:] = drawn[..., :3]
        return
    hidden = cv2.cvtColor(255 - drawn[..., 3], cv2.COLOR_GRAY2RGB)
    cv2.add(cv2.multiply(target, hidden, scale=1 / 255), drawn[..., :3], dst=target)
