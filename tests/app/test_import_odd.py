"""`twinrate import` of odd names, numbers and pixels, and after an import that was killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import pytest

from app.errors import InputError
from app.import_clips import import_clips
from drivers import SourceError
from fusing import twinrate
from pictures import RgbImage
from synthetic import ClipPair, make_pair, shrink, write_lossless

GIVEN = ("--offset-ms", 12.5)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> ClipPair:
    return make_pair(tmp_path_factory.mktemp("pair"))


def begin_transcoding(pair: ClipPair, folder: Path, take: Path) -> subprocess.Popen[str]:
    """An import that runs for a while, at a moment when it has written something."""
    hsr = write_lossless(folder / "hsr.mkv", pair.truth[3::8] * 40, 30)
    lsr = write_lossless(folder / "lsr.mkv", [shrink(f, 4) for f in pair.truth] * 40, 240)
    command = [sys.executable, "-m", "app", "import", str(hsr), str(lsr), "--out", str(take)]
    process = subprocess.Popen([*command, "--offset-ms", "12.5", "--transcode"], text=True)
    while not list(take.parent.rglob("index.bin")) and process.poll() is None:
        time.sleep(0.01)
    return process


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals for one process")
def test_what_a_killed_import_has_left_goes_with_the_next_one(pair: ClipPair, tmp_path: Path) -> None:
    """What one that still runs is working on stays, and so does what no import has made."""
    takes = tmp_path / "takes"
    own = takes / "import-mine.partial"
    own.mkdir(parents=True)
    process = begin_transcoding(pair, tmp_path, takes / "first")
    process.send_signal(signal.SIGSTOP)
    try:
        import_clips(pair.hsr, pair.lsr, takes / "second", offset_ms=12.5)
        at_work = {p.name for p in takes.iterdir()} - {"second", own.name}
        assert len(at_work) == 1
    finally:
        process.kill()
        process.wait()
    assert at_work <= {p.name for p in takes.iterdir()}
    import_clips(pair.hsr, pair.lsr, takes / "third", offset_ms=12.5)
    assert {p.name for p in takes.iterdir()} == {"second", "third", own.name}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_a_name_that_is_no_text_is_refused(
    pair: ClipPair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bytes of an old Windows, as they lie on memory cards."""
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/Stra\xdfe.mkv"))
    odd.write_bytes(pair.hsr.read_bytes())
    for command in (
        (odd, pair.lsr, "--out", tmp_path / "take"),
        (pair.hsr, pair.lsr, "--out", odd.with_suffix(".take")),
    ):
        assert twinrate("import", *command, *GIVEN) == 1
        said = capsys.readouterr().err
        assert "no UTF-8" in said
        assert len(said.splitlines()) == 1
    assert list(tmp_path.iterdir()) == [odd]


@pytest.mark.parametrize(("option", "code"), [("--offset-ms", 2), ("--nudge-ms", 1)])
def test_impossible_offsets_are_refused(
    pair: ClipPair, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, code: int
) -> None:
    how = (*GIVEN, "--nudge-ms", "1e30") if option == "--nudge-ms" else (option, "1e30")
    assert twinrate("import", pair.hsr, pair.lsr, "--out", tmp_path / "take", *how) == code
    said = capsys.readouterr().err
    assert "week" in said
    assert option in said
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="links need rights of their own there")
@pytest.mark.parametrize("leads_to", ["nowhere", "take"])
def test_a_link_in_the_place_of_the_take_is_told_at_once(
    pair: ClipPair, tmp_path: Path, leads_to: str
) -> None:
    (tmp_path / "take").symlink_to(leads_to)
    with pytest.raises(SourceError, match="take: already exists"):
        import_clips(pair.hsr, pair.lsr, tmp_path / "take", offset_ms=12.5)


def test_a_clip_that_goes_meanwhile_is_told(pair: ClipPair, tmp_path: Path) -> None:
    card = tmp_path / "hsr.mkv"
    card.write_bytes(pair.hsr.read_bytes())
    with pytest.raises((SourceError, InputError), match="has gone while it was imported"):
        import_clips(card, pair.lsr, tmp_path / "take", offset_ms=12.5, on_write=card.unlink)
    assert not list(tmp_path.iterdir())


def write_wide(path: Path, pictures: list[RgbImage], rate: int, **options: str) -> Path:
    """Pixels that are shown 4/3 as wide as high."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options=options)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("how", [(), ("--transcode",)])
def test_takes_keep_the_shape_of_pixels(pair: ClipPair, tmp_path: Path, how: tuple[str, ...]) -> None:
    hsr = write_wide(tmp_path / "hsr.mp4", pair.truth[3::8], 30)
    lsr = write_wide(tmp_path / "lsr.mp4", [shrink(f, 4) for f in pair.truth], 240)
    take, out = tmp_path / "take", tmp_path / "clip.mp4"
    assert twinrate("import", hsr, lsr, "--out", take, *GIVEN, *how) == 0
    assert json.loads((take / "take.json").read_text())["hsr"]["pixel_aspect"] == [4, 3]
    assert twinrate("fuse", take, "--out", out, "--align", "none", "--method", "bicubic") == 0
    with av.open(str(out)) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)


def test_a_clip_that_was_cut_off_is_named(
    pair: ClipPair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, lsr = tmp_path / "whole.mov", tmp_path / "lsr.mov"
    with av.open(str(pair.lsr)) as given, av.open(str(whole), "w", options={"movflags": "faststart"}) as out:
        stream = out.add_stream("prores_ks", rate=240)
        stream.height, stream.width = (side // 4 for side in pair.truth[0].shape[:2])
        stream.pix_fmt = "yuv422p10le"
        for frame in given.decode(video=0):
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    data = whole.read_bytes()
    lsr.write_bytes(data[: len(data) * 2 // 3])
    said = []
    for name, clip in (("whole", whole), ("cut", lsr)):
        assert twinrate("import", pair.hsr, clip, "--out", tmp_path / name, *GIVEN, "--json") == 0
        said += json.loads(capsys.readouterr().out.splitlines()[-1])["warnings"]
    (told,) = (text for text in said if "before the end that it states" in text)
    assert told.startswith(f"{lsr} ends 0.")


def test_interlaced_clips_are_told(
    pair: ClipPair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hsr = write_wide(tmp_path / "hsr.mp4", pair.truth[3::8], 30, **{"x264-params": "tff=1"})
    assert twinrate("import", hsr, pair.lsr, "--out", tmp_path / "take", *GIVEN, "--json") == 0
    warnings = json.loads(capsys.readouterr().out.splitlines()[-1])["warnings"]
    assert [text for text in warnings if f"{hsr} is interlaced" in text] == warnings
