"""Which takes lie in a folder, with what the browser shows about each; no Qt."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.gui.preview import screen_picture
from drivers import DriverError, RgbImage, Take, is_take

THUMBNAIL_WIDTH = 96


@dataclass(frozen=True, slots=True, eq=False)
class TakeEntry:
    """One take, or a folder that should be one.

    Attributes:
        path: The folder.
        name: Its name.
        changed: When the folder was last written [s since 1970].
        seconds: Length by the LSR stream [s].
        times_s: When each LSR frame was exposed, after the first one [s], shape (lsr_frames,); lost frames
            leave gaps.
        hsr_frames: Frames of the sharp stream.
        lsr_frames: Frames of the fast stream.
        simulated: Made by the emulated rig.
        recording: It is being recorded now.
        recovered: The recording was interrupted.
        findings: What was wrong with it when it ended, as its report says.
        notes: The operator's notes.
        problem: Why it cannot be read; "" when it can.
        thumbnail: (h, w, 3) uint8 from the middle; None when there is none.

    """

    path: Path
    name: str
    changed: float = 0.0
    seconds: float = 0.0
    times_s: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    hsr_frames: int = 0
    lsr_frames: int = 0
    simulated: bool = False
    recording: bool = False
    recovered: bool = False
    findings: tuple[str, ...] = ()
    notes: str = ""
    problem: str = ""
    thumbnail: RgbImage | None = None

    @property
    def summary(self) -> str:
        """One line for the list."""
        if self.problem:
            return "recording" if self.recording else "cannot be read"
        marks = "".join(
            f", {word}"
            for word, there in (
                ("simulated", self.simulated),
                ("recording", self.recording),
                ("recovered", self.recovered),
                ("incomplete", bool(self.findings)),
            )
            if there
        )
        return f"{self.seconds:.2f} s{marks}\n{self.hsr_frames} + {self.lsr_frames} frames"

    @property
    def version(self) -> tuple[object, ...]:
        """Differs once the take on disk is not what it was when this was read."""
        frames = self.hsr_frames, self.lsr_frames
        return self.path, self.changed, frames, self.recording, self.recovered, self.problem


def read_entry(path: Path, running: Path | None = None) -> TakeEntry:
    """What the browser shows of one take, `running` being the one that is recorded now.

    A damaged one says why.
    """
    recording = path == running
    try:
        changed = path.stat().st_mtime
        with Take.open(path) as take:
            lsr, hsr = take.lsr.info, take.hsr.info
            exposed = take.lsr.mid_exposure_ns
            times = np.asarray((exposed - exposed[:1]) * 1e-9, dtype=np.float64)
            thumbnail = None
            stream = take.lsr if lsr.frame_count else take.hsr
            if stream.info.frame_count:
                frame = stream.read(stream.info.frame_count // 2)
                thumbnail = screen_picture(frame, THUMBNAIL_WIDTH)
            return TakeEntry(
                path=path,
                name=path.name,
                changed=changed,
                seconds=float(times[-1] + np.median(np.diff(times))) if len(times) > 1 else 0.0,
                times_s=times,
                hsr_frames=hsr.frame_count,
                lsr_frames=lsr.frame_count,
                simulated=take.metadata.simulated,
                recording=recording,
                # The file that tells the end of a take is not there yet.
                recovered=take.recovered and not recording,
                findings=() if take.recovered else take.findings,
                notes=take.metadata.notes,
                thumbnail=thumbnail,
            )
    except (DriverError, OSError) as error:
        problem = " ".join(str(error).split())
        return TakeEntry(path=path, name=path.name, recording=recording, problem=problem)


def scan(folder: Path, running: Path | None = None) -> list[TakeEntry]:
    """All takes directly in `folder`, the newest first; empty when there is no such folder.

    Args:
        folder: Where to look.
        running: The take that is recorded now.

    """
    if not folder.is_dir():
        return []
    entries = [read_entry(path, running) for path in folder.iterdir() if is_take(path)]
    return sorted(entries, key=lambda entry: -entry.changed)
