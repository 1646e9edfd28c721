"""The folder in which an import works: it becomes the take when all is there, or goes."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from drivers import TakeError, TakeExistsError
from drivers.durable import give_name

_PREFIX, _SUFFIX = "import-", ".partial"
_LOCK = "importing.lock"


@contextmanager
def whole_or_nothing(out: Path) -> Iterator[Path]:
    """Gives the path of a folder to make, which becomes `out` in the end; after an error nothing is left.

    What killed imports have left beside `out` is removed first.

    Raises:
        TakeError: The disk refuses, or `out` has been made by somebody else meanwhile.

    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _clear_leftovers(out.parent)
        work = Path(tempfile.mkdtemp(prefix=_PREFIX, suffix=_SUFFIX, dir=out.parent))
    except OSError as error:
        raise TakeError(f"{out}: cannot be made ({error.strerror}); choose a writable place") from error
    alive = FileLock(work / _LOCK, thread_local=False)
    # Some shares have no locks: what is left there after a kill stays.
    with suppress(OSError):
        alive.acquire(blocking=False)
    try:
        yield work / out.name
        give_name(work / out.name, out)
    except (TakeError, OSError) as error:
        if os.path.lexists(out):
            raise TakeExistsError(
                f"{out}: was made by another program meanwhile and is kept; choose another folder"
            ) from error
        # A writer's own words name another folder, and frames that are kept.
        cause = error if isinstance(error, OSError) else error.__cause__
        reason = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(error)
        raise TakeError(
            f"{out}: cannot be written ({reason}); nothing of it is left, free some space or choose another "
            "place, and import the clips again"
        ) from error
    finally:
        # Windows removes no file that is open.
        alive.release()
        shutil.rmtree(work, ignore_errors=True)


def _clear_leftovers(folder: Path) -> None:
    """Remove the work of imports that were killed; those that run hold their lock."""
    for work in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        if not (work / _LOCK).is_file():
            continue
        lock = FileLock(work / _LOCK)
        with suppress(OSError, Timeout):
            lock.acquire(blocking=False)
            lock.release()
            shutil.rmtree(work, ignore_errors=True)
