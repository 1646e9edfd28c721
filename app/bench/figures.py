"""Figures of programs that read the same cameras: frames, losses, CPU time and memory of each."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

import psutil

from app.session import RigSetup
from drivers import Role

SETTLE_S = 0.5
"""Every program's CPU time is read after this: the first frames pay for fresh memory [s]."""
_MB = 1e6


@dataclass(frozen=True, slots=True)
class Row:
    """One program's figures.

    Attributes:
        program: Which program, and how it reads.
        frames: Frames that it got, both cameras.
        frames_lost: Pulses without a frame.
        seconds: How long pulses ran [s].
        mb_per_s: Pixels that it got [1e6 bytes/s].
        cpu_s_per_1000: CPU time of the whole process, emulator included, per 1000 frames [s].
        grab_p999_ms: 99.9th percentile of the LSR grab path [ms]; None where it cannot be measured.
        memory_growth_mb: Resident memory at the end minus after a tenth of the time [1e6 bytes].
        stop_reason: Why a recording ended early; None when it did not.

    """

    program: str
    frames: int
    frames_lost: int
    seconds: float
    mb_per_s: float
    cpu_s_per_1000: float
    grab_p999_ms: float | None = None
    memory_growth_mb: float | None = None
    stop_reason: str | None = None


@dataclass(frozen=True, slots=True)
class CaptureBench:
    """The whole comparison.

    Attributes:
        rows: One per program; the first is this program recording with previews on.
        period_ms: LSR period [ms], which the grab path must stay under.
        missing: Programs that are not installed.

    """

    rows: tuple[Row, ...]
    period_ms: float
    missing: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """Keys for `--json`: those of the first row, and all rows."""
        first = self.rows[0]
        return {
            "frames_lost": first.frames_lost,
            "seconds": first.seconds,
            "mb_per_s": first.mb_per_s,
            "cpu_s_per_1000_frames": first.cpu_s_per_1000,
            "grab_p999_ms": first.grab_p999_ms,
            "lsr_period_ms": self.period_ms,
            "memory_growth_mb": first.memory_growth_mb,
            "stop_reason": first.stop_reason,
            "rows": [asdict(row) for row in self.rows],
            "missing": list(self.missing),
        }


class Meter:
    """CPU and memory of this process over a stretch of time."""

    def __init__(self) -> None:
        """Begin to count."""
        self._process = psutil.Process()
        self._began = time.monotonic()
        self._cpu = self._cpu_s()

    def _cpu_s(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def memory(self) -> int:
        """Resident memory now [bytes]."""
        return int(self._process.memory_info().rss)

    def spent(self) -> tuple[float, float]:
        """Time that has passed and CPU time of the whole process since then [s]."""
        return time.monotonic() - self._began, self._cpu_s() - self._cpu


def _frame_bytes(setup: RigSetup, counts: dict[Role, int]) -> int:
    sizes = {Role.HSR: setup.hsr_size, Role.LSR: setup.lsr_size}
    return sum(n * sizes[role][0] * sizes[role][1] for role, n in counts.items())


def figures(
    program: str,
    setup: RigSetup,
    counts: dict[Role, int],
    ticks: int,
    seconds: float,
    cpu_s: float,
    **more: Any,
) -> Row:
    """One program's row.

    Args:
        program: Which program, and how it reads.
        setup: What both cameras were set to.
        counts: Frames that it got, per camera.
        ticks: Fast pulses that were given.
        seconds: How long pulses ran [s].
        cpu_s: CPU time of the whole process [s].
        more: Further fields of the row.

    """
    frames = sum(counts.values())
    expected = ticks + -(-ticks // setup.ratio)
    return Row(
        program,
        frames,
        max(0, expected - frames),
        round(seconds, 2),
        round(_frame_bytes(setup, counts) / _MB / seconds, 1),
        round(cpu_s * 1000 / max(1, frames), 3),
        **more,
    )
