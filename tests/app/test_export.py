"""Clips and picture folders: what is written reads back, nothing half-done keeps the final name."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import tifffile
from filelock import FileLock

from app.errors import InputError, OutputError
from app.export import open_sink
from app.outputs import check_output, partial_path, write_picture
from app.sinks import CODECS, codec_for
from app.sinks.segments import SEGMENT_FRAMES
from drivers import RgbImage
from fusion.evaluation.metrics import psnr

RATE = Fraction(240)


def write(path: Path, frames: list[RgbImage], codec: str | None = None, *, resume: bool = False) -> None:
    height, width = frames[0].shape[:2]
    sink = open_sink(path, codec_for(codec, path), width, height, RATE, resume=resume)
    for frame in frames[sink.frames_done :]:
        sink.write(frame)
    sink.finish()


def read(path: Path) -> tuple[list[RgbImage], list[float]]:
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return [f.to_ndarray(format="rgb24") for f in frames], [float(f.time or 0) for f in frames]


@pytest.mark.parametrize(
    ("name", "codec", "floor_db"),
    [
        ("clip.mp4", None, 31.0),
        ("clip.mkv", "h264", 31.0),
        ("clip.mp4", "hevc", 31.0),
        ("clip.mov", "prores", 31.0),
        ("clip.mkv", "ffv1", 100.0),
        ("clip.avi", None, 100.0),
    ],
)
def test_a_clip_reads_back_frame_by_frame(
    tmp_path: Path, moving_texture: list[RgbImage], name: str, codec: str | None, floor_db: float
) -> None:
    path = tmp_path / name
    write(path, moving_texture, codec)
    frames, times = read(path)
    assert len(frames) == len(moving_texture)
    height, width = frames[0].shape[:2]
    assert moving_texture[0].shape[0] - height in (0, 1)
    assert moving_texture[0].shape[1] - width in (0, 1)
    for shown, meant in zip(frames, moving_texture, strict=True):
        assert psnr(shown, np.ascontiguousarray(meant[:height, :width])) >= floor_db
    # Matroska keeps milliseconds, the others exact times.
    assert times == pytest.approx([i / 240 for i in range(len(times))], abs=6e-4)
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(("codec", "suffix"), [("png", "png"), ("tiff", "tiff")])
def test_a_folder_of_pictures_is_lossless(
    tmp_path: Path, moving_texture: list[RgbImage], codec: str, suffix: str
) -> None:
    path = tmp_path / "pictures"
    write(path, moving_texture[:3], codec)
    files = sorted(path.iterdir())
    assert [f.name for f in files] == [f"{i:06d}.{suffix}" for i in range(3)]
    for file, frame in zip(files, moving_texture, strict=False):
        shown = tifffile.imread(file) if codec == "tiff" else np.asarray(cv2.imread(str(file)))[:, :, ::-1]
        assert np.array_equal(shown, frame)


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "h264"), ("a.mov", "prores"), ("a.mkv", "ffv1")])
def test_a_second_run_writes_the_same_bytes(
    tmp_path: Path, moving_texture: list[RgbImage], name: str, codec: str
) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / name, moving_texture[:60], codec)
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "pictures"])
def test_a_stopped_job_is_readable_and_resumes_to_the_same_result(
    tmp_path: Path, moving_texture: list[RgbImage], name: str
) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    whole.mkdir()
    stopped.mkdir()
    write(whole / name, moving_texture)

    path = stopped / name
    height, width = moving_texture[0].shape[:2]
    sink = open_sink(path, codec_for(None, path), width, height, RATE)
    for frame in moving_texture[: SEGMENT_FRAMES + 9]:
        sink.write(frame)
    kept = sink.abandon()
    assert kept == partial_path(path)
    assert not path.exists()
    shown = list(kept.iterdir()) if kept.is_dir() else read(kept)[0]
    assert len(shown) == SEGMENT_FRAMES + 9

    write(path, moving_texture, resume=True)
    if path.is_dir():
        pairs = [(f, whole / name / f.name) for f in sorted(path.iterdir())]
        assert len(pairs) == len(moving_texture)
        assert all(a.read_bytes() == b.read_bytes() for a, b in pairs)
    else:
        assert path.read_bytes() == (whole / name).read_bytes()


def killed(path: Path, frames: list[RgbImage]) -> list[Path]:
    """What a job leaves that is killed behind these frames: its finished parts, in order."""
    height, width = frames[0].shape[:2]
    sink = open_sink(path, codec_for(None, path), width, height, RATE)
    for frame in frames:
        sink.write(frame)
    kept = sink.abandon()
    assert kept is not None
    folder = kept if kept.is_dir() else kept.with_name(kept.name + ".segments")
    return sorted(folder.iterdir())


@pytest.mark.parametrize("name", ["clip.mp4", "clip.avi", "pictures"])
@pytest.mark.parametrize("share", [0.0, 0.6])
def test_what_a_power_cut_left_half_is_made_again(
    tmp_path: Path, moving_texture: list[RgbImage], name: str, share: float
) -> None:
    path = tmp_path / name
    frames = [*moving_texture, *moving_texture][: 2 * SEGMENT_FRAMES + 5]
    last = killed(path, frames[:-3])[-1]
    os.truncate(last, int(last.stat().st_size * share))
    write(path, frames, resume=True)
    if path.is_dir():
        assert all(cv2.imread(str(picture)) is not None for picture in path.iterdir())
        assert len(list(path.iterdir())) == len(frames)
    else:
        assert len(read(path)[0]) == len(frames)


def test_a_tiff_cut_short_is_made_again(tmp_path: Path, moving_texture: list[RgbImage]) -> None:
    path = tmp_path / "pictures"
    write(path, moving_texture[:3], "tiff")
    path.rename(partial_path(path))
    whole = (partial_path(path) / "000001.tiff").read_bytes()
    (partial_path(path) / "000001.tiff").write_bytes(whole[:-9] + bytes(9))
    assert open_sink(path, CODECS["tiff"], 8, 8, RATE, resume=True).frames_done == 1


def test_frames_that_got_lost_on_the_disk_are_no_finished_clip(
    tmp_path: Path, moving_texture: list[RgbImage]
) -> None:
    path = tmp_path / "clip.mkv"
    height, width = moving_texture[0].shape[:2]
    sink = open_sink(path, CODECS["ffv1"], width, height, RATE)
    for frame in moving_texture[: SEGMENT_FRAMES + 3]:
        sink.write(frame)
    first = tmp_path / "clip.partial.mkv.segments" / "000000.mkv"
    os.truncate(first, first.stat().st_size * 6 // 10)
    with pytest.raises(OutputError, match=f"of its {SEGMENT_FRAMES + 3} frames"):
        sink.finish()
    assert not path.exists()
    write(path, moving_texture, "ffv1", resume=True)
    assert len(read(path)[0]) == len(moving_texture)


@pytest.mark.skipif(os.name == "nt", reason="Windows numbers files in another way")
@pytest.mark.parametrize("name", ["clip.mp4", "pictures"])
def test_what_gets_a_name_is_on_the_disk(
    tmp_path: Path, moving_texture: list[RgbImage], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Or a power cut leaves the name and not the bytes."""
    on_disk: set[int] = set()
    named: list[Path] = []
    fsync, replace = os.fsync, Path.replace

    def synced(handle: int) -> None:
        on_disk.add(os.fstat(handle).st_ino)
        fsync(handle)

    def renamed(self: Path, target: Path) -> Path:
        assert self.stat().st_ino in on_disk, target
        on_disk.discard(target.parent.stat().st_ino)
        named.append(target)
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    write(tmp_path / name, moving_texture[:5])
    assert named[-1] == tmp_path / name
    assert tmp_path.stat().st_ino in on_disk


@pytest.mark.parametrize(
    ("name", "codec"), [("clip.mp4", "h264"), ("clip.mov", "hevc"), ("clip.avi", "ffv1")]
)
def test_frames_are_shown_at_their_places(
    tmp_path: Path, moving_texture: list[RgbImage], name: str, codec: str
) -> None:
    frames = moving_texture[: SEGMENT_FRAMES + 12]
    gaps = {20: Fraction(7), SEGMENT_FRAMES: Fraction(1, 2), len(frames) - 1: Fraction(3)}
    slots = [k + sum((gap for at, gap in gaps.items() if k >= at), Fraction(0)) for k in range(len(frames))]
    path = tmp_path / name
    height, width = frames[0].shape[:2]
    sink = open_sink(path, CODECS[codec], width, height, RATE, slots=slots)
    for frame in frames:
        sink.write(frame)
    sink.finish()
    shown, times = read(path)
    assert times == pytest.approx([float(slot / 240) for slot in slots], abs=1e-6)
    for picture, meant in zip(shown, frames, strict=True):
        part = np.ascontiguousarray(meant[: picture.shape[0], : picture.shape[1]])
        assert psnr(picture, part) >= 31


@pytest.mark.parametrize(("name", "codec"), [("clip.mp4", "h264"), ("clip.mov", "prores")])
def test_thousands_of_frames_a_second_have_times_of_their_own(tmp_path: Path, name: str, codec: str) -> None:
    path = tmp_path / name
    sink = open_sink(path, CODECS[codec], 64, 48, Fraction(2000))
    for value in range(60):
        sink.write(np.full((48, 64, 3), 4 * value, np.uint8))
    sink.finish()
    frames, times = read(path)
    assert times == pytest.approx([k / 2000 for k in range(60)], abs=1e-6)
    assert np.argsort([frame.mean() for frame in frames]).tolist() == list(range(60))
    for coarse in ("clip.mkv", "clip.avi"):
        with pytest.raises(OutputError, match="at most 1000 frames/s"):
            open_sink(tmp_path / coarse, CODECS["ffv1"], 64, 48, Fraction(2000))
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_job_without_frames_leaves_nothing(tmp_path: Path) -> None:
    for name in ("clip.mp4", "pictures"):
        sink = open_sink(tmp_path / name, codec_for(None, tmp_path / name), 64, 64, RATE)
        assert sink.abandon() is None
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_named(
    tmp_path: Path, moving_texture: list[RgbImage], monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = open_sink(tmp_path / "pictures", CODECS["png"], 243, 181, RATE)

    def full(self: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="the disk is full"):
        sink.write(moving_texture[0])


def test_a_disk_that_fills_up_keeps_the_whole_segments(
    tmp_path: Path, moving_texture: list[RgbImage], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "clip.mp4"
    sink = open_sink(path, codec_for(None, path), 243, 181, RATE)
    for frame in moving_texture[:SEGMENT_FRAMES]:
        sink.write(frame)

    def full(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", full)
        for frame in moving_texture[SEGMENT_FRAMES : 2 * SEGMENT_FRAMES - 1]:
            sink.write(frame)
        with pytest.raises(OutputError, match="the disk is full"):
            sink.write(moving_texture[2 * SEGMENT_FRAMES - 1])
    kept = sink.abandon()
    assert kept is not None
    assert len(read(kept)[0]) == SEGMENT_FRAMES
    write(path, moving_texture, resume=True)
    assert len(read(path)[0]) == len(moving_texture)


@pytest.mark.parametrize(
    ("codec", "name", "reason"),
    [
        ("h265", "clip.mp4", "there is no codec 'h265'"),
        ("h264", "clip.gif", "needs a file ending in .mp4"),
        ("png", "clip.png", "writes a folder of pictures"),
        ("ffv1", "clip.mp4", "needs a file ending in .mkv"),
    ],
)
def test_codec_and_ending_must_fit(codec: str, name: str, reason: str) -> None:
    with pytest.raises(OutputError, match=reason):
        codec_for(codec, Path(name))


def test_a_clip_that_cannot_be_joined_leaves_its_segments_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "clip.mp4"
    sink = open_sink(out, codec_for("h264", out), 64, 48, Fraction(30))
    for _ in range(SEGMENT_FRAMES + 3):
        sink.write(np.zeros((48, 64, 3), np.uint8))
    real = av.open

    def full(name: str, mode: str = "r", **options: object) -> object:
        if mode == "w" and name == str(partial_path(out)):
            Path(name).write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(name, mode, **options)

    monkeypatch.setattr(av, "open", full)
    with pytest.raises(OutputError, match="disk is full"):
        sink.finish()
    monkeypatch.undo()
    assert not partial_path(out).exists()
    again = open_sink(out, codec_for("h264", out), 64, 48, Fraction(30), resume=True)
    assert again.frames_done >= SEGMENT_FRAMES
    again.finish()
    assert out.is_file()


@pytest.mark.parametrize(("name", "codec"), [("clip.mkv", "ffv1"), ("pictures", "png")])
def test_what_one_job_is_writing_no_other_touches(tmp_path: Path, name: str, codec: str) -> None:
    out = tmp_path / name
    frames = [np.full((48, 64, 3), value, np.uint8) for value in range(SEGMENT_FRAMES + 3)]
    first = open_sink(out, CODECS[codec], 64, 48, RATE)
    for frame in frames:
        first.write(frame)
    attempt = (
        "import sys; from pathlib import Path; from fractions import Fraction\n"
        "from app.sinks import CODECS; from app.export import open_sink\n"
        "open_sink(Path(sys.argv[1]), CODECS[sys.argv[2]], 64, 48, Fraction(30))"
    )
    second = subprocess.run(
        [sys.executable, "-c", attempt, str(out), codec], capture_output=True, text=True, check=False
    )
    assert f"{name}: another job is writing it" in second.stderr
    with pytest.raises(OutputError, match="another job is writing it"):
        open_sink(out, CODECS[codec], 64, 48, RATE, resume=True)
    first.finish()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    written = read(out)[0] if codec == "ffv1" else [cv2.imread(str(p)) for p in sorted(out.iterdir())]
    assert [int(frame.mean()) for frame in written] == list(range(SEGMENT_FRAMES + 3))
    again = open_sink(out, CODECS[codec], 64, 48, RATE)
    again.write(frames[0])
    assert again.abandon() is not None
    open_sink(out, CODECS[codec], 64, 48, RATE, resume=True).discard()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_somebody_put_among_the_pictures_meanwhile_is_not_lost(tmp_path: Path) -> None:
    out = tmp_path / "pictures"
    out.mkdir()
    (out / "000000.png").write_bytes(b"old")
    sink = open_sink(out, CODECS["png"], 8, 8, RATE)
    sink.write(np.zeros((8, 8, 3), np.uint8))
    (out / "notes.txt").write_text("precious")
    with pytest.raises(OutputError, match="more than numbered pictures by now"):
        sink.finish()
    assert sorted(path.name for path in out.iterdir()) == ["000000.png", "notes.txt"]
    (out / "notes.txt").unlink()
    again = open_sink(out, CODECS["png"], 8, 8, RATE, resume=True)
    assert again.frames_done == 1
    again.finish()
    assert (out / "000000.png").read_bytes() != b"old"


def test_a_share_without_locks_is_written_to_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(FileLock, "acquire", refused)
    write(tmp_path / "clip.mkv", [np.full((48, 64, 3), 9, np.uint8)], "ffv1")
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mkv"]


def test_outputs_are_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "there.mp4").write_bytes(b"precious")
    with pytest.raises(OutputError, match="exists already"):
        check_output(tmp_path / "there.mp4", overwrite=False)
    check_output(tmp_path / "there.mp4", overwrite=True)
    with pytest.raises(OutputError, match="does not exist"):
        check_output(tmp_path / "nowhere" / "clip.mp4", overwrite=False)


@pytest.mark.skipif(os.name == "nt", reason="links need rights of their own there")
@pytest.mark.parametrize("leads_to", ["pictures", "nowhere", "link"])
def test_a_link_in_the_place_of_a_folder_of_pictures_is_refused_before_any_work(
    tmp_path: Path, leads_to: str
) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "link").symlink_to(leads_to)
    with pytest.raises(OutputError, match="exists already"):
        check_output(tmp_path / "link", overwrite=False)
    with pytest.raises(OutputError, match=r"is a link, .* or the folder it leads to"):
        check_output(tmp_path / "link", overwrite=True)


@pytest.mark.skipif(os.name == "nt", reason="links need rights of their own there")
def test_links_in_a_circle_are_no_error_of_the_program(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("link")
    with pytest.raises(OutputError, match="does not exist"):
        check_output(tmp_path / "link" / "clip.mp4", overwrite=False)
    check_output(tmp_path / "clip.mp4", overwrite=False, inputs=[tmp_path / "link"])


def test_a_picture_is_there_whole_or_not_at_all(
    tmp_path: Path, moving_texture: list[RgbImage], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "picture.png"
    write_picture(path, moving_texture[0])
    with pytest.raises(InputError, match="not a picture's ending"):
        write_picture(tmp_path / "picture.txt", moving_texture[1])

    def full(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", full)
        with pytest.raises(OSError, match="No space"):
            write_picture(path, moving_texture[1])
    assert list(tmp_path.iterdir()) == [path]
    assert np.array_equal(cv2.imread(str(path))[..., ::-1], moving_texture[0])
