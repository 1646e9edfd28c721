"""Raw sensor pictures to RGB."""

from __future__ import annotations

import cv2
import numpy as np

from drivers.frame import DeepImage, Frame, Image, PixelFormat, RgbImage
from drivers.packing import unpacked


def to_rgb(frame: Frame) -> Image:
    """Full-resolution RGB of a frame, (H, W, 3), uint8, or uint16 for formats of more than 8 bits.

    Bayer mosaics are interpolated by variable number of gradients, 16-bit ones along edges. A frame that is
    RGB already is returned as it is, without a copy.
    """
    frame = unpacked(frame)
    image = frame.image
    # OpenCV names a mosaic by its second row: its "BG" is the PFNC's "RG".
    if frame.pixel_format is PixelFormat.BAYER_RG8:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BayerBG2RGB_VNG), np.uint8)
    if frame.pixel_format is PixelFormat.BAYER_RG16:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BayerBG2RGB_EA), np.uint16)
    if frame.pixel_format in (PixelFormat.MONO8, PixelFormat.MONO16):
        return image[:, :, None].repeat(3, axis=2)
    return image


def to_rgb8(frame: Frame) -> RgbImage:
    """As `to_rgb`, always uint8: samples of 16 bits are rounded to 8."""
    return in_8_bits(to_rgb(frame))


def to_rgb16(frame: Frame) -> DeepImage:
    """As `to_rgb`, always uint16: samples of 8 bits are spread over the full range."""
    rgb = to_rgb(frame)
    return rgb.astype(np.uint16) * 257 if rgb.dtype == np.uint8 else rgb.astype(np.uint16, copy=False)


def in_8_bits(image: Image) -> RgbImage:
    """A picture of samples of 16 bits rounded to 8; one of 8 bits as it is."""
    if image.dtype == np.uint16:
        # No sample lies between two levels, so that each is rounded exactly, without copies of the frame.
        return np.asarray(cv2.convertScaleAbs(image, alpha=1 / 257), np.uint8)
    return image.astype(np.uint8, copy=False)
