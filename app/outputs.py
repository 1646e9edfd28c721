"""Names, checks and atomic writing of everything the program puts on disk."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import cv2
from av.error import ExternalError
from filelock import FileLock, Timeout

from app.errors import InputError, OutputError
from app.json_values import finite
from app.memory_short import memory_problem
from drivers import Image
from drivers.durable import give_name

PICTURE_ENDINGS = frozenset((".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"))


def partial_path(path: Path) -> Path:
    """Where the unfinished output of `path` lives: clip.mp4 -> clip.partial.mp4, folder -> folder.partial."""
    return path.with_name(f"{path.stem}.partial{path.suffix}")


def sidecar_path(path: Path) -> Path:
    """Where the description of `path` lives: clip.mp4 -> clip.mp4.json."""
    return path.with_name(path.name + ".json")


_PICTURE = re.compile(r"\d{6,}\.(png|tiff)")


_DESCRIBES = {"playback_rate", "versions"}
"""What every description of a clip holds, and neither take.json nor a rig or weights file."""


def holds_pictures_only(folder: Path) -> bool:
    """Whether a folder has nothing but numbered pictures in it, which another export may replace."""
    return all(_PICTURE.fullmatch(entry.name) for entry in folder.iterdir())


def real_path(path: Path) -> Path:
    """The path without links; unlike `Path.resolve` it takes those that lead in a circle, too."""
    return Path(os.path.realpath(path))


def check_output(
    path: Path, *, overwrite: bool, inputs: Iterable[Path] = (), described: bool = False
) -> None:
    """Refuse an output that cannot be written, or must not be replaced, before any work is done.

    Args:
        path: The file, or the folder for picture sequences.
        overwrite: It may exist; a folder then holds nothing but numbered pictures.
        inputs: What the output is made from: takes, clips.
        described: FILE.json is written beside it.

    Raises:
        OutputError: The folder is missing or not writable, the output exists and `overwrite` is False, or
            writing it would destroy an input or foreign files.

    """
    if path.name in ("", ".."):
        raise OutputError(f"{path}: is no name for an output; give --out one")
    if _is_too_long(path):
        raise OutputError(f"{path}: the name is too long for this disk; give another --out")
    place = real_path(path)
    for source in map(real_path, inputs):
        if any(_is_same(place, one) for one in (source, *source.parents)):
            raise OutputError(f"{path} is, or holds, {source}, from which it is made; give another --out")
    folder = path.absolute().parent
    if not folder.is_dir():
        raise OutputError(f"{path}: the folder {folder} does not exist; make it first")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"{path}: the folder {folder} may not be written to; choose another one")
    if os.path.lexists(path) and not overwrite:
        raise OutputError(f"{path} exists already; give another --out, or --overwrite to replace it")
    if path.is_symlink() and not path.suffix and not path.is_file():
        # Found out at the end only, it would cost all the work.
        raise OutputError(
            f"{path} is a link, which no folder can replace; give another --out, or the folder it leads to"
        )
    if path.is_dir() and path.suffix:
        raise OutputError(f"{path} is a folder, not a file that can be replaced; give another --out")
    if path.is_dir() and not holds_pictures_only(path):
        raise OutputError(f"{path} holds more than numbered pictures and is not replaced; give another --out")
    beside = sidecar_path(path)
    if described and beside.exists() and not _is_description(beside):
        raise OutputError(
            f"{beside}, which would be written beside {path}, exists already and describes no clip of "
            "Twinrate's; give another --out"
        )


def _is_same(path: Path, other: Path) -> bool:
    """Whether two names are of one file or folder: on many disks Clip.mp4 is clip.MP4 as well."""
    with suppress(OSError):
        return path.samefile(other)
    return path == other


def _is_too_long(path: Path) -> bool:
    """Whether the disk has no names as long as those that stand beside an output while it is written."""
    partial = partial_path(path)
    try:
        partial.with_name(partial.name + ".json.tmp").lstat()
    except OSError as error:
        return error.errno == errno.ENAMETOOLONG
    return False


def _is_description(path: Path) -> bool:
    """Whether a file tells how a clip was made: one whose clip was deleted stands in nobody's way."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.keys() >= _DESCRIBES


def explain_write_error(error: Exception, path: Path) -> OutputError:
    """Say in one sentence why `path` could not be written and what to do."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return OutputError(f"{path}: the disk is full; free some space and run again")
    if short := memory_problem(error):
        return OutputError(f"{path}: {short}")
    if isinstance(error, ExternalError):
        return OutputError(
            f"{path}: the encoder gave up, most often for want of memory; close other programs, or choose "
            "another format"
        )
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return OutputError(f"{path} cannot be written ({reason}); check the folder and the free disk space")


class Claim:
    """The right to write an output, for one job among all programs of a machine; a kill gives it up.

    Args:
        path: The final file or folder.

    Raises:
        OutputError: Another job is writing it.

    """

    def __init__(self, path: Path) -> None:
        partial = partial_path(path)
        # A job may begin on one thread and end on another.
        self._lock = FileLock(partial.with_name(partial.name + ".lock"), thread_local=False)
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            raise OutputError(
                f"{path}: another job is writing it; wait for that one or stop it, or give another --out"
            ) from None
        except OSError:
            # Some shares have no locks: no reason not to write. What else is wrong the first write tells.
            self._remove()

    def give_up(self) -> None:
        """Let others write the output; may be called again."""
        if self._lock.is_locked:
            if os.name == "posix":
                # Before others can lock it: then it is theirs. On Windows it goes with the lock.
                self._remove()
            self._lock.release()

    def _remove(self) -> None:
        with suppress(OSError):
            Path(self._lock.lock_file).unlink(missing_ok=True)


def claim_parts(path: Path, folder: Path, *, resume: bool) -> Claim:
    """Claim `path`, and make the folder of its parts, empty unless a job is resumed.

    Raises:
        OutputError: Another job is writing `path`, or the disk refuses the folder.

    """
    claim = Claim(path)
    if not resume:
        shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        claim.give_up()
        raise explain_write_error(error, path) from error
    return claim


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write JSON so that a reader sees the old file or the whole new one.

    Raises:
        OutputError: The disk refuses; nothing is left under a partial name.

    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("w", encoding="utf-8") as stream:
            json.dump(finite(content), stream, indent=1)
            stream.write("\n")
        give_name(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise explain_write_error(error, path) from error


def write_picture(path: Path, image: Image) -> None:
    """Write a picture so that a reader sees the old file or the whole new one; the ending chooses the format.

    Args:
        path: The file.
        image: RGB, uint8 or uint16 (H, W, 3).

    Raises:
        InputError: The ending is not a picture's, or its format cannot hold this picture.
        OSError: The disk refuses; nothing is left under a partial name.

    """
    if path.suffix.lower() not in PICTURE_ENDINGS:
        raise InputError(f"{path}: not a picture's ending; use .png")
    done, data = cv2.imencode(path.suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    if not done:
        raise InputError(f"{path}: a picture of {image.shape} cannot be stored in this format; use .png")
    partial = path.with_name(path.name + ".part")
    try:
        partial.write_bytes(data.tobytes())
        give_name(partial, path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
