"""Capture at the paper's rates on the emulated rig, beside other programs' read loops in the same run."""

from __future__ import annotations

import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from app.bench.figures import SETTLE_S, CaptureBench, Meter, Row, figures
from app.bench.peers import read_easypyspin, read_simple_pyspin
from app.capture import CaptureJob, emulated_session
from app.errors import InputError
from app.paper_rig import PAPER_HSR_SIZE, PAPER_LSR_SIZE
from app.session import RigSetup, Session
from drivers import Image, OverwrittenError, Role
from drivers.spinnaker_emulator import VirtualRig, install

_PREVIEW_HZ = 30.0
_MB = 1e6


@contextmanager
def _previews(session: Session) -> Any:
    """Two readers at the window's rate that take the newest frame and look at a quarter of its pixels."""
    stop = threading.Event()

    def watch(role: Role) -> None:
        seen = -1
        mine: Image | None = None
        while not stop.wait(1 / _PREVIEW_HZ):
            ring = session.ring(role)
            newest = ring.latest()
            if newest is None or newest == seen:
                continue
            try:
                # Into memory of its own, made once: fresh pages for every picture cost more than the copy.
                mine = ring.read(newest, out=mine).image
                float(mine[::4, ::4].mean())
                seen = newest
            except OverwrittenError:
                continue

    threads = [threading.Thread(target=watch, args=(role,), daemon=True) for role in Role]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _ours(rig: VirtualRig, job: CaptureJob, *, record: bool, on_second: Callable[[], None]) -> Row:
    with emulated_session(rig) as session:
        session.connect(rig.serials)
        session.configure(job.setup.settings())
        session.start_live()
        time.sleep(SETTLE_S)
        session.stop_live()
        grabs = session.measure_grabs()
        memory: list[int] = []
        stop_reason: str | None = None
        if record:
            with _previews(session):
                meter = Meter()

                last = time.monotonic()

                def on_frame(_count: int) -> None:
                    nonlocal last
                    if time.monotonic() - last >= 1.0:
                        last = time.monotonic()
                        memory.append(meter.memory())
                        on_second()

                report = session.record(job.seconds, job.out, on_frame=on_frame)
                _, cpu_s = meter.spent()
            counts = {role: report.frames(role) for role in Role}
            seconds, ticks, stop_reason = report.seconds, report.pulses or 0, report.stop_reason
        else:
            session.start_live()
            time.sleep(SETTLE_S)
            before = sum(session.counters(role).received for role in Role)
            meter = Meter()
            end = time.monotonic() + job.seconds
            while time.monotonic() < end:
                time.sleep(min(1.0, max(0.0, end - time.monotonic())))
                on_second()
            _, cpu_s = meter.spent()
            measured = sum(session.counters(role).received for role in Role) - before
            session.stop_live()
            seconds = (rig.box.ticks_given() or 0) / (job.setup.hsr_fps * job.setup.ratio)
            counts = {role: session.counters(role).received for role in Role}
            ticks = rig.box.ticks_given() or 0
            cpu_s *= sum(counts.values()) / max(1, measured)
    slowest = np.asarray(grabs[Role.LSR], np.float64) / 1e6
    settled = memory[len(memory) // 10 :]
    return figures(
        "Twinrate, recording with previews" if record else "Twinrate, live",
        job.setup,
        counts,
        ticks,
        seconds,
        cpu_s,
        grab_p999_ms=round(float(np.percentile(slowest, 99.9)), 3) if slowest.size else None,
        stop_reason=stop_reason,
        memory_growth_mb=round((settled[-1] - settled[0]) / _MB, 1) if len(settled) > 1 else None,
    )


def run_capture_bench(
    *,
    seconds: float = 60.0,
    peer_seconds: float = 10.0,
    folder: Path | None = None,
    hsr_size: tuple[int, int] = PAPER_HSR_SIZE,
    lsr_size: tuple[int, int] = PAPER_LSR_SIZE,
    on_stage: Callable[[str, int], None] | None = None,
    on_second: Callable[[], None] | None = None,
) -> CaptureBench:
    """Record the emulated rig in real time, then let other programs read the same rig.

    Args:
        seconds: Length of the recording [s].
        peer_seconds: Length of every other measurement [s]; 0 leaves the other programs out.
        folder: Where the take is written (and deleted); the system's temporary folder when None.
        hsr_size: Region of the HSR camera (width, height) [px].
        lsr_size: Region of the LSR camera (width, height) [px].
        on_stage: Told what comes next and how many seconds it takes.
        on_second: Told about every second that has passed.

    Raises:
        InputError: The folder does not exist.
        DriverError: A camera or the disk refuses.

    """
    if folder is not None and not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder to record into")
    stage = on_stage or _ignore_stage
    second = on_second or _ignore_second
    setup = RigSetup(emulate=True, real_time=True, hsr_size=hsr_size, lsr_size=lsr_size)
    missing = tuple(name for name in ("EasyPySpin", "simple_pyspin") if find_spec(name) is None)
    rig = install(real_time=True)
    try:
        with tempfile.TemporaryDirectory(
            prefix="twinrate-bench-", dir=folder, ignore_cleanup_errors=True
        ) as scratch:
            stage("recording with previews", round(seconds))
            job = CaptureJob(setup, Path(scratch) / "take", seconds)
            rows = [_ours(rig, job, record=True, on_second=second)]
        if peer_seconds > 0:
            stage("live", round(peer_seconds))
            short = CaptureJob(setup, Path(scratch) / "none", peer_seconds)
            rows.append(_ours(rig, short, record=False, on_second=second))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name, measure in (("EasyPySpin", read_easypyspin), ("simple_pyspin", read_simple_pyspin)):
                for threads in (False, True):
                    if peer_seconds > 0 and name not in missing:
                        stage(f"{name}, {'threads' if threads else 'loop'}", round(peer_seconds))
                        rows.append(measure(rig, setup, peer_seconds, threads=threads, on_second=second))
    finally:
        rig.uninstall()
    return CaptureBench(tuple(rows), round(1000 / (setup.hsr_fps * setup.ratio), 3), missing)


def _ignore_stage(text: str, seconds: int) -> None:
    """Nobody is watching."""


def _ignore_second() -> None:
    """Nobody is watching."""
