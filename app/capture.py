"""One recording from a description: the work behind `twinrate capture`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.aligner import rig_hash
from app.errors import InputError
from app.session import RigSetup, Session, State, TakeReport
from app.session.pulse_test import PulseFinding, pulse_test
from app.session.take_run import STARTING_S
from calibration import load_rig
from drivers import Role
from drivers.grasshopper import list_cameras
from drivers.spinnaker_emulator import RigGeometry, VirtualRig, install
from drivers.trigger import ExternalPulses


@dataclass(frozen=True, slots=True)
class CaptureJob:
    """One take to record.

    Attributes:
        setup: The rig that records it.
        out: Folder of the new take; it must not exist.
        seconds: Length of the take [s].
        rig_file: Rig file whose hash goes into the take; None without.
        name: Name of the take for people.
        notes: Free text kept in the take.

    """

    setup: RigSetup
    out: Path
    seconds: float
    rig_file: Path | None = None
    name: str = ""
    notes: str = ""

    @property
    def expected_lsr_frames(self) -> int:
        """LSR frames of the whole recording."""
        return self.setup.settings().plan.ticks(self.seconds)


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
def _opened(setup: RigSetup, say: Callable[[str], None] | None) -> Iterator[Session]:
    """A session that is connected and configured; real cameras come with their wiring."""
    settings = setup.settings()
    rig: VirtualRig | None = None
    if setup.emulate:
        geometry = RigGeometry(baseline_mm=setup.baseline_mm)
        rig = install(seed=setup.seed, real_time=setup.real_time, geometry=geometry)
        session, serials = emulated_session(rig), rig.serials
    else:
        session, serials = Session(ExternalPulses()), _real_serials(setup.serials)
    try:
        with session:
            session.connect(serials)
            session.configure(settings)
            if not setup.emulate and say is not None:
                say(settings.plan.wiring())
                if not settings.plan.master:
                    # Not before both cameras wait for the first pulse.
                    began = State.RECORDING, State.LIVE
                    session.on_state(lambda now: say("Start the pulse box now.") if now in began else None)
            yield session
    finally:
        if rig is not None:
            rig.uninstall()


def check_pulses(setup: RigSetup, say: Callable[[str], None] | None = None) -> dict[Role, PulseFinding]:
    """Look for some periods whether the pulses arrive as the setup plans them; nothing is recorded.

    Raises:
        DriverError: A camera or the plan refuses.
        InputError: It is not said which camera is which.

    """
    with _opened(setup, say) as session:
        return pulse_test(session, patience_s=2.0 if setup.emulate or setup.master else STARTING_S)


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
        CalibrationError: There is no such rig file, or it is none.
        InputError: It is not said which camera is which.

    """
    used = None
    if job.rig_file is not None:
        load_rig(job.rig_file)
        used = rig_hash(job.rig_file)
    with _opened(job.setup, say) as session:
        if alarm is not None:
            session.on_alarm(lambda news: alarm(news.text))
        return session.record(
            job.seconds,
            job.out,
            name=job.name,
            notes=job.notes,
            rig_hash=used,
            on_frame=on_frame,
            should_stop=should_stop,
        )
