"""Learning-free fusion: DIS flow on a resolution-matched pair and transfer of the high frequencies.

The flow compares like with like: the upscaled frame with the reference after the same loss of detail. What
that loss took from the reference is warped and added to the frame where the two agree. It is the bar that
every network here has to clear.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from fusion.background import restore_background
from fusion.gop import Mask, Reference, Synthesis
from fusion.resample import ByteImage, FloatImage, back_projections_for, downscale, to_bytes, upscale

_SMALLEST = 64
_COARSE_SCALE = 6.0
_PATCHES = ((5e-3, 16, 8), (5e-4, 12, 6), (0.0, 8, 3))
"""Least noise variance, and the side and stride of the patches matched from there on [px]."""
_DETAIL_SHARE = 2.0
"""Detail counts half where the mismatch is this share of it, divided by the scale, plus the floor."""
_FLOOR = 0.007
_LEAST_ERROR = 0.003
_SMOOTHING = 2.0
_NOISE_TOLERANCE = 3.0
_CLEAN_SIGMA = 0.01
_INSIDE = 0.999


class FlowSource(Protocol):
    """One way to find motion on a resolution-matched pair."""

    def __call__(self, image: FloatImage, reference: FloatImage) -> npt.NDArray[np.float32]:
        """Offset (H, W, 2), x then y [px], from each pixel of `image` into `reference`.

        Both are (H, W, 3) float32 in 0..255, of any one size.
        """
        ...


class DisFlow:
    """Dense inverse search optical flow (Kroeger et al., ECCV 2016) for pictures that lost detail.

    Args:
        scale: LSR pixels are this many output pixels wide. What is finer than they are is no evidence of
            motion, so strongly blurred pictures are matched at a coarser size.
        noise_variance: Variance of the LSR frames' noise, of values in 0..1; wider patches average it out.

    """

    def __init__(self, scale: float, noise_variance: float = 0.0) -> None:
        self._scale = scale
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._dis.setVariationalRefinementIterations(10)
        self._dis.setFinestScale(2 if scale >= _COARSE_SCALE else 1)
        _, side, stride = next(row for row in _PATCHES if noise_variance >= row[0])
        self._dis.setPatchSize(side)
        self._dis.setPatchStride(stride)

    def __call__(self, image: FloatImage, reference: FloatImage) -> npt.NDArray[np.float32]:
        """Offset from each pixel of `image` into `reference` [px].

        Args:
            image: (H, W, 3) float32 in 0..255, any size.
            reference: The same size.

        Returns:
            (H, W, 2) float32, x then y.

        """
        height, width = image.shape[:2]
        seen, sought = _grey(image), _grey(reference)
        found = self._dis.calc(seen, sought, None)  # type: ignore[call-overload]
        flow = np.ascontiguousarray(found[:height, :width], dtype=np.float32)
        return restore_background(flow, seen[:height, :width], sought[:height, :width], self._scale)


class Classical:
    """High-frequency transfer from one or more references.

    Args:
        scale: LSR pixels are this many output pixels wide.
        noise_variance: Variance of the LSR frames' noise, of values in 0..1, sampling errors of the sensor
            included.
        flow: Where motion comes from; DIS where left out.

    """

    recursion = "direct"

    def __init__(self, scale: float, noise_variance: float = 0.0, flow: FlowSource | None = None) -> None:
        self._flow = flow or DisFlow(scale, noise_variance)
        self._share = _DETAIL_SHARE / scale
        self._floor = _FLOOR + _NOISE_TOLERANCE * float(np.sqrt(noise_variance))
        # The noisier the LSR frame, the more of its low frequencies come from the reference as well:
        # pure transfer of detail on a clean frame, the paper's blend (eq. 7) on a noisy one.
        self._coarse_share = noise_variance / (noise_variance + _CLEAN_SIGMA**2)
        self._back_projections = back_projections_for(noise_variance)

    def synthesise(self, lsr: ByteImage, upscaled: FloatImage, references: Sequence[Reference]) -> Synthesis:
        """Add the references' detail to one frame; see `fusion.gop.Synthesiser`."""
        detail = np.zeros_like(upscaled)
        total = np.zeros((*upscaled.shape[:2], 1), np.float32)
        best = np.zeros_like(total)
        for reference in references:
            warped, confidence, weight = self._detail(upscaled, reference)
            detail += weight * confidence * warped
            total += weight
            best = np.maximum(best, confidence)
        out: FloatImage = np.add(upscaled, detail / np.maximum(total, 1e-12), dtype=np.float32)
        valid = _union(references, best)
        for _ in range(self._back_projections):
            error = np.subtract(lsr, downscale(out, *lsr.shape[:2]), dtype=np.float32)
            missing = upscale(error, *upscaled.shape[:2])
            out += missing if valid is None else missing * valid[..., None]
        return Synthesis(to_bytes(out), best[..., 0], valid)

    def _detail(
        self, upscaled: FloatImage, reference: Reference
    ) -> tuple[FloatImage, FloatImage, FloatImage]:
        """What one reference adds (H, W, 3), the confidence in it, and its weight beside others (H, W, 1)."""
        flow = self._flow(upscaled, reference.matched)
        matched = warp_array(reference.matched, flow)
        detail = np.subtract(warp_array(reference.image, flow), matched, dtype=np.float32)
        mismatch = matched - upscaled
        error = _local_mean(mismatch)
        # A mismatch counts by how much detail it would bring: flat regions need no alignment.
        tolerance = self._share * _local_mean(detail) + self._floor
        agreement = 1 / (1 + (error / tolerance) ** 2)
        there = reaches(flow, reference.valid)
        confidence = (agreement * there)[..., None].astype(np.float32)
        # Of two references the one that fits better counts: as means of unequal precision are weighted.
        weight = (there / (error + _LEAST_ERROR) ** 2)[..., None].astype(np.float32)
        detail += np.float32(self._coarse_share) * mismatch
        return detail, confidence, weight


def warp_array(image: FloatImage, flow: npt.NDArray[np.float32]) -> FloatImage:
    """Fetch every pixel bicubically from where the flow points; borders replicated.

    Args:
        image: (H, W) or (H, W, C) float32.
        flow: (H, W, 2) float32, x then y [px].

    """
    x, y = _targets(flow)
    return cv2.remap(image, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)


def reaches(flow: npt.NDArray[np.float32], valid: Mask | None) -> npt.NDArray[np.float32]:
    """1 where the flow (H, W, 2) points at pixels that are `valid`, 0 elsewhere.

    Beyond the picture's edge its outermost pixels count, as they do in `warp_array`.
    """
    if valid is None:
        return np.ones(flow.shape[:2], np.float32)
    x, y = _targets(flow)
    share = cv2.remap(valid.astype(np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return (share >= _INSIDE).astype(np.float32)


def _targets(flow: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    height, width = flow.shape[:2]
    x = np.add(flow[..., 0], np.arange(width, dtype=np.float32), dtype=np.float32)
    y = np.add(flow[..., 1], np.arange(height, dtype=np.float32)[:, None], dtype=np.float32)
    return x, y


def _union(references: Sequence[Reference], confidence: FloatImage) -> Mask | None:
    if all(reference.valid is None for reference in references):
        return None
    return np.asarray(confidence[..., 0] > 0)


def _local_mean(difference: FloatImage) -> FloatImage:
    mean = cv2.GaussianBlur(np.abs(difference).mean(axis=2), (0, 0), _SMOOTHING)
    return np.asarray(mean / 255, dtype=np.float32)


def _grey(image: FloatImage) -> npt.NDArray[np.uint8]:
    grey = cv2.cvtColor(to_bytes(image), cv2.COLOR_RGB2GRAY)
    bottom, right = (max(_SMALLEST - side, 0) for side in grey.shape)
    if bottom or right:
        grey = cv2.copyMakeBorder(grey, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
    return np.asarray(grey, dtype=np.uint8)
