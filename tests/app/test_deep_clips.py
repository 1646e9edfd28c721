"""Clips of more than 8 bits, such as phones film: fused and exported with what the output can hold."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest

from app.export import open_sink
from app.raw_export import RawView
from app.sinks import codec_for
from app.size_estimate import estimate_size
from drivers import PixelFormat, Role, Take, open_clip
from fusing import decode, twinrate
from fusion.evaluation.metrics import psnr
from synthetic import moving_scene

HEIGHT, WIDTH = 128, 160
FIRST, RATIO = 3, 8
"""The LSR frame of the first HSR frame's instant, and LSR frames from there to the next."""
RATE = 250
"""Frames a second whose times are whole milliseconds, which is what Matroska stores."""

Deep = npt.NDArray[np.uint16]


@dataclass(frozen=True)
class Clips:
    """The same view filmed by both, each with 10 bits and with 8."""

    hsr: Path
    lsr: Path
    hsr_8: Path
    lsr_8: Path
    truth: list[Deep]
    """What fused frames show, in 0..1023."""


def lossless(path: Path, frames: list[Deep], rate: Fraction, *, bits: int) -> Path:
    """A clip of values in 0..1023."""
    kind = "gbrp10le" if bits == 10 else "bgr0"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=rate)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = kind
        for frame in frames:
            if bits == 10:
                picture = av.VideoFrame.from_ndarray(frame, format=kind)
            else:
                rounded = np.rint(frame / 1023 * 255).astype(np.uint8)
                picture = av.VideoFrame.from_ndarray(rounded, format="rgb24").reformat(format=kind)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    folder = tmp_path_factory.mktemp("clips")
    slow = np.linspace(0, 250, WIDTH)[None, :, None]
    scene = [(frame * 3 + slow).astype(np.uint16) for frame in moving_scene(12, HEIGHT, WIDTH)]
    small = [
        np.asarray(cv2.resize(frame, (WIDTH // 4, HEIGHT // 4), interpolation=cv2.INTER_AREA), np.uint16)
        for frame in scene
    ]
    return Clips(
        lossless(folder / "hsr.mkv", scene[FIRST::RATIO], Fraction(RATE, RATIO), bits=10),
        lossless(folder / "lsr.mkv", small, Fraction(RATE), bits=10),
        lossless(folder / "hsr8.mkv", scene[FIRST::RATIO], Fraction(RATE, RATIO), bits=8),
        lossless(folder / "lsr8.mkv", small, Fraction(RATE), bits=8),
        scene,
    )


def fuse(hsr: Path, lsr: Path, out: Path, codec: str) -> dict[str, object]:
    given = ("--offset-ms", 1000 * FIRST / RATE, "--capture-factor", 1, "--align", "none")
    assert twinrate("fuse", hsr, lsr, "--out", out, "--codec", codec, "--method", "classical", *given) == 0
    said: dict[str, object] = json.loads(Path(f"{out}.json").read_text())
    return said


def deep_frames(path: Path) -> list[Deep]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb48le") for frame in container.decode(video=0)]


def filmed(path: Path, role: Role) -> list[npt.NDArray[np.generic]]:
    with open_clip(path, role) as clip:
        return [frame.image for frame in clip.frames()]


def test_clips_of_10_bits_are_fused_with_16(clips: Clips, tmp_path: Path) -> None:
    assert fuse(clips.hsr, clips.lsr, tmp_path / "deep.mkv", "ffv1")["bits"] == 16
    made = deep_frames(tmp_path / "deep.mkv")
    for k, sharp in enumerate(filmed(clips.hsr, Role.HSR)):
        np.testing.assert_array_equal(made[FIRST + RATIO * k], sharp)
    assert all(len(np.unique(frame)) > 300 for frame in made)
    assert fuse(clips.hsr, clips.lsr, tmp_path / "pictures", "png")["bits"] == 16
    picture = cv2.imread(str(tmp_path / "pictures" / "000006.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(np.asarray(picture)[..., ::-1], made[6])
    # The same pictures as of clips of 8 bits, only finer.
    assert fuse(clips.hsr_8, clips.lsr_8, tmp_path / "shallow.mkv", "ffv1")["bits"] == 8
    for fine, coarse in zip(made, decode(tmp_path / "shallow.mkv"), strict=True):
        assert abs(fine.mean() / 257 - coarse.mean()) < 0.1


@pytest.mark.parametrize("deep", list(Role))
def test_one_of_both_clips_with_10_bits_is_enough(clips: Clips, tmp_path: Path, deep: Role) -> None:
    hsr = clips.hsr if deep is Role.HSR else clips.hsr_8
    lsr = clips.lsr if deep is Role.LSR else clips.lsr_8
    assert fuse(hsr, lsr, tmp_path / "mixed.mkv", "ffv1")["bits"] == 16
    fuse(clips.hsr, clips.lsr, tmp_path / "both.mkv", "ffv1")
    mixed, both = deep_frames(tmp_path / "mixed.mkv"), deep_frames(tmp_path / "both.mkv")
    for made, best, true in zip(mixed, both, clips.truth, strict=True):
        assert abs(made.mean() - best.mean()) < 0.1 * 257
        assert psnr(made / 257, true / 1023 * 255) > min(psnr(best / 257, true / 1023 * 255) - 0.5, 50)
    # Between two sharp frames, what either brings shows.
    assert len(np.unique(mixed[FIRST + 2])) > 300


@pytest.mark.parametrize("how", [(), ("--transcode",)])
def test_a_take_made_of_clips_keeps_their_bits(
    clips: Clips, tmp_path: Path, capsys: pytest.CaptureFixture[str], how: tuple[str, ...]
) -> None:
    take = tmp_path / "take"
    given = ("--offset-ms", 1000 * FIRST / RATE, "--capture-factor", 1, *how)
    assert twinrate("import", clips.hsr, clips.lsr, "--out", take, *given) == 0
    true = {role: filmed(path, role) for role, path in ((Role.HSR, clips.hsr), (Role.LSR, clips.lsr))}
    with Take.open(take) as opened:
        for role in Role:
            stream = opened.stream(role)
            assert stream.info.pixel_format is PixelFormat.RGB16
            for frame, image in zip(stream.frames(), true[role], strict=True):
                np.testing.assert_array_equal(frame.image, image)
    for role in Role:
        icon = np.asarray(cv2.imread(str(take / f"{role}.jpg")))
        assert abs(icon.mean() - true[role][len(true[role]) // 2].astype(float).mean() / 257) < 2
    for codec, suffix, bits in (("ffv1", "mkv", 16), ("h264", "mp4", 8), ("hevc", "mp4", 10)):
        out = tmp_path / f"{codec}.{suffix}"
        call = ("export", take, "--out", out, "--view", "hsr", "--codec", codec, "--json")
        capsys.readouterr()
        assert twinrate(*call) == 0
        assert json.loads(capsys.readouterr().out.splitlines()[-1])["bits"] == bits
        for view in (None, RawView.HSR, RawView.SIDE_BY_SIDE):
            assert estimate_size(take, view, codec, "high").bits == bits
    np.testing.assert_array_equal(deep_frames(tmp_path / "ffv1.mkv"), true[Role.HSR])


def test_hevc_keeps_10_bits_as_players_take_them(clips: Clips, tmp_path: Path) -> None:
    assert fuse(clips.hsr, clips.lsr, tmp_path / "deep.mp4", "hevc")["bits"] == 10
    assert fuse(clips.hsr_8, clips.lsr_8, tmp_path / "shallow.mp4", "hevc")["bits"] == 8
    for name, profile, pix_fmt in (("deep", "Main 10", "yuv420p10le"), ("shallow", "Main", "yuv420p")):
        with av.open(str(tmp_path / f"{name}.mp4")) as container:
            context = container.streams.video[0].codec_context
            assert (context.codec_tag, context.profile, context.pix_fmt) == ("hvc1", profile, pix_fmt)
            assert (context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1)
    assert fuse(clips.hsr, clips.lsr, tmp_path / "h264.mp4", "h264")["bits"] == 8


@pytest.mark.parametrize("level", [0, 12_345, 40_000, 65_535])
def test_hevc_of_10_bits_is_neither_brighter_nor_darker(tmp_path: Path, level: int) -> None:
    sink = open_sink(tmp_path / "a.mp4", codec_for("hevc", tmp_path / "a.mp4"), 64, 64, Fraction(30))
    for _ in range(2):
        sink.write(np.full((64, 64, 3), level, np.uint16))
    sink.finish()
    with av.open(str(tmp_path / "a.mp4")) as container:
        first = next(iter(container.decode(video=0)))
    luma, blue, red = (np.frombuffer(bytes(plane), np.uint16) for plane in first.planes)
    assert abs(luma[:64].mean() - (64 + 876 * level / 65535)) < 1
    assert abs(blue[:32].mean() - 512) < 1
    assert abs(red[:32].mean() - 512) < 1
    with open_clip(tmp_path / "a.mp4", Role.HSR) as clip:
        assert abs(clip.read(0).image.mean() - level) < 100
