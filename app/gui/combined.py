"""Joins the third picture with the overlay, the live fusion and the alignment."""

from __future__ import annotations

from PyQt6.QtCore import QObject, QTimer

from app.gui.alignment_lock import Lock
from app.gui.baseline import BaselinePresenter
from app.gui.fused_pane import FUSIONS, OVERLAYS, FusedPane, Show
from app.gui.live_fusion import LiveFusion
from app.gui.loading import torch_has_failed, torch_is_loaded
from app.gui.messages import Messages
from app.gui.status import Status

_SLOWER_AT = 0.25
_PAUSE_AT = 0.5
_SETTLE_MS = 500
_SETTLED_FRAMES = 3


class Combined(QObject):
    """Switches the workers behind the third picture and drains them.

    Args:
        pane: The picture.
        baseline: The alignment.
        messages: For failures of the fusion.

    """

    def __init__(
        self, pane: FusedPane, baseline: BaselinePresenter, messages: Messages, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._pane, self._baseline = pane, baseline
        self.fusion = LiveFusion(baseline.pairs, messages.error)
        self._paused = False
        self._together = True
        self._loaded, self._failed = torch_is_loaded(), torch_has_failed()
        pane.show_changed.connect(self._on_show)
        pane.choice_changed.connect(lambda _: self._on_show(pane.shown))
        baseline.locked.connect(self._on_locked)
        self._first = QTimer(self)
        self._first.setSingleShot(True)
        self._first.setInterval(_SETTLE_MS)
        self._first.timeout.connect(self._align_first)
        self._on_show(pane.shown)

    def _on_show(self, show: Show) -> None:
        self._baseline.show_overlay(OVERLAYS.get(show))
        self.fusion.set_choice(self._pane.choice if show in FUSIONS else None)
        self._align_first()
        self._hint()

    def live_started(self) -> None:
        """Align the views once there are pictures, when the third picture needs it."""
        self._first.start()

    def _align_first(self) -> None:
        rings = self._baseline.rings()
        if self._pane.shown is Show.OFF or self._baseline.lock is not None or rings is None:
            return
        if (rings[0].latest() or 0) < _SETTLED_FRAMES:
            self._first.start()
        else:
            self._baseline.relock()

    def _on_locked(self, lock: Lock | None) -> None:
        self.fusion.set_lock(lock)
        if lock is None:
            self._pane.view.clear_picture()
        self._hint()

    def _hint(self) -> None:
        if self._pane.shown is Show.OFF:
            text = ""
        elif self._pane.shown in FUSIONS and self._failed:
            text = "fusion cannot be loaded: the messages (Ctrl+L) say why"
        elif self._pane.shown in FUSIONS and not self._loaded and not self._paused:
            text = "fusion is being loaded, which takes some seconds"
        elif self._baseline.lock is None:
            text = "the views are not aligned yet"
        elif self._paused:
            text = "paused: the recording needs the disk"
        elif not self._together:
            text = "waiting until both cameras follow the pulses again"
        else:
            text = ""
        self._pane.set_hint(text)

    def drain(self) -> None:
        """Show what is new; called by the display timer."""
        together = self._baseline.rings() is not None
        known = torch_is_loaded(), torch_has_failed()
        if known != (self._loaded, self._failed):
            self._loaded, self._failed = known
            self._hint()
        overlay, fused = self._baseline.overlay.mailbox.take(), self.fusion.mailbox.take()
        if together != self._together:
            self._together = together
            if not together:
                # What stands still must not be taken for live.
                self._pane.clear()
            self._hint()
        if overlay is not None and together:
            self._pane.show_overlay(overlay)
            if overlay.residual_px is not None:
                self._baseline.take_residual(overlay.residual_px)
        if fused is not None and together:
            self._pane.show_fused(fused)

    def make_way(self, status: Status) -> None:
        """Recording outranks fusion: a filling queue halves, then pauses it."""
        fill = status.queue_fill or 0.0
        self.fusion.load = 0.0 if fill > _PAUSE_AT else 0.5 if fill > _SLOWER_AT else 1.0
        paused = self.fusion.load == 0.0
        if paused != self._paused:
            self._paused = paused
            self._hint()

    def close(self) -> None:
        """End the fusion thread."""
        self.fusion.close()
