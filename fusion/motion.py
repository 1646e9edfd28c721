"""Motion between an upscaled frame and a sharp reference, compared at equal sharpness.

DIS compares the frame with the reference after the LSR camera's loss of detail. But what that camera makes of
a detail also depends on where its pixels lie. Once the motion is roughly known, so is that difference: it is
taken from the frame, and the motion found again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from fusion.gop import Mask, Reference
from fusion.levels import FloatImage, to_bytes
from fusion.resample import lose_detail

FlowArray = npt.NDArray[np.float32]
GreyImage = npt.NDArray[np.uint8]

_Given = TypeVar("_Given")
_T = TypeVar("_T")

_SMALLEST = 64
_COARSE_SCALE = 6.0
_SEARCHES = ((5e-3, 16, 8, 1), (5e-4, 12, 6, 2), (0.0, 8, 3, 2))
"""Least noise variance; from there on the side and stride of the patches matched [px], and how often."""
_TWICE_SCALE = 3.5
"""Below, a second search gains little on clean frames and loses a little on the emulated rig's noisy ones."""
_REFINEMENTS = 10
_INSIDE = 0.999


class FlowSource(Protocol):
    """One way to find motion."""

    def __call__(self, upscaled: FloatImage, reference: Reference) -> FlowArray:
        """Offset (H, W, 2), x then y [px], from each pixel of `upscaled` into the reference.

        `upscaled` is (H, W, 3) float32 in 0..255, of any size, the reference's too.
        """
        ...


class DisFlow:
    """Dense inverse search optical flow (Kroeger et al., ECCV 2016) for pictures that lost detail.

    Threads may share one.

    Args:
        scale: LSR pixels are this many output pixels wide. What is finer than they are is no evidence of
            motion, so strongly blurred pictures are matched at a coarser size.
        noise_variance: Variance of the LSR frames' noise, of values in 0..1; wider patches average it out,
            and where it is strong a second search gains nothing.

    """

    def __init__(self, scale: float, noise_variance: float = 0.0) -> None:
        self._scale = scale
        self._noise_variance = noise_variance
        self._searches = _searching(noise_variance)[2] if scale >= _TWICE_SCALE else 1
        self._idle: list[cv2.DISOpticalFlow] = []

    def __call__(self, upscaled: FloatImage, reference: Reference) -> FlowArray:
        """See `FlowSource`."""
        # One searcher keeps its buffers from picture to picture, so no two threads may have the same.
        try:
            dis = self._idle.pop()
        except IndexError:
            dis = searcher(self._noise_variance, finest=2 if self._scale >= _COARSE_SCALE else 1)
        flow = self._search(dis, upscaled, reference)
        self._idle.append(dis)
        return flow

    def _search(self, dis: cv2.DISOpticalFlow, upscaled: FloatImage, reference: Reference) -> FlowArray:
        frame, matched = luma(upscaled), luma(reference.matched)
        seen, sought = to_bytes(frame), to_bytes(matched)
        flow = search(dis, seen, sought)
        for _ in range(1, self._searches):
            # Searching for the rest of the motion in `shown` instead would follow noise: how smooth the rest
            # is says nothing of the whole.
            shown = lose_detail(warp_array(luma(reference.image), flow), reference.lsr_size)
            seen = to_bytes(frame - (shown - warp_array(matched, flow)))
            flow = search(dis, seen, sought)
        return flow


def learned_searches(scale: float, noise_variance: float) -> int:
    """How often a flow network looks for motion: between small scales a second time gains it nothing."""
    return _searching(noise_variance)[2] if scale >= _COARSE_SCALE else 1


def searcher(noise_variance: float, *, finest: int) -> cv2.DISOpticalFlow:
    """DIS for pictures that lost detail.

    Args:
        noise_variance: Of the pictures, of values in 0..1; wider patches average it out.
        finest: How often the size is halved at the finest level that is matched.

    """
    side, stride, _ = _searching(noise_variance)
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    dis.setVariationalRefinementIterations(_REFINEMENTS)
    dis.setFinestScale(finest)
    dis.setPatchSize(side)
    dis.setPatchStride(stride)
    return dis


def _searching(noise_variance: float) -> tuple[int, int, int]:
    """Side and stride of patches [px], and how often to search."""
    return next(row[1:] for row in _SEARCHES if noise_variance >= row[0])


def side_by_side(work: Callable[[_Given], _T], given: Sequence[_Given]) -> list[_T]:
    """`work` done on all that is given at once: one search alone leaves most of a large machine idle."""
    with ThreadPoolExecutor(max(len(given), 1)) as threads:
        return list(threads.map(work, given))


def search(dis: cv2.DISOpticalFlow, image: GreyImage, reference: GreyImage) -> FlowArray:
    """Flow (H, W, 2) from one (H, W) picture into another by DIS, which by itself refuses small ones."""
    height, width = image.shape
    bottom, right = (max(_SMALLEST - side, 0) for side in (height, width))
    if bottom or right:
        image, reference = (
            np.asarray(cv2.copyMakeBorder(p, 0, bottom, 0, right, cv2.BORDER_REPLICATE), np.uint8)
            for p in (image, reference)
        )
    found = dis.calc(image, reference, None)  # type: ignore[call-overload]
    return np.ascontiguousarray(found[:height, :width], dtype=np.float32)


def warp_array(image: FloatImage, flow: FlowArray) -> FloatImage:
    """Fetch every pixel bicubically from where the flow points; borders replicated.

    Args:
        image: (H, W) or (H, W, C) float32.
        flow: (H, W, 2) float32, x then y [px].

    """
    x, y = _targets(flow)
    return cv2.remap(image, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)


def reaches(flow: FlowArray, valid: Mask | None) -> npt.NDArray[np.float32]:
    """1 where the flow (H, W, 2) points at pixels that are `valid`, 0 elsewhere.

    Beyond the picture's edge its outermost pixels count, as they do in `warp_array`.
    """
    if valid is None:
        return np.ones(flow.shape[:2], np.float32)
    x, y = _targets(flow)
    share = cv2.remap(valid.astype(np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return (share >= _INSIDE).astype(np.float32)


def lengths(flow: FlowArray) -> npt.NDArray[np.float32]:
    """How far each pixel moves (H, W) [px]; numpy's norm takes five times as long."""
    return np.asarray(cv2.magnitude(*cv2.split(flow)), np.float32)


def _targets(flow: FlowArray) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    height, width = flow.shape[:2]
    x = np.add(flow[..., 0], np.arange(width, dtype=np.float32), dtype=np.float32)
    y = np.add(flow[..., 1], np.arange(height, dtype=np.float32)[:, None], dtype=np.float32)
    return x, y


def luma(image: FloatImage) -> FloatImage:
    """Brightness (H, W) of an RGB picture (H, W, 3), in the same range."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), dtype=np.float32)
