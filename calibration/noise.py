"""How noisy the LSR stream is, which decides the noise-regularised model that fuses it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from calibration.errors import ViewError
from calibration.grid import covered, grey

_BLOCK = 16
_MAD = 1.4826
_COMPRESSED = 0.3
_COARSE = 2.2  # a bilinear demosaic gives 2.0


@dataclass(frozen=True, slots=True)
class NoiseEstimate:
    """Standard deviation of the luma noise.

    Attributes:
        sigma: [0..255].
        method: "temporal" (static parts of successive frames) or "spatial" (one frame's finest detail).
        reliable: False where the estimate cannot be trusted: a codec smoothed the noise away, or only
            texture was left to measure.

    """

    sigma: float
    method: str
    reliable: bool


def estimate_noise_sigma(frames: Sequence[npt.NDArray[np.uint8]]) -> NoiseEstimate:
    """Noise of a stream from a few successive frames.

    Differences of successive frames are taken in 16x16 blocks; the blocks that change least are static and
    show the noise alone. Where everything moves, the median absolute diagonal detail of one frame is used
    (Donoho and Johnstone 1994), which texture makes too large.

    Args:
        frames: 1..16 successive (h, w, 3) RGB frames, or mono (h, w), all of one size.

    Raises:
        ViewError: No frame, frames of unlike sizes, or smaller than 32x32.

    """
    if not frames:
        raise ViewError("the noise cannot be measured without frames")
    shapes = {f.shape for f in frames}
    if len(shapes) > 1 or min(frames[0].shape[:2]) < 32:
        raise ViewError(
            f"the noise is measured on frames of one size of at least 32x32, not on {sorted(shapes)}"
        )
    luma = [(grey(f) if f.ndim == 3 else f).astype(np.float32) for f in frames[:16]]
    spatial = spatial_noise(luma[len(luma) // 2])
    if len(luma) < 2:
        return NoiseEstimate(spatial, "spatial", False)
    temporal, detail, static = _temporal(luma)
    if temporal < _COMPRESSED:
        return NoiseEstimate(temporal, "temporal", False)
    # Static blocks hold less than one frame's texture, and no more coarse change than a demosaic leaves.
    if static < 0.05 or temporal > 1.5 * spatial or temporal > _COARSE * detail:
        return NoiseEstimate(min(spatial, detail), "spatial", False)
    return NoiseEstimate(temporal, "temporal", True)


def view_mismatch(
    reference: npt.NDArray[np.uint8], lsr: npt.NDArray[np.uint8], valid: npt.NDArray[np.bool_]
) -> float:
    """Robust standard deviation [0..255] between an LSR frame and the reference reduced to its size.

    Args:
        reference: (H, W, 3) in the LSR camera's view and colours.
        lsr: (h, w, 3) of the same instant.
        valid: (H, W), where the reference shows the scene.

    """
    size = (lsr.shape[1], lsr.shape[0])
    # Were it rounded again, sigma would be 0, 1.5, 3 and so on, and nothing between.
    reduced = np.asarray(cv2.resize(reference.astype(np.float32), size, interpolation=cv2.INTER_AREA))
    difference = (reduced - lsr)[covered(valid, *size)]
    if not difference.size:
        return 0.0
    return float(_MAD * np.median(np.abs(difference - np.median(difference))))


def _blocks(image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    h, w = (s // _BLOCK * _BLOCK for s in image.shape)
    cut = image[:h, :w].reshape(h // _BLOCK, _BLOCK, w // _BLOCK, _BLOCK)
    return cut.transpose(0, 2, 1, 3).reshape(-1, _BLOCK * _BLOCK)


def _temporal(luma: Sequence[npt.NDArray[np.float32]]) -> tuple[float, float, float]:
    """Sigma in the blocks that change least, sigma of their finest detail, and the share of such blocks."""
    spread, fine, clipped = [], [], []
    for a, b in pairwise(map(_blocks, luma)):
        level = a.mean(axis=1)
        # A lamp that flickers is no noise: what it makes of texture goes with the brightness.
        light = (b.mean(axis=1) + 1) / (level + 1)
        change = b - light[:, None] * a
        spread.append(change.std(axis=1))
        rows = np.concatenate(change.reshape(-1, _BLOCK, _BLOCK))
        fine.append(np.sqrt((_diagonal(rows) ** 2).reshape(len(change), -1).mean(axis=1)))
        clipped.append((level < 8) | (level > 247))
    sigma, detailed = (np.median(np.array(v), axis=0) / np.sqrt(2.0) for v in (spread, fine))
    usable = ~np.any(np.array(clipped), axis=0)
    if usable.sum() >= 8:
        sigma, detailed = sigma[usable], detailed[usable]
    quiet = float(np.quantile(sigma, 0.05))
    still = sigma < 1.35 * max(quiet, 0.25)
    return float(np.median(sigma[still])), float(np.median(detailed[still])), float(still.mean())


def _diagonal(luma: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Finest diagonal Haar detail (h/2, w/2); white noise keeps its sigma."""
    h, w = luma.shape[0] // 2 * 2, luma.shape[1] // 2 * 2
    x = luma[:h, :w]
    return (x[0::2, 0::2] - x[0::2, 1::2] - x[1::2, 0::2] + x[1::2, 1::2]) / np.float32(2.0)


def spatial_noise(luma: npt.NDArray[np.float32]) -> float:
    """Standard deviation of the finest diagonal Haar detail of (h, w) luma, by its median [0..255]."""
    return float(_MAD * np.median(np.abs(_diagonal(luma))))
