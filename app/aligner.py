"""Which HSR pixel belongs to which output pixel, GoP by GoP: from the pictures, a rig file, or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, runtime_checkable

from calibration import (
    Alignment,
    CalibrationError,
    CameraId,
    Rig,
    TooFewFeaturesError,
    ViewError,
    align_scene,
    align_with_rig,
    identity_alignment,
    load_rig,
)
from drivers import CameraMetadata, FrameSource, RgbImage, StreamPair


@runtime_checkable
class _HasCamera(Protocol):
    @property
    def camera(self) -> CameraMetadata: ...


def camera_id(source: FrameSource) -> CameraId:
    """What a rig file is compared with: a take knows its camera's number and region, a clip only its size."""
    info = source.info
    if not isinstance(source, _HasCamera):
        return CameraId(width=info.width, height=info.height)
    camera = source.camera
    return CameraId(
        width=info.width,
        height=info.height,
        serial=camera.serial,
        offset_x=camera.offset_x,
        offset_y=camera.offset_y,
        binning=camera.binning,
    )


def rig_hash(path: Path) -> str:
    """SHA-256 of a rig file, in hexadecimal: what a take keeps of the one in use."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def rig_doubts(path: Path, rig: Rig, recorded: str | None = None) -> list[str]:
    """What speaks against a rig file that fits the cameras, one sentence each.

    Args:
        path: The file.
        rig: What it holds; its calibration may have failed by its own figures.
        recorded: `rig_hash` of the one in use when the take was recorded; None when nobody knows.

    """
    doubts = []
    if rig.verdict == "redo":
        doubts.append(
            f"{path}: its calibration was judged 'redo', so the alignment may be wrong; calibrate again"
        )
    if recorded is not None and rig_hash(path) != recorded:
        doubts.append(
            f"{path}: the take was recorded with another rig file, or this one was changed since, so the "
            "alignment may be wrong if the cameras were moved in between; use the file of that day, or align "
            "by the pictures"
        )
    return doubts


_ENOUGH_POINTS = 60
"""With fewer, another moment of the recording may show the views' relation better."""
_FEW_POINTS = 30
_LITTLE_SEEN = 0.7


class Aligner:
    """Aligns HSR frames to LSR frames in one output view that is fixed by one of the first pairs.

    Args:
        mode: "auto" (from the pictures), "none" (the streams show one view), or the path of a rig file.
        pair: Both streams.

    Attributes:
        same_view: True where the streams show one view already.
        warnings: One sentence for each doubt about the rig file or the view, and for each GoP that could not
            be aligned on its own.

    Raises:
        RigFileError: The rig file is missing or damaged.
        StaleRigError: It belongs to other cameras or regions.

    """

    def __init__(self, mode: str, pair: StreamPair) -> None:
        self.same_view = mode == "none"
        self.warnings: list[str] = []
        self._first: Alignment | None = None
        self._rig: Rig | None = None
        if mode not in ("auto", "none"):
            self._rig = load_rig(Path(mode))
            self._rig.check(hsr=camera_id(pair.hsr), lsr=camera_id(pair.lsr))
            self.warnings += rig_doubts(Path(mode), self._rig, pair.rig_hash)

    def first(self, pairs: Iterable[tuple[RgbImage, RgbImage]]) -> tuple[int, Alignment]:
        """Align the pair that fixes the output view: the first that suffices, else the one of most points.

        Args:
            pairs: HSR (H, W, 3) and LSR picture (h, w, 3) of one instant each, RGB; read as far as needed.

        Returns:
            Its place among the pairs, and its alignment.

        Raises:
            CalibrationError: The views cannot be aligned.

        """
        refused: CalibrationError | None = None
        best: tuple[int, Alignment] | None = None
        for place, (hsr, lsr) in enumerate(pairs):
            try:
                found = self._align(hsr, lsr, None)
            except (ViewError, TooFewFeaturesError) as error:
                refused = refused or error
                continue
            except CalibrationError:
                if best is None:
                    raise
                continue
            if best is None or found.inliers > best[1].inliers:
                best = place, found
            if not self._by_points or found.inliers >= _ENOUGH_POINTS:
                break
        if best is None:
            raise refused or ViewError("there are no pictures to align the views by")
        self._first = best[1]
        return best

    @property
    def _by_points(self) -> bool:
        return not self.same_view and self._rig is None

    def doubts(self) -> list[str]:
        """What speaks against the alignment that fixes the view, one sentence each."""
        if self._first is None or self.same_view:
            return []
        found, doubts = self._first, []
        if self._by_points and found.inliers < _FEW_POINTS:
            doubts.append(
                f"the views are aligned by {found.inliers} points only, so the clip may show double edges; "
                "look at it, and if it does, film something with more texture first, or use a rig file"
            )
        seen = float(found.valid.mean())
        if seen < _LITTLE_SEEN:
            doubts.append(
                f"only {seen:.0%} of the clip's picture could be matched with the HSR view; elsewhere it is "
                "hardly sharper than the LSR frames"
            )
        return doubts

    def align(self, hsr: RgbImage, lsr: RgbImage, name: str) -> Alignment:
        """Align another pair in the same view: depth and motion differ from GoP to GoP.

        Where this pair alone does not suffice (a blank or covered view), the first alignment stays and a
        warning with `name` says so.

        Raises:
            RuntimeError: `first` was not called.

        """
        if self._first is None:
            raise RuntimeError("call first() before align()")
        if self.same_view:
            return self._first
        try:
            return self._align(hsr, lsr, self._first)
        except CalibrationError as error:
            warning = f"{name} keeps the first alignment: {error}"
            if warning not in self.warnings:
                self.warnings.append(warning)
            return self._first

    def _align(self, hsr: RgbImage, lsr: RgbImage, previous: Alignment | None) -> Alignment:
        if self.same_view:
            return identity_alignment(hsr.shape, lsr.shape)
        common = previous is None
        if self._rig is not None:
            return align_with_rig(hsr, lsr, self._rig, previous=previous, common_field=common)
        return align_scene(hsr, lsr, previous=previous, common_field=common)
