"""A thread that turns the newest raw frame of one stream into a preview, at most 30 times a second."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import numpy as np

from app.gui.focus import WHOLE, Part, sharpness
from app.gui.mailbox import Mailbox
from app.gui.picture_pool import PicturePool
from app.gui.preview import Preview, mark_saturated, screen_picture, statistics
from drivers import Frame, OverwrittenError, RingBuffer

_PERIOD_S = 1 / 30
_STATISTICS_S = 0.1


class PreviewWorker:
    """Feeds one pane's mailbox from one ring.

    Args:
        ring: The stream's newest frames.
        name: For the thread.

    Attributes:
        mailbox: Where the newest preview is.
        max_width: Pixels that the pane has for the whole picture; the pane sets it.
        mark: Show saturated pixels in red.
        part: What the pane shows of the picture; its sharpness is measured there.
        ring: Where frames come from.
        pool: Where pictures come from; whoever shows one gives it back here after the next.

    """

    def __init__(self, ring: RingBuffer, name: str) -> None:
        self.mailbox: Mailbox[Preview] = Mailbox()
        self.max_width = 640
        self.mark = False
        self.part = WHOLE
        self.ring = ring
        self.pool = PicturePool()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"preview {name}", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread has not ended yet."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Ask the thread to end; returns at once."""
        self._stop.set()

    def close(self) -> None:
        """End the thread and wait for it."""
        self.stop()
        self._thread.join(5.0)

    def _run(self) -> None:
        buffer = np.empty(self.ring.frame_shape, self.ring.pixel_format.dtype)
        seen = -1
        due = counted = 0.0
        while not self._stop.is_set():
            if not self.ring.wait(seen + 1, 0.1):
                if self.ring.closed:
                    return
                continue
            pause = due - time.perf_counter()
            if pause > 0 and self._stop.wait(pause):
                return
            due = max(due + _PERIOD_S, time.perf_counter() - _PERIOD_S / 2)
            newest = self.ring.latest()
            if newest is None:
                continue
            try:
                frame = self.ring.read(newest, out=buffer)
            except OverwrittenError:
                continue
            seen = newest
            now = time.perf_counter()
            fresh = now - counted >= _STATISTICS_S
            if fresh:
                counted = now
            preview = make_preview(
                frame, self.max_width, mark=self.mark, with_statistics=fresh, part=self.part, pool=self.pool
            )
            missed = self.mailbox.put(preview)
            if missed is not None:
                self.pool.give(missed.rgb)


def make_preview(
    frame: Frame,
    max_width: int,
    *,
    mark: bool,
    with_statistics: bool,
    part: Part = WHOLE,
    pool: PicturePool | None = None,
) -> Preview:
    """Everything a pane needs of one frame; the picture comes from `pool` where there is one."""
    rgb = screen_picture(frame, max_width, pool)
    if mark:
        mark_saturated(rgb)
    height, width = frame.image.shape[:2]
    preview = Preview(
        rgb=rgb,
        full_size=(width, height),
        frame_id=frame.frame_id,
        exposure_us=frame.exposure_us,
        gain_db=frame.gain_db,
        host_ns=frame.host_ns,
        made_ns=time.perf_counter_ns(),
    )
    if with_statistics:
        histogram, saturated = statistics(frame)
        sharp = sharpness(frame, part)
        preview = replace(preview, histogram=histogram, saturated=saturated, sharpness=sharp)
    return preview
