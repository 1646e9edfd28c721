"""Logic of the baseline panel: geometry entered, shift predicted and measured, lock, overlay."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
from PyQt6.QtCore import QObject, pyqtSignal

from app.aligner import rig_doubts
from app.gui.alignment_lock import (
    STALE_PX,
    Box,
    Geometry,
    Lock,
    LockState,
    make_lock,
)
from app.gui.board_calibration import rig_lock
from app.gui.controller import SessionController
from app.gui.messages import Messages, Severity
from app.gui.overlay_worker import OverlayMode, OverlayWorker
from app.gui.tasks import CancelToken, Tasks
from app.session.live_pairs import LivePairs
from calibration import CalibrationError, CameraId, Rig, load_rig
from calibration.alignment import overlap_share
from drivers import CameraIdentity, Frame, RingBuffer, Role

_NEXT_TRY_S = 0.3
_RESIDUALS = 7
_ENOUGH = 2


class BaselinePresenter(QObject):
    """Owns the live alignment; it knows no widget.

    Args:
        controller: The session.
        tasks: Where locking runs.
        messages: For results and refusals.
        geometry: What the fields begin with.

    """

    changed = pyqtSignal()
    """Geometry, lock or measurement are new."""
    busy_changed = pyqtSignal(bool)
    """Locking has begun or ended."""
    locked = pyqtSignal(object)
    """Lock that is in use now; None when there is none any more."""

    def __init__(
        self,
        controller: SessionController,
        tasks: Tasks,
        messages: Messages,
        geometry: Geometry,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._controller, self._tasks, self._messages = controller, tasks, messages
        self._geometry = geometry
        self._lock: Lock | None = None
        self._before: Lock | None = None
        self._residuals: deque[tuple[float, float]] = deque(maxlen=_RESIDUALS)
        self._busy = self._overlaid = False
        self._box: Box | None = None
        self.pairs = LivePairs(self.rings, lambda: controller.settings, controller.latch, controller.first_id)
        self.overlay = OverlayWorker(self.pairs)
        self._serials: dict[Role, str] = {}
        controller.identified.connect(self._on_identified)

    # -- what is known now ----------------------------------------------------------------------------

    @property
    def geometry(self) -> Geometry:
        """What was entered."""
        return self._geometry

    @property
    def lock(self) -> Lock | None:
        """The alignment in use."""
        return self._lock

    @property
    def matrix(self) -> np.ndarray[tuple[int, int], np.dtype[np.float64]] | None:
        """LSR px -> HSR px at the entered geometry; None without a lock."""
        return self._lock.moved(self._geometry) if self._lock is not None else None

    @property
    def can_undo(self) -> bool:
        """Whether there is an alignment to go back to."""
        return self._before is not None

    @property
    def residual_px(self) -> float | None:
        """How far the overlay is off along the rail [HSR px]; None when not known."""
        return self._off(0)

    @property
    def across_px(self) -> float | None:
        """How far the overlay is off across the rail, downwards [HSR px]; None when not known."""
        return self._off(1)

    def _off(self, axis: int) -> float | None:
        if len(self._residuals) < _ENOUGH or self._lock is None:
            return None
        # Moving things pull single measurements about; their median stays with the scene.
        return median(residual[axis] for residual in self._residuals) * self._lock.alignment.scale

    @property
    def unmeasured(self) -> str:
        """What is missing for a measurement of the shift."""
        if self._lock is None:
            return "align the views"
        return "not certain yet" if self._overlaid else "switch the overlay on"

    @property
    def measured_shift_px(self) -> float | None:
        """Parallax as the pictures show it [HSR px]; None when not known."""
        residual = self.residual_px
        return None if residual is None else self._geometry.shift_px + residual

    @property
    def state(self) -> LockState:
        """What the alignment is worth."""
        if self._lock is None:
            return LockState.NONE
        # A head that was pushed up or down is off across the rail alone.
        off = max(abs(self.residual_px or 0.0), abs(self.across_px or 0.0))
        return LockState.STALE if off > STALE_PX else LockState.OK

    @property
    def overlap(self) -> float | None:
        """Share of the LSR view that both cameras see; None without a lock."""
        matrix, settings = self.matrix, self._controller.settings
        if matrix is None or settings is None:
            return None
        hsr, lsr = settings.hsr, settings.lsr
        return overlap_share(matrix, (hsr.width, hsr.height), (lsr.width, lsr.height))

    def rings(self) -> tuple[RingBuffer, RingBuffer] | None:
        """HSR and LSR ring while both cameras follow the same pulses."""
        if not self._controller.in_step:
            return None
        hsr, lsr = self._controller.ring(Role.HSR), self._controller.ring(Role.LSR)
        return (hsr, lsr) if hsr is not None and lsr is not None else None

    @property
    def advice(self) -> str:
        """What to do when there are no frames of one pulse."""
        for serial in self._controller.left.values():
            return f"camera {serial} has left, plug it in again"
        return "start the live view and try again"

    # -- what the operator does -----------------------------------------------------------------------

    def set_baseline(self, baseline_mm: float) -> None:
        """Say where the rail stands; the overlay follows at once."""
        self._set(replace(self._geometry, baseline_mm=baseline_mm))

    def set_distance(self, distance_m: float) -> None:
        """Say how far the plane is that shall coincide; the overlay follows at once."""
        self._set(replace(self._geometry, distance_m=distance_m))

    def set_lens(self, lens_mm: float) -> None:
        """Say which lens the HSR camera has."""
        self._set(replace(self._geometry, lens_mm=lens_mm))

    def _set(self, geometry: Geometry) -> None:
        if geometry == self._geometry:
            return
        self._geometry = geometry
        self._residuals.clear()
        self._push()

    def show_overlay(self, mode: OverlayMode | None) -> None:
        """Switch the overlay on or off."""
        self._overlaid = mode is not None
        self.overlay.set_mode(mode)
        self.changed.emit()

    def set_box(self, box: Box | None) -> None:
        """Let the next alignments make this part of the LSR view coincide; None for the main plane."""
        self._box = box

    def relock(self) -> None:
        """Measure the alignment anew from the newest pair of frames."""
        if self._busy:
            return
        if self.rings() is None:
            self._on_locked(None)
            return
        geometry, box = self._geometry, self._box

        def work(token: CancelToken) -> Lock | None:
            pair = self.pairs.newest()
            if pair is None:
                return None
            try:
                return make_lock(*pair, geometry, box)
            except CalibrationError:
                # One unlucky frame (motion, noise) is no verdict: a later one decides.
                token.sleep(_NEXT_TRY_S)
                pair = self.pairs.newest()
                return make_lock(*pair, geometry, box) if pair is not None else None

        self._set_busy(True)
        self._tasks.start("align", work, self._on_locked, self._on_failed)

    def use_rig(self, rig: Rig) -> None:
        """Align by a calibrated rig from now on."""
        lens = self._geometry.lens_mm
        self._tasks.start("use rig", lambda _: rig_lock(rig, lens), self._on_rig)

    def open_rig(self, path: Path) -> None:
        """Align by a rig file from now on; one of other cameras or regions is refused."""
        lens, cameras = self._geometry.lens_mm, self.cameras()

        def work(_: CancelToken) -> tuple[Lock, list[str]]:
            rig = load_rig(path)
            if cameras is not None:
                rig.check(hsr=cameras[0], lsr=cameras[1])
            return rig_lock(rig, lens), rig_doubts(path, rig)

        def done(opened: tuple[Lock, list[str]]) -> None:
            lock, doubts = opened
            self._on_rig(lock)
            for doubt in doubts:
                self._messages.post(Severity.WARNING, doubt)

        self._tasks.start("open rig", work, done)

    def cameras(self) -> tuple[CameraId, CameraId] | None:
        """What a rig file is bound to: the HSR and the LSR camera as they are set; None without cameras."""
        regions, settings = self._controller.regions, self._controller.settings
        if len(regions) != len(Role) or len(self._serials) != len(Role) or settings is None:
            return None
        found = []
        for role in (Role.HSR, Role.LSR):
            x, y, width, height = regions[role]
            found.append(
                CameraId(
                    width=width,
                    height=height,
                    serial=self._serials[role],
                    offset_x=x,
                    offset_y=y,
                    binning=settings.camera(role).binning,
                )
            )
        return found[0], found[1]

    def newest_frames(self) -> tuple[Frame, Frame] | None:
        """Copies of the newest frames of one pulse; not for the GUI thread."""
        return self.pairs.newest()

    def undo_relock(self) -> None:
        """Go back to the lock before; pressing twice comes back."""
        if self._before is not None:
            self._geometry = self._before.geometry
            self._use(self._before)

    def take_residual(self, residual_px: tuple[float, float]) -> None:
        """Take over a measurement of the overlay worker [LSR px]."""
        self._residuals.append(residual_px)
        self.changed.emit()

    def close(self) -> None:
        """End the overlay's thread."""
        self.overlay.close()

    # -- inside ---------------------------------------------------------------------------------------

    def _on_locked(self, lock: Lock | None) -> None:
        self._set_busy(False)
        if lock is None:
            self._messages.post(Severity.WARNING, f"no frames of one pulse to align yet; {self.advice}")
            return
        self._use(lock)
        alignment = lock.alignment
        self._messages.info(
            f"aligned: {alignment.inliers} points, median error {alignment.residual_px:.2f} px, "
            f"scale {alignment.scale:.3g}"
        )

    def _on_rig(self, lock: Lock) -> None:
        self._geometry = lock.geometry
        self._use(lock)
        self._messages.info(f"aligned by the calibrated rig, baseline {lock.geometry.baseline_mm:.2f} mm")

    def _use(self, lock: Lock) -> None:
        self._before, self._lock = self._lock, lock
        self._residuals.clear()
        self._push()
        self.locked.emit(lock)

    def _on_failed(self, error: Exception) -> None:
        self._set_busy(False)
        self._messages.error(error)

    def _set_busy(self, busy: bool) -> None:
        self._busy = busy
        self.busy_changed.emit(busy)

    def _push(self) -> None:
        matrix = self.matrix
        if matrix is not None:
            self.overlay.set_homography(matrix)
        self.changed.emit()

    def _on_identified(self, identities: dict[Role, CameraIdentity]) -> None:
        serials = {role: identity.serial for role, identity in identities.items()}
        if serials != self._serials and self._lock is not None:
            # An alignment belongs to the cameras it was measured with.
            self._lock = self._before = None
            self._residuals.clear()
            self.changed.emit()
            self.locked.emit(None)
        self._serials = serials
