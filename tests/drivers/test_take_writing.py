"""Takes whose disk is full, whose folder is moved, whose process is killed: what was written stays."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from drivers import Role, TakeError
from drivers.take import Take, TakeWriter
from takes import assert_same, make_frame, make_metadata, write_take


@pytest.mark.skipif(sys.platform == "win32", reason="RLIMIT_FSIZE is a POSIX limit")
def test_a_full_disk_keeps_everything_before_it(tmp_path: Path) -> None:
    """A file-size limit stands in for the full disk: the same write fails half-way through a frame."""
    code = f"""
        import resource, signal, sys
        sys.path[:0] = {[str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]!r}
        from pathlib import Path
        import takes as t
        from drivers import TakeError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        writer = t.TakeWriter(Path({str(tmp_path / "t")!r}), t.make_metadata())
        resource.setrlimit(resource.RLIMIT_FSIZE, (10 * 96 + 40, resource.RLIM_INFINITY))
        written = 0
        try:
            for number in range(24):
                writer.append(t.make_frame(t.Role.LSR, number))
                written += 1
        except TakeError as error:
            print(written, error)
        try:
            writer.append(t.make_frame(t.Role.LSR, 11))
        except TakeError as error:
            print("again", error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        writer.close()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60, check=True
    )
    first, second = done.stdout.strip().splitlines()
    assert first.startswith("10 ")
    assert "everything before this frame is kept" in first
    assert second.startswith("again ")
    take = Take.open(tmp_path / "t")
    assert not take.recovered
    for number, frame in enumerate(take.lsr.frames()):
        assert_same(frame, make_frame(Role.LSR, number))
    assert take.lsr.info.frame_count == 10


def test_no_space_is_called_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    writer = TakeWriter(tmp_path / "t", make_metadata())
    writer.append(make_frame(Role.HSR, 0))
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(TakeError, match="disk is full"):
        writer.sync()
    monkeypatch.undo()
    writer.close()
    assert Take.open(tmp_path / "t").hsr.info.frame_count == 1


def test_a_disk_full_at_the_first_frame_of_a_segment_leaves_it_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    writer = TakeWriter(tmp_path / "t", make_metadata(segment_bytes=500))
    for number in range(5):
        writer.append(make_frame(Role.LSR, number))
    monkeypatch.setattr(os, "write", refuse)
    with pytest.raises(TakeError, match="disk is full"):
        writer.append(make_frame(Role.LSR, 5))
    monkeypatch.undo()
    writer.close()
    assert (tmp_path / "t" / "lsr" / "frames_0000.raw").stat().st_size == 5 * 96
    assert (tmp_path / "t" / "lsr" / "frames_0001.raw").stat().st_size == 0
    with Take.open(tmp_path / "t") as take:
        assert take.lsr.info.frame_count == 5


def test_a_take_that_cannot_begin_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(TakeError, match="disk is full; free space"):
        TakeWriter(tmp_path / "t", make_metadata())
    monkeypatch.undo()
    write_take(tmp_path / "t")


def test_a_take_that_is_moved_while_it_runs_keeps_its_frames(tmp_path: Path) -> None:
    writer = TakeWriter(tmp_path / "t", make_metadata())
    writer.append(make_frame(Role.LSR, 0))
    (tmp_path / "t").rename(tmp_path / "elsewhere")
    writer.append(make_frame(Role.LSR, 1))
    with pytest.raises(TakeError, match="was moved or deleted"):
        writer.close()
    with Take.open(tmp_path / "elsewhere") as take:
        assert take.recovered
        assert take.lsr.info.frame_count == 2


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
@pytest.mark.parametrize("after_frames", [0, 1, 37])
def test_kill_leaves_every_whole_frame(tmp_path: Path, after_frames: int) -> None:
    code = f"""
        import sys
        sys.path[:0] = {[str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]!r}
        from pathlib import Path
        import takes as t
        writer = t.TakeWriter(Path({str(tmp_path / "t")!r}), t.make_metadata(segment_bytes=1000))
        print("ready", flush=True)
        number = 0
        while True:
            writer.append(t.make_frame(t.Role.LSR, number))
            number += 1
            print(number, flush=True)
    """
    child = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    seen = 0
    for line in child.stdout:
        seen = 0 if line.startswith("ready") else int(line)
        if seen >= after_frames:
            break
    for _ in range(2):
        # Those who look at it do not end the mark.
        with Take.open(tmp_path / "t") as running:
            assert (running.recording, running.recovered) == (True, False)
            assert "is still being recorded" in running.findings[0]
    child.send_signal(signal.SIGKILL)
    rest = child.stdout.read().split()
    child.stdout.close()
    child.wait(30)
    announced = int(rest[-1]) if rest and rest[-1].isdigit() else seen
    take = Take.open(tmp_path / "t")
    assert (take.recording, take.recovered) == (False, True)
    assert take.lsr.info.frame_count >= announced
    for number, frame in enumerate(take.lsr.frames()):
        assert_same(frame, make_frame(Role.LSR, number))


def test_a_damaged_byte_of_the_index_costs_the_frame_of_its_row(tmp_path: Path) -> None:
    index = write_take(tmp_path / "t") / "lsr" / "index.bin"
    (tmp_path / "t" / "done.json").unlink()
    sound = index.read_bytes()
    for at in range(64):
        rows = bytearray(sound)
        rows[5 * 64 + at] ^= 0x10
        index.write_bytes(rows)
        with Take.open(tmp_path / "t") as take:
            assert list(take.lsr.frame_ids) == [1000 + n for n in range(24) if n != 5], at


def test_no_file_of_frames_is_larger_than_fat32_takes() -> None:
    camera = {"serial": "1", "width": 1024, "height": 1024, "pixel_format": "BayerRG8", "frame_rate": 30}
    metadata = make_metadata(hsr=camera)
    for role in Role:
        assert metadata.frames_per_segment(role) * metadata.camera(role).stride < 2**32
