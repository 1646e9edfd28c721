"""Learning-free fusion: DIS flow at equal sharpness and transfer of the high frequencies.

The reference is moved onto the frame and loses its detail there as the LSR camera would have lost it. What it
loses is added to the frame where the two agree in the rest. It is the bar that every network here has to
clear.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from fusion.gop import Mask, Reference, Synthesis
from fusion.joint_motion import JointMotion
from fusion.levels import FloatImage, channel_mean
from fusion.motion import DisFlow, FlowArray, FlowSource, reaches, side_by_side, warp_array
from fusion.planes import nearest_planes
from fusion.resample import BACK_PROJECTIONS, downscale, lose_detail, lsr_trust, upscale

DETAIL_SHARE = 2.0
"""Detail counts half where the mismatch is this share of it, divided by the scale, plus what follows."""
FLOOR = 0.007
NOISE_TOLERANCE = 3.0
"""Of the noise's standard deviation."""

_LEAST_ERROR = 0.003
_SMOOTHING = 2.0
_CLEAN_SIGMA = 0.01


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
        self._motion = JointMotion(flow or DisFlow(scale, noise_variance), scale, noise_variance)
        self._scale, self._noise_variance = scale, noise_variance
        # The noisier the LSR frame, the more of its low frequencies come from the reference as well:
        # pure transfer of detail on a clean frame, the paper's blend (eq. 7) on a noisy one.
        self._coarse_share = noise_variance / (noise_variance + _CLEAN_SIGMA**2)
        self._lsr_trust = np.float32(lsr_trust(noise_variance))

    def synthesise(
        self,
        lsr: FloatImage,
        upscaled: FloatImage,
        references: Sequence[Reference],
        neighbours: Sequence[FloatImage] = (),
    ) -> Synthesis:
        """Add the references' detail to one frame; see `fusion.gop.Synthesiser`."""
        detail = np.zeros_like(upscaled)
        total = np.zeros((*upscaled.shape[:2], 1), np.float32)
        best = np.zeros_like(total)
        flows = self._motion(lsr, upscaled, references)
        planes = side_by_side(lambda flow: nearest_planes(flow, self._scale), flows)
        ways: list[tuple[Reference, FlowArray, Mask | None]] = [
            (reference, flow, None) for reference, flow in zip(references, flows, strict=True)
        ]
        ways += [(reference, *plane) for reference, plane in zip(references, planes, strict=True) if plane]
        found = side_by_side(lambda way: self._detail(upscaled, *way), ways)
        for warped, confidence, weight in found:
            detail += weight * confidence * warped
            total += weight
            best = np.maximum(best, confidence)
        out: FloatImage = np.add(upscaled, detail / np.maximum(total, 1e-12), dtype=np.float32)
        valid = _union(references, best)
        for _ in range(BACK_PROJECTIONS if self._lsr_trust else 0):
            error = np.subtract(lsr, downscale(out, *lsr.shape[:2]), dtype=np.float32)
            missing = self._lsr_trust * upscale(error, *upscaled.shape[:2])
            out += missing if valid is None else missing * valid[..., None]
        return Synthesis(out, best[..., 0], valid)

    def _detail(
        self, upscaled: FloatImage, reference: Reference, flow: FlowArray, within: Mask | None
    ) -> tuple[FloatImage, FloatImage, FloatImage]:
        """What one reference adds (H, W, 3), the confidence in it, and its weight beside others (H, W, 1)."""
        moved = warp_array(reference.image, flow)
        # Not the matched reference moved: what the LSR camera makes of a detail depends on its place.
        matched = lose_detail(moved, reference.lsr_size)
        detail = np.subtract(moved, matched, dtype=np.float32)
        mismatch = matched - upscaled
        error = local_mean(mismatch)
        agreement = 1 / (1 + (error / allowed_mismatch(detail, self._scale, self._noise_variance)) ** 2)
        there = reaches(flow, reference.valid)
        if within is not None:
            there *= within
        confidence = (agreement * there)[..., None].astype(np.float32)
        # Of two references the one that fits better counts: as means of unequal precision are weighted.
        weight = (there / (error + _LEAST_ERROR) ** 2)[..., None].astype(np.float32)
        detail += np.float32(self._coarse_share) * mismatch
        return detail, confidence, weight


def _union(references: Sequence[Reference], confidence: FloatImage) -> Mask | None:
    if all(reference.valid is None for reference in references):
        return None
    return np.asarray(confidence[..., 0] > 0)


def allowed_mismatch(detail: FloatImage, scale: float, noise_variance: float) -> FloatImage:
    """Mismatch (H, W), as `local_mean` gives it, at which a reference is half believed.

    It counts by how much detail it would bring: flat regions need no alignment.

    Args:
        detail: (H, W, 3) what the LSR camera loses of the reference, in 0..255.
        scale: Output pixels per LSR pixel.
        noise_variance: Of the LSR frame, of values in 0..1.

    """
    floor = FLOOR + NOISE_TOLERANCE * float(np.sqrt(noise_variance))
    return np.asarray(DETAIL_SHARE / scale * local_mean(detail) + floor, dtype=np.float32)


def local_mean(difference: FloatImage) -> FloatImage:
    """Mean absolute value (H, W), in 0..1, around each pixel of a difference (H, W, 3) in 0..255."""
    mean = cv2.GaussianBlur(channel_mean(np.abs(difference)), (0, 0), _SMOOTHING)
    return np.asarray(mean / 255, dtype=np.float32)
