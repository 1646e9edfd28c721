"""A take: one recording of both streams in one folder.

take.json      what was recorded (`TakeMetadata`), on the disk before the first frame
hsr/, lsr/     frames_0000.raw ... (fixed stride, segments of up to 4 GB) and index.bin (64-byte rows)
               or, for imported clips, the video file that take.json names; one that was stored as frames
               has its sound.wav beside them, from a second before the first frame to one after the last
done.json      frame counts and the end-of-take report, written last

A take without done.json is being recorded, or was interrupted: it holds as many frames as both files of a
stream hold whole.
"""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from types import TracebackType

from pydantic import JsonValue, ValidationError

from drivers._take_hold import is_held
from drivers._take_metadata import (
    FORMAT_VERSION,
    CameraMetadata,
    ClipReference,
    TakeMetadata,
    TriggerMetadata,
)
from drivers._take_stream import TakeStream
from drivers._take_writer import (
    DONE_NAME,
    INDEX_NAME,
    METADATA_NAME,
    TakeWriter,
    held_file,
    remove_empty_take,
    write_clip_take,
)
from drivers.errors import TakeError
from drivers.frame import Role
from drivers.iphone import open_clip
from drivers.source import FrameSource, StreamPair

__all__ = [
    "CameraMetadata",
    "ClipReference",
    "Take",
    "TakeMetadata",
    "TakeStream",
    "TakeWriter",
    "TriggerMetadata",
    "is_being_recorded",
    "is_take",
    "remove_empty_take",
    "write_clip_take",
]

_WITHOUT_REPORT = "copy the take again, or delete this file to read the frames that are whole"


def is_take(path: Path | str) -> bool:
    """Whether `path` is a folder that holds a take."""
    return (Path(path) / METADATA_NAME).is_file()


def is_being_recorded(path: Path | str) -> bool:
    """Whether some program records the take in this folder now; reads nothing of it."""
    folder = Path(path)
    return is_held(held_file(folder)) and not (folder / DONE_NAME).exists()


def _read_json(path: Path, remedy: str = "copy the take again") -> dict[str, JsonValue]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TakeError(
            f"{path}: cannot be read ({error.strerror or error}); check its permissions"
        ) from error
    except ValueError as error:
        raise TakeError(f"{path}: damaged, it is not JSON; {remedy}") from error
    if not isinstance(content, dict):
        raise TakeError(f"{path}: damaged, it holds no object; {remedy}")
    return content


def _read_metadata(path: Path) -> TakeMetadata:
    content = _read_json(path)
    version = content.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise TakeError(
            f"{path}: take format {version} is newer than version {FORMAT_VERSION} of this program; update it"
        )
    try:
        return TakeMetadata.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "content"
        raise TakeError(f"{path}: damaged at {place} ({first['msg']}); copy the take again") from error


def _beside(folder: Path, relative: str) -> Path | None:
    """The clip where it lies from the take, if it does.

    Windows parts names by backslashes, and Macs may take accents apart (NFD) that other systems keep as one.
    """
    if not relative:
        return None
    slashes = (relative, relative.replace("\\", "/"))
    apart = [unicodedata.normalize(form, name) for form in ("NFC", "NFD") for name in slashes]
    return next((path for name in (*slashes, *apart) if (path := folder / name).is_file()), None)


def _open_stream(
    folder: Path, metadata: TakeMetadata, role: Role, expected: int | None, *, deep: bool
) -> FrameSource:
    clip = metadata.clip(role)
    if clip is None:
        return TakeStream(folder / role.value, metadata, role, expected=expected)
    path = _beside(folder, clip.relative) or Path(clip.path)
    if not path.is_file():
        raise TakeError(f"{path}: the clip of this take is gone; put it back or import it again")
    if path.stat().st_size != clip.size:
        raise TakeError(f"{path}: the clip was changed after its import; import it again")
    return open_clip(path, role, capture_factor=clip.capture_factor, deep=deep)


class Take:
    """A recorded take, open for reading. Make one with `Take.open`."""

    def __init__(
        self,
        path: Path,
        metadata: TakeMetadata,
        *,
        hsr: FrameSource,
        lsr: FrameSource,
        report: dict[str, JsonValue] | None,
        recording: bool,
    ) -> None:
        self._path = path
        self._metadata = metadata
        self._hsr = hsr
        self._lsr = lsr
        self._report = report
        self._recording = recording

    @classmethod
    def open(cls, path: Path | str, *, deep: bool = True) -> Take:
        """Open a take; frames are read when they are asked for.

        Args:
            path: The take's folder.
            deep: Keep more than 8 bits a channel where the take refers to clips; see `open_clip`.

        Raises:
            TakeError: No take there, a newer format, or damaged or missing files.

        """
        folder = Path(path)
        if not folder.exists():
            raise TakeError(f"{folder}: no such take; check the path")
        if not folder.is_dir():
            raise TakeError(f"{folder}: not a take, a take is a folder with {METADATA_NAME} in it")
        if not is_take(folder):
            raise TakeError(f"{folder}: not a take, it has no {METADATA_NAME}")
        metadata = _read_metadata(folder / METADATA_NAME)
        counts: dict[Role, int | None] = dict.fromkeys(Role)
        report: dict[str, JsonValue] | None = None
        # Asked before done.json is looked for: a take that ends meanwhile is whole.
        recording = is_held(held_file(folder))
        done_path = folder / DONE_NAME
        if done_path.exists():
            done = _read_json(done_path, _WITHOUT_REPORT)
            for role in Role:
                count = done.get(f"{role.value}_frames")
                if not isinstance(count, int) or count < 0:
                    raise TakeError(f"{done_path}: damaged, no count of {role} frames; {_WITHOUT_REPORT}")
                counts[role] = count
            found = done.get("report")
            report = found if isinstance(found, dict) else {}
        hsr, lsr = (
            _open_stream(folder, metadata, role, counts[role], deep=deep) for role in (Role.HSR, Role.LSR)
        )
        recording = recording and report is None
        return cls(folder, metadata, hsr=hsr, lsr=lsr, report=report, recording=recording)

    @property
    def path(self) -> Path:
        """The take's folder."""
        return self._path

    @property
    def metadata(self) -> TakeMetadata:
        """What take.json says."""
        return self._metadata

    @property
    def files(self) -> tuple[Path, ...]:
        """Files and folders that are as they were as long as the take is: frames change none without them."""
        places = [Path(self.stream(role).info.name) for role in Role]
        indexes = [place / INDEX_NAME for place in places if place.is_dir()]
        return (self._path, self._path / METADATA_NAME, self._path / DONE_NAME, *places, *indexes)

    @property
    def recording(self) -> bool:
        """True when some program was still recording it as it was opened; the frames until then are read."""
        return self._recording

    @property
    def recovered(self) -> bool:
        """True when the recording was interrupted and the whole frames before that are read."""
        return self._report is None and not self._recording

    @property
    def report(self) -> dict[str, JsonValue]:
        """End-of-take report as the recorder wrote it; empty for a take without an end."""
        return dict(self._report or {})

    @property
    def findings(self) -> tuple[str, ...]:
        """What the operator should know about the recording, one sentence each; empty for a complete one."""
        if self._report is None:
            counts = " and ".join(f"{self.stream(role).info.frame_count} {role.name}" for role in Role)
            if self._recording:
                return (f"{self._path}: is still being recorded; only its first {counts} frames are read",)
            return (f"{self._path}: the recording was interrupted; {counts} frames are whole",)
        found = self.report.get("warnings")
        return tuple(map(str, found)) if isinstance(found, list) else ()

    @property
    def hsr(self) -> FrameSource:
        """The sharp, slow stream."""
        return self._hsr

    @property
    def lsr(self) -> FrameSource:
        """The coarse, fast stream."""
        return self._lsr

    def stream(self, role: Role) -> FrameSource:
        """The stream of one role."""
        return self._hsr if role is Role.HSR else self._lsr

    def pair(self) -> StreamPair:
        """Both streams as everything downstream takes them."""
        found = self._metadata
        return StreamPair(
            self._hsr,
            self._lsr,
            found.clock_offset_ns,
            found.clock_drift_ppm,
            self.findings,
            found.rig_hash,
        )

    def close(self) -> None:
        """Give the files back. Safe to call twice."""
        self._hsr.close()
        self._lsr.close()

    def __enter__(self) -> Take:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
