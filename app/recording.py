"""What a live session writes into take.json, and the numbers at the end of a take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from pydantic import JsonValue

from app import __version__
from drivers import CameraIdentity, CameraSettings, Role
from drivers.take import CameraMetadata, TakeMetadata, TriggerMetadata
from drivers.trigger import TriggerPlan


@dataclass(frozen=True, slots=True)
class StreamReport:
    """One stream's end-of-take figures.

    Attributes:
        expected: Frames that the pulses asked for; None when nobody counted the pulses.
        written: Rows in the take, incomplete frames included.
        incomplete: Frames that arrived damaged.
        lost: Frames that never arrived or never reached the disk.

    """

    expected: int | None
    written: int
    incomplete: int
    lost: int


@dataclass(frozen=True, slots=True)
class TakeReport:
    """What a recording ended with.

    Attributes:
        path: The take's folder.
        streams: Figures per stream.
        seconds: From the first pulse to the last frame [s].
        megabytes: Pixels written [1e6 bytes].
        stopped_early: Why recording ended before it should; empty when it did not.

    """

    path: Path
    streams: Mapping[Role, StreamReport]
    seconds: float
    megabytes: float
    stopped_early: str = ""

    @property
    def frames_lost(self) -> int:
        """Frames of both streams that are missing or damaged."""
        return sum(s.lost + s.incomplete for s in self.streams.values())

    def to_json(self) -> dict[str, JsonValue]:
        """Keys for `--json` and done.json."""
        return {
            "path": str(self.path),
            "frames": {str(r): s.written for r, s in self.streams.items()},
            "expected": {str(r): s.expected for r, s in self.streams.items()},
            "incomplete": {str(r): s.incomplete for r, s in self.streams.items()},
            "frames_lost": self.frames_lost,
            "seconds": round(self.seconds, 3),
            "mb_per_s": round(self.megabytes / self.seconds, 1) if self.seconds > 0 else 0.0,
            "stopped_early": self.stopped_early,
        }


def camera_metadata(
    identity: CameraIdentity, settings: CameraSettings, offsets: tuple[int, int], fps: float
) -> CameraMetadata:
    """The camera's entry of take.json."""
    return CameraMetadata(
        serial=identity.serial,
        model=identity.model,
        vendor=identity.vendor,
        firmware=identity.firmware,
        width=settings.width,
        height=settings.height,
        pixel_format=settings.pixel_format,
        offset_x=offsets[0],
        offset_y=offsets[1],
        binning=settings.binning,
        exposure_us=settings.exposure_us,
        gain_db=settings.gain_db,
        frame_rate=fps,
        nodes={
            "BlackLevel": f"{settings.black_level_percent:g}",
            "TriggerSource": settings.trigger_source,
            "TriggerActivation": settings.trigger_activation,
        },
    )


def take_metadata(
    cameras: Mapping[Role, CameraMetadata],
    *,
    plan: TriggerPlan,
    pulses: str,
    simulated: bool,
    name: str = "",
    notes: str = "",
    rig_hash: str | None = None,
    extra: Mapping[str, JsonValue] | None = None,
) -> TakeMetadata:
    """Everything that take.json says about a recording with two triggered cameras."""
    # Emulated recordings carry no date: the same command gives the same bytes.
    created = "" if simulated else datetime.now(timezone.utc).isoformat(timespec="seconds")
    return TakeMetadata(
        name=name,
        created=created,
        hsr=cameras[Role.HSR],
        lsr=cameras[Role.LSR],
        trigger=TriggerMetadata(hsr_rate=plan.hsr_fps, ratio=plan.ratio, source=pulses),
        rig_hash=rig_hash,
        software_version=__version__,
        simulated=simulated,
        notes=notes,
        extra=dict(extra or {}),
    )
