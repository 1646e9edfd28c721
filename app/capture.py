"""One recording from a description: the work behind `twinrate capture`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.errors import InputError
from app.pulse_test import PulseFinding, pulse_test
from app.recording import TakeReport
from app.session import Session, SessionSettings, State
from app.take_run import STARTING_S
from drivers import CameraSettings, PixelFormat, Role
from drivers.grasshopper import list_cameras
from drivers.spinnaker_emulator import RigGeometry, VirtualRig, install
from drivers.trigger import ExternalPulses, plan_trigger


@dataclass(frozen=True, slots=True)
class CaptureJob:
    """What to record. Sizes are (width, height) [px]; the other units are in the names."""

    out: Path
    seconds: float
    emulate: bool = False
    real_time: bool = False
    seed: int = 0
    baseline_mm: float = 50.0
    rig_file: Path | None = None
    serials: tuple[str, str] | None = None
    hsr_size: tuple[int, int] = (2304, 1920)
    lsr_size: tuple[int, int] = (576, 480)
    hsr_fps: float = 30.0
    ratio: int = 8
    hsr_exposure_us: float = 2000.0
    lsr_exposure_us: float = 2000.0
    gain_db: float = 0.0
    pixel_format: PixelFormat = PixelFormat.BAYER_RG8
    line: str = "Line0"
    master: bool = False
    name: str = ""
    notes: str = ""

    def settings(self) -> SessionSettings:
        """Camera settings and trigger plan.

        Raises:
            TriggerPlanError: The rates cannot be triggered.

        """
        plan = plan_trigger(
            self.hsr_fps,
            hsr_rows=self.hsr_size[1],
            lsr_rows=self.lsr_size[1],
            ratio=self.ratio,
            line=self.line,
            master=self.master,
        )
        hsr = CameraSettings(
            *self.hsr_size,
            pixel_format=self.pixel_format,
            exposure_us=self.hsr_exposure_us,
            gain_db=self.gain_db,
        )
        lsr = CameraSettings(
            *self.lsr_size,
            pixel_format=self.pixel_format,
            exposure_us=self.lsr_exposure_us,
            gain_db=self.gain_db,
            buffer_count=256,
        )
        return SessionSettings(hsr, lsr, plan)

    @property
    def expected_lsr_frames(self) -> int:
        """LSR frames of the whole recording."""
        return self.settings().plan.ticks(self.seconds)


def emulated_session(rig: VirtualRig) -> Session:
    """A session on an installed emulated rig; its takes carry what the truth needs."""
    return Session(rig.box, paced=not rig.real_time, extra=rig.metadata)


def _real_serials(given: tuple[str, str] | None) -> dict[Role, str]:
    if given is not None:
        return {Role.HSR: given[0], Role.LSR: given[1]}
    seen = [camera.serial for camera in list_cameras()]
    raise InputError(
        "say which camera is which with --serials HSR,LSR; connected are "
        + (", ".join(seen) if seen else "none (--emulate works without cameras)")
    )


@contextmanager
def _opened(job: CaptureJob, say: Callable[[str], None] | None) -> Iterator[Session]:
    """A session that is connected and configured for the job; real cameras come with their wiring."""
    settings = job.settings()
    rig: VirtualRig | None = None
    if job.emulate:
        geometry = RigGeometry(baseline_mm=job.baseline_mm)
        rig = install(seed=job.seed, real_time=job.real_time, geometry=geometry)
        session, serials = emulated_session(rig), rig.serials
    else:
        session, serials = Session(ExternalPulses()), _real_serials(job.serials)
    try:
        with session:
            session.connect(serials)
            session.configure(settings)
            if not job.emulate and say is not None:
                say(settings.plan.wiring())
                if not settings.plan.master:
                    # Not before both cameras wait for the first pulse.
                    began = State.RECORDING, State.LIVE
                    session.on_state(lambda now: say("Start the pulse box now.") if now in began else None)
            yield session
    finally:
        if rig is not None:
            rig.uninstall()


def check_pulses(job: CaptureJob, say: Callable[[str], None] | None = None) -> dict[Role, PulseFinding]:
    """Look for some periods whether the pulses arrive as the job plans them; nothing is recorded.

    Raises:
        DriverError: A camera or the plan refuses.
        InputError: The job contradicts itself.

    """
    with _opened(job, say) as session:
        return pulse_test(session, patience_s=2.0 if job.emulate or job.master else STARTING_S)


def run_job(
    job: CaptureJob,
    *,
    on_frame: Callable[[int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    say: Callable[[str], None] | None = None,
    alarm: Callable[[str], None] | None = None,
) -> TakeReport:
    """Record one take.

    Args:
        job: What to record.
        on_frame: Told how many LSR frames have arrived so far.
        should_stop: Asked often; True ends the take early and cleanly.
        say: Told what the operator has to do.
        alarm: Told at once what goes wrong meanwhile, one sentence each.

    Raises:
        DriverError: A camera, the plan or the disk refuses.
        InputError: The job contradicts itself.

    """
    if job.rig_file is not None and not job.rig_file.is_file():
        raise InputError(f"{job.rig_file}: there is no such rig file")
    rig_hash = hashlib.sha256(job.rig_file.read_bytes()).hexdigest() if job.rig_file else None
    with _opened(job, say) as session:
        if alarm is not None:
            session.on_alarm(lambda news: alarm(news.text))
        return session.record(
            job.seconds,
            job.out,
            name=job.name,
            notes=job.notes,
            rig_hash=rig_hash,
            on_frame=on_frame,
            should_stop=should_stop,
        )
