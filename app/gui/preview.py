"""Small RGB pictures, histograms and saturation of raw frames for the screen; pure functions on arrays."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from app.gui.picture_pool import PicturePool
from drivers import Frame, RgbImage

GreyImage = npt.NDArray[np.uint8]
AnyImage = RgbImage | GreyImage
Bins = npt.NDArray[np.int64]

BINS = 64
SATURATED = 250
"""Samples from here on (of 255) count as saturated: the sensor's last few codes are not linear."""
_STRIDE = 4
_SAMPLES = 80_000
_SMALL = 800


@dataclass(frozen=True, slots=True, eq=False)
class Preview:
    """What one pane shows of one frame.

    Attributes:
        rgb: (h, w, 3) uint8; its memory may be given back once it is no longer shown.
        full_size: (width, height) of the frame it was made of [px].
        frame_id: The camera's counter.
        exposure_us: Exposure of this frame [us].
        gain_db: Gain of this frame [dB].
        host_ns: Host monotonic clock when the frame arrived [ns].
        made_ns: Host monotonic clock when the preview was ready [ns].
        histogram: (3, BINS) counts of R, G, B of every 16th pixel or fewer; None when not renewed with this
            frame.
        saturated: Share 0..1 of saturated samples; None together with `histogram`.
        sharpness: See `app.gui.focus`; None together with `histogram`, and where nothing can be judged.

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
    sharpness: float | None = None


def planes(frame: Frame, step: int = 2, out: RgbImage | None = None) -> RgbImage:
    """RGB of a frame from its 2x2 superpixels, every `step`-th pixel, 8 bit.

    Args:
        frame: Any pixel format.
        step: Pixels of the frame per pixel of the result; even for Bayer mosaics.
        out: Where to put the result; fresh memory when None.

    Returns:
        uint8, (H // step, W // step, 3), its own memory.

    """
    image = frame.image
    height, width = image.shape[0] // step, image.shape[1] // step
    rows, columns = height * step, width * step
    if frame.pixel_format.bayer:
        out = np.empty((height, width, 3), np.uint8) if out is None else out
        for channel, (y, x) in enumerate(((0, 0), (0, 1), (1, 1))):
            out[:, :, channel] = _to_8bit(image[y:rows:step, x:columns:step])
        return out
    picked = _to_8bit(image[0:rows:step, 0:columns:step])
    out = np.empty((height, width, 3), np.uint8) if out is None else out
    out[...] = picked[:, :, None] if picked.ndim == 2 else picked
    return out


def _to_8bit(image: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> npt.NDArray[np.uint8]:
    if image.dtype == np.uint16:
        return (image >> 8).astype(np.uint8)
    return image.astype(np.uint8, copy=False)


def shrunk(frame: Frame, step: int, pool: PicturePool | None = None) -> RgbImage:
    """RGB of a frame, 8 bit, each pixel the mean of the superpixels in `step` x `step` of the frame.

    Args:
        frame: Any pixel format.
        step: An even number.
        pool: Where the picture comes from; fresh memory when None.

    Returns:
        uint8, (H // step, W // step, 3), its own memory.

    """
    rows, columns = frame.image.shape[:2]
    half = (rows // 2, columns // 2, 3)
    if step == 2:
        return planes(frame, 2, None if pool is None else pool.take(half))
    small = planes(frame, 2, None if pool is None else pool.scratch(half))
    height, width = rows // step, columns // step
    blocks = small[: height * step // 2, : width * step // 2]
    out = None if pool is None else pool.take((height, width, 3))
    return np.asarray(cv2.resize(blocks, (width, height), out, interpolation=cv2.INTER_AREA), np.uint8)


def whole(frame: Frame, pool: PicturePool | None = None) -> RgbImage:
    """RGB of every pixel of a frame, 8 bit, by the quickest interpolation: for the eye, not for fusion.

    Args:
        frame: Any pixel format.
        pool: Where the picture comes from; fresh memory when None.

    Returns:
        uint8, (H, W, 3), its own memory.

    """
    out = None if pool is None else pool.take((*frame.image.shape[:2], 3))
    if frame.pixel_format.bayer:
        # OpenCV names a mosaic by its second row: its "BG" is the PFNC's "RG".
        return np.asarray(cv2.cvtColor(_to_8bit(frame.image), cv2.COLOR_BayerBG2RGB, out), np.uint8)
    return planes(frame, 1, out)


def grey(frame: Frame, step: int = 1) -> GreyImage:
    """Brightness of a frame, 8 bit, each pixel the mean of `step` x `step` of the frame.

    Args:
        frame: Any pixel format. The mean of a Bayer superpixel is (R + 2 G + B) / 4.
        step: 1 or an even number.

    Returns:
        uint8, (H // step, W // step).

    """
    image = _to_8bit(frame.image)
    if image.ndim == 3:
        image = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
    if step == 1:
        mosaic = frame.pixel_format.bayer
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BayerBG2GRAY), np.uint8) if mosaic else image
    height, width = image.shape[0] // step, image.shape[1] // step
    blocks = image[: height * step, : width * step]
    while step % 4 == 0:
        # OpenCV halves with vector instructions; any other factor costs more than two halvings.
        step //= 2
        blocks = np.asarray(cv2.resize(blocks, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(cv2.resize(blocks, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def screen_picture(frame: Frame, max_width: int, pool: PicturePool | None = None) -> RgbImage:
    """RGB of a frame not much wider than `max_width` pixels, without moire.

    Args:
        frame: Any pixel format.
        max_width: Pixels that the screen has for the whole picture.
        pool: Where the picture comes from; fresh memory when None.

    """
    if frame.image.shape[1] <= _SMALL and frame.image.shape[1] // 2 < max_width:
        # Half size would throw away what the screen could show, and this little costs nothing.
        return whole(frame, pool)
    return shrunk(frame, 2 * max(1, frame.image.shape[1] // 2 // max(64, max_width)), pool)


def statistics(frame: Frame) -> tuple[Bins, float]:
    """Histogram (3, BINS) of R, G, B and the saturated share, from a 4x4 stride or a wider one."""
    height, width = frame.image.shape[:2]
    step = _STRIDE
    while (height // step) * (width // step) > _SAMPLES:
        step += 2
    small = planes(frame, step)
    bins = np.stack([cv2.calcHist([small], [c], None, [BINS], [0, 256]).ravel() for c in range(3)])
    brightest = np.maximum(np.maximum(small[:, :, 0], small[:, :, 1]), small[:, :, 2])
    share = float(np.count_nonzero(brightest >= SATURATED)) / max(1, brightest.size)
    return bins.astype(np.int64), share


def mark_saturated(rgb: RgbImage) -> None:
    """Paint saturated pixels red, in place."""
    brightest = np.maximum(np.maximum(rgb[:, :, 0], rgb[:, :, 1]), rgb[:, :, 2])
    rgb[brightest >= SATURATED] = (255, 40, 40)
