"""Takes of cameras with more than 8 bits: fused clips and exports keep what the file can hold."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest

from app.fuse import run_job
from app.fuse_job import FuseJob
from app.fusion_options import FusionOptions
from app.pipeline import Pipeline
from app.raw_export import RawView
from app.size_estimate import estimate_size
from drivers import Frame, FrameFlag, PixelFormat, Role, Take, TakeWriter, to_rgb
from fusing import decode, twinrate
from fusion.evaluation.metrics import psnr
from synthetic import moving_scene
from takes import make_metadata

DARK = 16
"""A picture with so many grey levels of 8 bits: what is left of a scene without enough light."""

Deep = npt.NDArray[np.uint16]


@dataclass(frozen=True)
class DarkTake:
    path: Path
    truth: list[Deep]


@pytest.fixture(scope="module")
def dark(tmp_path_factory: pytest.TempPathFactory) -> DarkTake:
    """One view in the dark, by cameras of 16 bits."""
    return film(tmp_path_factory.mktemp("dark") / "take")


def film(path: Path, brighter: int = 1) -> DarkTake:
    """The same, with a fast camera that films so many times as bright."""
    truth = [
        cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.uint16) * DARK
        for frame in moving_scene(12, 128, 160)
    ]
    sizes = {"hsr": (160, 128), "lsr": (40, 32)}
    metadata = make_metadata(
        **{
            name: {
                "serial": f"1629000{k}",
                "width": width,
                "height": height,
                "pixel_format": "Mono16",
                "frame_rate": (240, 30)[name == "hsr"],
            }
            for k, (name, (width, height)) in enumerate(sizes.items())
        },
        extra={},
    )
    with TakeWriter(path, metadata) as writer:
        for k, whole in enumerate(truth):
            small = cv2.resize(whole * brighter, (40, 32), interpolation=cv2.INTER_AREA)
            for role, image in ((Role.LSR, small), (Role.HSR, whole)):
                # The sharp camera takes every eighth pulse.
                pulse = k + 85
                if role is Role.HSR and pulse % 8:
                    continue
                writer.append(
                    Frame(
                        np.asarray(image, np.uint16),
                        PixelFormat.MONO16,
                        role,
                        frame_id=pulse if role is Role.LSR else pulse // 8,
                        mid_exposure_ns=10**12 + k * 4_166_667,
                        exposure_us=2000.0,
                        gain_db=0.0,
                        host_ns=k * 4_166_667,
                        flags=FrameFlag.NONE,
                    )
                )
        writer.close({"missing": 0})
    return DarkTake(path, truth)


def fuse(dark: DarkTake, out: Path, codec: str, method: str = "classical") -> dict[str, object]:
    assert (
        twinrate("fuse", dark.path, "--out", out, "--codec", codec, "--method", method, "--align", "none")
        == 0
    )
    said: dict[str, object] = json.loads(Path(f"{out}.json").read_text())
    return said


def deep_frames(path: Path) -> list[Deep]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb48le") for frame in container.decode(video=0)]


def brightened(frame: Deep) -> npt.NDArray[np.uint8]:
    return np.clip(np.rint(frame / DARK), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("method", ["classical", "live"])
def test_a_dark_take_is_fused_with_the_bits_it_was_filmed_with(
    dark: DarkTake, tmp_path: Path, method: str
) -> None:
    said = fuse(dark, tmp_path / "deep.mkv", "ffv1", method)
    assert said["bits"] == 16
    deep = deep_frames(tmp_path / "deep.mkv")
    assert len(deep) == len(dark.truth)
    for k in (3, 11):
        np.testing.assert_array_equal(deep[k], dark.truth[k][..., None].repeat(3, 2))
    assert fuse(dark, tmp_path / "shallow.mp4", "h264", method)["bits"] == 8
    run_job(
        FuseJob((dark.path,), tmp_path / "pictures", FusionOptions(method=method, align="none"), codec="png")
    )
    for k in (5, 8):
        true = brightened(dark.truth[k])[..., None].repeat(3, 2)
        rounded = np.clip(np.rint(deep[k] / 257), 0, 255) * 257
        assert psnr(brightened(deep[k]), true) > psnr(brightened(rounded), true) + 1
        kept = cv2.imread(str(tmp_path / "pictures" / f"{k:06d}.png"), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(np.asarray(kept)[..., ::-1], deep[k])


def test_a_dark_sharp_camera_beside_a_bright_one_keeps_its_bits_until_a_clip_of_8_is_written(
    tmp_path: Path,
) -> None:
    take = film(tmp_path / "take", brighter=8)
    with Take.open(take.path) as opened:
        for deep in (False, True):
            pipeline = Pipeline(opened.pair(), FusionOptions(method="classical", align="none"), deep=deep)
            for k, made in enumerate(pipeline.frames()):
                seen = made.image if made.image.dtype == np.uint8 else np.rint(made.image / 257)
                true = np.rint(take.truth[k] * 8 / 257)[..., None].repeat(3, 2)
                if k % 8 == 3:
                    assert psnr(seen, true) > 45


def test_prores_keeps_10_bits(dark: DarkTake, tmp_path: Path) -> None:
    said = fuse(dark, tmp_path / "clip.mov", "prores")
    assert said["bits"] == 10
    with av.open(str(tmp_path / "clip.mov")) as container:
        first = next(iter(container.decode(video=0)))
        assert first.format.name == "yuv422p10le"
    luma = np.frombuffer(bytes(first.planes[0]), np.uint16).reshape(128, -1)[:, :160]
    true = 64 + dark.truth[0] / 65535 * 876
    # Four times as many levels as of 8 bits; the codec itself loses some.
    assert len(np.unique(luma)) > 2 * len(np.unique(np.rint(true / 4)))


def test_what_a_camera_of_16_bits_filmed_is_exported_as_ffv1_bit_for_bit(
    dark: DarkTake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for view, suffix in (("hsr", "mkv"), ("lsr", "avi")):
        out = tmp_path / f"{view}.{suffix}"
        assert twinrate("export", dark.path, "--out", out, "--view", view, "--codec", "ffv1", "--json") == 0
        assert json.loads(capsys.readouterr().out.splitlines()[-1])["bits"] == 16
        with Take.open(dark.path) as take:
            stream = take.stream(Role.HSR if view == "hsr" else Role.LSR)
            for index, frame in enumerate(deep_frames(out)):
                np.testing.assert_array_equal(frame, to_rgb(stream.read(index)))
        # What other programs show of it, and what comes of it as an input.
        assert decode(out)[0].dtype == np.uint8


@pytest.mark.parametrize(("codec", "bits"), [("h264", 8), ("ffv1", 16), ("prores", 10), ("tiff", 16)])
def test_the_dialog_s_estimate_knows_the_bits(dark: DarkTake, codec: str, bits: int) -> None:
    for view in (None, RawView.LSR):
        assert estimate_size(dark.path, view, codec, "high").bits == bits
