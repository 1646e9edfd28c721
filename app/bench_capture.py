"""Capture at the paper's rates on the emulated rig, beside other programs' read loops in the same run."""

from __future__ import annotations

import importlib
import shutil
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from app.capture import CaptureJob, emulated_session
from app.channel import make_ring
from app.errors import InputError
from app.session import Session
from drivers import CameraSettings, Image, OverwrittenError, Role
from drivers.spinnaker_emulator import VirtualRig, install

_PREVIEW_HZ = 30.0
_SETTLE_S = 0.5
_DRAIN_MS = 200
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


class _Meter:
    """CPU and memory of this process over a stretch of time."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._began = time.monotonic()
        self._cpu = self.cpu_s()

    def cpu_s(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def memory(self) -> int:
        return int(self._process.memory_info().rss)

    def spent(self) -> tuple[float, float]:
        return time.monotonic() - self._began, self.cpu_s() - self._cpu


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


def _frame_bytes(job: CaptureJob, counts: dict[Role, int]) -> int:
    sizes = {Role.HSR: job.hsr_size, Role.LSR: job.lsr_size}
    return sum(n * sizes[role][0] * sizes[role][1] for role, n in counts.items())


def _row(
    program: str,
    job: CaptureJob,
    counts: dict[Role, int],
    ticks: int,
    seconds: float,
    cpu_s: float,
    **more: Any,
) -> Row:
    frames = sum(counts.values())
    expected = ticks + -(-ticks // job.ratio)
    return Row(
        program,
        frames,
        max(0, expected - frames),
        round(seconds, 2),
        round(_frame_bytes(job, counts) / _MB / seconds, 1),
        round(cpu_s * 1000 / max(1, frames), 3),
        **more,
    )


def _ours(rig: VirtualRig, job: CaptureJob, *, record: bool, on_second: Callable[[], None]) -> Row:
    with emulated_session(rig) as session:
        session.connect(rig.serials)
        session.configure(job.settings())
        session.start_live()
        time.sleep(_SETTLE_S)
        session.stop_live()
        grabs = session.measure_grabs()
        memory: list[int] = []
        stop_reason: str | None = None
        if record:
            with _previews(session):
                meter = _Meter()

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
            # The first frames pay for fresh memory; every program's CPU time is read after them.
            time.sleep(_SETTLE_S)
            before = sum(session.counters(role).received for role in Role)
            meter = _Meter()
            end = time.monotonic() + job.seconds
            while time.monotonic() < end:
                time.sleep(min(1.0, max(0.0, end - time.monotonic())))
                on_second()
            _, cpu_s = meter.spent()
            measured = sum(session.counters(role).received for role in Role) - before
            session.stop_live()
            seconds = (rig.box.ticks_given() or 0) / (job.hsr_fps * job.ratio)
            counts = {role: session.counters(role).received for role in Role}
            ticks = rig.box.ticks_given() or 0
            cpu_s *= sum(counts.values()) / max(1, measured)
    slowest = np.asarray(grabs[Role.LSR], np.float64) / 1e6
    settled = memory[len(memory) // 10 :]
    return _row(
        "Twinrate, recording with previews" if record else "Twinrate, live",
        job,
        counts,
        ticks,
        seconds,
        cpu_s,
        grab_p999_ms=round(float(np.percentile(slowest, 99.9)), 3) if slowest.size else None,
        stop_reason=stop_reason,
        memory_growth_mb=round((settled[-1] - settled[0]) / _MB, 1) if len(settled) > 1 else None,
    )


def _set_up(spin: Any, pointer: Any, size: tuple[int, int], exposure_us: float) -> None:
    """What both peers leave to their user, in PySpin's own words."""
    pointer.Width.SetValue(size[0])
    pointer.Height.SetValue(size[1])
    pointer.ExposureAuto.SetValue(spin.ExposureAuto_Off)
    pointer.TriggerSource.SetValue(spin.TriggerSource_Line0)
    pointer.TriggerMode.SetValue(spin.TriggerMode_On)
    pointer.TriggerOverlap.SetValue(spin.TriggerOverlap_ReadOut)
    pointer.ExposureTime.SetValue(exposure_us)


Reader = Callable[[int], bool]


class _Kept:
    """Memory that a peer's user keeps pictures in: as many of the newest as our ring holds, made once.

    What both peers hand out is a view of a buffer that the camera fills again; ours are copies that stay.
    """

    def __init__(self, settings: CameraSettings, fps: float) -> None:
        ring = make_ring(settings, fps)
        self._pictures = np.empty((ring.capacity, *ring.stored_shape), ring.stored_format.dtype)
        self._pictures.fill(0)
        self._next = 0

    def keep(self, picture: Image) -> None:
        np.copyto(self._pictures[self._next], picture)
        self._next = (self._next + 1) % len(self._pictures)


def _keepers(job: CaptureJob) -> dict[Role, _Kept]:
    settings = job.settings()
    return {role: _Kept(settings.camera(role), settings.fps(role)) for role in Role}


def _peer(
    rig: VirtualRig,
    job: CaptureJob,
    program: str,
    readers: dict[Role, Reader],
    *,
    threads: bool,
    on_second: Callable[[], None],
) -> Row:
    """Read from both cameras for a while; a reader returns False when nothing came in time [ms]."""
    counts = dict.fromkeys(Role, 0)
    stop = threading.Event()

    def loop(roles: tuple[Role, ...]) -> None:
        while not stop.is_set():
            for role in roles:
                counts[role] += readers[role](1000)
        for role in roles:
            while readers[role](_DRAIN_MS):
                counts[role] += 1

    groups = [(role,) for role in Role] if threads else [tuple(Role)]
    workers = [threading.Thread(target=loop, args=(group,), daemon=True) for group in groups]
    rig.box.start(job.hsr_fps * job.ratio, job.ratio)
    began = time.monotonic()
    for worker in workers:
        worker.start()
    time.sleep(_SETTLE_S)
    before = sum(counts.values())
    meter = _Meter()
    end = time.monotonic() + job.seconds
    while time.monotonic() < end:
        time.sleep(min(1.0, max(0.0, end - time.monotonic())))
        on_second()
    _, cpu_s = meter.spent()
    measured = sum(counts.values()) - before
    rig.box.stop()
    seconds = time.monotonic() - began
    stop.set()
    for worker in workers:
        worker.join()
    cpu_s *= sum(counts.values()) / max(1, measured)
    how = "one thread per camera" if threads else "its own loop"
    return _row(f"{program}, {how}", job, counts, rig.box.ticks_given() or 0, seconds, cpu_s)


def _easypyspin(rig: VirtualRig, job: CaptureJob, *, threads: bool, on_second: Callable[[], None]) -> Row:
    easy, spin = importlib.import_module("EasyPySpin"), importlib.import_module("PySpin")
    captures = {role: easy.VideoCapture(rig.serials[role]) for role in Role}
    kept = _keepers(job)
    readers: dict[Role, Reader] = {}
    for role, capture in captures.items():
        size = job.hsr_size if role is Role.HSR else job.lsr_size
        _set_up(spin, capture.cam, size, job.lsr_exposure_us)
        capture.cam.BeginAcquisition()

        def read(timeout_ms: int, capture: Any = capture, keep: _Kept = kept[role]) -> bool:
            capture.grabTimeout = timeout_ms
            try:
                ok, picture = capture.read()
            except spin.SpinnakerException:
                return False
            if ok:
                keep.keep(picture)
            return bool(ok)

        readers[role] = read
    row = _peer(rig, job, "EasyPySpin", readers, threads=threads, on_second=on_second)
    for capture in captures.values():
        capture.release()
    return row


def _simple_pyspin(rig: VirtualRig, job: CaptureJob, *, threads: bool, on_second: Callable[[], None]) -> Row:
    simple, spin = importlib.import_module("simple_pyspin"), importlib.import_module("PySpin")
    cameras = {role: simple.Camera(rig.serials[role]) for role in Role}
    kept = _keepers(job)
    readers: dict[Role, Reader] = {}
    for role, camera in cameras.items():
        camera.init()
        size = job.hsr_size if role is Role.HSR else job.lsr_size
        _set_up(spin, camera.cam, size, job.lsr_exposure_us)
        camera.start()

        def read(timeout_ms: int, camera: Any = camera, keep: _Kept = kept[role]) -> bool:
            # get_array() waits for ever; the same two calls with an end to the waiting.
            try:
                image = camera.cam.GetNextImage(timeout_ms)
                keep.keep(image.GetNDArray())
            except spin.SpinnakerException:
                return False
            return True

        readers[role] = read
    row = _peer(rig, job, "simple_pyspin", readers, threads=threads, on_second=on_second)
    for camera in cameras.values():
        camera.close()
    return row


def run_capture_bench(
    *,
    seconds: float = 60.0,
    peer_seconds: float = 10.0,
    folder: Path | None = None,
    hsr_size: tuple[int, int] = (2304, 1920),
    lsr_size: tuple[int, int] = (576, 480),
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
    scratch = Path(tempfile.mkdtemp(prefix="twinrate-bench-", dir=folder))
    rig = install(real_time=True)
    job = CaptureJob(scratch / "take", seconds, emulate=True, hsr_size=hsr_size, lsr_size=lsr_size)
    short = CaptureJob(scratch / "none", peer_seconds, emulate=True, hsr_size=hsr_size, lsr_size=lsr_size)
    missing = tuple(name for name in ("EasyPySpin", "simple_pyspin") if find_spec(name) is None)
    try:
        stage("recording with previews", round(seconds))
        rows = [_ours(rig, job, record=True, on_second=second)]
        if peer_seconds > 0:
            stage("live", round(peer_seconds))
            rows.append(_ours(rig, short, record=False, on_second=second))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name, measure in (("EasyPySpin", _easypyspin), ("simple_pyspin", _simple_pyspin)):
                for threads in (False, True):
                    if peer_seconds > 0 and name not in missing:
                        stage(f"{name}, {'threads' if threads else 'loop'}", round(peer_seconds))
                        rows.append(measure(rig, short, threads=threads, on_second=second))
    finally:
        rig.uninstall()
        shutil.rmtree(scratch, ignore_errors=True)
    return CaptureBench(tuple(rows), round(1000 / (job.hsr_fps * job.ratio), 3), missing)


def _ignore_stage(text: str, seconds: int) -> None:
    """Nobody is watching."""


def _ignore_second() -> None:
    """Nobody is watching."""
