"""Names that are on the disk when a power cut comes: files and folders get them when they are whole."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def give_name(temporary: Path, path: Path) -> Path:
    """Rename a file or folder for good: after a power cut it is whole, or does not have the name.

    Args:
        temporary: Closed. Of a folder, the files in it are on the disk already.
        path: Its new name, in the same folder.

    Returns:
        `path`.

    Raises:
        OSError: The disk refuses.

    """
    if temporary.is_dir():
        sync_folder(temporary)
    else:
        # Windows brings only what is open for writing to the disk.
        with temporary.open("r+b") as stream:
            os.fsync(stream.fileno())
    temporary.replace(path)
    sync_folder(path.parent)
    return path


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system has a way to do so."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some shares cannot do that for folders.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):
            raise
    finally:
        os.close(handle)
