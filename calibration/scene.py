"""Alignment from the pictures alone: no board, no rig file."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from calibration.alignment import Alignment, homography_alignment, output_view, overlap_share
from calibration.errors import (
    CalibrationError,
    MirroredViewError,
    NoOverlapError,
    RotatedViewError,
    TooFewFeaturesError,
    ViewError,
)
from calibration.features import (
    OTHER_ZOOM,
    EpipolarFit,
    Matches,
    fit_epipolar,
    match_features,
    planar_epipolar,
)
from calibration.grid import Matrix, check_view, pixel_ratio, resize_map
from calibration.homography import HomographyFit, fit_homography, local_scale
from calibration.rectification import rectify_from_matches
from calibration.refinement import (
    RefinedMap,
    accept,
    explains_better,
    likeness,
    refine_depth,
    refine_flow,
    require_likeness,
    to_output,
)
from calibration.views import equalise_views, plane_map

Refine: TypeAlias = Literal["none", "mesh", "flow", "dense"]

_MIN_OVERLAP = 0.15
_MIN_EPIPOLAR = 16
_MIN_SHARE = 0.3
_ENOUGH = 150
_PLANE_FITS = 0.8
"""Share of the common field that has to look alike by a plane; of a wall seen from far apart 0.87 does."""
_GUESSED_ZOOMS = (2.0, 0.5)
"""Tried where nothing is found: pairs of lenses in phones are about so far apart."""

Registration: TypeAlias = tuple[Matches, EpipolarFit, HomographyFit]


def register_views(
    hsr: npt.NDArray[np.uint8], lsr: npt.NDArray[np.uint8], *, zoom: float | None = None
) -> Registration:
    """Matches of both views, their epipolar geometry, and the plane most of them lie on.

    Args:
        hsr: (H, W, 3) RGB.
        lsr: (h, w, 3) RGB of the same instant.
        zoom: Size at which things appear in the LSR view, by what it were if both saw the same field; None
            finds it out.

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
    try:
        return _search(hsr, lsr, zoom)
    except NoOverlapError:
        if not _is_mirrored(hsr, lsr, zoom):
            raise
        raise MirroredViewError(
            "one view is mirrored against the other; switch ReverseX and ReverseY off on that camera, or "
            "flip its clip"
        ) from None


def _is_mirrored(hsr: npt.NDArray[np.uint8], lsr: npt.NDArray[np.uint8], zoom: float | None) -> bool:
    try:
        _search(hsr, np.ascontiguousarray(lsr[:, ::-1]), zoom)
    except RotatedViewError:
        return True  # mirrored from top to bottom
    except CalibrationError:
        return False
    return True


def _search(hsr: npt.NDArray[np.uint8], lsr: npt.NDArray[np.uint8], zoom: float | None) -> Registration:
    """Search as if both views showed the same field, and where one shows much less of it, as it really is."""
    if zoom is not None:
        return _register(hsr, lsr, zoom)
    try:
        found = _register(hsr, lsr)
    except (NoOverlapError, TooFewFeaturesError):
        for guess in _GUESSED_ZOOMS:
            with suppress(NoOverlapError, TooFewFeaturesError):
                found = _register(hsr, lsr, guess)
                break
        else:
            raise
    seen = zoom_of(found[2].matrix, hsr, lsr)
    if max(seen, 1 / seen) < OTHER_ZOOM:
        return found
    try:
        nearer = _register(hsr, lsr, seen)
    except (NoOverlapError, TooFewFeaturesError):
        return found
    return nearer if nearer[1].inliers.sum() > found[1].inliers.sum() else found


def zoom_of(lsr_to_hsr: Matrix, hsr: npt.NDArray[np.uint8], lsr: npt.NDArray[np.uint8]) -> float:
    """Size at which things appear in the LSR view, by what it were if both views showed the same field."""
    hsr_size, lsr_size = (hsr.shape[1], hsr.shape[0]), (lsr.shape[1], lsr.shape[0])
    magnification = local_scale(lsr_to_hsr, (lsr_size[0] - 1) / 2, (lsr_size[1] - 1) / 2)[0]
    return pixel_ratio(hsr_size, lsr_size) / magnification


def _register(hsr: npt.NDArray[np.uint8], lsr: npt.NDArray[np.uint8], zoom: float = 1.0) -> Registration:
    """Match on the LSR grid, and on one twice as fine when that gives few points."""
    try:
        coarse = _fit(match_features(hsr, lsr, zoom=zoom), hsr, lsr)
        if int(coarse[1].inliers.sum()) >= _ENOUGH:
            return coarse
    except (NoOverlapError, TooFewFeaturesError):
        return _fit(match_features(hsr, lsr, magnify=2.0, zoom=zoom), hsr, lsr)
    try:
        fine = _fit(match_features(hsr, lsr, magnify=2.0, zoom=zoom), hsr, lsr)
    except (NoOverlapError, TooFewFeaturesError):
        return coarse
    return fine if fine[1].inliers.sum() > coarse[1].inliers.sum() else coarse


def _fit(matches: Matches, hsr: npt.NDArray[np.uint8], lsr: npt.NDArray[np.uint8]) -> Registration:
    hsr_size, lsr_size = (hsr.shape[1], hsr.shape[0]), (lsr.shape[1], lsr.shape[0])
    ratio = pixel_ratio(hsr_size, lsr_size)
    epipolar = fit_epipolar(matches, ratio=ratio)
    agreeing = 0 if epipolar is None else int(epipolar.inliers.sum())
    if epipolar is None or agreeing < _MIN_EPIPOLAR or agreeing < _MIN_SHARE * len(matches):
        try:  # one plane leaves the epipolar geometry open
            flat = fit_homography(matches, lsr_size=lsr_size, ratio=ratio)
        except NoOverlapError:
            flat = None
        if flat is not None and int(flat.inliers.sum()) >= max(_MIN_EPIPOLAR, _MIN_SHARE * len(matches)):
            epipolar = planar_epipolar(flat.matrix, flat.inliers, flat.residual_px)
            agreeing = int(flat.inliers.sum())
    if epipolar is None or agreeing < _MIN_EPIPOLAR or agreeing < _MIN_SHARE * len(matches):
        raise NoOverlapError(
            f"only {agreeing} of {len(matches)} points of the two views agree; check that both cameras look "
            "at the same scene, from nearly the same place and at the same instant"
        )
    plane = fit_homography(matches.only(epipolar.inliers), lsr_size=lsr_size, ratio=ratio)
    seen = overlap_share(plane.matrix, hsr_size, lsr_size)
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
    refine: Refine = "dense",
    previous: Alignment | None = None,
    scale: float | None = None,
    common_field: bool = False,
) -> Alignment:
    """Put the HSR picture into the LSR camera's view.

    Args:
        hsr: (H, W, 3) RGB.
        lsr: (h, w, 3) RGB of the same instant.
        refine: How far to go: "none" stops at the homography, "mesh" bends it, "flow" adds dense flow (the
            paper's recipe), "dense" adds the search along epipolar rows, which follows depth best.
        previous: Alignment of another GoP. Its output view is kept, and its map is used, named "previous",
            where it fits this pair better than what this pair shows by itself, or where that is too little.
        scale: Output px per LSR px; None measures it.
        common_field: Cover only what both cameras see, rather than the whole LSR view.

    Raises:
        CalibrationError: See `register_views`.

    """
    if refine not in get_args(Refine):
        raise CalibrationError(f"refine must be one of {', '.join(get_args(Refine))}, not {refine!r}")
    # scipy, which meshes need, takes longer to load than most commands to do their work.
    from calibration.mesh import fit_mesh, is_planar

    started = time.perf_counter()
    hsr_size, lsr_size = (hsr.shape[1], hsr.shape[0]), (lsr.shape[1], lsr.shape[0])
    try:
        zoom = None if previous is None else zoom_of(previous.lsr_to_hsr, hsr, lsr)
        matches, epipolar, plane = register_views(hsr, lsr, zoom=zoom)
    except (TooFewFeaturesError, NoOverlapError) as error:
        if previous is None:
            raise
        return _keep_previous(hsr, lsr, previous, error, started)
    if previous is not None:
        view = previous.view
    else:
        view = output_view(
            plane.matrix, hsr_size=hsr_size, lsr_size=lsr_size, scale=scale, common_field=common_field
        )
    agreed = matches.only(epipolar.inliers)
    stats: dict[str, float] = {
        "matches": len(matches),
        "epipolar_inliers": len(agreed),
        "epipolar_residual_px": epipolar.residual_px,
        "homography_inliers": int(plane.inliers.sum()),
        "homography_residual_px": plane.residual_px,
        "overlap": overlap_share(plane.matrix, hsr_size, lsr_size),
    }
    inliers, residual = int(plane.inliers.sum()), plane.residual_px
    if refine == "none":
        stats["seconds"] = time.perf_counter() - started
        return homography_alignment(
            plane.matrix, view, hsr_size, inliers=inliers, residual_px=residual, stats=stats
        )
    magnification = local_scale(plane.matrix, (lsr_size[0] - 1) / 2, (lsr_size[1] - 1) / 2)[0]
    views = equalise_views(hsr, lsr, view, plane.matrix, sampling=magnification)
    flat = plane_map(plane.matrix, views)
    refined = accept(flat, views, hsr_size, "homography")
    planar = is_planar(plane.matrix, agreed, pixel_ratio(hsr_size, lsr_size))
    if planar:
        require_likeness(refined)
    # Flow between pictures of unlike sharpness only adds errors where a plane already fits.
    if not planar or likeness(refined) < _PLANE_FITS:
        mesh = fit_mesh(agreed, plane.matrix, lsr_size)
        stats |= {"mesh_inliers": int(mesh.inliers.sum()), "mesh_residual_px": mesh.residual_px}
        inliers, residual = int(mesh.inliers.sum()), mesh.residual_px
        bent = flat + mesh.on_grid(views.work_to_lsr, views.size, lsr_size)
        deep = None
        if refine == "dense":
            rows = rectify_from_matches(agreed, epipolar, plane.matrix, hsr_size=hsr_size, lsr_size=lsr_size)
            stats["row_residual_px"] = rows.row_residual_px
            deep = refine_depth(rows, views, hsr_size, magnification=magnification, plane=flat, fallback=bent)
        if deep is not None:
            refined, inliers, residual = deep, len(agreed), stats["row_residual_px"]
        elif refine == "mesh":
            refined = accept(bent, views, hsr_size, "homography+mesh")
        else:
            refined = refine_flow(flat, bent, views, hsr_size)
    require_likeness(refined)
    if previous is not None:
        # Cameras hardly move between GoPs, but what can be found of them changes with what they see.
        before = accept(resize_map(previous.map_xy, *views.size), views, hsr_size, "previous")
        if explains_better(before, refined):
            return _as_before(before, previous, hsr_size, started)
    matrix = plane.matrix @ view.to_lsr
    stats["seconds"] = time.perf_counter() - started
    return to_output(
        refined,
        view,
        hsr_size,
        matrix / matrix[2, 2],
        method=refined.method,
        inliers=inliers,
        residual_px=residual,
        stats=stats,
    )


def _keep_previous(
    hsr: npt.NDArray[np.uint8],
    lsr: npt.NDArray[np.uint8],
    previous: Alignment,
    error: CalibrationError,
    started: float,
) -> Alignment:
    """The previous map if it explains this pair, else the error.

    Raises:
        CalibrationError: `error`, when less than half of what the previous map covered still fits.

    """
    hsr_size = (hsr.shape[1], hsr.shape[0])
    views = equalise_views(hsr, lsr, previous.view, previous.lsr_to_hsr)
    refined = accept(resize_map(previous.map_xy, *views.size), views, hsr_size, "previous")
    if float((refined.credible & (refined.cost < 2.0)).mean()) < 0.5 * float(previous.valid.mean()):
        raise error
    return _as_before(refined, previous, hsr_size, started)


def _as_before(
    refined: RefinedMap, previous: Alignment, hsr_size: tuple[int, int], started: float
) -> Alignment:
    return to_output(
        refined,
        previous.view,
        hsr_size,
        previous.homography,
        method="previous",
        inliers=0,
        residual_px=previous.residual_px,
        stats={"seconds": time.perf_counter() - started},
    )
