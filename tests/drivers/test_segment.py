"""Files of raw frames, past the page cache and through it."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from drivers._segment import Segment, aligned_empty

STRIDE = 1024**2 + 512


def frames(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.integers(0, 256, STRIDE, dtype=np.uint8) for _ in range(count)]


def write(path: Path, pictures: list[np.ndarray]) -> bytes:
    segment = Segment(path, stride=STRIDE, room=8 * STRIDE)
    for number, picture in enumerate(pictures):
        segment.append(picture, number * STRIDE)
    segment.truncate(len(pictures) * STRIDE)
    segment.close()
    return path.read_bytes()


def test_frames_lie_one_after_the_other(tmp_path: Path) -> None:
    pictures = frames(3)
    aligned = aligned_empty((STRIDE,), np.uint8)
    aligned[...] = pictures[1]
    assert aligned.ctypes.data % 4096 == 0
    pictures[1] = aligned
    assert write(tmp_path / "a", pictures) == b"".join(p.tobytes() for p in pictures)


@pytest.mark.parametrize("taken", [0, 512, 700])
def test_a_device_that_takes_a_part_or_nothing_directly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: int
) -> None:
    """Larger blocks than expected end in EINVAL; a nearly full disk takes the beginning of a frame."""
    plain, calls = os.write, []

    def picky(handle: int, data: memoryview) -> int:
        calls.append(len(data))
        if len(calls) == 2:
            if not taken:
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
            return plain(handle, bytes(data[:taken])) if taken % 512 else plain(handle, data[:taken])
        return plain(handle, data)

    pictures = frames(3)
    if taken % 512:
        monkeypatch.setattr("drivers._segment._O_DIRECT", 0)
    monkeypatch.setattr(os, "write", picky)
    assert write(tmp_path / "a", pictures) == b"".join(p.tobytes() for p in pictures)


_ON_RAMFS = """
import os, subprocess, sys
import numpy as np
from drivers._segment import Segment
from pathlib import Path
folder = Path(sys.argv[1])
if subprocess.run(["mount", "-t", "ramfs", "ramfs", folder], stderr=subprocess.DEVNULL).returncode:
    sys.exit("cannot mount")
segment = Segment(folder / "a", stride=1000, room=1 << 30)
for number in range(3):
    segment.append(np.full(1000, number, np.uint8), number * 1000)
print(os.fstat(segment.fileno()).st_size)
"""


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs Linux")
def test_a_disk_that_reserves_nothing_gets_no_zeros_instead(tmp_path: Path) -> None:
    # Mounted where no other process sees it, and gone with the program.
    command = ["unshare", "--mount", sys.executable, "-c", _ON_RAMFS, str(tmp_path)]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode and ("cannot mount" in done.stderr or "unshare" in done.stderr):
        pytest.skip("only root may mount")
    assert done.stdout.split() == ["3000"], done.stderr


def test_a_full_disk_can_be_cut_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = frames(2)
    segment = Segment(tmp_path / "a", stride=STRIDE, room=8 * STRIDE)
    segment.append(pictures[0], 0)

    def full(handle: int, data: memoryview) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        segment.append(pictures[1], STRIDE)
    monkeypatch.undo()
    segment.truncate(STRIDE)
    segment.append(pictures[1], STRIDE)
    segment.truncate(2 * STRIDE)
    segment.close()
    assert (tmp_path / "a").read_bytes() == pictures[0].tobytes() + pictures[1].tobytes()
