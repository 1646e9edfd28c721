"""Which takes lie in a folder, with what the browser shows about each; no Qt."""

from __future__ import annotations

import html
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.damage import nearest_readable
from app.gui.preview import screen_picture
from app.settings import Settings
from drivers import DriverError, RgbImage, SourceError, Take, is_take

THUMBNAIL_WIDTH = 96
_LONGEST_TIP = 600
"""Characters; more would cover the window."""


@dataclass(frozen=True, slots=True, eq=False)
class TakeEntry:
    """One take, or a folder that should be one.

    Attributes:
        path: The folder.
        name: Its name.
        changed: When the folder was last written [s since 1970].
        seconds: Length by the LSR stream, or by the HSR stream where there is no other [s].
        times_s: When each frame of that stream was exposed, after the first one [s]; lost frames leave gaps.
        hsr_frames: Frames of the sharp stream.
        lsr_frames: Frames of the fast stream.
        simulated: Made by the emulated rig.
        recording: It is being recorded now, here or by another program.
        recovered: The recording was interrupted.
        findings: What was wrong with it when it ended, as its report says.
        notes: The operator's notes.
        problem: Why it cannot be read; "" when it can.
        thumbnail: (h, w, 3) uint8 from the middle; None when there is none.
        stamps: When its files were written, and how large they are; empty for one that has not ended.

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
    stamps: Mapping[Path, tuple[int, int]] = field(default_factory=dict)

    @property
    def has_both(self) -> bool:
        """Whether there are frames of both streams, so that it can be fused."""
        return self.hsr_frames > 0 and self.lsr_frames > 0

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
    def hint(self) -> str:
        """What stands in place of the pictures before there is one."""
        if not self.problem:
            return ""
        return "nothing can be seen of it yet" if self.recording else "this take cannot be read"

    @property
    def tip(self) -> str:
        """What is said on demand, as HTML, which Qt wraps; the beginning of what is very long."""
        text = self.problem or "\n".join(filter(None, (*self.findings, self.notes))) or str(self.path)
        short = text if len(text) <= _LONGEST_TIP else f"{text[:_LONGEST_TIP]} ..."
        return f"<p style='white-space: pre-wrap'>{html.escape(short)}</p>"

    @property
    def version(self) -> tuple[object, ...]:
        """Differs once the take on disk is not what it was when this was read."""
        frames = self.hsr_frames, self.lsr_frames
        return self.path, self.changed, frames, self.recording, self.recovered, self.problem

    @property
    def still_true(self) -> bool:
        """Whether its files are what they were when this was read; asks the disk."""
        return bool(self.stamps) and _stamps(self.stamps) == self.stamps


def _stamps(files: Iterable[Path]) -> dict[Path, tuple[int, int]]:
    """Time of the last change [ns] and size [bytes] of each file; -1 of one that is not there, or no more."""
    found = {}
    for file in files:
        try:
            known = file.stat()
        except OSError:
            found[file] = (-1, -1)
        else:
            found[file] = (known.st_mtime_ns, known.st_size)
    return found


def read_entry(path: Path, running: Path | None = None) -> TakeEntry:
    """What the browser shows of one take, `running` being the one that is recorded here now.

    A damaged one says why.
    """
    recording = path == running
    try:
        changed = path.stat().st_mtime
        with Take.open(path) as take:
            recording |= take.recording
            ended = not (take.recovered or take.recording)
            lsr, hsr = take.lsr.info, take.hsr.info
            stream = take.lsr if lsr.frame_count else take.hsr
            exposed = stream.mid_exposure_ns
            times = np.asarray((exposed - exposed[:1]) * 1e-9, dtype=np.float64)
            thumbnail = None
            count = stream.info.frame_count
            # Damaged frames hide nothing of the others.
            with suppress(SourceError):
                frame, _ = nearest_readable(stream.read, count // 2, count)
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
                findings=take.findings if ended else (),
                notes=take.metadata.notes,
                thumbnail=thumbnail,
                # One without an end may go on growing.
                stamps=_stamps(take.files) if ended else {},
            )
    except (DriverError, OSError) as error:
        problem = " ".join(str(error).split())
        return TakeEntry(path=path, name=path.name, recording=recording, problem=problem)


def folder_problem(folder: Path, *, had_takes: bool) -> str:
    """Why no takes can be found in a folder, and what to do; "" where some can.

    Args:
        folder: Where to look.
        had_takes: Whether some were found there before: the usual folder is made with the first take.

    """
    try:
        with os.scandir(folder):
            return ""
    except (FileNotFoundError, NotADirectoryError):
        if folder == Settings().take_folder and not had_takes:
            return ""
        return (
            "this folder is not there: connect the disk or share that it is on and press Refresh; "
            "the next take would make it anew"
        )
    except OSError as error:
        return (
            f"this folder cannot be read ({error.strerror or error}): check its disk or share, and its rights"
        )


def scan(
    folder: Path,
    running: Path | None = None,
    *,
    known: Mapping[Path, TakeEntry] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[TakeEntry]:
    """All takes directly in `folder`, the newest first; empty when it cannot be read: see `folder_problem`.

    Args:
        folder: Where to look.
        running: The take that is recorded here now.
        known: What was read before, by path: a take that has not changed since is not read again.
        cancelled: Asked before each take; once True, those so far are returned.

    """
    try:
        inside = list(folder.iterdir())
    except OSError:
        return []
    entries = []
    for path in inside:
        if cancelled():
            break
        if is_take(path):
            old = known.get(path) if known is not None else None
            same = old is not None and old.recording == (path == running) and old.still_true
            entries.append(old if old is not None and same else read_entry(path, running))
    return sorted(entries, key=lambda entry: -entry.changed)
