"""How smooth the window is while it records: measured in the real window, by its own widgets."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from app.errors import InputError
from app.gui._qt_environment import prepare_qt
from app.session import RigSetup


@dataclass(frozen=True, slots=True)
class GuiBench:
    """Figures of one run.

    Attributes:
        platform: Qt platform the window was on.
        seconds: Length of the measurement [s].
        hsr_shown: Pictures per second of the HSR view, mean.
        lsr_shown: Pictures per second of the LSR view, mean.
        blocks: Times the event loop stood still for more than 100 ms.
        longest_block_ms: Longest standstill of the event loop [ms].
        exposure_ms: Median time from the exposure field to a picture with it in the view [ms].
        exposure_worst_ms: Worst of them [ms].
        baseline_ms: Median time from the baseline field to the re-aligned overlay in the view [ms].
        baseline_worst_ms: Worst of them [ms].
        takes: Takes recorded meanwhile.
        frames_lost: Frames of both streams that are missing in the takes or damaged.
        frames: Frames in the takes.
        ended_early: Why a take ended by itself; "" when none did.
        memory_start_mb: Resident memory when the measurement began [1e6 bytes].
        memory_end_mb: When it ended [1e6 bytes].
        memory_mb: At the beginning and after each minute [1e6 bytes].
        cpu_percent: CPU of the program, 100 = one core.

    """

    platform: str
    seconds: float
    hsr_shown: float
    lsr_shown: float
    blocks: int
    longest_block_ms: float
    exposure_ms: float
    exposure_worst_ms: float
    baseline_ms: float
    baseline_worst_ms: float
    takes: int
    frames_lost: int
    frames: int
    ended_early: str
    memory_start_mb: float
    memory_end_mb: float
    memory_mb: tuple[float, ...]
    cpu_percent: float

    def to_json(self) -> dict[str, object]:
        """The `--json` line."""
        return asdict(self)


def run_bench(
    setup: RigSetup,
    seconds: float,
    *,
    folder: Path | None = None,
    record: bool = True,
    take_seconds: float | None = None,
) -> GuiBench:
    """Open the window on the emulated rig, record, turn exposure and baseline, and measure.

    Args:
        setup: Sizes and rates of the emulated rig.
        seconds: Length of the measurement [s].
        folder: Disk to record to; the temporary folder when None. Takes are removed afterwards.
        record: Record meanwhile.
        take_seconds: Length of a take [s]; it is removed then and the next one begins. None for one take.

    Raises:
        AppError: There is no screen, no such folder, or the window did not come to life.
        KeyboardInterrupt: A signal that ends programs came.

    """
    if folder is not None and not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder to record into")
    prepare_qt(picture_only=True)
    from PyQt6.QtWidgets import QApplication

    from app.gui._bench_run import BenchRun
    from app.gui.priorities import undisturbed
    from app.gui.theme import Theme, apply_theme

    app = QApplication.instance() or QApplication(sys.argv[:1])
    if not isinstance(app, QApplication):
        raise TypeError("another kind of Qt application runs in this process")
    apply_theme(app, Theme.DARK)
    with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as place, undisturbed():
        run = BenchRun(setup, Path(place), record=record, take_seconds=take_seconds)
        return GuiBench(platform=app.platformName(), **run.measure(seconds))
