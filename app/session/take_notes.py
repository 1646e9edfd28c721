"""Notes that the operator makes while a take runs, each at its frames: notes.jsonl in the take's folder."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from app.errors import OutputError

NOTES_FILE = "notes.jsonl"
_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class TakeNote:
    """One note.

    Attributes:
        lsr_frame_id: The LSR camera's counter when the key was pressed; -1 before its first frame.
        hsr_frame_id: The HSR camera's counter then; -1 before its first frame.
        text: What the operator wrote.

    """

    lsr_frame_id: int
    hsr_frame_id: int
    text: str


def add_note(take: Path, note: TakeNote) -> None:
    """Append a note; those before stay readable whatever happens meanwhile.

    Args:
        take: The take's folder; the take may still be running.
        note: What to add.

    Raises:
        OutputError: The folder cannot be written.

    """
    try:
        with (take / NOTES_FILE).open("a", encoding="utf-8") as file:
            # Escaped, nothing in a text can look like the end of a line.
            file.write(json.dumps(asdict(note)) + "\n")
    except OSError as error:
        raise OutputError(
            f"{take}: the note could not be written ({error.strerror or error}); write it down elsewhere"
        ) from error


def read_notes(take: Path) -> list[TakeNote]:
    """All notes of a take in the order they were made; lines that are no notes are left out."""
    try:
        lines = (take / NOTES_FILE).read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return []
    notes = []
    for line in lines:
        try:
            entry = json.loads(line)
            note = TakeNote(
                int(entry["lsr_frame_id"]), int(entry["hsr_frame_id"]), str(entry["text"])[:_LONGEST]
            )
        except (ValueError, KeyError, TypeError, OverflowError):
            # A torn last line after a power loss.
            continue
        notes.append(note)
    return notes
