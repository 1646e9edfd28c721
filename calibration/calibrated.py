"""Dense alignment with a rig file: rows are known, so only depth is searched."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Literal, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from calibration.alignment import Alignment
from calibration.baseline import align_baseline, plane_homography
from calibration.errors import CalibrationError, StaleRigError, TooFewFeaturesError
from calibration.features import Matches, epipolar_distance, match_features
from calibration.grid import ImageF32, ImageU8, Matrix, check_view, homography_map, invert, remap, transform
from calibration.homography import local_scale
from calibration.lens import distort, undistort
from calibration.rectification import Rectification, disparity_range
from calibration.refinement import (
    MIN_LIKENESS,
    RefinedMap,
    accept,
    refine_depth,
    require_likeness,
    to_output,
)
from calibration.rig import CameraId, CameraModel, Rig
from calibration.stereo import searchable
from calibration.views import equalise_views, plane_map

RigRefine: TypeAlias = Literal["plane", "dense"]

_CONTRADICTION = 1.5  # [LSR px] median distance from epipolar lines that no good rig file has
_MIN_MATCHES = 30
_UNCHECKED_LIKENESS = 0.4  # a search along rows makes a fifth of any two pictures look alike
_NEAREST, _FARTHEST = 0.5, 4.0  # of the reference distance, where no matches say better


def rig_fundamental(rig: Rig) -> Matrix:
    """F with [hsr, 1] F [lsr, 1]^T = 0 in undistorted px."""
    t = rig.translation_mm()
    cross = np.array([[0, -t[2], t[1]], [t[2], 0, -t[0]], [-t[1], t[0], 0]])
    return np.asarray(invert(rig.hsr.k).T @ cross @ rig.r @ invert(rig.lsr.k))


def rectify_rig(rig: Rig, matches: Matches | None = None) -> Rectification:
    """Rectify undistorted views by the rig; its reference plane gets no disparity.

    Args:
        rig: The rig.
        matches: Matches in undistorted px that tell the range of depths; None searches from half to four
            times the reference distance.

    """
    x = np.array(rig.direction)
    if x[np.argmax(np.abs(x))] < 0:
        x = -x
    y = np.cross([0.0, 0.0, 1.0], x)
    y /= np.linalg.norm(y)
    to_rows = np.stack([x, y, np.cross(x, y)])
    f = rig.hsr.k[0, 0]
    straight = np.diag([f, f, 1.0])
    hsr = straight @ to_rows @ rig.r.T @ invert(rig.hsr.k)
    # Going through the reference plane keeps the rows and takes out the plane's own disparity.
    lsr = hsr @ plane_homography(rig)
    if matches is not None and len(matches) >= _MIN_MATCHES:
        source, target = transform(lsr, matches.lsr), transform(hsr, matches.hsr)
        off = np.abs(source[:, 1] - target[:, 1])
        good = off < max(4.0, 3 * float(np.median(off)))
        return Rectification(
            hsr=hsr,
            lsr=lsr,
            disparity=disparity_range((source - target)[good, 0]),
            row_residual_px=float(np.median(off)),
        )
    shift = f * rig.baseline_mm * abs(float(x @ np.array(rig.direction))) / rig.reference_mm
    sign = float(np.sign(x @ np.array(rig.direction)))
    ends = sorted((sign * shift * (1 / _NEAREST - 1), sign * shift * (1 / _FARTHEST - 1)))
    return Rectification(hsr=hsr, lsr=lsr, disparity=(ends[0], ends[1]), row_residual_px=0.0)


def align_with_rig(
    hsr: npt.NDArray[np.uint8],
    lsr: npt.NDArray[np.uint8],
    rig: Rig,
    *,
    refine: RigRefine = "dense",
    previous: Alignment | None = None,
    scale: float | None = None,
    common_field: bool = False,
) -> Alignment:
    """Put the HSR picture into the LSR camera's view by a rig file.

    Args:
        hsr: (H, W, 3) RGB.
        lsr: (h, w, 3) RGB of the same instant.
        rig: The rig, with the baseline and reference distance that hold now.
        refine: "plane" stops at the reference plane, "dense" follows depth.
        previous: Alignment of the GoP before; its output view is kept.
        scale: Output px per LSR px; None measures it.
        common_field: Cover only what both cameras see.

    Raises:
        StaleRigError: The pictures have other sizes than the rig's, or contradict its geometry.
        NoOverlapError: The HSR camera sees less than half of the LSR view, or the views hardly look alike.
        ViewError: A view is blank, black, saturated or of the wrong type.

    """
    started = time.perf_counter()
    check_view(hsr, "HSR view")
    check_view(lsr, "LSR view")
    rig.check(
        hsr=_same_but_size(rig.hsr.id, hsr.shape),
        lsr=_same_but_size(rig.lsr.id, lsr.shape),
    )
    view = previous.view if previous is not None else None
    plane = align_baseline(rig, view=view, scale=scale, common_field=common_field)
    matches = _matches(hsr, lsr, rig)
    stats: dict[str, float] = {**plane.stats}
    inliers, residual = 0, 0.0
    if matches is not None:
        distance = epipolar_distance(rig_fundamental(rig), matches.hsr, matches.lsr)
        residual = float(np.median(distance))
        limit = _CONTRADICTION * rig.hsr.k[0, 0] / rig.lsr.k[0, 0]
        if residual > limit:
            raise StaleRigError(
                f"the pictures contradict the rig file by {residual:.1f} px (up to {limit:.1f} px are "
                "accepted): a camera turned or the baseline changed; re-lock or calibrate again"
            )
        agreed = matches.only(distance < max(4.0, 3 * residual))
        inliers = len(agreed)
        stats |= {"matches": len(matches), "epipolar_inliers": inliers, "epipolar_residual_px": residual}
    else:
        agreed = None
    view = plane.view
    h = plane_homography(rig)
    straight_h, straight_l = _straighten(hsr, rig.hsr), _straighten(lsr, rig.lsr)
    magnification = local_scale(h, (rig.lsr.id.width - 1) / 2, (rig.lsr.id.height - 1) / 2)[0]
    views = equalise_views(straight_h, straight_l, view, h, sampling=magnification)
    refined: RefinedMap | None = None
    if refine == "dense":
        rows = rectify_rig(rig, agreed)
        # At a wide baseline not every depth can be searched: those farthest from the rest are left out.
        rows = replace(rows, disparity=searchable(rows.disparity, magnification=magnification))
        refined = refine_depth(
            rows, views, rig.hsr.id.size, magnification=magnification, plane=plane_map(h, views)
        )
        if refined is None:
            raise CalibrationError(
                "by the rig file the cameras turn so much that their pictures share no rows; check it, or "
                "calibrate again"
            )
    else:
        refined = accept(plane_map(h, views), views, rig.hsr.id.size, "plane")
    if refine == "dense":
        require_likeness(refined, MIN_LIKENESS if matches is not None else _UNCHECKED_LIKENESS)
    bent = _through_lenses(refined, views.work_to_lsr, rig)
    stats["seconds"] = time.perf_counter() - started
    return to_output(
        bent,
        view,
        rig.hsr.id.size,
        plane.homography,
        method=f"rig+{refined.method}",
        inliers=inliers,
        residual_px=residual,
        stats=stats,
    )


def _same_but_size(identity: CameraId, shape: tuple[int, ...]) -> CameraId:
    return identity.model_copy(update={"width": shape[1], "height": shape[0]})


def _matches(hsr: ImageU8, lsr: ImageU8, rig: Rig) -> Matches | None:
    """Matches in undistorted px; None where the views are too plain to tell anything."""
    try:
        found = match_features(hsr, lsr, zoom=rig.zoom)
    except TooFewFeaturesError:
        return None
    if len(found) < _MIN_MATCHES:
        return None
    return Matches(undistort(found.hsr, rig.hsr), undistort(found.lsr, rig.lsr), found.keypoints)


def _straighten(image: ImageU8, camera: CameraModel) -> ImageU8:
    if not np.any(camera.d):
        return image
    x, y = cv2.initUndistortRectifyMap(camera.k, camera.d, np.eye(3), camera.k, camera.id.size, cv2.CV_32FC1)
    out = cv2.remap(image, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(out, np.uint8)


def _through_lenses(refined: RefinedMap, work_to_lsr: Matrix, rig: Rig) -> RefinedMap:
    """The map between straight pictures turned into one between the pictures as they are."""
    map_xy, credible, cost = refined.map_xy, refined.credible, refined.cost
    height, width = cost.shape
    if np.any(rig.lsr.d):
        nodes = homography_map(work_to_lsr, width, height).astype(np.float64)
        at: ImageF32 = transform(invert(work_to_lsr), undistort(nodes, rig.lsr)).astype(np.float32)
        map_xy = np.asarray(remap(map_xy, at, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE), np.float32)
        credible = remap(credible.astype(np.float32), at, cv2.INTER_LINEAR) > 0.5
        cost = np.asarray(remap(cost, at, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE), np.float32)
    if np.any(rig.hsr.d):
        map_xy = distort(map_xy, rig.hsr).astype(np.float32)
    return RefinedMap(map_xy, np.asarray(credible), cost, refined.method)
