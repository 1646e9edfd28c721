"""Pictures of one camera at one moment, with everything its settings say."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from drivers.frame import Image, PixelFormat, Role
from drivers.packing import pack
from drivers.spinnaker_emulator import sensor
from drivers.spinnaker_emulator.optics import Region, RigGeometry
from drivers.spinnaker_emulator.scene import Scene, View
from drivers.spinnaker_emulator.sensor import Exposure

_SUBSAMPLES = 4


@dataclass(frozen=True, slots=True)
class Shot:
    """One exposure.

    Attributes:
        role: Which camera.
        region: Its region in sensor pixels.
        pixel_format: What it sends.
        start_ns: Virtual time of the start of exposure [ns].
        exposure: Time, gain and pedestal.

    """

    role: Role
    region: Region
    pixel_format: PixelFormat
    start_ns: int
    exposure: Exposure


def _times(shot: Shot) -> tuple[float, ...]:
    step = shot.exposure.exposure_us * 1e-6 / _SUBSAMPLES
    return tuple(shot.start_ns * 1e-9 + (i + 0.5) * step for i in range(_SUBSAMPLES))


def view_of(
    geometry: RigGeometry, shot: Shot, height: int | None = None, width: int | None = None
) -> tuple[View, int]:
    """What to draw for a shot, and how many drawn pixels make one along each axis.

    Views coarser than the texture are drawn finer and averaged, so that each pixel sees its whole area.
    """
    height = shot.region.height // shot.region.binning if height is None else height
    width = shot.region.width // shot.region.binning if width is None else width
    finer = 2 if shot.role is Role.LSR and width <= shot.region.width else 1
    return View(shot.role, shot.region, width * finer, height * finer, geometry), finer


def _radiance(
    scene: Scene, geometry: RigGeometry, shot: Shot, height: int | None = None, width: int | None = None
) -> npt.NDArray[np.float32]:
    view, finer = view_of(geometry, shot, height, width)
    radiance = scene.radiance(view, _times(shot))
    if finer > 1:
        size = (view.width // finer, view.height // finer)
        radiance = np.asarray(cv2.resize(radiance, size, interpolation=cv2.INTER_AREA), np.float32)
    return radiance


def signal(scene: Scene, geometry: RigGeometry, shot: Shot, seed: int) -> npt.NDArray[np.float32]:
    """Part of full scale with noise, in the layout of the pixel format, before clipping and quantising.

    The noise depends on `seed`, the camera and the moment.
    """
    radiance = _radiance(scene, geometry, shot)
    values = sensor.noise_free(radiance, shot.exposure, shot.role)
    name = shot.pixel_format
    if name.bayer:
        values = sensor.mosaic(values)
    elif name.channels == 1:
        values = np.asarray(values @ np.array([0.299, 0.587, 0.114], np.float32), np.float32)
    rng = np.random.Generator(
        np.random.SFC64([seed, list(Role).index(shot.role), shot.start_ns & (2**63 - 1)])
    )
    return sensor.balance(sensor.add_noise(values, shot.exposure, rng), shot.exposure, name)


def picture(scene: Scene, geometry: RigGeometry, shot: Shot, seed: int) -> Image:
    """What the camera sends for this shot."""
    numbers = sensor.quantise(signal(scene, geometry, shot, seed), shot.pixel_format)
    return pack(np.asarray(numbers, np.uint16), shot.pixel_format) if shot.pixel_format.packed else numbers


def true_picture(
    scene: Scene, geometry: RigGeometry, shot: Shot, height: int, width: int
) -> npt.NDArray[np.uint8]:
    """The shot's field of view sampled at `height` x `width` without noise, RGB uint8."""
    values = sensor.noise_free(_radiance(scene, geometry, shot, height, width), shot.exposure, shot.role)
    values = sensor.balance(values, shot.exposure, PixelFormat.RGB8)
    return np.asarray(np.clip(np.rint(values * np.float32(255.0)), 0, 255), np.uint8)
