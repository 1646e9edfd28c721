"""Points that both views show, in spite of their unlike resolution.

The sharp picture is first brought to the coarse one's sampling: matched as they are, nine of ten points
of the sharp one have no counterpart in the coarse one.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from calibration.errors import TooFewFeaturesError
from calibration.grid import ImageU8, Mask, Matrix, Points, grey, pixel_ratio, resize

_RATIO = 0.8
_MIN_KEYPOINTS = 20
_MOST_FEATURES = 4000
_MOST_PIXELS = 700_000
_FAINT, _USUAL, _MOST_GAIN = 40.0, 100.0, 8.0  # ranges of luma, and what is gained at most
OTHER_ZOOM = 1.3
"""From here on it is worth searching at the sampling that makes things equally large in both views.

At 1.2, as of the emulated rig, fused frames lost 0.06 dB by it.
"""
_EPIPOLAR_PX = 0.75
"""Largest distance from an epipolar line [LSR px]."""


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """Positions of the same points in both views.

    Attributes:
        hsr: (N, 2) positions [HSR px].
        lsr: (N, 2) positions [LSR px].
        keypoints: Features found in the HSR and in the LSR view before matching.

    """

    hsr: Points
    lsr: Points
    keypoints: tuple[int, int]

    def __len__(self) -> int:
        return len(self.lsr)

    def only(self, mask: Mask) -> Matches:
        """The matches where `mask` (N,) is True."""
        return Matches(self.hsr[mask], self.lsr[mask], self.keypoints)


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Distinct points of one view.

    Attributes:
        points: (N, 2) positions [px of the picture that was searched].
        descriptors: (N, 128) RootSIFT, unit length (Arandjelovic and Zisserman, CVPR 2012).

    """

    points: Points
    descriptors: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.points)


def find_features(
    picture: ImageU8, *, sampling: tuple[int, int] | None = None, limit: int = 4000
) -> Features:
    """Find the distinct points of a view, to be matched with those of another by `pair_features`.

    Args:
        picture: (h, w, 3) RGB or (h, w) luma.
        sampling: Width and height at which it is searched [px]; positions are its own px all the same. Both
            views are to be searched at the same sampling, the coarser one's.
        limit: Strongest features kept.

    """
    height, width = picture.shape[:2]
    luma = grey(picture) if picture.ndim == 3 else picture
    across, along = sampling or (width, height)
    sift = cv2.SIFT.create(
        nfeatures=limit, contrastThreshold=0.02, edgeThreshold=12, enable_precise_upscale=True
    )
    keypoints, found = sift.detectAndCompute(resize(luma, across, along), None)
    if found is None or len(keypoints) == 0:
        return Features(np.zeros((0, 2)), np.zeros((0, 128), np.float32))
    d = np.asarray(found, np.float32)
    d = np.sqrt(d / np.maximum(d.sum(axis=1, keepdims=True), 1e-9))
    points = np.array([k.pt for k in keypoints], np.float64)
    return Features((points + 0.5) * [width / across, height / along] - 0.5, d)


def lsr_sampling(hsr: tuple[int, int], lsr: tuple[int, int]) -> tuple[int, int]:
    """Width and height at which an HSR view has as many pixels as an LSR view, keeping its own aspect ratio.

    Args:
        hsr: Width and height of the HSR view [px].
        lsr: Width and height at which the LSR view is searched [px].

    """
    ratio = pixel_ratio(hsr, lsr)
    return round(hsr[0] / ratio), round(hsr[1] / ratio)


def pair_features(hsr: Features, lsr: Features) -> Matches:
    """Match the points of both views.

    Returns:
        Matches by ratio test and mutual check; about 2-10 % of them are still wrong.

    Raises:
        TooFewFeaturesError: One of the views has fewer than 20 features.

    """
    for name, found in (("HSR view", hsr), ("LSR view", lsr)):
        if len(found) < _MIN_KEYPOINTS:
            raise TooFewFeaturesError(
                f"the {name} shows only {len(found)} distinct points, {_MIN_KEYPOINTS} are needed: "
                "point the cameras at a scene with more texture, or improve focus and light"
            )
    i, j = _mutual(lsr.descriptors, hsr.descriptors)
    return Matches(hsr.points[j], lsr.points[i], keypoints=(len(hsr), len(lsr)))


def _mutual(
    a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Indices of mutual nearest neighbours that pass Lowe's ratio test in a -> b."""
    similarity = a @ b.T
    best = similarity.argmax(axis=1)
    rows = np.arange(len(a))
    first = similarity[rows, best]
    strongest = similarity.max(axis=0)
    similarity[rows, best] = -1.0
    second = similarity.max(axis=1)
    # RootSIFT vectors have unit length: squared distance = 2 - 2 * similarity.
    sharp = (1.0 - first) < _RATIO**2 * (1.0 - second)
    keep = np.flatnonzero(sharp & (first >= strongest[best]))
    return keep, best[keep]


def _with_contrast(luma: ImageU8) -> ImageU8:
    """Luma, of a faint view with more contrast: the search counts in levels, of which it has few."""
    low, high = np.percentile(luma, [1, 99])
    if high - low >= _FAINT:
        return luma
    gain = min(_USUAL / max(float(high - low), 1.0), _MOST_GAIN)
    return np.asarray(np.clip((luma - np.float32(low)) * np.float32(gain), 0, 255), np.uint8)


def match_features(hsr: ImageU8, lsr: ImageU8, *, magnify: float = 1.0, zoom: float = 1.0) -> Matches:
    """Match blur-equalised RootSIFT features.

    Args:
        hsr: (H, W, 3) RGB.
        lsr: (h, w, 3) RGB.
        magnify: Sampling of the search by that of the LSR view; 2 finds more points in small pictures. Above
            700,000 pixels the search is smaller.
        zoom: Size at which things appear in the LSR view, by what it were if both saw the same field: 2 for a
            telephoto lens beside a wide one. What is below `OTHER_ZOOM` is left alone.

    Returns:
        Matches by ratio test and mutual check; about 2-10 % of them are still wrong.

    Raises:
        TooFewFeaturesError: One of the views has fewer than 20 features.

    """
    h, w = lsr.shape[:2]
    reduce = min(magnify, float(np.sqrt(_MOST_PIXELS / (h * w))))
    lw, lh = round(w * reduce), round(h * reduce)
    hw, hh = lsr_sampling((hsr.shape[1], hsr.shape[0]), (lw, lh))
    if max(zoom, 1 / zoom) >= OTHER_ZOOM:
        # Of more pixels than it has, the sharp view shows nothing more.
        zoom = min(zoom, hsr.shape[1] / hw)
        hw, hh = round(hw * zoom), round(hh * zoom)
    sharp, coarse = _with_contrast(grey(hsr)), _with_contrast(grey(lsr))
    if reduce > 1.0:  # equal blur first, then equal sampling
        sharp = resize(sharp, round(hw / reduce), round(hh / reduce))
    found = find_features(sharp, sampling=(hw, hh), limit=_MOST_FEATURES)
    to_hsr = np.array([hsr.shape[1] / sharp.shape[1], hsr.shape[0] / sharp.shape[0]])
    return pair_features(
        Features((found.points + 0.5) * to_hsr - 0.5, found.descriptors),
        find_features(coarse, sampling=(lw, lh), limit=_MOST_FEATURES),
    )


@dataclass(frozen=True, slots=True, eq=False)
class EpipolarFit:
    """Epipolar geometry of two views.

    Attributes:
        fundamental: F with [hsr, 1] F [lsr, 1]^T = 0, both in their own pixels.
        inliers: (N,) matches that obey it.
        residual_px: Median distance of the inliers from their epipolar line in the HSR view [HSR px].

    """

    fundamental: Matrix
    inliers: Mask
    residual_px: float


def epipolar_distance(fundamental: Matrix, hsr: Points, lsr: Points) -> npt.NDArray[np.float64]:
    """Distance (N,) of each HSR position from the epipolar line of its LSR position [HSR px]."""
    line = np.column_stack([lsr, np.ones(len(lsr))]) @ fundamental.T
    value = np.sum(line * np.column_stack([hsr, np.ones(len(hsr))]), axis=1)
    return np.asarray(np.abs(value) / np.maximum(np.hypot(line[:, 0], line[:, 1]), 1e-12))


def fit_epipolar(matches: Matches, *, ratio: float) -> EpipolarFit | None:
    """Fundamental matrix by MAGSAC++ (Barath 2020).

    Args:
        matches: Candidate matches.
        ratio: HSR px per LSR px, see `grid.pixel_ratio`; points are compared on the LSR grid.

    Returns:
        The fit, or None when no geometry agrees with 8 matches or more.

    """
    if len(matches) < 8:
        return None
    to_lsr = np.array([[1 / ratio, 0, 0], [0, 1 / ratio, 0], [0, 0, 1.0]])
    try:
        found, mask = cv2.findFundamentalMat(
            matches.lsr.astype(np.float64),
            matches.hsr.astype(np.float64) / ratio,
            cv2.USAC_MAGSAC,
            _EPIPOLAR_PX,
            0.999,
            5000,
        )
    except cv2.error:  # raised, rather than reported, where all points lie on one plane
        return None
    if found is None or mask is None or np.shape(found) != (3, 3):
        return None
    inliers = mask.ravel().astype(bool)
    if int(inliers.sum()) < 8:
        return None
    fundamental = to_lsr.T @ np.asarray(found, np.float64)
    distance = epipolar_distance(fundamental, matches.hsr[inliers], matches.lsr[inliers])
    return EpipolarFit(fundamental, inliers, float(np.median(distance)))


def planar_epipolar(lsr_to_hsr: Matrix, inliers: Mask, residual_px: float) -> EpipolarFit:
    """Epipolar geometry of views whose points all lie on one plane, where it is not determined.

    Any baseline agrees with a plane; a sideways one is assumed.
    """
    sideways = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    return EpipolarFit(sideways @ lsr_to_hsr, inliers, residual_px)
