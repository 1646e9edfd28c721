"""Raw sensor pictures to RGB."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from drivers.frame import Frame, PixelFormat
from drivers.packing import unpacked


def to_rgb8(frame: Frame) -> npt.NDArray[np.uint8]:
    """Full-resolution RGB of a frame, uint8 (H, W, 3).

    Bayer mosaics are interpolated by variable number of gradients, 16-bit ones along edges; 16-bit samples
    are rounded to 8 bits. An RGB8 frame is returned as it is, without a copy.
    """
    frame = unpacked(frame)
    image = frame.image
    # OpenCV names a mosaic by its second row: its "BG" is the PFNC's "RG".
    if frame.pixel_format is PixelFormat.BAYER_RG8:
        rgb = np.asarray(cv2.cvtColor(image, cv2.COLOR_BayerBG2RGB_VNG))
    elif frame.pixel_format is PixelFormat.BAYER_RG16:
        rgb = np.asarray(cv2.cvtColor(image, cv2.COLOR_BayerBG2RGB_EA))
    elif frame.pixel_format in (PixelFormat.MONO8, PixelFormat.MONO16):
        rgb = np.repeat(image[:, :, None], 3, axis=2)
    else:
        rgb = image
    if rgb.dtype == np.uint16:
        # The integer form maps 0..65535 onto 0..255 exactly and avoids a float copy of the frame.
        return ((rgb.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    return rgb.astype(np.uint8, copy=False)
