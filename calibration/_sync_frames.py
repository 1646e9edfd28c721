"""Exact offset of two clips already within a few LSR frames: which LSR frames look like an HSR frame."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Picture = npt.NDArray[np.float32]

_MIN_PEAK = 0.3
_MIN_DROP = 2e-4
_GOOD_SIGMA = 0.25
_COARSE = 8
_THREADS = 2
_LONGEST = 8  # LSR frames apart that an exposure of eight still averages


@dataclass(frozen=True, slots=True, eq=False)
class FrameWindow:
    """One HSR frame and the LSR frames around the place where it may belong.

    Attributes:
        hsr: HSR frame in the LSR view and at LSR sampling, after `band_pass`, shape (h, w).
        hsr_s: Its time [s].
        lsr: Consecutive LSR frames after `band_pass`, N of shape (h, w).
        lsr_s: Their times, shape (N,) [s].
        mask: Pixels that both cameras see, shape (h, w); None for all.

    """

    hsr: Picture
    hsr_s: float
    lsr: Sequence[Picture]
    lsr_s: FloatArray
    mask: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class FrameSync:
    """What frame matching says.

    Attributes:
        shift_s: What to add to an HSR time to get the LSR time of the same instant [s].
        error_frames: Standard error of it [LSR frames].
        frames: HSR frames that moved enough to tell and agree.
        similarity: Mean correlation at the best place, -1..1.
        exposure_frames: LSR frames over which an HSR exposure averages, as measured; noise in the LSR frames
            makes it look longer.

    """

    shift_s: float
    error_frames: float
    frames: int
    similarity: float
    exposure_frames: float

    @property
    def confidence(self) -> float:
        """0..1; below 0.5 the offset may be off by more than a quarter of an LSR frame."""
        if self.frames == 0:
            return 0.0
        precise = float(np.exp(-((self.error_frames / _GOOD_SIGMA) ** 2)))
        several = 1.0 - 0.6**self.frames
        return precise * several * float(np.clip(self.similarity / 0.6, 0.0, 1.0))


def band_pass(picture: npt.NDArray[np.float32]) -> Picture:
    """Take noise and slow brightness differences between the cameras out of a grey picture, shape (h, w)."""
    height, width = picture.shape
    fine = cv2.GaussianBlur(picture, (0, 0), 0.8)
    # A blur this wide looks the same at an eighth of the size.
    small = cv2.resize(
        picture, (max(1, width // _COARSE), max(1, height // _COARSE)), interpolation=cv2.INTER_AREA
    )
    small = cv2.GaussianBlur(small, (0, 0), max(4.0, width / 12) / _COARSE)
    coarse = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(fine - coarse, np.float32)


def exposure_kernel(width: float) -> FloatArray:
    """Weights of the LSR frames around an instant that an exposure of `width` LSR frames averages.

    Always symmetric about the middle frame: an even number of equal weights would shift every result by half
    a frame. Odd length, sum 1.

    Args:
        width: Exposure in LSR periods, at least 1.

    """
    half = int(np.ceil((width - 1) / 2 - 1e-9))
    weights = np.ones(2 * half + 1)
    if half:
        weights[[0, -1]] = (width - (2 * half - 1)) / 2
    normalised: FloatArray = weights / weights.sum()
    return normalised


@dataclass(frozen=True, slots=True, eq=False)
class _Likeness:
    """How alike an HSR frame and each LSR frame are, and the LSR frames among themselves.

    The correlation of any average of LSR frames follows from these sums alone, so exposures are tried
    without making their pictures.

    Attributes:
        own: Sum of squares of the HSR frame.
        common: Sums of its products with each LSR frame, shape (N,).
        among: Sums of the products of each two LSR frames near each other, shape (N, N); 0 for others.

    """

    own: float
    common: FloatArray
    among: FloatArray

    def correlations(self, kernel: FloatArray) -> FloatArray:
        """Correlation with the LSR frames averaged by `kernel`, at every place where it fits, (N - 2 r,)."""
        size = len(kernel)
        places = len(self.common) - size + 1
        if places < 1:
            return np.zeros(0)
        weights = np.zeros((places, len(self.common)))
        for place in range(places):
            weights[place, place : place + size] = kernel
        energy = np.einsum("ij,jk,ik->i", weights, self.among, weights)
        scores: FloatArray = weights @ self.common / np.sqrt(np.maximum(self.own * energy, 1e-12))
        return scores


def _likeness(window: FrameWindow) -> _Likeness:
    hsr = _pixels(window.hsr, window.mask)
    lsr = np.stack([_pixels(frame, window.mask) for frame in window.lsr])
    # Sums of products without BLAS, whose threads wait for each other on a busy machine; only frames that one
    # exposure can average are ever needed together.
    among = np.zeros((len(lsr), len(lsr)))
    for apart in range(min(len(lsr), _LONGEST + 1)):
        band = np.einsum("ip,ip->i", lsr[: len(lsr) - apart], lsr[apart:])
        among += np.diag(band, apart) + (np.diag(band, -apart) if apart else 0.0)
    return _Likeness(
        own=float(np.einsum("p,p->", hsr, hsr)),
        common=np.einsum("ip,p->i", lsr, hsr).astype(np.float64),
        among=among,
    )


def _pixels(picture: Picture, mask: npt.NDArray[np.bool_] | None) -> Picture:
    """Pixels inside the mask, without their mean, shape (P,)."""
    values = picture[mask] if mask is not None else picture.reshape(-1)
    return np.asarray(values - values.mean(), np.float32)


def _best_time(scores: FloatArray, times: FloatArray) -> tuple[float, float, float] | None:
    """Time of the highest score by a parabola, the score, and how far it falls within two frames."""
    at = int(np.argmax(scores))
    if at in (0, len(scores) - 1):
        return None
    x = times[at - 1 : at + 2] - times[at]
    c, b, _ = np.polyfit(x, scores[at - 1 : at + 2] - scores[at], 2)
    if c >= 0:
        return None
    near = scores[max(0, at - 2) : at + 3]
    return float(times[at] - b / (2 * c)), float(scores[at]), float(scores[at] - near.min())


def match_frames(windows: Sequence[FrameWindow], *, max_exposure: float = 8.0) -> FrameSync:
    """Find the sub-frame shift at which the LSR frames, averaged over the HSR exposure, look most alike.

    Args:
        windows: HSR frames with their LSR neighbours; the true place lies inside each window.
        max_exposure: Longest HSR exposure to try [LSR frames].

    """
    nothing = FrameSync(0.0, float("inf"), 0, 0.0, 1.0)
    if not windows:
        return nothing
    period = float(np.mean(np.concatenate([np.diff(w.lsr_s) for w in windows])))
    with ThreadPoolExecutor(_THREADS) as pool:
        measured = list(pool.map(_likeness, windows))
    best: tuple[float, float, list[tuple[float, float, float]]] | None = None
    widths = [w for w in (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0) if w <= max(1.0, max_exposure)]
    for width in widths:
        found = []
        peaks = []
        kernel = exposure_kernel(width)
        lost = len(kernel) // 2
        for window, likeness in zip(windows, measured, strict=True):
            scores = likeness.correlations(kernel)
            if len(scores) < 3:
                continue
            peaks.append(float(scores.max()))
            place = _best_time(scores, window.lsr_s[lost : len(window.lsr_s) - lost])
            if place is not None:
                time, score, drop = place
                found.append((time - window.hsr_s, score, drop))
        quality = float(np.mean(peaks)) if peaks else -1.0
        if best is None or quality > best[0] + 1e-5:
            best = (quality, width, found)
    if best is None:
        return nothing
    useful = [f for f in best[2] if f[1] >= _MIN_PEAK and f[2] >= _MIN_DROP]
    if not useful:
        return nothing
    shifts, scores, drops = (np.array(column) for column in zip(*useful, strict=True))
    weights = np.minimum(drops, 4 * float(np.median(drops)))
    centre = _weighted_median(shifts, weights)
    scatter = 1.4826 * _weighted_median(np.abs(shifts - centre), weights)
    keep = np.abs(shifts - centre) <= max(3.0 * scatter, 0.25 * period)
    w = weights[keep]
    shift = float((w * shifts[keep]).sum() / w.sum())
    effective = float(w.sum() ** 2 / (w**2).sum())
    rms = float(np.sqrt((w * (shifts[keep] - shift) ** 2).sum() / w.sum()))
    agreeing = int(keep.sum())
    lone = 0.3 if agreeing == 1 else 0.0
    return FrameSync(
        shift_s=shift,
        error_frames=max(rms, scatter) / period / float(np.sqrt(effective)) + 0.01 + lone,
        frames=agreeing,
        similarity=float(scores.mean()),
        exposure_frames=best[1],
    )


def _weighted_median(values: FloatArray, weights: FloatArray) -> float:
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, 0.5 * total[-1])])
