"""What phones write: rotation, ticks, variable rates, edit lists, HDR, colour tags, damage."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Sequence
from datetime import datetime, timezone
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from drivers import DriverError, Role, SourceError
from drivers._clip_hdr import HLG, PQ, display_table, hlg_to_light, light_to_display, pq_to_light
from drivers.iphone import VideoClip, open_clip

TICKS = 600
APPLE = {
    "com.apple.quicktime.make": "Apple",
    "com.apple.quicktime.model": "iPhone 7",
    "com.apple.quicktime.creationdate": "2026-11-22T18:30:00+0100",
}


def numbered(number: int, width: int = 96, height: int = 64) -> np.ndarray:
    """A flat picture that carries its number in ten black or white bars, readable after lossy coding."""
    image = np.full((height, width, 3), 90, np.uint8)
    step = width // 12
    for bit in range(10):
        image[height // 4 :, (bit + 1) * step : (bit + 2) * step] = 235 if number >> bit & 1 else 20
    image[: height // 4] = (200, 60, 60)
    return image


def number_of(image: np.ndarray) -> int:
    step = image.shape[1] // 12
    white = image[image.shape[0] // 2, :, 1] > np.iinfo(image.dtype).max // 2
    return sum(1 << bit for bit in range(10) if white[(bit + 1) * step + step // 2])


def author(
    path: Path,
    pictures: Sequence[np.ndarray],
    ticks: Sequence[int],
    *,
    time_base: int = TICKS,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    tags: dict[str, str] | None = None,
    rotation: int = 0,
    gop: int = 24,
    colour: tuple[int, int, int] | None = None,
    sound_s: float = 0.0,
) -> Path:
    """Write a clip with exact ticks; `colour` is (primaries, transfer, matrix) by their H.273 numbers."""
    muxer = {"movflags": "use_metadata_tags", "video_track_timescale": str(time_base)}
    with av.open(str(path), "w", options=muxer) as container:
        container.metadata.update(tags or {})
        rate = max(1, round(time_base * (len(ticks) - 1) / max(1, ticks[-1] - ticks[0])))
        stream = container.add_stream(codec, rate=rate, options={"bf": "2", **(options or {})})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.gop_size = gop
        stream.codec_context.time_base = Fraction(1, time_base)
        if colour is not None:
            context = stream.codec_context
            context.color_primaries, context.color_trc, context.colorspace = colour
            context.color_range = 1
        if rotation:
            stream.set_display_rotation(rotation)
        sound = container.add_stream("aac", rate=48000, layout="mono") if sound_s else None
        for picture, tick in zip(pictures, ticks, strict=True):
            kind = "rgb48le" if picture.dtype == np.uint16 else "rgb24"
            frame = av.VideoFrame.from_ndarray(picture, format=kind)
            if colour is not None:
                # PyAV 17 takes no BT.2020 for a destination, but keeps to what the frame is tagged with.
                frame.colorspace = colour[2]
            frame = frame.reformat(format=pix_fmt, dst_color_range=1)
            frame.pts, frame.time_base = tick, Fraction(1, time_base)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            for start in range(0, round(sound_s * 48000), 1024):
                tone = np.sin(np.arange(start, start + 1024) * 0.05).astype(np.float32)[None] * 0.5
                piece = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
                piece.rate, piece.pts, piece.time_base = 48000, start, Fraction(1, 48000)
                container.mux(sound.encode(piece))
            container.mux(sound.encode(None))
    return path


def assert_seeks(clip: VideoClip, numbers: Sequence[int], *, seeks: int = 50) -> None:
    rng = np.random.default_rng(len(numbers))
    for index in rng.integers(0, len(numbers), seeks):
        assert number_of(clip.read(int(index)).image) == numbers[index]


def times(clip: VideoClip) -> np.ndarray:
    return clip.mid_exposure_ns / 1e9


def test_240_fps_in_ticks_of_a_600th(tmp_path: Path) -> None:
    ticks = [int(2.5 * n) for n in range(150)]
    path = author(tmp_path / "a.mov", [numbered(n) for n in range(150)], ticks, tags=APPLE, sound_s=0.5)
    with open_clip(path, Role.LSR) as clip:
        assert clip.info.frame_count == 150
        assert clip.info.fps == pytest.approx(240, rel=5e-3)
        np.testing.assert_allclose(times(clip), np.array(ticks) / 600, atol=2e-9)
        assert clip.model == "iPhone 7"
        assert clip.maker == "Apple"
        assert clip.created == datetime(2026, 11, 22, 17, 30, tzinfo=timezone.utc)
        assert clip.has_audio
        assert_seeks(clip, range(150))
        assert [number_of(f.image) for f in clip.frames()] == list(range(150))


@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_rotation_is_undone(tmp_path: Path, rotation: int) -> None:
    upright = [numbered(n) for n in range(20)]
    stored = [np.ascontiguousarray(np.rot90(p, -rotation // 90)) for p in upright]
    path = author(tmp_path / "a.mov", stored, [20 * n for n in range(20)], rotation=rotation)
    with open_clip(path, Role.HSR) as clip:
        assert (clip.info.width, clip.info.height) == (96, 64)
        assert_seeks(clip, range(20))
        assert clip.read(3).image[4, 40, 0] > 150
        luma = clip.read_luma(3, 48)
        assert luma.shape == (32, 48)
        small = clip.read(3).image[::2, ::2].mean(axis=2)
        assert np.corrcoef(luma.ravel(), small.ravel())[0, 1] > 0.9


def test_variable_rate_keeps_every_time(tmp_path: Path) -> None:
    ticks = [20 * n + (n * 7 % 5) // 2 for n in range(60)]
    path = author(tmp_path / "a.mov", [numbered(n) for n in range(60)], ticks, options={"bf": "0"})
    with open_clip(path, Role.HSR) as clip:
        np.testing.assert_allclose(times(clip), np.array(ticks) / 600, atol=2e-9)
        assert_seeks(clip, range(60))


def test_video_that_starts_later_than_the_sound_keeps_its_time(tmp_path: Path) -> None:
    ticks = [120 + 20 * n for n in range(30)]
    path = author(tmp_path / "a.mov", [numbered(n) for n in range(30)], ticks, sound_s=1.2)
    with open_clip(path, Role.HSR) as clip:
        assert times(clip)[0] == pytest.approx(0.2, abs=1e-6)
        sound = clip.read_audio(24000)
        assert sound is not None
        assert sound.start_s == pytest.approx(0.0, abs=0.03)
        assert len(sound.samples) == pytest.approx(1.2 * 24000, rel=0.1)
        assert_seeks(clip, range(30))


def test_sound_that_changes_its_rate_is_read_to_the_end(tmp_path: Path) -> None:
    """A transport stream whose second half was recorded at 32 kHz."""
    path = tmp_path / "a.ts"
    for half, rate in enumerate((48000, 32000)):
        part = tmp_path / f"{half}.ts"
        with av.open(str(part), "w") as container:
            video = container.add_stream("mpeg2video", rate=30)
            video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
            sound = container.add_stream("mp2", rate=rate, layout="mono")
            for number in range(30):
                frame = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
                frame.pts, frame.time_base = 30 * half + number, Fraction(1, 30)
                container.mux(video.encode(frame))
            for start in range(0, rate, 1152):
                tone = (np.sin(np.arange(start, start + 1152) * 0.05) * 9000).astype(np.int16)[None]
                piece = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
                piece.rate, piece.pts, piece.time_base = rate, half * rate + start, Fraction(1, rate)
                container.mux(sound.encode(piece))
            container.mux(video.encode(None))
            container.mux(sound.encode(None))
        with path.open("ab") as file:
            file.write(part.read_bytes())
    with open_clip(path, Role.HSR) as clip:
        heard = clip.read_audio(24000)
        assert heard is not None
        assert len(heard.samples) == pytest.approx(48000, rel=0.1)
        assert heard.samples[-12000:].std() > 0.1


def test_frames_before_an_edit_list_are_not_shown(tmp_path: Path) -> None:
    """The edit list is moved by 10 frames in the file itself, as trimming on a phone does."""
    ticks = [20 * n for n in range(60)]
    data = bytearray(author(tmp_path / "a.mov", [numbered(n) for n in range(60)], ticks).read_bytes())
    at = data.rindex(b"elst") + 4
    version, entries = data[at], struct.unpack(">I", data[at + 4 : at + 8])[0]
    assert (version, entries) == (0, 1)
    start = struct.unpack(">i", data[at + 12 : at + 16])[0]
    data[at + 12 : at + 16] = struct.pack(">i", start + 200)
    path = tmp_path / "b.mov"
    path.write_bytes(data)
    with open_clip(path, Role.HSR) as clip:
        assert clip.info.frame_count == 50
        assert number_of(clip.read(0).image) == 10
        assert times(clip)[0] == pytest.approx(0.0, abs=1e-6)
        assert_seeks(clip, range(10, 60))


def test_baked_slow_motion_gets_its_real_times_back(tmp_path: Path) -> None:
    path = author(
        tmp_path / "a.mov", [numbered(n) for n in range(48)], [80 * n for n in range(48)], time_base=2400
    )
    with open_clip(path, Role.LSR, capture_factor=8) as clip:
        assert clip.info.fps == pytest.approx(240)
        np.testing.assert_allclose(times(clip), np.arange(48) / 240, atol=1e-9)
        assert clip.capture_factor == 8
        assert_seeks(clip, range(48))
    with pytest.raises(SourceError, match="capture factor"):
        open_clip(path, Role.LSR, capture_factor=0)


def test_android_writes_down_its_capture_rate(tmp_path: Path) -> None:
    tags = {"com.android.capture.fps": "240.0", "com.android.model": "Pixel 7"}
    path = author(tmp_path / "a.mp4", [numbered(n) for n in range(4)], [20 * n for n in range(4)], tags=tags)
    with open_clip(path, Role.LSR) as clip:
        assert clip.declared_rate == 240
        assert clip.model == "Pixel 7"
        assert clip.created is None


def test_files_that_mix_up_decoding_and_presentation_times_play_in_order(tmp_path: Path) -> None:
    """Some writers store the decoding time of every packet as its presentation time, in spite of B-frames."""
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"bf": "3", "b-adapt": "0"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        packets = []
        for number in range(40):
            frame = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 30)
            packets += stream.encode(frame)
        packets += stream.encode(None)
        for number, packet in enumerate(packets):
            packet.dts = packet.pts = number
            container.mux(packet)
    with open_clip(path, Role.HSR) as clip:
        assert clip.info.frame_count == 40
        assert [number_of(f.image) for f in clip.frames()] == list(range(40))
        np.testing.assert_allclose(times(clip), np.arange(40) / 30, atol=1e-4)
        assert_seeks(clip, range(40), seeks=20)


def test_an_encrypted_clip_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    scheme = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": "76" * 16, "encryption_kid": "a7" * 16}
    with av.open(str(path), "w", options=scheme) as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(number), format="rgb24")))
        container.mux(stream.encode(None))
    with pytest.raises(SourceError, match="is encrypted"):
        open_clip(path, Role.HSR)


def flat(values: tuple[int, int, int], dtype: type = np.uint8) -> list[np.ndarray]:
    return [np.tile(np.array(values, dtype), (64, 96, 1)) for _ in range(4)]


@pytest.mark.parametrize("colour", [(1, 1, 1), (6, 6, 6), (9, 1, 9)])
def test_the_tagged_matrix_is_used(tmp_path: Path, colour: tuple[int, int, int]) -> None:
    path = author(
        tmp_path / "a.mov",
        flat((192, 64, 32)),
        [0, 20, 40, 60],
        options={"crf": "1"},
        colour=colour,
    )
    with open_clip(path, Role.HSR) as clip:
        np.testing.assert_allclose(clip.read(1).image.mean((0, 1)), (192, 64, 32), atol=4)
        assert not clip.hdr


def expected_display(signal: tuple[float, float, float], transfer: int) -> np.ndarray:
    light = hlg_to_light if transfer == HLG else pq_to_light
    return light_to_display(light(np.array([signal])))[0] * 255


@pytest.mark.parametrize("transfer", [HLG, PQ])
@pytest.mark.parametrize("signal", [(0.5, 0.5, 0.5), (0.75, 0.75, 0.75), (0.6, 0.35, 0.3), (0.42, 0.45, 0.5)])
def test_hdr_is_brought_to_display_colours(
    tmp_path: Path, transfer: int, signal: tuple[float, float, float]
) -> None:
    values = tuple(round(s * 65535) for s in signal)
    path = author(
        tmp_path / "a.mov",
        flat(values, np.uint16),
        [0, 20, 40, 60],
        codec="libx265",
        pix_fmt="yuv420p10le",
        options={"crf": "4", "x265-params": "log-level=none"},
        colour=(9, transfer, 9),
    )
    with open_clip(path, Role.HSR) as clip:
        assert clip.hdr
        np.testing.assert_allclose(
            clip.read(2).image.mean((0, 1)) / 257, expected_display(signal, transfer), atol=2
        )


@pytest.mark.parametrize("transfer", [HLG, PQ])
def test_every_seek_in_a_10_bit_hdr_clip_is_exact(tmp_path: Path, transfer: int) -> None:
    """As an iPhone writes it: HEVC Main10, BT.2020, turned."""
    upright = [numbered(n).astype(np.uint16) * 257 for n in range(60)]
    path = author(
        tmp_path / "a.mov",
        [np.ascontiguousarray(np.rot90(p)) for p in upright],
        [20 * n for n in range(60)],
        codec="libx265",
        pix_fmt="yuv420p10le",
        options={"crf": "12", "x265-params": "log-level=none"},
        colour=(9, transfer, 9),
        rotation=-90,
    )
    with open_clip(path, Role.HSR) as clip:
        assert clip.hdr
        assert (clip.info.width, clip.info.height, clip.info.frame_count) == (96, 64, 60)
        np.testing.assert_allclose(times(clip), np.arange(60) / 30, atol=2e-9)
        assert_seeks(clip, range(60))


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("a.mov", "libx265", "yuv420p"),
        ("a.mov", "libx264", "yuv420p10le"),
        ("a.mov", "prores_ks", "yuv422p10le"),
        ("a.mp4", "libsvtav1", "yuv420p10le"),
        ("a.mkv", "libvpx-vp9", "yuv420p"),
        ("a.avi", "mjpeg", "yuvj420p"),
    ],
)
def test_every_seek_is_exact_in_every_codec(tmp_path: Path, name: str, codec: str, pix_fmt: str) -> None:
    options = {"libx265": {"x265-params": "log-level=none"}, "libsvtav1": {"svtav1-params": "lp=1"}}
    pictures = [numbered(n) for n in range(50)]
    ticks = [20 * n for n in range(50)]
    path = author(
        tmp_path / name,
        pictures,
        ticks,
        codec=codec,
        pix_fmt=pix_fmt,
        options=options.get(codec, {}) | ({"bf": "0"} if codec == "mjpeg" else {}),
    )
    with open_clip(path, Role.HSR) as clip:
        assert (clip.info.width, clip.info.height, clip.info.frame_count) == (96, 64, 50)
        np.testing.assert_allclose(times(clip), np.arange(50) / 30, atol=1e-3)
        assert_seeks(clip, range(50))


def test_hdr_where_no_temporary_file_can_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = author(
        tmp_path / "a.mov",
        flat((30000, 30000, 30000), np.uint16),
        [0, 20, 40, 60],
        codec="libx265",
        pix_fmt="yuv420p10le",
        options={"x265-params": "log-level=none"},
        colour=(9, HLG, 9),
    )
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with open_clip(path, Role.HSR) as clip, pytest.raises(DriverError, match="name another folder in TMPDIR"):
        clip.read(0)


def test_hdr_curves_have_their_anchors() -> None:
    """BT.2100: 75 % HLG and 58 % PQ are reference white; HLG and PQ end at 1000 and 10000 cd/m2."""
    grey = np.array([[0.75] * 3, [1.0] * 3])
    np.testing.assert_allclose(hlg_to_light(grey)[:, 0], [203, 1000], rtol=0.02)
    np.testing.assert_allclose(pq_to_light(np.array([[0.58] * 3, [1.0] * 3]))[:, 0], [203, 10000], rtol=0.02)
    for transfer in (HLG, PQ):
        diagonal = display_table(transfer).reshape(33, 33, 33, 3)[range(33), range(33), range(33)]
        assert (np.diff(diagonal.mean(axis=1)) >= -1e-9).all()
        assert diagonal[0].max() == 0
        assert diagonal[-1].min() > 0.99


def test_damage_in_the_middle_costs_only_the_frames_that_it_hits(tmp_path: Path) -> None:
    whole = author(
        tmp_path / "a.mov",
        [numbered(n) for n in range(60)],
        [20 * n for n in range(60)],
        codec="png",
        pix_fmt="rgb24",
    )
    data = bytearray(whole.read_bytes())
    middle = data.index(b"mdat") + (data.index(b"moov") - data.index(b"mdat")) // 2
    data[middle : middle + 2500] = bytes(2500)
    path = tmp_path / "b.mov"
    path.write_bytes(data)
    with open_clip(path, Role.HSR) as clip:
        good = 0
        messages = []
        for index in range(clip.info.frame_count):
            try:
                good += number_of(clip.read(index).image) == index
            except SourceError as error:
                messages.append(str(error))
        assert good >= 45
        assert all("is damaged" in message for message in messages)
        assert clip.damaged_packets > 0


@pytest.mark.parametrize(("name", "options"), [("a.mov", {"bf": "2"}), ("a.mkv", {"bf": "0"})])
def test_no_damage_crashes_or_hangs(tmp_path: Path, name: str, options: dict[str, str]) -> None:
    """250 cuts and flipped bytes: either one sentence, or frames of the right size."""
    whole = author(
        tmp_path / name,
        [numbered(n, 48, 32) for n in range(12)],
        [20 * n for n in range(12)],
        options=options,
    ).read_bytes()
    rng = np.random.default_rng(7)
    path = tmp_path / f"damaged_{name}"
    opened = 0
    refusals = []
    for attempt in range(250):
        data = bytearray(whole)
        if attempt % 3 == 0:
            del data[int(rng.integers(0, len(data))) :]
        else:
            for place in rng.integers(0, len(data), int(rng.integers(1, 12))):
                data[place] ^= 1 << int(rng.integers(0, 8))
        path.write_bytes(data)
        try:
            with open_clip(path, Role.LSR) as clip:
                opened += 1
                assert 0 < clip.info.frame_count <= 64
                for index in range(clip.info.frame_count):
                    try:
                        assert clip.read(index).image.ndim == 3
                    except SourceError:
                        continue
        except SourceError as error:
            refusals.append(str(error))
    assert opened > 50
    assert len(refusals) > 50
    assert not any("\n" in text for text in refusals)
