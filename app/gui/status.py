"""What the status bar says, measured on a thread of its own: disk, write rate, buffers, memory."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from app.gui.loading import torch_is_loaded
from app.gui.mailbox import Mailbox
from app.session import SessionSettings
from drivers import Role, TakeError, disk_free_bytes, disk_seconds_left
from drivers.recorder import RecorderStatus

PERIOD_S = 1.0


@dataclass(frozen=True, slots=True)
class Gpu:
    """The CUDA device that fuses.

    Attributes:
        memory_mb: Its memory in use, by all programs [1e6 bytes].
        percent: How busy it is; None where the driver's library is not installed.

    """

    memory_mb: float
    percent: float | None


def measure_gpu() -> Gpu | None:
    """What the CUDA device does now.

    None without one, where its driver has failed, as after a suspend, and as long as torch is being loaded.
    """
    if not torch_is_loaded():
        return None
    import torch

    if not torch.cuda.is_available():
        return None
    try:
        free, total = torch.cuda.mem_get_info()
    except RuntimeError:
        return None
    percent = None
    with suppress(ImportError, RuntimeError):
        percent = float(torch.cuda.utilization())
    return Gpu((total - free) / 1e6, percent)


@dataclass(frozen=True, slots=True)
class Status:
    """One second's figures.

    Attributes:
        disk_free: Free bytes where takes go.
        minutes_left: Minutes of recording that fit there at the planned rate; None when not configured.
        write_mb_per_s: What the running take wrote in the last second [1e6 bytes/s].
        queue_fill: How full the running take's queue is, 0..1; None without a take.
        take_ended: Why the running take ended by itself; None while it goes on.
        memory_mb: Resident memory of the program [1e6 bytes].
        cpu_percent: CPU use of the program, 100 = one core.
        gpu: The graphics processor; None without a CUDA device.

    """

    disk_free: int
    minutes_left: float | None
    write_mb_per_s: float
    queue_fill: float | None
    take_ended: str | None
    memory_mb: float
    cpu_percent: float
    gpu: Gpu | None = None


def planned_rate(settings: SessionSettings) -> float:
    """What a take with these settings writes [bytes/s]."""
    rate = 0.0
    for role in Role:
        camera = settings.camera(role)
        size = camera.pixel_format.frame_bytes(camera.height, camera.width)
        rate += size * settings.plan.fps(role)
    return rate


def minutes_left(folder: Path, settings: SessionSettings) -> float:
    """Minutes of recording with these settings that fit into a take folder, before the reserve.

    Raises:
        TakeError: The disk cannot be asked.

    """
    seconds = disk_seconds_left(folder, planned_rate(settings))
    # What is no disk, such as /proc, has no end either; nothing fits there.
    return seconds / 60 if math.isfinite(seconds) else 0.0


class StatusSampler:
    """Measures once a second.

    Args:
        folder: Where takes go now.
        settings: What the cameras are set to now.
        recorder: The running take's status; None without one.

    Attributes:
        mailbox: The newest figures.

    """

    def __init__(
        self,
        folder: Callable[[], Path],
        settings: Callable[[], SessionSettings | None],
        recorder: Callable[[], RecorderStatus | None],
    ) -> None:
        self.mailbox: Mailbox[Status] = Mailbox()
        self._folder, self._settings, self._recorder = folder, settings, recorder
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="status", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join(5.0)

    def _run(self) -> None:
        process = psutil.Process(os.getpid())
        process.cpu_percent()
        before, then = 0, time.monotonic()
        while not self._stop.wait(PERIOD_S):
            now, take = time.monotonic(), self._recorder()
            written = take.bytes_written if take is not None else 0
            rate = max(0, written - before) / (now - then) / 1e6
            before, then = written, now
            folder, settings = self._folder(), self._settings()
            try:
                free = disk_free_bytes(folder)
                left = minutes_left(folder, settings) if settings is not None else None
            except TakeError:
                # The disk was pulled: nothing can be written there, and the bar says so.
                free, left = 0, 0.0 if settings is not None else None
            self.mailbox.put(
                Status(
                    disk_free=free,
                    minutes_left=left,
                    write_mb_per_s=rate,
                    queue_fill=take.queue_fill if take is not None else None,
                    take_ended=take.stop_reason if take is not None else None,
                    memory_mb=process.memory_info().rss / 1e6,
                    cpu_percent=process.cpu_percent(),
                    gpu=measure_gpu(),
                )
            )
