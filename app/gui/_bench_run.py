"""The measurement behind `app.gui.bench`, in the event loop of a real window."""

from __future__ import annotations

import os
import shutil
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from PyQt6.QtCore import QEventLoop, Qt, QTimer
from PyQt6.QtWidgets import QDoubleSpinBox

from app.errors import AppError
from app.gui.camera_rig import open_rig
from app.gui.fused_pane import Show
from app.gui.main_window import MainWindow, WindowOptions
from app.gui.messages import Messages
from app.session import RigSetup, State, TakeReport
from app.settings import Settings
from app.signals import interrupts
from drivers import Role

WATCH_MS = 10
BLOCK_MS = 100.0
_WARM_S = 6.0
_EXPOSURE_EVERY_MS = 700
_BASELINE_EVERY_MS = 500
_MEMORY_EVERY_MS = 60_000


class BenchRun:
    """One measurement; everything happens in the event loop of the window."""

    def __init__(
        self, setup: RigSetup, folder: Path, *, record: bool, take_seconds: float | None = None
    ) -> None:
        self._record, self._take_seconds = record, take_seconds
        self._window = MainWindow(
            WindowOptions(
                lambda _: open_rig(setup),
                folder,
                folder / "window.log",
                Settings(),
                folder / "settings.json",
            ),
            Messages(),
        )
        self._window.resize(1280, 800)
        self._loop = QEventLoop()
        self._watch = QTimer()
        self._watch.setTimerType(Qt.TimerType.PreciseTimer)
        self._watch.setInterval(WATCH_MS)
        self._watch.timeout.connect(self._tick)
        self._last = time.perf_counter()
        self._blocks, self._longest_ms = 0, 0.0
        self._shown = dict.fromkeys(self._window.panes, 0)
        self._seen: dict[object, int] = {}
        self._exposure: tuple[float, float] | None = None
        self._exposures: list[float] = []
        self._baseline: int | None = None
        self._baselines: list[float] = []
        self._reports: list[TakeReport] = []
        self._finishing = False
        self._stopped = threading.Event()
        self._memory: list[float] = []
        self._window.recording.finished.connect(self._on_take)

    def measure(self, seconds: float) -> dict[str, Any]:
        """The fields of `GuiBench` that the window tells, by name.

        Raises:
            AppError: The window did not come to life.
            KeyboardInterrupt: A signal that ends programs came.

        """
        self._window.show()
        try:
            with interrupts(self._stopped):
                return self._measure(seconds)
        finally:
            self._watch.stop()
            self._window.shut_down()
            self._window.close()
            self._window.deleteLater()

    def _wait(self, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        """Let the window live for a while, or until something has happened."""
        end = time.perf_counter() + seconds

        def over() -> bool:
            done = time.perf_counter() >= end or self._stopped.is_set()
            return done or (until is not None and until())

        poll = QTimer()
        poll.timeout.connect(lambda: self._loop.quit() if over() else None)
        poll.start(20)
        self._loop.exec()
        poll.stop()
        if self._stopped.is_set():
            raise KeyboardInterrupt
        return until is None or until()

    def _measure(self, seconds: float) -> dict[str, Any]:
        window = self._window
        if not self._wait(30, lambda: window.controller.state is State.LIVE):
            raise AppError("the emulated rig did not go live within 30 s; see the messages of the window")
        window.fused_pane.set_shown(Show.ANAGLYPH)
        if not self._wait(90, lambda: window.baseline.lock is not None):
            raise AppError("the emulated views could not be aligned within 90 s")
        if self._record:
            window.actions_table["record"].trigger()
            self._wait(20, lambda: window.controller.state is State.RECORDING)
        turning, moving, changing, weighing = QTimer(), QTimer(), QTimer(), QTimer()
        turning.timeout.connect(self._turn_exposure)
        moving.timeout.connect(self._move_baseline)
        turning.start(_EXPOSURE_EVERY_MS)
        moving.start(_BASELINE_EVERY_MS)
        # The emulated rig draws its pictures once for the new exposure.
        self._watch.start()
        self._wait(_WARM_S)
        self._exposures.clear()
        self._baselines.clear()
        self._blocks, self._longest_ms = 0, 0.0
        self._shown = dict.fromkeys(self._shown, 0)
        process = psutil.Process(os.getpid())
        process.cpu_percent()
        self._memory = [process.memory_info().rss / 1e6]
        weighing.timeout.connect(lambda: self._memory.append(process.memory_info().rss / 1e6))
        weighing.start(_MEMORY_EVERY_MS)
        if self._record and self._take_seconds is not None:
            changing.timeout.connect(self._end_take)
            changing.start(round(self._take_seconds * 1000))
        self._last = began = time.perf_counter()
        self._wait(seconds)
        self._watch.stop()
        took = time.perf_counter() - began
        for timer in (turning, moving, changing, weighing):
            timer.stop()
        memory_end, cpu = process.memory_info().rss / 1e6, process.cpu_percent()
        if self._record:
            self._finish()
        hsr, lsr = self._shown.values()
        return {
            "seconds": round(took, 2),
            "hsr_shown": round(hsr / took, 1),
            "lsr_shown": round(lsr / took, 1),
            "blocks": self._blocks,
            "longest_block_ms": round(self._longest_ms, 1),
            "exposure_ms": round(statistics.median(self._exposures or [float("nan")]), 1),
            "exposure_worst_ms": round(max(self._exposures, default=float("nan")), 1),
            "baseline_ms": round(statistics.median(self._baselines or [float("nan")]), 1),
            "baseline_worst_ms": round(max(self._baselines, default=float("nan")), 1),
            "takes": len(self._reports),
            "frames_lost": sum(report.frames_lost for report in self._reports),
            "frames": sum(report.frames(role) for report in self._reports for role in Role),
            "ended_early": "; ".join(filter(None, (report.stop_reason for report in self._reports))),
            "memory_start_mb": round(self._memory[0], 1),
            "memory_end_mb": round(memory_end, 1),
            "memory_mb": tuple(round(value, 1) for value in self._memory),
            "cpu_percent": round(cpu, 0),
        }

    def _end_take(self) -> None:
        if self._window.controller.state is State.RECORDING:
            self._window.actions_table["record"].trigger()

    def _on_take(self, report: TakeReport) -> None:
        self._reports.append(report)
        if self._take_seconds is None:
            return
        # The disk need not hold all of them; deleting some gigabytes takes a while.
        threading.Thread(target=shutil.rmtree, args=(report.path,), kwargs={"ignore_errors": True}).start()
        if not self._finishing:
            QTimer.singleShot(0, self._window.recording.start)

    def _finish(self) -> None:
        self._finishing = True
        done = len(self._reports)
        # A take that ended by itself has been reported already; its reason is part of the result.
        if self._window.controller.state is State.RECORDING:
            self._end_take()
            if not self._wait(60, lambda: len(self._reports) > done):
                raise AppError("the take did not end within 60 s")

    def _tick(self) -> None:
        now = time.perf_counter()
        # Counted as it goes: a list of all ticks would itself grow in the memory that is weighed.
        gap = (now - self._last) * 1000 - WATCH_MS
        self._blocks += gap > BLOCK_MS
        self._longest_ms = max(self._longest_ms, gap)
        self._last = now
        for role, pane in self._window.panes.items():
            newest = pane.newest
            if newest is not None and self._seen.get(role) != newest.made_ns:
                self._seen[role] = newest.made_ns
                self._shown[role] += 1
        self._look_for_exposure(now)
        overlay = self._window.fused_pane.newest_overlay
        if self._baseline is not None and overlay is not None and overlay.asked_ns >= self._baseline:
            self._baselines.append((time.perf_counter_ns() - self._baseline) / 1e6)
            self._baseline = None

    def _look_for_exposure(self, now: float) -> None:
        newest = self._window.panes[Role.LSR].newest
        if self._exposure is None or newest is None:
            return
        wanted, asked = self._exposure
        if abs(newest.exposure_us - wanted) < 0.01 * wanted:
            self._exposures.append((now - asked) * 1000)
            self._exposure = None

    def _turn_exposure(self) -> None:
        """Between two exposures of the LSR camera.

        The emulated rig follows steps this small by brightness alone, as a camera does; for larger ones it
        draws all its pictures anew.
        """
        field = self._window.findChild(QDoubleSpinBox, "lsr_ExposureTime_field")
        if field is None or self._exposure is not None:
            return
        value = 1.0 if field.value() > 1.1 else 1.2
        self._exposure = (value * 1000, time.perf_counter())
        field.setValue(value)

    def _move_baseline(self) -> None:
        """Back and forth by 5 mm."""
        if self._baseline is not None:
            return
        field = self._window.baseline_panel.baseline
        self._baseline = time.perf_counter_ns()
        field.setValue(50.0 if field.value() > 52.0 else 55.0)
