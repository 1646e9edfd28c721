"""Clips as streams: exact pictures, exact times, exact seeks, and one sentence for what is no clip."""

from __future__ import annotations

import os
import shutil
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from drivers import PixelFormat, Role, SourceError
from drivers.iphone import open_clip, open_clip_pair


def picture(number: int, width: int = 64, height: int = 48) -> np.ndarray:
    """A different random texture for every number, smooth enough for lossy codecs."""
    rng = np.random.default_rng(number)
    small = rng.integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def write_clip(
    path: Path,
    pictures: list[np.ndarray],
    *,
    fps: int = 30,
    codec: str = "ffv1",
    pix_fmt: str = "bgr0",
    options: dict[str, str] | None = None,
    gop: int = 12,
) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options=options or {})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.gop_size = gop
        for number, image in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pix_fmt)
            frame.pts = number
            frame.time_base = Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "options"),
    [
        ("a.mkv", "ffv1", "bgr0", {}),
        ("a.avi", "ffv1", "bgr0", {}),
        ("a.avi", "utvideo", "gbrp", {}),
        ("a.mov", "png", "rgb24", {}),
        ("a.mp4", "libx264rgb", "rgb24", {"qp": "0", "bf": "2"}),
        ("a.mkv", "libx264rgb", "bgr0", {"qp": "0"}),
    ],
)
def test_lossless_rgb_comes_back_bit_exact(
    tmp_path: Path, name: str, codec: str, pix_fmt: str, options: dict[str, str]
) -> None:
    pictures = [picture(n) for n in range(20)]
    path = write_clip(tmp_path / name, pictures, codec=codec, pix_fmt=pix_fmt, options=options)
    with open_clip(path, Role.HSR) as clip:
        info = clip.info
        assert (info.width, info.height, info.frame_count) == (64, 48, 20)
        assert info.pixel_format is PixelFormat.RGB8
        assert info.role is Role.HSR
        assert info.fps == pytest.approx(30, rel=2e-3)
        for number, frame in enumerate(clip.frames()):
            np.testing.assert_array_equal(frame.image, pictures[number])
            assert frame.frame_id == number
            assert frame.mid_exposure_ns == clip.mid_exposure_ns[number]
        np.testing.assert_allclose(clip.mid_exposure_ns, np.arange(20) * 1e9 / 30, atol=0.6e6)


@pytest.mark.parametrize("bframes", ["0", "3"])
def test_every_seek_is_exact(tmp_path: Path, bframes: str) -> None:
    pictures = [picture(n) for n in range(90)]
    options = {"qp": "0", "bf": bframes, "x264-params": "scenecut=0:open-gop=1"}
    path = write_clip(
        tmp_path / "a.mp4", pictures, codec="libx264rgb", pix_fmt="rgb24", options=options, fps=240
    )
    rng = np.random.default_rng(1)
    with open_clip(path, Role.LSR) as clip:
        assert clip.info.fps == pytest.approx(240)
        for index in [*rng.integers(0, 90, 50), *range(89, 70, -1)]:
            np.testing.assert_array_equal(clip.read(int(index)).image, pictures[index])


def test_a_picture_that_was_read_is_the_callers_own(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", [picture(n) for n in range(3)])
    with open_clip(path, Role.HSR) as clip:
        first = clip.read(0).image
        first[:] = 0
        np.testing.assert_array_equal(clip.read(0).image, picture(0))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_a_name_may_hold_the_time_of_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FFmpeg reads what stands before a colon as the name of a protocol."""
    whole = write_clip(tmp_path / "a.mkv", [picture(n) for n in range(3)])
    name = whole.rename(tmp_path / "2026-11-27T10:30:15.mkv").name
    monkeypatch.chdir(tmp_path)
    with open_clip(name, Role.HSR) as clip:
        assert clip.info.name == name
        np.testing.assert_array_equal(clip.read(2).image, picture(2))


def test_closing_ends_reading(tmp_path: Path) -> None:
    clip = open_clip(write_clip(tmp_path / "a.mkv", [picture(0), picture(1)]), Role.HSR)
    with pytest.raises(SourceError, match="no frame 2"):
        clip.read(2)
    clip.close()
    clip.close()
    with pytest.raises(SourceError, match="closed"):
        clip.read(0)


def audio_file(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def make_bad(kind: str, folder: Path) -> Path:
    path = folder / f"{kind}.mp4"
    if kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("no video here\n" * 100)
    elif kind == "noise":
        path.write_bytes(np.random.default_rng(0).bytes(5000))
    elif kind == "sound":
        shutil.move(audio_file(folder / "a.wav"), path)
    elif kind in ("jpg", "png", "bmp", "tiff", "webp"):
        path = folder / f"photo.{kind}"
        cv2.imwrite(str(path), picture(0))
    elif kind == "cut":
        whole = write_clip(
            folder / "w.mp4", [picture(n) for n in range(30)], codec="libx264", pix_fmt="yuv420p"
        )
        path.write_bytes(whole.read_bytes()[:-400])
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "no such file"),
        ("folder", "is a folder"),
        ("empty", "file is empty"),
        ("text", "not a video|no video stream"),
        ("noise", "not a video"),
        ("sound", "sound but no video"),
        ("jpg", "is a photo"),
        ("png", "is a photo"),
        ("bmp", "is a photo"),
        ("tiff", "is a photo"),
        ("webp", "is a photo"),
        ("cut", "cut off before its index"),
    ],
)
def test_what_is_no_clip_is_told_in_one_sentence(tmp_path: Path, kind: str, message: str) -> None:
    path = make_bad(kind, tmp_path)
    with pytest.raises(SourceError, match=message) as caught:
        open_clip(path, Role.HSR)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.mkv", "a.avi"])
@pytest.mark.parametrize("part", [0.3, 0.55, 0.9])
def test_a_file_cut_in_the_middle_gives_the_frames_before_the_cut(
    tmp_path: Path, name: str, part: float
) -> None:
    pictures = [picture(n) for n in range(60)]
    data = write_clip(tmp_path / name, pictures, options={"g": "1"}, gop=1).read_bytes()
    path = tmp_path / f"cut_{name}"
    path.write_bytes(data[: int(len(data) * part)])
    with open_clip(path, Role.LSR) as clip:
        count = clip.info.frame_count
        assert 60 * part - 4 <= count <= 60 * part + 1
        for number, frame in enumerate(clip.frames()):
            np.testing.assert_array_equal(frame.image, pictures[number])


def test_a_cut_mp4_with_its_index_in_front_gives_the_frames_before_the_cut(tmp_path: Path) -> None:
    pictures = [picture(n) for n in range(60)]
    with av.open(str(tmp_path / "a.mp4"), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264rgb", rate=30, options={"qp": "0", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb24"
        for number, image in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = number
            frame.time_base = Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with open_clip(tmp_path / "a.mp4", Role.LSR) as clip:
        assert not clip.missing_s
    data = (tmp_path / "a.mp4").read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[: len(data) * 2 // 3])
    with open_clip(path, Role.LSR) as clip:
        assert 20 <= clip.info.frame_count < 60
        assert clip.missing_s == pytest.approx((60 - clip.info.frame_count) / 30, abs=0.05)
        for number, frame in enumerate(clip.frames()):
            np.testing.assert_array_equal(frame.image, pictures[number])


@pytest.fixture
def clips(tmp_path: Path) -> tuple[Path, Path]:
    hsr = write_clip(tmp_path / "h.mkv", [picture(n, 128, 96) for n in range(5)], fps=30)
    lsr = write_clip(tmp_path / "l.mkv", [picture(n, 32, 24) for n in range(40)], fps=240)
    return hsr, lsr


def test_a_pair_is_put_on_one_clock_by_its_offset(clips: tuple[Path, Path]) -> None:
    pair = open_clip_pair(*clips, offset_ms=12.5)
    assert pair.clock_offset_ns is not None
    hsr_on_lsr = pair.hsr.mid_exposure_ns[0] + pair.clock_offset_ns
    assert hsr_on_lsr - pair.lsr.mid_exposure_ns[0] == 12_500_000
    assert (pair.hsr.info.role, pair.lsr.info.role) == (Role.HSR, Role.LSR)


def test_impossible_pairs_are_refused(tmp_path: Path, clips: tuple[Path, Path]) -> None:
    hsr, lsr = clips
    small_slow = write_clip(tmp_path / "ss.mkv", [picture(n, 16, 16) for n in range(5)], fps=30)
    large_fast = write_clip(tmp_path / "lf.mkv", [picture(n, 256, 192) for n in range(9)], fps=480)
    for first, second, message in (
        (lsr, hsr, f"swapped .*give {hsr.name}|swapped"),
        (hsr, hsr, "same clip was given twice"),
        (hsr, shutil.copy(hsr, tmp_path / "copy.mkv"), "same clip was given twice"),
        (small_slow, lsr, "more pixels"),
        (large_fast, lsr, "higher frame rate"),
        (hsr, tmp_path / "no.mov", "no such file"),
    ):
        with pytest.raises(SourceError, match=message):
            open_clip_pair(first, second, offset_ms=0.0)
