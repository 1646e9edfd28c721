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
from calibration.grid import ImageU8, Mask, Matrix, Points, gray, resize

_RATIO = 0.8
_MIN_KEYPOINTS = 20


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


def _root_sift(image: ImageU8, limit: int) -> tuple[Points, npt.NDArray[np.float32]]:
    """Positions (N, 2) and RootSIFT descriptors (N, 128) (Arandjelovic and Zisserman, CVPR 2012)."""
    sift = cv2.SIFT.create(
        nfeatures=limit, contrastThreshold=0.02, edgeThreshold=12, enable_precise_upscale=True
    )
    keypoints, descriptors = sift.detectAndCompute(image, None)
    if descriptors is None or len(keypoints) == 0:
        return np.zeros((0, 2)), np.zeros((0, 128), np.float32)
    d = np.asarray(descriptors, np.float32)
    d = np.sqrt(d / np.maximum(d.sum(axis=1, keepdims=True), 1e-9))
    return np.array([k.pt for k in keypoints], np.float64), d


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


def match_features(
    hsr: ImageU8,
    lsr: ImageU8,
    *,
    max_features: int = 4000,
    max_pixels: int = 700_000,
    magnify: float = 1.0,
) -> Matches:
    """Match blur-equalised RootSIFT features.

    Args:
        hsr: (H, W, 3) RGB.
        lsr: (h, w, 3) RGB.
        max_features: Strongest features kept in each view.
        max_pixels: Both views are searched at the LSR size, or smaller when it has more pixels than this.
        magnify: Sampling of the search by that of the LSR view; 2 finds more points in small pictures.

    Returns:
        Matches by ratio test and mutual check; about 2-10 % of them are still wrong.

    Raises:
        TooFewFeaturesError: One of the views has fewer than 20 features.

    """
    h, w = lsr.shape[:2]
    reduce = min(magnify, float(np.sqrt(max_pixels / (h * w))))
    lw, lh = round(w * reduce), round(h * reduce)
    # One factor for both axes: a picture of another aspect ratio must not be squeezed.
    factor = float(np.sqrt(lw * lh / (hsr.shape[0] * hsr.shape[1])))
    hw, hh = round(hsr.shape[1] * factor), round(hsr.shape[0] * factor)
    sharp = gray(hsr)
    if reduce > 1.0:  # equal blur first, then equal sampling
        sharp = resize(sharp, round(hw / reduce), round(hh / reduce))
    views = (resize(sharp, hw, hh), resize(gray(lsr), lw, lh))
    (hp, hd), (lp, ld) = (_root_sift(v, max_features) for v in views)
    for name, points in (("HSR view", hp), ("LSR view", lp)):
        if len(points) < _MIN_KEYPOINTS:
            raise TooFewFeaturesError(
                f"the {name} shows only {len(points)} distinct points, {_MIN_KEYPOINTS} are needed: "
                "point the cameras at a scene with more texture, or improve focus and light"
            )
    i, j = _mutual(ld, hd)
    scale_h = np.array([hsr.shape[1] / hw, hsr.shape[0] / hh])
    scale_l = np.array([w / lw, h / lh])
    return Matches(
        hsr=(hp[j] + 0.5) * scale_h - 0.5,
        lsr=(lp[i] + 0.5) * scale_l - 0.5,
        keypoints=(len(hp), len(lp)),
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


def fit_epipolar(matches: Matches, *, scale: float, threshold: float = 0.75) -> EpipolarFit | None:
    """Fundamental matrix by MAGSAC++ (Barath 2020).

    Args:
        matches: Candidate matches.
        scale: HSR px per LSR px; points are compared on the LSR grid.
        threshold: Largest distance from an epipolar line [LSR px].

    Returns:
        The fit, or None when no geometry agrees with 8 matches or more.

    """
    if len(matches) < 8:
        return None
    to_lsr = np.array([[1 / scale, 0, 0], [0, 1 / scale, 0], [0, 0, 1.0]])
    try:
        found, mask = cv2.findFundamentalMat(
            matches.lsr.astype(np.float64),
            matches.hsr.astype(np.float64) / scale,
            cv2.USAC_MAGSAC,
            threshold,
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
