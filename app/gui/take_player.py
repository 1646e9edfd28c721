"""A thread that shows the frames of a take at a moment, both streams together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.gui.mailbox import Mailbox
from app.gui.messages import sentence
from app.gui.preview import Preview
from app.gui.preview_worker import make_preview
from app.raw_export import pairing_of, side_by_side
from app.session.take_notes import read_notes
from app.timing import stream_timing
from drivers import DriverError, Pairing, PairingError, Role, SourceError, StreamPair, Take


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """What both cameras saw at one LSR frame, or at one HSR frame of a take that has no others.

    Attributes:
        opening: What `TakePlayer.open` answered for its take.
        index: That frame's index.
        lsr: Picture of the LSR frame; None where there is none.
        hsr: Picture of the HSR frame of its GoP; None where there is none.
        hsr_index: That frame's index, -1 where there is none.
        unread: Why a frame that there is cannot be shown.

    """

    opening: int
    index: int
    lsr: Preview | None
    hsr: Preview | None
    hsr_index: int
    unread: Mapping[Role, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class OpenTake:
    """A take that the player has opened.

    Attributes:
        opening: What `TakePlayer.open` answered for it.
        moments: Moments to show: its LSR frames, or the HSR frames where there are no others.
        fps: Rate of a clip of these moments, which lost frames do not slow down [1/s].
        hsr_fps: Of the HSR stream, likewise [1/s].
        note: What is unusual about it; "" when nothing is.
        marks: The operator's notes: LSR frame index and text.

    """

    opening: int
    moments: int
    fps: float
    hsr_fps: float
    note: str
    marks: tuple[tuple[int, str], ...] = ()


class TakePlayer:
    """Opens one take at a time and shows the moment asked for last.

    Args:
        on_open: Told about an opened take, on the player's thread.
        on_error: Told about failures, on the player's thread; about frames that cannot be read once for each
            stream of a take that was opened.

    Attributes:
        mailbox: The newest moment.
        max_width: Screen pixels for a whole picture.

    """

    def __init__(self, on_open: Callable[[OpenTake], None], on_error: Callable[[Exception], None]) -> None:
        self.mailbox: Mailbox[Moment] = Mailbox()
        self.max_width = 640
        self._on_open, self._on_error = on_open, on_error
        self._changed = threading.Condition()
        self._wanted_path: Path | None = None
        self._wanted_index: int | None = None
        self._wanted_opening = 0
        self._told: set[Role] = set()
        self._stop = False
        self._thread = threading.Thread(target=self._run, name="take player", daemon=True)
        self._thread.start()

    def open(self, path: Path | None) -> int:
        """Open another take, or none; what still comes of the one before carries another number than this."""
        with self._changed:
            self._wanted_path, self._wanted_index = path, None
            self._wanted_opening += 1
            self._changed.notify_all()
            return self._wanted_opening

    def seek(self, index: int) -> None:
        """Show the moment of an LSR frame; the newest wish wins."""
        with self._changed:
            self._wanted_index = index
            self._changed.notify_all()

    def close(self) -> None:
        """End the thread and give the files back."""
        with self._changed:
            self._stop = True
            self._changed.notify_all()
        self._thread.join(10.0)

    def _run(self) -> None:
        take: Take | None = None
        owner = np.empty(0, np.int64)
        opening = 0
        while True:
            with self._changed:
                while not self._stop and self._wanted_opening == opening and self._wanted_index is None:
                    self._changed.wait()
                if self._stop:
                    break
                reopen, opening = self._wanted_opening != opening, self._wanted_opening
                path, index, self._wanted_index = self._wanted_path, self._wanted_index, None
            try:
                if reopen:
                    if take is not None:
                        take.close()
                    take, owner = None, np.empty(0, np.int64)
                    self._told.clear()
                    if path is not None:
                        take, owner = self._open(path, opening)
                if index is not None and take is not None and index < len(owner):
                    self.mailbox.put(self._moment(take, owner, index, opening))
            except Exception as error:
                # Whatever it is, other takes can be shown.
                self._on_error(error)
        if take is not None:
            take.close()

    def _open(self, path: Path, opening: int) -> tuple[Take, npt.NDArray[np.int64]]:
        take = Take.open(path, deep=False)
        note = "recovered: the recording was interrupted" if take.recovered else ""
        pair = take.pair()
        pairing = pairing_of(pair)
        fps = {role: _rate(pair, role, pairing) for role in Role}
        try:
            owner = side_by_side(pair, pairing).owner
        except DriverError as error:
            # Pictures can be looked at even where fusion would refuse.
            owner, note = np.full(take.lsr.info.frame_count, -1, np.int64), str(error)
        info = take.lsr.info
        if not info.frame_count:
            owner = np.arange(take.hsr.info.frame_count)
        ids = take.lsr.frame_ids
        # A note belongs to the frame that was there, or to the next one that was kept.
        marks = tuple(
            (min(int(np.searchsorted(ids, made.lsr_frame_id)), max(0, info.frame_count - 1)), made.text)
            for made in read_notes(path)
        )
        pace = fps[Role.LSR] or fps[Role.HSR]
        self._on_open(OpenTake(opening, len(owner), pace, fps[Role.HSR], note, marks))
        return take, owner

    def _moment(self, take: Take, owner: npt.NDArray[np.int64], index: int, opening: int) -> Moment:
        unread: dict[Role, str] = {}

        def look(role: Role, at: int) -> Preview | None:
            try:
                frame = take.stream(role).read(at)
            except SourceError as error:
                unread[role] = sentence(error)
                if role not in self._told:
                    self._told.add(role)
                    self._on_error(error)
                return None
            return make_preview(frame, self.max_width, mark=False, with_statistics=False)

        hsr_index = int(owner[index])
        hsr = look(Role.HSR, hsr_index) if hsr_index >= 0 else None
        lsr = look(Role.LSR, index) if index < take.lsr.info.frame_count else None
        return Moment(opening, index, lsr, hsr, hsr_index, unread)


def _rate(pair: StreamPair, role: Role, pairing: Pairing | None) -> float:
    """Rate of a clip of one stream [1/s]; the mean one where its times contradict each other."""
    info = pair.hsr.info if role is Role.HSR else pair.lsr.info
    if not info.frame_count:
        return 0.0
    try:
        return float(stream_timing(pair, role, pairing).rate)
    except PairingError:
        return info.fps
