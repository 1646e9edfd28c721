"""A thread that lays the HSR picture over the LSR picture by the present homography, for the eye to judge."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import cv2
import numpy as np

from app.gui.mailbox import Mailbox
from app.gui.preview import AnyImage, GreyImage, grey, shrunk, whole
from app.session.live_pairs import LivePairs
from calibration.grid import Matrix, scaling
from drivers import Frame, OverwrittenError, RgbImage

_PERIOD_S = 1 / 25
_RESIDUAL_S = 0.5
_CONFIDENT = 0.05


class OverlayMode(Enum):
    """How two pictures are shown in one."""

    ANAGLYPH = "Red / cyan"
    BLEND = "Blend"


@dataclass(frozen=True, slots=True, eq=False)
class Overlay:
    """One overlay.

    Attributes:
        rgb: (h, w, 3) uint8 in the LSR camera's view.
        asked_ns: Host monotonic clock when its homography was asked for [ns].
        made_ns: Host monotonic clock when it was ready [ns].
        residual_px: (x, y) that the HSR picture still has to move [LSR px]; None when not measured with this
            overlay or not certain.

    """

    rgb: RgbImage
    asked_ns: int
    made_ns: int
    residual_px: tuple[float, float] | None = None


class OverlayWorker:
    """Makes overlays while it is switched on.

    Args:
        pairs: Finds the frames of one instant.

    Attributes:
        mailbox: The newest overlay.

    """

    def __init__(self, pairs: LivePairs) -> None:
        self.mailbox: Mailbox[Overlay] = Mailbox()
        self._pairs = pairs
        self._wanted: tuple[Matrix, int] | None = None
        self._mode: OverlayMode | None = None
        self._changed = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="overlay", daemon=True)
        self._thread.start()

    def set_homography(self, lsr_to_hsr: Matrix) -> None:
        """Use another alignment from the next overlay on; it is made at once."""
        self._wanted = (lsr_to_hsr, time.perf_counter_ns())
        self._changed.set()

    def set_mode(self, mode: OverlayMode | None) -> None:
        """Show this way; None switches off."""
        self._mode = mode
        self._changed.set()

    def close(self) -> None:
        """End the thread and wait for it."""
        self._stop.set()
        self._changed.set()
        self._thread.join(5.0)

    def _run(self) -> None:
        measured = 0.0
        while not self._stop.is_set():
            wanted, mode = self._wanted, self._mode
            if wanted is None or mode is None or self._pairs.rings() is None:
                self._changed.wait(0.2)
                self._changed.clear()
                continue
            began = time.perf_counter()
            self._changed.clear()
            measure = began - measured >= _RESIDUAL_S
            overlay = self._make(wanted, mode, measure)
            if overlay is not None:
                self.mailbox.put(overlay)
                measured = began if measure else measured
            self._changed.wait(max(0.0, _PERIOD_S - (time.perf_counter() - began)))

    def _make(self, wanted: tuple[Matrix, int], mode: OverlayMode, measure: bool) -> Overlay | None:
        rings = self._pairs.rings()
        if rings is None:
            return None
        hsr_ring, lsr_ring = rings
        newest_hsr, newest_lsr = hsr_ring.latest(), lsr_ring.latest()
        if newest_hsr is None or newest_lsr is None:
            return None
        try:
            hsr = hsr_ring.read(newest_hsr)
            match = self._pairs.beside(rings, hsr)
            lsr = lsr_ring.read(newest_lsr if match is None else match)
        except OverwrittenError:
            return None
        matrix, asked_ns = wanted
        rgb = lay_over(hsr, lsr, matrix, mode)
        residual = None
        if measure and match is not None:
            residual = residual_shift(grey(lsr), warped_onto(lsr, grey, hsr, matrix))
        return Overlay(rgb, asked_ns, time.perf_counter_ns(), residual)


def lay_over(hsr: Frame, lsr: Frame, lsr_to_hsr: Matrix, mode: OverlayMode) -> RgbImage:
    """Both pictures in one, in the LSR camera's view, (h, w, 3) uint8."""
    if mode is OverlayMode.BLEND:
        warped = warped_onto(lsr, shrunk, hsr, lsr_to_hsr)
        return np.asarray(cv2.addWeighted(whole(lsr), 0.5, warped, 0.5, 0.0), np.uint8)
    warped = warped_onto(lsr, grey, hsr, lsr_to_hsr)
    return np.asarray(cv2.merge([grey(lsr), warped, warped]), np.uint8)


def warped_onto(
    lsr: Frame, shrink: Callable[[Frame, int], AnyImage], hsr: Frame, lsr_to_hsr: Matrix
) -> AnyImage:
    """The HSR picture in the LSR camera's view, about as sharp as that.

    Args:
        lsr: Gives the size.
        shrink: `grey` or `shrunk`: makes the HSR picture smaller first, which costs less than warping all of
            it and leaves no moire.
        hsr: What is warped.
        lsr_to_hsr: 3x3, LSR px -> HSR px.

    """
    height, width = lsr.image.shape[:2]
    step = 2 * max(1, hsr.image.shape[1] // width // 2)
    to_small = scaling(1 / step, 1 / step)
    inverse = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpPerspective(shrink(hsr, step), to_small @ lsr_to_hsr, (width, height), flags=inverse)
    return np.asarray(moved, np.uint8)


def residual_shift(lsr: GreyImage, warped: GreyImage) -> tuple[float, float] | None:
    """How far the warped picture lies from the LSR picture, (x, y) [LSR px]; None when not certain.

    Phase correlation with a Hann window; the peak's share of the energy is the certainty.

    Args:
        lsr: (h, w) uint8.
        warped: (h, w) uint8.

    """
    a, b = lsr.astype(np.float32), warped.astype(np.float32)
    window = cv2.createHanningWindow((a.shape[1], a.shape[0]), cv2.CV_32F)
    (x, y), certainty = cv2.phaseCorrelate(b, a, window)
    return (float(x), float(y)) if certainty > _CONFIDENT else None
