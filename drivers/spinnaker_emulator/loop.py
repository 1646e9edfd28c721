"""Pictures for a rig in real time: one scene period drawn beforehand, then only looked up.

Loop pictures are kept noise included as square roots of the signal, where shot noise has the same deviation
at every brightness; one table look-up per frame applies the exposure, gain and black level of the moment.
"""

from __future__ import annotations

import threading
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from drivers.frame import Image
from drivers.spinnaker_emulator import painter, sensor
from drivers.spinnaker_emulator.optics import RigGeometry
from drivers.spinnaker_emulator.painter import Shot
from drivers.spinnaker_emulator.scene import PERIOD_S, Scene
from drivers.spinnaker_emulator.sensor import Exposure

_PERIOD_NS = round(PERIOD_S * 1e9)
_FULL_RANGE = 2.0
"""Stored pictures reach twice full scale, so that a shorter exposure brings clipped areas back."""
_REDRAW_RATIO = 1.6


class PictureLoop:
    """One camera's pictures over one scene period.

    Args:
        scene: What it looks at.
        seed: Noise.
        rate_hz: Frames per second; the loop has PERIOD_S * rate_hz pictures, at most 256.

    """

    def __init__(self, scene: Scene, seed: int, rate_hz: float) -> None:
        self._scene = scene
        self._seed = seed
        self.count = min(256, max(1, round(PERIOD_S * rate_hz)))
        self._stored: list[npt.NDArray[np.uint8] | None] = [None] * self.count
        self._drawn_for: list[object] = [None] * self.count
        self._lock = threading.Lock()
        self._redraw: threading.Thread | None = None
        self._wanted: tuple[RigGeometry, Shot] | None = None

    def time_of(self, time_ns: int) -> int:
        """The moment of the scene that a frame at `time_ns` shows [ns]."""
        return self._index(time_ns) * _PERIOD_NS // self.count

    def prepare(self, geometry: RigGeometry, shot: Shot) -> None:
        """Draw every picture that is missing or drawn for other settings."""
        key = _key(geometry, shot)
        for index in range(self.count):
            if self._drawn_for[index] != key:
                self._draw(index, geometry, shot, key)

    def fill(self, geometry: RigGeometry, shot: Shot, out: Image) -> None:
        """Write the picture of `shot` into `out`.

        After a change of baseline or a large one of exposure, the next picture is drawn at once and the rest
        of the loop in the background.
        """
        index = self._index(shot.start_ns)
        key = _key(geometry, shot)
        if self._drawn_for[index] != key:
            self._start_redraw(geometry, shot)
        stored = self._stored[index]
        if stored is None:
            stored = self._draw(index, geometry, shot, key)
        table = _table(shot.exposure, sixteen_bit=shot.pixel_format.dtype == np.uint16)
        if table.dtype == np.uint8:
            cv2.LUT(stored, table, dst=out)
        else:
            np.take(table, stored, out=out)

    def _index(self, time_ns: int) -> int:
        return round((time_ns % _PERIOD_NS) * self.count / _PERIOD_NS) % self.count

    def _draw(self, index: int, geometry: RigGeometry, shot: Shot, key: object) -> npt.NDArray[np.uint8]:
        moment = replace(
            shot,
            start_ns=index * _PERIOD_NS // self.count,
            exposure=replace(shot.exposure, black_level_percent=0.0),
        )
        signal = painter.signal(self._scene, geometry, moment, self._seed)
        scale = np.float32(1.0 / (shot.exposure.scale() * _FULL_RANGE))
        rooted = np.sqrt(np.maximum(signal * scale, 0))
        stored = np.asarray(np.clip(np.rint(rooted * np.float32(255.0)), 0, 255), np.uint8)
        with self._lock:
            self._stored[index] = stored
            self._drawn_for[index] = key
        return stored

    def _start_redraw(self, geometry: RigGeometry, shot: Shot) -> None:
        with self._lock:
            self._wanted = (geometry, shot)
            if self._redraw is not None and self._redraw.is_alive():
                return
            self._redraw = threading.Thread(target=self._redraw_all, name="picture loop", daemon=True)
            self._redraw.start()

    def _redraw_all(self) -> None:
        while True:
            with self._lock:
                wanted, self._wanted = self._wanted, None
            if wanted is None:
                return
            self.prepare(*wanted)


def _key(geometry: RigGeometry, shot: Shot) -> object:
    # Motion blur and noise belong to an exposure step; brightness itself is exact through the table.
    step = round(np.log(shot.exposure.exposure_us) / np.log(_REDRAW_RATIO))
    return (geometry, shot.region, shot.pixel_format, step)


def _table(exposure: Exposure, *, sixteen_bit: bool) -> npt.NDArray[np.uint8] | npt.NDArray[np.uint16]:
    codes = np.arange(256, dtype=np.float32) / np.float32(255.0)
    signal = codes * codes * np.float32(_FULL_RANGE * exposure.scale())
    signal += np.float32(exposure.black_level_percent / 100.0)
    return sensor.quantise(signal, sixteen_bit=sixteen_bit)
