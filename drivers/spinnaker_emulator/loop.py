"""Pictures for a rig in real time: one scene period drawn beforehand, then only looked up.

Loop pictures are stored as square roots of the light, noise included: there shot noise has the same
deviation at every brightness, and one table look-up per frame applies exposure, gain and black level.
"""

from __future__ import annotations

import math
import os
import sys
import threading
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from drivers.frame import Image, PixelFormat, Role
from drivers.packing import pack
from drivers.spinnaker_emulator import sensor
from drivers.spinnaker_emulator.optics import Region, RigGeometry
from drivers.spinnaker_emulator.painter import Shot, view_of
from drivers.spinnaker_emulator.scene import PERIOD_S, Scene
from drivers.spinnaker_emulator.sensor import Exposure

Codes = npt.NDArray[np.uint8]

_PERIOD_NS = round(PERIOD_S * 1e9)
_BRIGHTEST = 1.2
"""Radiance, as part of 255, that the highest code stands for; leaves room for the colour response."""
_REDRAW_RATIO = 1.6
_MOST_PICTURES = 256
_NICENESS = 5
_SUBSAMPLES = {Role.HSR: 2, Role.LSR: 1}


class _Key(NamedTuple):
    """What a stored picture was drawn for."""

    place: object
    region: Region
    layout: tuple[bool, int]
    """Whether it is a mosaic, and channels; bits make no difference to what is stored."""
    exposure_step: int


class PictureLoop:
    """One camera's pictures over one scene period.

    Args:
        scene: What it looks at.
        seed: Noise.
        rate_hz: Frames per second; the loop has PERIOD_S * rate_hz pictures, at most 256.

    """

    def __init__(self, scene: Scene, seed: int, rate_hz: float) -> None:
        self._scene = scene
        self._rng = np.random.default_rng([seed, 77])
        self.rate_hz = rate_hz
        self.count = min(_MOST_PICTURES, max(1, round(PERIOD_S * rate_hz)))
        self._stored: list[Codes | None] = [None] * self.count
        self._drawn_for: list[_Key | None] = [None] * self.count
        self._developed: list[tuple[Codes, tuple[Exposure, PixelFormat], Image] | None] = [None] * self.count
        self._background: tuple[object, Codes] | None = None
        self._noise: tuple[object, npt.NDArray[np.int8]] | None = None
        self._lock = threading.Lock()
        self._redraw: threading.Thread | None = None
        self._wanted: tuple[RigGeometry, Shot] | None = None

    def time_of(self, time_ns: int) -> int:
        """The moment of the scene that a frame exposed from `time_ns` on shows [ns]."""
        return self._index(time_ns) * _PERIOD_NS // self.count

    def prepare(self, geometry: RigGeometry, shot: Shot) -> None:
        """Draw every picture that is missing or drawn for other settings, the next ones first."""
        key = _key(geometry, shot)
        first = self._index(shot.start_ns) + 1
        for step in range(self.count):
            index = (first + step) % self.count
            stored = self._stored[index]
            if stored is None or self._drawn_for[index] != key:
                stored = self._draw(index, geometry, shot, key)
            self._developed_picture(index, stored, shot)

    def fill(self, geometry: RigGeometry, shot: Shot, out: Image) -> None:
        """Write the picture of `shot` into `out`.

        Brightness follows every setting at once; motion blur, noise and the place of the camera follow
        picture by picture while the loop is drawn again in the background.
        """
        index = self._index(shot.start_ns)
        key = _key(geometry, shot)
        stored, drawn = self._stored[index], self._drawn_for[index]
        if drawn != key:
            self._start_redraw(geometry, shot)
        if stored is None or drawn is None or (drawn.region, drawn.layout) != (key.region, key.layout):
            stored = self._draw(index, geometry, shot, key)
        np.copyto(out, self._developed_picture(index, stored, shot))

    def _developed_picture(self, index: int, stored: Codes, shot: Shot) -> Image:
        """The picture with exposure and gain applied, kept until one of them changes."""
        developed = self._developed[index]
        wanted = (shot.exposure, shot.pixel_format)
        if developed is None or developed[0] is not stored or developed[1] != wanted:
            developed = self._developed[index] = (stored, wanted, _developed(stored, shot))
        return developed[2]

    def _index(self, time_ns: int) -> int:
        return round((time_ns % _PERIOD_NS) * self.count / _PERIOD_NS) % self.count

    def _draw(self, index: int, geometry: RigGeometry, shot: Shot, key: _Key) -> Codes:
        view, finer = view_of(geometry, shot)
        codes = self._background_codes(geometry, shot, key).copy()
        count = _SUBSAMPLES[shot.role]
        start = index * PERIOD_S / self.count
        step = shot.exposure.exposure_us * 1e-6 / count
        window = self._scene.moving(view, tuple(start + (i + 0.5) * step for i in range(count)))
        if window is not None:
            (left, top), pixels = window
            part = _codes(_shrunk(pixels, finer), shot)
            y, x = top // finer, left // finer
            codes[y : y + part.shape[0], x : x + part.shape[1]] = part
        noisy = np.asarray(
            cv2.add(codes, self._noise_for(codes.shape, shot, index), dtype=cv2.CV_8U), np.uint8
        )
        with self._lock:
            self._stored[index] = noisy
            self._drawn_for[index] = key
        return noisy

    def _background_codes(self, geometry: RigGeometry, shot: Shot, key: _Key) -> Codes:
        cached = self._background
        if cached is not None and cached[0] == key:
            return cached[1]
        view, finer = view_of(geometry, shot)
        codes = _codes(_shrunk(self._scene.background(view), finer), shot)
        self._background = (key, codes)
        return codes

    def _noise_for(self, shape: tuple[int, ...], shot: Shot, index: int) -> npt.NDArray[np.int8]:
        """A window of one noise field, elsewhere for each picture."""
        deviation = _noise_deviation(shot.exposure)
        rows, columns = shape[0] + 64, shape[1] + 64
        key = (rows, columns, shape[2:], deviation)
        cached = self._noise
        if cached is None or cached[0] != key:
            field = self._rng.standard_normal((rows, columns, *shape[2:]), dtype=np.float32)
            cached = (key, np.clip(np.rint(field * np.float32(deviation)), -127, 127).astype(np.int8))
            self._noise = cached
        y, x = (index * 37) % 64, (index * 23) % 64
        return np.ascontiguousarray(cached[1][y : y + shape[0], x : x + shape[1]])

    def _start_redraw(self, geometry: RigGeometry, shot: Shot) -> None:
        with self._lock:
            self._wanted = (geometry, shot)
            if self._redraw is not None and self._redraw.is_alive():
                return
            self._redraw = threading.Thread(target=self._redraw_all, name="picture loop", daemon=True)
            self._redraw.start()

    def _redraw_all(self) -> None:
        _yield_to_cameras()
        while True:
            with self._lock:
                wanted, self._wanted = self._wanted, None
            if wanted is None:
                return
            self.prepare(*wanted)


def _yield_to_cameras() -> None:
    """Pictures that are drawn anew may come late; frames may not."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def _key(geometry: RigGeometry, shot: Shot) -> _Key:
    # Brightness is exact through the table; blur and noise belong to a step of exposure.
    step = round(math.log(shot.exposure.exposure_us) / math.log(_REDRAW_RATIO))
    place = geometry.lsr_focal_mm if shot.role is Role.LSR else geometry
    layout = shot.pixel_format.bayer, shot.pixel_format.channels
    return _Key(place, shot.region, layout, step)


def _shrunk(pixels: npt.NDArray[np.float32] | Codes, finer: int) -> Codes:
    if pixels.dtype != np.uint8:
        pixels = np.asarray(cv2.convertScaleAbs(pixels), np.uint8)
    if finer > 1:
        size = (pixels.shape[1] // finer, pixels.shape[0] // finer)
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(pixels, np.uint8)


def _codes(rgb: Codes, shot: Shot) -> Codes:
    """Square roots of the light in the layout of the pixel format."""
    response = np.asarray(sensor.RESPONSE[shot.role], np.float64)
    light = np.arange(256)[:, None] * response / (255.0 * _BRIGHTEST)
    tables = np.asarray(np.clip(np.rint(255.0 * np.sqrt(light)), 0, 255), np.uint8)
    rooted = np.asarray(cv2.LUT(rgb, tables[None]), np.uint8)
    name = shot.pixel_format
    if name.bayer:
        raw = rooted[..., 1].copy()
        raw[0::2, 0::2] = rooted[0::2, 0::2, 0]
        raw[1::2, 1::2] = rooted[1::2, 1::2, 2]
        return raw
    if name.channels == 1:
        return np.asarray(cv2.cvtColor(rooted, cv2.COLOR_RGB2GRAY), np.uint8)
    return rooted


def _noise_deviation(exposure: Exposure) -> float:
    """Deviation of shot noise in codes, the same at every brightness."""
    electrons = sensor.FULL_WELL * _BRIGHTEST * exposure.scale() / exposure.gain
    return round(127.5 / math.sqrt(max(electrons, 1.0)), 2)


def _developed(stored: Codes, shot: Shot) -> Image:
    """Square roots of light as the camera's numbers."""
    exposure, pixel_format = shot.exposure, shot.pixel_format
    table = _table(exposure, 1.0, pixel_format)
    picture: Image
    if table.dtype == np.uint16:
        picture = np.asarray(np.take(table, stored), np.uint16)
    else:
        picture = np.asarray(cv2.LUT(stored, table), np.uint8)
    coloured = (sensor.red_and_blue(array, pixel_format) for array in (picture, stored))
    for target, codes, factor in zip(*coloured, (exposure.red, exposure.blue), strict=False):
        if factor != 1.0:
            target[...] = np.take(_table(exposure, factor, pixel_format), codes)
    return pack(np.asarray(picture, np.uint16), pixel_format) if pixel_format.packed else picture


@lru_cache(maxsize=64)
def _table(
    exposure: Exposure, factor: float, pixel_format: PixelFormat
) -> npt.NDArray[np.uint8] | npt.NDArray[np.uint16]:
    codes = np.arange(256, dtype=np.float32) / np.float32(255.0)
    signal = codes * codes * np.float32(_BRIGHTEST * exposure.scale() * factor)
    signal += np.float32(exposure.black_level_percent / 100.0)
    return sensor.quantise(signal, pixel_format)
