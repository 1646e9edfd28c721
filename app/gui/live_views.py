"""Drains the newest pictures of all workers into the views, from one timer."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QObject, QRectF, Qt, QTimer, pyqtSignal

from app.gui.controller import SessionController
from app.gui.preview_worker import PreviewWorker
from app.gui.raw_pane import RawPane
from app.session import Alarm, State
from drivers import RingBuffer, Role

PERIOD_MS = 16
"""Looking into an empty mailbox costs nothing; the preview workers limit the pictures per second."""
_NUMBERS_EVERY = 30
_STREAMING = (State.LIVE, State.RECORDING)


class LiveViews(QObject):
    """Owns the preview threads and the one display timer.

    Args:
        controller: The session.
        panes: One pane per stream.
        others: Called on every tick as well, such as the fused view's drain.

    """

    previewed = pyqtSignal(object, int)
    """Role and frame id of a picture that is shown now; the picture itself is the pane's `newest`."""

    def __init__(
        self,
        controller: SessionController,
        panes: dict[Role, RawPane],
        others: list[Callable[[], None]] | None = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._controller = controller
        self._panes = panes
        self._others = others or []
        self._workers: dict[Role, PreviewWorker] = {}
        self._ending: list[PreviewWorker] = []
        self._mark = False
        self._ticks = 0
        self.linked = True
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(PERIOD_MS)
        self._timer.timeout.connect(self._tick)
        controller.live_started.connect(self._restart)
        controller.state_changed.connect(self._on_state)
        controller.alarmed.connect(self._on_alarm)
        for pane in panes.values():
            pane.view.range_dragged.connect(self._link)
        self._timer.start()

    def add(self, drain: Callable[[], None]) -> None:
        """Call `drain` on every tick."""
        self._others.append(drain)

    @property
    def mark_saturated(self) -> bool:
        """Whether saturated pixels are red."""
        return self._mark

    @mark_saturated.setter
    def mark_saturated(self, mark: bool) -> None:
        self._mark = mark
        for worker in self._workers.values():
            worker.mark = mark

    def close(self) -> None:
        """Stop the timer and end the threads."""
        self._timer.stop()
        self._drop()
        for worker in self._ending:
            worker.close()

    def _drop(self) -> None:
        # Waiting for a thread here would stop the event loop; they are joined at the end.
        for worker in self._workers.values():
            worker.stop()
        self._ending = [w for w in (*self._ending, *self._workers.values()) if w.alive]
        self._workers = {}

    def _follow_rings(self) -> None:
        """A camera that came back has a new ring."""
        for role, worker in tuple(self._workers.items()):
            ring = self._controller.ring(role)
            if ring is not None and ring is not worker.ring:
                worker.stop()
                self._ending = [w for w in (*self._ending, worker) if w.alive]
                self._follow(role, ring)

    def _restart(self) -> None:
        self._drop()
        for role, pane in self._panes.items():
            pane.show_alarm("")
            ring = self._controller.ring(role)
            if ring is not None:
                self._follow(role, ring)

    def _follow(self, role: Role, ring: RingBuffer) -> None:
        worker = PreviewWorker(ring, str(role))
        worker.mark = self._mark
        self._workers[role] = worker

    def _on_alarm(self, alarm: Alarm) -> None:
        if alarm.role is not None:
            self._panes[alarm.role].show_alarm("" if alarm.over else alarm.text)

    def _on_state(self, state: State) -> None:
        for pane in self._panes.values():
            pane.set_state(state)
        if state is State.LIVE and not self._workers:
            # The session went live by itself: a camera came back.
            self._restart()
        if state is State.DISCONNECTED:
            self._drop()

    def _link(self, rect: QRectF) -> None:
        if not self.linked:
            return
        for pane in self._panes.values():
            if pane.view is not self.sender():
                pane.view.show_field(rect)

    def _tick(self) -> None:
        for role, worker in self._workers.items():
            pane = self._panes[role]
            preview = worker.mailbox.take()
            if preview is not None:
                before = pane.newest
                pane.show_preview(preview)
                if before is not None:
                    worker.pool.give(before.rgb)
                self.previewed.emit(role, preview.frame_id)
                worker.max_width = pane.view.shown_width
                worker.part = pane.view.shown_part
        for drain in self._others:
            drain()
        self._ticks += 1
        if self._ticks % _NUMBERS_EVERY == 0:
            self._follow_rings()
            self._show_numbers()

    def _show_numbers(self) -> None:
        settings = self._controller.settings
        streaming = self._controller.state in _STREAMING
        for role, pane in self._panes.items():
            fps = settings.fps(role) if settings is not None else 0.0
            pane.show_numbers(self._controller.numbers(role), fps, streaming)
