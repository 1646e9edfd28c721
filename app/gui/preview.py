"""Small RGB pictures, histograms and saturation of raw frames for the screen; pure functions on arrays."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from drivers import Frame, PixelFormat, to_rgb8

RgbImage = npt.NDArray[np.uint8]
Bins = npt.NDArray[np.int64]

BINS = 64
SATURATED = 250
"""Samples from here on (of 255) count as saturated: the sensor's last few codes are not linear."""
_STRIDE = 4
_SMALL = 800


@dataclass(frozen=True, slots=True, eq=False)
class Preview:
    """What one pane shows of one frame.

    Attributes:
        rgb: (h, w, 3) uint8, its own memory.
        full_size: (width, height) of the frame it was made of [px].
        frame_id: The camera's counter.
        exposure_us: Exposure of this frame [us].
        gain_db: Gain of this frame [dB].
        host_ns: Host monotonic clock when the frame arrived [ns].
        made_ns: Host monotonic clock when the preview was ready [ns].
        histogram: (3, BINS) counts of R, G, B from a 4x4 stride; None when not renewed with this frame.
        saturated: Share 0..1 of saturated samples; None together with `histogram`.

    """

    rgb: RgbImage
    full_size: tuple[int, int]
    frame_id: int
    exposure_us: float
    gain_db: float
    host_ns: int
    made_ns: int
    histogram: Bins | None = None
    saturated: float | None = None


def planes(frame: Frame, step: int = 2) -> RgbImage:
    """RGB of a frame from its 2x2 superpixels, every `step`-th pixel, 8 bit.

    Args:
        frame: Any pixel format.
        step: Pixels of the frame per pixel of the result; even for Bayer mosaics.

    Returns:
        uint8, (H // step, W // step, 3), its own memory.

    """
    image = frame.image
    height, width = image.shape[0] // step, image.shape[1] // step
    rows, columns = height * step, width * step
    if frame.pixel_format in (PixelFormat.BAYER_RG8, PixelFormat.BAYER_RG16):
        out = np.empty((height, width, 3), np.uint8)
        for channel, (y, x) in enumerate(((0, 0), (0, 1), (1, 1))):
            out[:, :, channel] = _to_8bit(image[y:rows:step, x:columns:step])
        return out
    picked = _to_8bit(image[0:rows:step, 0:columns:step])
    if picked.ndim == 2:
        return np.repeat(picked[:, :, None], 3, axis=2)
    return np.ascontiguousarray(picked)


def _to_8bit(image: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> npt.NDArray[np.uint8]:
    if image.dtype == np.uint16:
        return (image >> 8).astype(np.uint8)
    return image.astype(np.uint8, copy=False)


def screen_picture(frame: Frame, max_width: int) -> RgbImage:
    """RGB of a frame not much wider than `max_width` pixels, without moire.

    Args:
        frame: Any pixel format.
        max_width: Pixels that the screen has for the whole picture.

    """
    if frame.image.shape[1] <= _SMALL and frame.image.shape[1] // 2 < max_width:
        # Half size would throw away what the screen could show, and this little costs nothing.
        return np.ascontiguousarray(to_rgb8(frame))
    small = planes(frame)
    factor = small.shape[1] // max(64, max_width)
    if factor < 2:
        return small
    size = (small.shape[1] // factor, small.shape[0] // factor)
    return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_AREA), np.uint8)


def statistics(frame: Frame) -> tuple[Bins, float]:
    """Histogram (3, BINS) of R, G, B and the saturated share, from a 4x4 stride."""
    small = planes(frame, _STRIDE)
    bins = np.stack([np.bincount(small[:, :, c].ravel() >> 2, minlength=BINS) for c in range(3)])
    share = float(np.count_nonzero(small.max(axis=2) >= SATURATED)) / max(1, small.shape[0] * small.shape[1])
    return bins, share


def mark_saturated(rgb: RgbImage) -> RgbImage:
    """The picture with saturated pixels in red; a new array."""
    marked = rgb.copy()
    marked[rgb.max(axis=2) >= SATURATED] = (255, 40, 40)
    return marked
