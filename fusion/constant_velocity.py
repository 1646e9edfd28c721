"""Between two sharp pictures most things move straight and evenly: what that says of a frame in between.

How one sharp picture moved into the other is known well, and how far along the way a frame lies is known from
the clocks. That is a second answer beside the search in the frame, one that its noise does not touch. It is
wrong where something turns, speeds up, or is shaken, or where the two cameras' views differ; mostly smoothly
so, and then the search tells by how much. Of all these the frame itself chooses.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from fusion.gop import Reference
from fusion.levels import FloatImage
from fusion.motion import FlowArray, luma, reaches, warp_array
from fusion.resample import downscale

_STEPS = 2
"""After which further ones change nothing that can be measured in the fused picture."""
_RADII = (16.0, 4.0)
"""Over so much around a pixel even motion may be wrong by the same amount [LSR px]."""
_BELIEVED = 1.5
"""A search that ends farther from even motion counts little there [LSR px]."""
_LEAST_BELIEF = 1e-3
_WINDOW = 2.0
"""Around a pixel in which a motion has to fit [LSR px]."""
_MODEL_ERROR = 1.0
"""Grey levels by which even a true motion misses a frame without noise."""
_FREEDOM = 0.3
"""A search also fits the noise, even motion cannot: it may look worse by this share of its variance."""
_STRICTNESS = 4.0
"""By how much the worse fit is left out."""
_LUMA_SHARE = 0.299**2 + 0.587**2 + 0.114**2
"""Of the colours' noise variance in their luma."""
_UNREACHED = 100.0
_COARSE_SCALE, _NOISY = 6.0, 2e-5
"""From either on, even motion brings more than it costs: a search in finer, cleaner frames is as exact."""

_Map = npt.NDArray[np.float32]


def share_of_way(references: Sequence[Reference]) -> float | None:
    """How far a frame lies on the way from the first of two sharp pictures to the second, 0..1.

    None where it does not lie between two pictures of known instants.
    """
    if len(references) != 2:
        return None
    passed, coming = (reference.distance for reference in references)
    if passed is None or coming is None or passed == coming:
        return None
    share = passed / (passed - coming)
    return share if 0 <= share <= 1 else None


def needs_even_motion(scale: float, noise_variance: float) -> bool:
    """Whether frames are so coarse or noisy that a search in them gains by even motion."""
    return scale >= _COARSE_SCALE or noise_variance >= _NOISY


def even_motion(way: FlowArray, share: float) -> tuple[FlowArray, FlowArray]:
    """Motion from a frame between two pictures into each of them, if everything goes straight and evenly.

    Args:
        way: (H, W, 2) offset from each pixel of the first picture into the second [px].
        share: How far along the way the frame lies, 0..1.

    Returns:
        Offset (H, W, 2) from each pixel of the frame into the first picture, and into the second [px].

    """
    whole = way
    for _ in range(_STEPS):
        whole = warp_array(way, np.multiply(whole, -share, dtype=np.float32))
    return np.multiply(whole, -share, dtype=np.float32), np.multiply(whole, 1 - share, dtype=np.float32)


def choose_motion(
    found: FlowArray,
    even: Sequence[FlowArray],
    reference: Reference,
    lsr: FloatImage,
    *,
    noise_variance: float,
    scale: float,
) -> FlowArray:
    """Motion into a reference from what was found in the frame and what even motion says.

    Args:
        found: (H, W, 2) offset into the reference by a search [px].
        even: The same, supposed: one answer, or several of which the better one counts in each place.
        reference: Where they point.
        lsr: (h, w, 3) the frame.
        noise_variance: Of the frame, of values in 0..1.
        scale: Output pixels per LSR pixel.

    Returns:
        (H, W, 2).

    """
    fit = _Fit(reference, lsr, noise_variance)
    base = fit.weigh(even, [0.0] * len(even))
    apart = _Apart(found - base, fit.size, scale)
    smoothed = [base + apart.mean(radius) for radius in _RADII]
    # The less a motion is bound to even motion, the more of the noise it can follow.
    freedoms = [_FREEDOM * k / (1 + len(_RADII)) for k in range(2 + len(_RADII))]
    return fit.weigh([base, *smoothed, found], freedoms)


class _Fit:
    """How well motions into a reference explain an LSR frame, compared as the LSR camera would see it."""

    def __init__(self, reference: Reference, lsr: FloatImage, noise_variance: float) -> None:
        self._reference = reference
        self._sharp = luma(reference.image)
        self._seen = luma(lsr)
        self._unit = 255**2 * _LUMA_SHARE * noise_variance + _MODEL_ERROR**2
        self.size = (lsr.shape[0], lsr.shape[1])

    def weigh(self, flows: Sequence[FlowArray], handicaps: Sequence[float]) -> FlowArray:
        """Mean of motions, in each place by how well they fit."""
        misfits = np.stack([self._misfit(f) + h for f, h in zip(flows, handicaps, strict=True)])
        shares = np.exp(-_STRICTNESS * (misfits - misfits.min(axis=0)))
        shares /= shares.sum(axis=0)
        mean = np.zeros_like(flows[0])
        for share, flow in zip(shares, flows, strict=True):
            mean += _enlarge(share, flow.shape[:2])[..., None] * flow
        return mean

    def _misfit(self, flow: FlowArray) -> _Map:
        """(h, w): 1 on average where only noise is left."""
        moved = downscale(warp_array(self._sharp, flow)[..., None], *self.size)[..., 0]
        misfit = _blur((moved - self._seen) ** 2, _WINDOW) / self._unit
        if self._reference.valid is not None:
            # What is filled in where a reference ends looks like the frame whatever moves.
            missed = downscale(1 - reaches(flow, self._reference.valid)[..., None], *self.size)[..., 0]
            misfit += _UNREACHED * missed
        return np.asarray(misfit, dtype=np.float32)


class _Apart:
    """By how much a search differs from even motion, at the LSR frame's size."""

    def __init__(self, difference: FlowArray, size: tuple[int, int], scale: float) -> None:
        self._size = (difference.shape[0], difference.shape[1])
        small = cv2.resize(difference, size[::-1], interpolation=cv2.INTER_AREA)
        far = np.einsum("hwc,hwc->hw", small, small) / (_BELIEVED * scale) ** 2
        self._belief = (np.exp(-far) + _LEAST_BELIEF).astype(np.float32)
        self._believed = np.asarray(small * self._belief[..., None], dtype=np.float32)

    def mean(self, radius: float) -> FlowArray:
        """Its mean (H, W, 2) around each pixel [px]."""
        mean = _blur(self._believed, radius) / _blur(self._belief, radius)[..., None]
        return _enlarge(mean, self._size)


def _blur(planes: _Map | FloatImage, sigma: float) -> _Map:
    blurred = cv2.GaussianBlur(planes, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(blurred, dtype=np.float32)


def _enlarge(planes: _Map, size: Sequence[int]) -> _Map:
    enlarged = cv2.resize(planes, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(enlarged, dtype=np.float32)
