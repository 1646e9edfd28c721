"""What a live session writes into take.json, and the numbers at the end of a take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from pydantic import JsonValue

from app import __version__
from app.session.channel import Channel
from app.session.crew import Crew, SessionError
from drivers import (
    CameraMetadata,
    CameraSettings,
    Role,
    TakeMetadata,
    TriggerMetadata,
)
from drivers.recorder import RecordingReport


@dataclass(frozen=True, slots=True)
class Absence:
    """A camera left during a take, which went on with the other one.

    Attributes:
        role: Which camera.
        serial: Its serial number.
        reason: How it showed.
        from_s: Time in the take of its last frame before [s].
        until_s: Time in the take from which its frames are there again [s]; None when they are not.
        out_of_step: It came back, but nothing told which pulses its frames belong to: they are left out.

    """

    role: Role
    serial: str
    reason: str
    from_s: float
    until_s: float | None = None
    out_of_step: bool = False

    def __str__(self) -> str:
        camera = f"{self.role.name}: camera {self.serial}"
        if self.until_s is not None:
            return f"{camera} was away from {self.from_s:.2f} s to {self.until_s:.2f} s of the take"
        if self.out_of_step:
            return (
                f"{camera} left at {self.from_s:.2f} s; it came back, but its frames could not be matched to "
                "the pulses and are not in the take"
            )
        return f"{camera} left at {self.from_s:.2f} s and did not come back before the take ended"

    def to_json(self) -> dict[str, JsonValue]:
        """Keys for `--json`."""
        return {
            "camera": str(self.role),
            "serial": self.serial,
            "from_s": round(self.from_s, 4),
            "until_s": None if self.until_s is None else round(self.until_s, 4),
            "out_of_step": self.out_of_step,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class TakeReport:
    """What a recording ended with.

    Attributes:
        path: The take's folder.
        recording: The recorder's findings.
        pulses: Fast pulses that the source gave during the take; None when nobody counted.
        ratio: m of the trigger plan.
        absences: Cameras that left meanwhile, in order.
        kept: False when there was not one frame, and the folder is gone again.

    """

    path: Path
    recording: RecordingReport
    pulses: int | None
    ratio: int
    absences: tuple[Absence, ...] = ()
    kept: bool = True

    @property
    def seconds(self) -> float:
        """Length of the take [s]."""
        return self.recording.seconds

    @property
    def stop_reason(self) -> str | None:
        """Why recording ended before it was asked to; None for an orderly end."""
        return self.recording.stop_reason

    @property
    def left(self) -> tuple[Absence, ...]:
        """The absences that lasted until the end of the take."""
        return tuple(absence for absence in self.absences if absence.until_s is None)

    def frames(self, role: Role) -> int:
        """Whole frames of one stream in the take."""
        return (self.recording.hsr if role is Role.HSR else self.recording.lsr).received

    def expected(self, role: Role) -> int:
        """Frames that there should be: by the counted pulses, else by ids and times."""
        hsr, lsr = self.recording.hsr.expected, self.recording.lsr.expected
        pulses = self.pulses
        if pulses is None:
            if not self.left:
                return hsr if role is Role.HSR else lsr
            # A camera that did not come back says nothing about the end: the other one does.
            pulses = max(lsr, (hsr - 1) * self.ratio + 1)
        return pulses if role is Role.LSR else -(-pulses // self.ratio)

    @property
    def frames_lost(self) -> int:
        """Frames of both streams that are missing or damaged.

        Counted pulses also show frames lost at the ends of a take and pulses that a camera ignored, which
        frame ids cannot show.
        """
        return sum(max(0, self.expected(role) - self.frames(role)) for role in Role)

    def to_json(self) -> dict[str, JsonValue]:
        """Keys for `--json`."""
        recording = self.recording
        return {
            "path": str(self.path),
            "frames": {str(r): self.frames(r) for r in Role},
            "expected": {str(r): self.expected(r) for r in Role},
            "incomplete": {"hsr": recording.hsr.incomplete, "lsr": recording.lsr.incomplete},
            "frames_lost": self.frames_lost,
            "seconds": round(self.seconds, 4),
            "mb_per_s": round(recording.bytes_written / 1e6 / self.seconds, 1) if self.seconds > 0 else 0.0,
            "sync_residual_us": recording.sync_residual_us,
            "drift_ppm": recording.drift_ppm,
            "phase_basis": recording.phase_basis,
            "stop_reason": recording.stop_reason,
            "absences": [absence.to_json() for absence in self.absences],
            "warnings": list(recording.warnings),
        }


def _camera_metadata(channel: Channel, settings: CameraSettings, fps: float) -> CameraMetadata:
    camera = channel.camera
    identity = camera.identity
    # A call waits for the grab thread: one for both.
    (offset_x, offset_y, _, _), features = channel.call(lambda: (camera.region(), camera.picture_features()))
    return CameraMetadata(
        serial=identity.serial,
        model=identity.model,
        vendor=identity.vendor,
        firmware=identity.firmware,
        width=settings.width,
        height=settings.height,
        pixel_format=settings.pixel_format,
        offset_x=offset_x,
        offset_y=offset_y,
        binning=settings.binning,
        exposure_us=settings.exposure_us,
        gain_db=settings.gain_db,
        frame_rate=fps,
        nodes={
            "BlackLevel": f"{settings.black_level_percent:g}",
            "BalanceRatioRed": f"{settings.red_balance:.6g}",
            "BalanceRatioBlue": f"{settings.blue_balance:.6g}",
            "TriggerSource": settings.trigger_source,
            "TriggerActivation": settings.trigger_activation,
            **features,
        },
    )


def take_metadata(
    crew: Crew,
    *,
    name: str = "",
    notes: str = "",
    rig_hash: str | None = None,
    extra: Mapping[str, JsonValue] | None = None,
) -> TakeMetadata:
    """Everything that take.json says about a recording with two triggered cameras.

    Raises:
        SessionError: Name or notes cannot be written down.

    """
    for what, text in (("name", name), ("notes", notes)):
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise SessionError(f"the take's {what} holds what is no text; type it again") from error
    settings = crew.configured()
    plan = settings.plan
    cameras = {
        role: _camera_metadata(channel, settings.camera(role), plan.fps(role))
        for role, channel in crew.channels.items()
    }
    simulated = any(channel.camera.identity.simulated for channel in crew.channels.values())
    # Emulated recordings carry no date: the same command gives the same bytes.
    created = "" if simulated else datetime.now(timezone.utc).isoformat(timespec="seconds")
    return TakeMetadata(
        name=name,
        created=created,
        hsr=cameras[Role.HSR],
        lsr=cameras[Role.LSR],
        trigger=TriggerMetadata(
            hsr_rate=plan.hsr_fps,
            ratio=plan.ratio,
            source=crew.source,
            phase=plan.phase,
            latch=crew.latch(),
            first_id=crew.first_id(),
            by_hand=not crew.counts_pulses and settings.master is None,
        ),
        rig_hash=rig_hash,
        software_version=__version__,
        simulated=simulated,
        notes=notes,
        extra=dict(extra or {}),
    )
