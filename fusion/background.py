"""Flow at the edges of moving objects: a background that moves as one plane is known right up to them.

Dense flow smears an object's motion over the background around it, where detail is then fetched from the
wrong place. Where most of the picture follows one homography, pixels near a motion boundary take its motion
if it fits there at least as well.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

_SAMPLES = 1500
_SIDE_SAMPLES = 8
_TOLERANCE = 1 / 16
"""RANSAC's threshold, in LSR pixels; the others as well."""
_NEAR = 1 / 8
_STEP = 1 / 4
_REACH = 1.3
_LEAST_SHARE = 0.4
_SMOOTHING = 0.4

FlowArray = npt.NDArray[np.float32]
GreyImage = npt.NDArray[np.uint8]


def restore_background(flow: FlowArray, image: GreyImage, reference: GreyImage, scale: float) -> FlowArray:
    """Give background next to moving objects its own motion.

    Args:
        flow: (H, W, 2) offset from each pixel of `image` into `reference`, x then y [px].
        image: (H, W) grey.
        reference: (H, W) grey, with the same loss of detail.
        scale: LSR pixels are this many output pixels wide.

    Returns:
        (H, W, 2); `flow` itself where no plane holds most of the picture.

    """
    plane = _plane_motion(flow, scale)
    if plane is None:
        return flow
    boundary = _boundary(flow, scale)
    if not boundary.any():
        return flow
    fits = _mismatch(plane, image, reference, scale) <= _mismatch(flow, image, reference, scale)
    return np.where((boundary & fits)[..., None], plane, flow).astype(np.float32)


def _plane_motion(flow: FlowArray, scale: float) -> FlowArray | None:
    """Motion (H, W, 2) of the plane that most of the picture follows; None if there is none."""
    height, width = flow.shape[:2]
    step = max(1, min(int((height * width / _SAMPLES) ** 0.5), min(height, width) // _SIDE_SAMPLES))
    rows, columns = np.mgrid[step // 2 : height : step, step // 2 : width : step]
    moved = flow[rows, columns].reshape(-1, 2)
    places = np.stack([columns.ravel(), rows.ravel()], axis=1).astype(np.float32)
    if len(places) < _SIDE_SAMPLES**2:
        return None
    found, _ = cv2.findHomography(places, places + moved, cv2.USAC_MAGSAC, _TOLERANCE * scale)
    homography = np.asarray(found, dtype=np.float64)
    if homography.shape != (3, 3):
        # None: the samples hold no plane at all.
        return None
    sampled = cv2.perspectiveTransform(places[None], homography)[0] - places
    if np.mean(np.linalg.norm(sampled - moved, axis=1) < _NEAR * scale) < _LEAST_SHARE:
        return None
    return _displacement(homography.astype(np.float32), height, width)


def _displacement(homography: npt.NDArray[np.float32], height: int, width: int) -> FlowArray:
    """Where a homography moves every pixel, as an offset (H, W, 2) [px]."""
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    along_x, along_y, depth = (row[0] * x + row[1] * y + row[2] for row in homography)
    out = np.empty((height, width, 2), np.float32)
    np.divide(along_x - x * depth, depth, out=out[..., 0])
    np.divide(along_y - y * depth, depth, out=out[..., 1])
    return out


def _boundary(flow: FlowArray, scale: float) -> npt.NDArray[np.bool_]:
    """Where the flow differs by more than a step within reach."""
    side = 2 * max(1, round(_REACH * scale)) + 1
    window = np.ones((side, side), np.uint8)
    spread = cv2.dilate(flow, window) - cv2.erode(flow, window)
    return np.asarray(np.einsum("hwc,hwc->hw", spread, spread) > (_STEP * scale) ** 2)


def _mismatch(
    flow: FlowArray, image: GreyImage, reference: GreyImage, scale: float
) -> npt.NDArray[np.float32]:
    height, width = flow.shape[:2]
    x = flow[..., 0] + np.arange(width, dtype=np.float32)
    y = flow[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    warped = cv2.remap(reference, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(
        cv2.GaussianBlur(cv2.absdiff(warped, image).astype(np.float32), (0, 0), _SMOOTHING * scale)
    )
