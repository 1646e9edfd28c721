"""Clips as cameras other than phones leave them: cut streams, pictures beside the video, fields, sizes."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from drivers import Role, open_clip
from pictures import RgbImage, textured


def numbered(number: int, width: int = 96, height: int = 64) -> RgbImage:
    """Its number in seven black or white bars over a texture."""
    image = textured(height, width, seed=1, cell=9)
    step = width // 8
    for bit in range(7):
        image[height // 2 :, bit * step : (bit + 1) * step] = 235 if number >> bit & 1 else 20
    return image


def number_of(image: RgbImage) -> int:
    step = image.shape[1] // 8
    row = image[image.shape[0] * 3 // 4, :, 1]
    return sum(1 << bit for bit in range(7) if row[bit * step + step // 2] > 128)


def write(
    path: Path,
    pictures: Sequence[RgbImage],
    *,
    codec: str = "libx264",
    start: int = 0,
    options: dict[str, str] | None = None,
    still: RgbImage | None = None,
    sound: bool = False,
) -> Path:
    """At 30 fps from tick `start` on; a still picture is a track of its own, in front of the video."""
    with av.open(str(path), "w") as container:
        streams = []
        for name, size in (("mjpeg", still), (codec, pictures[0])):
            if size is None:
                continue
            stream = container.add_stream(name, rate=30, options={} if name == "mjpeg" else options or {})
            stream.height, stream.width = size.shape[:2]
            stream.pix_fmt = "yuvj420p" if name == "mjpeg" else "yuv420p"
            streams.append((stream, [size] if name == "mjpeg" else pictures))
        heard = container.add_stream("mp2", rate=48000, layout="mono") if sound else None
        for stream, shown in streams:
            for number, picture in enumerate(shown):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts, frame.time_base = start + number, Fraction(1, 30)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        if heard is not None:
            for first in range(0, 1600 * len(pictures), 1152):
                tone = (np.sin(np.arange(first, first + 1152) * 0.05) * 9000).astype(np.int16)[None]
                piece = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
                piece.rate, piece.time_base = 48000, Fraction(1, 48000)
                piece.pts = start * 1600 + first
                container.mux(heard.encode(piece))
            container.mux(heard.encode(None))
    return path


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_a_stream_cut_anywhere_begins_with_its_first_whole_frame(tmp_path: Path, codec: str) -> None:
    """As camcorders split long recordings: the first frames refer to others in the file before."""
    pictures = [numbered(n) for n in range(60)]
    whole = write(tmp_path / "a.ts", pictures, codec=codec, options={"g": "15", "bf": "2"}).read_bytes()
    path = tmp_path / "b.ts"
    path.write_bytes(whole[len(whole) // 188 // 3 * 188 :])
    with open_clip(path, Role.HSR) as clip:
        numbers = [number_of(frame.image) for frame in clip.frames()]
        assert 30 <= len(numbers) < 60
        assert numbers == list(range(60 - len(numbers), 60))
        np.testing.assert_allclose(np.diff(clip.mid_exposure_ns), 1e9 / 30, atol=1e5)


def test_a_still_picture_beside_the_video_is_not_the_video(tmp_path: Path) -> None:
    still = textured(256, 384, seed=3, cell=9)
    path = write(tmp_path / "a.mov", [numbered(n) for n in range(12)], still=still)
    with open_clip(path, Role.HSR) as clip:
        assert (clip.info.width, clip.info.height, clip.info.frame_count) == (96, 64, 12)
        assert [number_of(frame.image) for frame in clip.frames()] == list(range(12))


def test_fields_are_told(tmp_path: Path) -> None:
    pictures = [numbered(n) for n in range(6)]
    plain = write(tmp_path / "a.mp4", pictures)
    fields = write(tmp_path / "b.mp4", pictures, options={"x264-params": "tff=1"})
    for path, told in ((plain, False), (fields, True)):
        with open_clip(path, Role.HSR) as clip:
            assert clip.interlaced == told


def test_pictures_of_another_size_are_brought_to_that_of_the_first(tmp_path: Path) -> None:
    """A stream that switched to another resolution on the way."""
    large = write(tmp_path / "a.ts", [numbered(n) for n in range(10)], options={"bf": "0"})
    small = [numbered(n, 48, 32) for n in range(10, 20)]
    rest = write(tmp_path / "b.ts", small, start=10, options={"bf": "0"})
    path = tmp_path / "c.ts"
    path.write_bytes(large.read_bytes() + rest.read_bytes())
    with open_clip(path, Role.HSR) as clip:
        frames = list(clip.frames())
        assert [number_of(frame.image) for frame in frames] == list(range(20))
        assert {frame.image.shape for frame in frames} == {(64, 96, 3)}
        assert {clip.read_luma(n, 48).shape for n in range(20)} == {(32, 48)}


def test_long_sound_is_decoded_while_it_is_used(tmp_path: Path) -> None:
    """As an hour of it is a gigabyte; what the track lacks is silent."""
    path = write(tmp_path / "a.ts", [numbered(n) for n in range(180)], sound=True)
    with open_clip(path, Role.HSR) as clip:
        first = int(clip.mid_exposure_ns[0])
        heard = clip.read_sound(first - 10**9, first + 3600 * 10**9)
        assert heard is not None
        assert heard.length == 3601 * 48000
        loud = longest = count = 0
        for piece in heard.pieces():
            count += piece.shape[1]
            longest = max(longest, piece.shape[1])
            loud += int((np.abs(piece) > 0.01).any()) * piece.shape[1]
        again = next(heard.pieces())
    assert count == heard.length
    assert longest <= 48000
    assert 5 * 48000 < loud < 7 * 48000
    assert not again.any()


def test_a_part_of_the_sound_is_read_only_so_far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the clip's time line begins hours after zero, as in transport streams."""
    path = write(tmp_path / "a.ts", [numbered(n) for n in range(180)], start=300_000, sound=True)
    taken = []
    original = av.AudioResampler

    class Counting:
        def __init__(self, **how: object) -> None:
            self._real = original(**how)

        def resample(self, frame: av.AudioFrame) -> list[av.AudioFrame]:
            taken.append(frame)
            return self._real.resample(frame)

    monkeypatch.setattr(av, "AudioResampler", Counting)
    with open_clip(path, Role.HSR) as clip:
        first = int(clip.mid_exposure_ns[0])
        heard = clip.read_sound(first, first + 10**9)
    assert heard is not None
    samples = np.concatenate(list(heard.pieces()), axis=1)
    assert samples.shape == (1, heard.length) == (1, 48000)
    assert samples[:, 24000:].std() > 0.1
    assert len(taken) < 3 * 48000 / 1152
