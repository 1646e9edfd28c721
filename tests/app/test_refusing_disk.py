"""Disks that refuse in the middle of a job: what is kept, what is said, and that their room comes back."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from app.errors import CancelledError, OutputError
from app.export import Sink, open_sink
from app.fuse import run_job
from app.fuse_job import FuseJob
from app.fusion_options import FusionOptions
from app.gui.words import in_window_words
from app.outputs import check_output
from app.raw_export import RawExportJob, RawView, run_raw_export
from app.sinks import codec_for
from app.sinks.segments import SEGMENT_FRAMES
from drivers import Take
from synthetic import ClipPair, make_pair
from takes import write_take

resource = pytest.importorskip("resource", reason="limits the size of files")

BICUBIC = FusionOptions(method="bicubic", align="none")
LINUX = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the open files of a process are asked")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> ClipPair:
    return make_pair(tmp_path_factory.mktemp("pair"), 64)


def job(pair: ClipPair, out: Path, *, resume: bool = False) -> FuseJob:
    inputs = (pair.hsr, pair.lsr)
    return FuseJob(inputs, out, BICUBIC, offset_ms=pair.offset_ms, codec="ffv1", resume=resume)


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """The system refuses to write more than so many bytes into one file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def open_in(folder: Path) -> list[str]:
    """Files of a folder that this process has open, deleted ones as well."""
    found = []
    for handle in Path("/proc/self/fd").iterdir():
        try:
            name = os.readlink(handle)
        except OSError:
            continue
        if name.startswith(f"{folder}/"):
            found.append(name)
    return found


@LINUX
@pytest.mark.parametrize("name", ["clip.mkv", "clip.mp4"])
def test_a_job_that_was_stopped_gives_its_room_back(tmp_path: Path, name: str) -> None:
    """What is deleted while it is open still fills the disk."""
    take = write_take(tmp_path / "take")
    asked: list[None] = []

    def cancelled() -> bool:
        asked.append(None)
        return len(asked) > 9

    with pytest.raises(CancelledError):
        run_raw_export(RawExportJob(take, tmp_path / name, RawView.LSR), cancelled=cancelled)
    assert not open_in(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["take"]


@LINUX
def test_a_job_that_the_disk_ended_gives_its_room_back(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (480, 640, 3), np.uint8)
    sink = open_sink(tmp_path / "clip.mkv", codec_for("ffv1", tmp_path / "clip.mkv"), 640, 480, Fraction(30))

    def write_on() -> None:
        # FFmpeg writes some megabytes at once.
        for _ in range(SEGMENT_FRAMES - 1):
            sink.write(noise)

    with no_file_larger_than(20_000), pytest.raises(OutputError, match=r"clip\.mkv cannot be written"):
        write_on()
    assert sink.abandon() is None
    assert not open_in(tmp_path)
    assert not list(tmp_path.iterdir())


def test_only_what_left_a_part_is_said_to_go_on(
    pair: ClipPair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "clip.mkv"
    with no_file_larger_than(5_000), pytest.raises(OutputError) as failure:
        run_job(job(pair, out))
    assert "--resume" not in str(failure.value)
    assert not list(tmp_path.iterdir())
    frames: list[None] = []

    def full(self: Sink, image: object) -> None:
        raise OutputError(f"{out}: the disk is full; free some space and run again")

    def count() -> None:
        frames.append(None)
        if len(frames) == SEGMENT_FRAMES:
            monkeypatch.setattr("app.sinks.video.VideoSink.write", full)

    with pytest.raises(OutputError, match="--resume goes on with what is done") as failure:
        run_job(job(pair, out), on_frame=count)
    assert "--" not in in_window_words(str(failure.value))
    monkeypatch.undo()
    assert run_job(job(pair, out, resume=True)).frames == 64


@pytest.mark.parametrize("name", ["clip.mkv", "pictures"])
@pytest.mark.parametrize("at", [9, 60])
def test_where_the_folder_is_gone_nothing_is_said_to_go_on(
    pair: ClipPair, tmp_path: Path, name: str, at: int
) -> None:
    """As when a disk is pulled."""
    folder = tmp_path / "disk"
    folder.mkdir()
    frames: list[None] = []

    def count() -> None:
        frames.append(None)
        if len(frames) == at:
            shutil.rmtree(folder)

    inputs = (pair.hsr, pair.lsr)
    with pytest.raises(OutputError, match="cannot be written") as failure:
        run_job(FuseJob(inputs, folder / name, BICUBIC, offset_ms=pair.offset_ms), on_frame=count)
    assert "--resume" not in str(failure.value)
    assert not folder.exists()


def test_a_refused_description_of_the_part_leaves_nothing_locked(pair: ClipPair, tmp_path: Path) -> None:
    out = tmp_path / "clip.mkv"
    blocked = tmp_path / "clip.partial.mkv.json.tmp"
    blocked.mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        run_job(job(pair, out))
    blocked.rmdir()
    assert not list(tmp_path.iterdir())
    assert run_job(job(pair, out)).frames == 64


def test_names_too_long_for_what_stands_beside_them_are_refused_at_once(tmp_path: Path) -> None:
    longest = os.pathconf(tmp_path, "PC_NAME_MAX")
    take = write_take(tmp_path / "take")
    for room in (-5, 0, 4, 12, 16):
        out = tmp_path / f"{'x' * (longest - room - 4)}.mp4"
        with pytest.raises(OutputError, match="name is too long"):
            check_output(out, overwrite=False)
    out = tmp_path / f"{'x' * (longest - 21)}.mp4"
    run_raw_export(RawExportJob(take, out, RawView.LSR))
    assert out.is_file()


@pytest.mark.parametrize("raw", [False, True])
def test_what_another_job_has_finished_meanwhile_is_not_replaced(
    pair: ClipPair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raw: bool
) -> None:
    take = write_take(tmp_path / "take")
    out = tmp_path / "clip.mkv"

    def late(*arguments: object, **options: object) -> Sink:
        out.write_bytes(b"of the other job")
        return open_sink(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("app.raw_export.open_sink" if raw else "app.fuse.open_sink", late)
    begin = (
        partial(run_raw_export, RawExportJob(take, out, RawView.LSR))
        if raw
        else partial(run_job, job(pair, out))
    )
    with pytest.raises(OutputError, match="exists already"):
        begin()
    assert out.read_bytes() == b"of the other job"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mkv", "take"]
    with Take.open(take) as opened:
        assert opened.lsr.info.frame_count == 24
