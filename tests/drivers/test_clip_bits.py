"""Clips of more than 8 bits a channel: phones film HDR with 10, cameras write 10 to 16."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from drivers import PixelFormat, Role, open_clip
from drivers._clip_hdr import HLG, PQ, hlg_to_light, light_to_display, pq_to_light

WIDTH, HEIGHT = 240, 96
Samples = npt.NDArray[np.uint16]
Colour = tuple[int, int, int]
OPTIONS = {"libx265": {"crf": "4", "x265-params": "log-level=none:bframes=0"}}
BT709, BT2020_HLG, BT2020_PQ = (1, 1, 1), (9, HLG, 9), (9, PQ, 9)


def written(
    path: Path,
    planes: list[Samples],
    pix_fmt: str,
    *,
    codec: str = "ffv1",
    colour: Colour = BT709,
    full: bool = False,
    rotation: int = 0,
) -> Path:
    """A clip of two equal pictures of these planes."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30, options=OPTIONS.get(codec, {}))
        stream.height, stream.width = planes[0].shape
        stream.pix_fmt = pix_fmt
        if rotation:
            stream.set_display_rotation(rotation)
        context = stream.codec_context
        context.time_base = Fraction(1, 30)
        context.color_primaries, context.color_trc, context.colorspace = colour
        context.color_range = 2 if full else 1
        for number in range(2):
            frame = av.VideoFrame(stream.width, stream.height, pix_fmt)
            frame.color_primaries, frame.color_trc, frame.colorspace = colour
            frame.color_range = 2 if full else 1
            for plane, samples in zip(frame.planes, planes, strict=True):
                rows = np.zeros((samples.shape[0], plane.line_size // 2), np.uint16)
                rows[:, : samples.shape[1]] = samples
                plane.update(rows.tobytes())
            frame.pts, frame.time_base = number, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def ramp(bits: int, chroma: tuple[float, float], rows: int, columns: int) -> list[Samples]:
    """Luma that rises slowly from black to white, one colour difference; both as 8 bits would tell them."""
    step = 1 << (bits - 8)
    luma = np.linspace(16 * step, 235 * step, WIDTH * HEIGHT).reshape(HEIGHT, WIDTH)
    size = (HEIGHT // rows, WIDTH // columns)
    return [np.rint(luma).astype(np.uint16), *(np.full(size, round(c * step), np.uint16) for c in chroma)]


def as_rgb(planes: list[Samples], bits: int) -> npt.NDArray[np.float64]:
    """ITU-R BT.709 of `ramp`, in 0..1."""
    step = 1 << (bits - 8)
    y = (planes[0] / step - 16) / 219
    blue, red = ((plane[0, 0] / step - 128) / 224 for plane in planes[1:])
    rgb = np.stack([y + 1.5748 * red, y - 0.1873 * blue - 0.4681 * red, y + 1.8556 * blue], axis=-1)
    return np.clip(rgb, 0, 1)


@pytest.mark.parametrize("chroma", [(128, 128), (100, 150), (140, 90)])
@pytest.mark.parametrize(
    ("pix_fmt", "bits", "rows", "columns"),
    [
        ("yuv420p10le", 10, 2, 2),
        ("yuv422p10le", 10, 1, 2),
        ("yuv444p12le", 12, 1, 1),
        ("yuv420p16le", 16, 2, 2),
    ],
)
def test_every_bit_of_a_deep_clip_is_kept(
    tmp_path: Path, pix_fmt: str, bits: int, rows: int, columns: int, chroma: tuple[float, float]
) -> None:
    planes = ramp(bits, chroma, rows, columns)
    path = written(tmp_path / "a.mkv", planes, pix_fmt)
    with open_clip(path, Role.HSR) as clip:
        assert clip.info.pixel_format is clip.read(1).pixel_format is PixelFormat.RGB16
        image = clip.read(1).image
        np.testing.assert_allclose(image, as_rgb(planes, bits) * 65535, atol=8)
        # Each of the luma's levels shows in a colour that is nowhere clipped.
        assert len(np.unique(image[..., 1])) > 0.75 * len(np.unique(planes[0]))
        grey = clip.read_luma(1, WIDTH)
    with open_clip(path, Role.HSR, deep=False) as clip:
        assert clip.info.pixel_format is clip.read(1).pixel_format is PixelFormat.RGB8
        shown = clip.read(1).image
        assert shown.dtype == np.uint8
        np.testing.assert_allclose(shown, image / 257, atol=0.6)
        assert abs(shown.mean() - image.mean() / 257) < 0.1
        np.testing.assert_array_equal(clip.read_luma(1, WIDTH), grey)


@pytest.mark.parametrize(("codec", "pix_fmt"), [("libx265", "yuv420p10le"), ("prores_ks", "yuv422p10le")])
def test_what_phones_and_cameras_write_has_no_bands(tmp_path: Path, codec: str, pix_fmt: str) -> None:
    """A sky: so few grey levels of 8 bits that each would be a visible band."""
    luma = np.rint(400 + 30 * np.arange(WIDTH) / WIDTH + 8 * np.arange(HEIGHT)[:, None] / HEIGHT)
    half = (HEIGHT // (2 if "420" in pix_fmt else 1), WIDTH // 2)
    planes = [luma.astype(np.uint16), np.full(half, 512, np.uint16), np.full(half, 512, np.uint16)]
    with open_clip(written(tmp_path / "a.mov", planes, pix_fmt, codec=codec), Role.LSR) as clip:
        image = clip.read(0).image[..., 1]
    assert image.dtype == np.uint16
    assert len(np.unique(image)) > 30
    assert len(np.unique(image // 257)) < 13
    np.testing.assert_allclose(image.mean(), (luma.mean() - 64) / 876 * 65535, atol=40)


@pytest.mark.parametrize(("pix_fmt", "bits"), [("gbrp10le", 10), ("gbrp12le", 12), ("gbrp16le", 16)])
def test_rgb_is_spread_over_all_16_bits(tmp_path: Path, pix_fmt: str, bits: int) -> None:
    highest = (1 << bits) - 1
    planes = [
        np.random.default_rng(k).integers(0, highest + 1, (HEIGHT, WIDTH)).astype(np.uint16) for k in range(3)
    ]
    planes[0][0, :2] = 0, highest
    path = written(tmp_path / "a.mkv", planes, pix_fmt, full=True, colour=(1, 1, 0))
    with open_clip(path, Role.HSR) as clip:
        image = clip.read(1).image
    green, blue, red = planes
    true = np.stack([red, green, blue], -1) * (65535 / highest)
    np.testing.assert_allclose(image, true, atol=0 if bits == 16 else 1)
    assert list(image[0, :2, 1]) == [0, 65535]


@pytest.mark.parametrize(("pix_fmt", "bits"), [("gray10le", 10), ("gray16le", 16)])
def test_grey_is_spread_over_all_16_bits(tmp_path: Path, pix_fmt: str, bits: int) -> None:
    levels = np.linspace(0, (1 << bits) - 1, WIDTH * HEIGHT).reshape(HEIGHT, WIDTH)
    planes = [np.rint(levels).astype(np.uint16)]
    with open_clip(written(tmp_path / "a.mkv", planes, pix_fmt, full=True), Role.HSR) as clip:
        image = clip.read(1).image
    true = planes[0][..., None].repeat(3, 2) * (65535 / ((1 << bits) - 1))
    np.testing.assert_allclose(image, true, atol=1)


@pytest.mark.parametrize("colour", [BT2020_HLG, BT2020_PQ])
def test_hdr_is_brought_to_display_colours_with_16_bits(tmp_path: Path, colour: Colour) -> None:
    planes = ramp(10, (128, 128), 2, 2)
    path = written(tmp_path / "a.mkv", planes, "yuv420p10le", colour=colour)
    with open_clip(path, Role.HSR) as clip:
        assert clip.hdr
        image = clip.read(1).image
    signal = np.repeat((planes[0][..., None] - 64) / 876, 3, axis=2)
    light = hlg_to_light if colour[1] == HLG else pq_to_light
    true = light_to_display(light(signal)) * 65535
    # A table of 33 nodes an axis is used: it is a few grey levels of 8 bits off where the curve is steepest.
    assert abs(image - true).mean() < 80
    assert len(np.unique(image[..., 1])) > 400
    steps = np.diff(image[..., 1].astype(np.int64).ravel())
    assert steps.min() > -100
    with open_clip(path, Role.HSR, deep=False) as clip:
        shown = clip.read(1).image
    np.testing.assert_allclose(shown, image / 257, atol=1.6)


def test_a_deep_clip_is_put_upright(tmp_path: Path) -> None:
    planes = ramp(10, (110, 140), 1, 1)
    lying = written(tmp_path / "a.mkv", planes, "yuv444p10le")
    turned = written(tmp_path / "b.mkv", planes, "yuv444p10le", rotation=-90)
    with open_clip(lying, Role.HSR) as clip, open_clip(turned, Role.HSR) as other:
        assert (other.info.width, other.info.height) == (HEIGHT, WIDTH)
        np.testing.assert_array_equal(other.read(1).image, np.rot90(clip.read(1).image, -1))


def test_a_clip_of_8_bits_stays_as_it_is(tmp_path: Path) -> None:
    grey = np.arange(WIDTH * HEIGHT, dtype=np.uint32).reshape(HEIGHT, WIDTH) * 219 // (WIDTH * HEIGHT) + 16
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=30)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "bgr0"
        picture = np.repeat(grey[..., None].astype(np.uint8), 3, axis=2)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="bgr0")
        container.mux([*stream.encode(frame), *stream.encode(None)])
    for deep in (True, False):
        with open_clip(path, Role.HSR, deep=deep) as clip:
            assert clip.info.pixel_format is PixelFormat.RGB8
            np.testing.assert_array_equal(clip.read(0).image, picture)
