"""Alignment from the pictures alone: no board, no rig file."""

from __future__ import annotations

import time
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from calibration.alignment import Alignment, homography_alignment, output_view, overlap_share
from calibration.errors import CalibrationError, MirroredViewError, NoOverlapError, ViewError
from calibration.features import EpipolarFit, Matches, fit_epipolar, match_features
from calibration.grid import check_view
from calibration.homography import HomographyFit, fit_homography

Refine: TypeAlias = Literal["none"]

_MIN_OVERLAP = 0.15
_MIN_EPIPOLAR = 16
_MIN_SHARE = 0.3


def register_views(
    hsr: npt.NDArray[np.uint8], lsr: npt.NDArray[np.uint8]
) -> tuple[Matches, EpipolarFit, HomographyFit]:
    """Matches of both views, their epipolar geometry, and the plane most of them lie on.

    Returns:
        All matches; the epipolar fit to them; the homography LSR px -> HSR px of its inliers, whose
        `inliers` refer to the matches that the epipolar fit kept.

    Raises:
        ViewError: A view is blank, black, saturated or of the wrong type.
        TooFewFeaturesError: A view has too little texture.
        NoOverlapError: The views do not show the same scene.
        MirroredViewError: One of them is mirrored.
        RotatedViewError: One of them is turned by more than 45 degrees.

    """
    check_view(hsr, "HSR view")
    check_view(lsr, "LSR view")
    if lsr.shape[0] > hsr.shape[0] or lsr.shape[1] > hsr.shape[1]:
        raise ViewError(
            f"the LSR view ({lsr.shape[1]}x{lsr.shape[0]}) is larger than the HSR view "
            f"({hsr.shape[1]}x{hsr.shape[0]}); are they swapped?"
        )
    matches = match_features(hsr, lsr)
    try:
        return _fit(matches, hsr, lsr)
    except NoOverlapError:
        mirrored = np.ascontiguousarray(lsr[:, ::-1])
        try:
            _fit(match_features(hsr, mirrored), hsr, mirrored)
        except CalibrationError:
            pass
        else:
            raise MirroredViewError(
                "one view is mirrored against the other; switch ReverseX off on that camera, or flip its clip"
            ) from None
        raise


def _fit(
    matches: Matches, hsr: npt.NDArray[np.uint8], lsr: npt.NDArray[np.uint8]
) -> tuple[Matches, EpipolarFit, HomographyFit]:
    lsr_size = (lsr.shape[1], lsr.shape[0])
    scale = float(np.sqrt(hsr.shape[0] * hsr.shape[1] / (lsr.shape[0] * lsr.shape[1])))
    epipolar = fit_epipolar(matches, scale=scale)
    agreeing = 0 if epipolar is None else int(epipolar.inliers.sum())
    if epipolar is None or agreeing < _MIN_EPIPOLAR or agreeing < _MIN_SHARE * len(matches):
        raise NoOverlapError(
            f"only {agreeing} of {len(matches)} points of the two views agree; check that both cameras look "
            "at the same scene, from nearly the same place and at the same instant"
        )
    plane = fit_homography(matches.only(epipolar.inliers), lsr_size=lsr_size, scale=scale)
    seen = overlap_share(plane.matrix, (hsr.shape[1], hsr.shape[0]), lsr_size)
    if seen < _MIN_OVERLAP:
        raise NoOverlapError(
            f"the HSR camera sees only {seen:.0%} of the LSR view, {_MIN_OVERLAP:.0%} are needed; "
            "turn the cameras towards each other or move them closer together"
        )
    return matches, epipolar, plane


def align_scene(
    hsr: npt.NDArray[np.uint8],
    lsr: npt.NDArray[np.uint8],
    *,
    refine: Refine = "none",
    previous: Alignment | None = None,
    scale: float | None = None,
    common_field: bool = False,
) -> Alignment:
    """Put the HSR picture into the LSR camera's view.

    Args:
        hsr: (H, W, 3) RGB.
        lsr: (h, w, 3) RGB of the same instant.
        refine: "none" stops at the homography.
        previous: Alignment of the GoP before; its output view is kept.
        scale: Output px per LSR px; None measures it.
        common_field: Cover only what both cameras see, rather than the whole LSR view.

    Raises:
        CalibrationError: See `register_views`.

    """
    started = time.perf_counter()
    matches, epipolar, plane = register_views(hsr, lsr)
    hsr_size, lsr_size = (hsr.shape[1], hsr.shape[0]), (lsr.shape[1], lsr.shape[0])
    view = (
        previous.view
        if previous is not None
        else output_view(
            plane.matrix, hsr_size=hsr_size, lsr_size=lsr_size, scale=scale, common_field=common_field
        )
    )
    return homography_alignment(
        plane.matrix,
        view,
        hsr_size,
        inliers=int(plane.inliers.sum()),
        residual_px=plane.residual_px,
        stats={
            "matches": len(matches),
            "epipolar_inliers": int(epipolar.inliers.sum()),
            "epipolar_residual_px": epipolar.residual_px,
            "seconds": time.perf_counter() - started,
        },
    )
