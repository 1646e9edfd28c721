"""`twinrate import` makes a whole take or none, whatever ends it; damaged frames do not."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

import app.import_clips
from app.import_clips import import_clips
from drivers import Take, TakeError
from fusing import decode, twinrate
from pictures import RgbImage
from synthetic import ClipPair, make_pair, shrink, write_lossless


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> ClipPair:
    return make_pair(tmp_path_factory.mktemp("pair"))


def write_damaged(path: Path, frames: list[RgbImage], rate: int, damaged: int) -> Path:
    """Frames that are coded one by one; one of them is nothing but zeros."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=Fraction(rate))
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "rgb24"
        for number, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            picture.pts, picture.time_base = number, Fraction(1, rate)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    with av.open(str(path)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    data = bytearray(path.read_bytes())
    start, size = packets[damaged]
    assert start is not None
    data[start : start + size] = bytes(size)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("how", [(), ("--transcode",)])
def test_a_damaged_frame_is_told_and_does_not_end_the_import(
    pair: ClipPair, tmp_path: Path, capsys: pytest.CaptureFixture[str], how: tuple[str, ...]
) -> None:
    """The one in the middle, from which a take's picture is made."""
    hsr = write_damaged(tmp_path / "hsr.mov", pair.truth[3::8], 30, 2)
    take = tmp_path / "take"
    assert twinrate("import", hsr, pair.lsr, "--out", take, "--offset-ms", 12.5, *how) == 0
    told = "HSR frame 2 is damaged, frame 1 stands in for it"
    assert capsys.readouterr().err.count(told) == 1
    assert {"take.json", "done.json", "hsr.jpg", "lsr.jpg"} <= {p.name for p in take.iterdir()}
    with Take.open(take) as opened:
        assert not opened.recovered
        assert told in opened.findings
        assert opened.hsr.info.frame_count == 5
        if how:
            times = opened.hsr.mid_exposure_ns
            assert np.diff(times).tolist() == pytest.approx([1e9 / 30] * 4, abs=1e6)
            assert opened.hsr.frame_ids.tolist() == [0, 1, 2, 3, 4]
            assert np.array_equal(opened.hsr.read(2).image, opened.hsr.read(1).image)
    assert told in json.loads((take / "take.json").read_text())["extra"]["import"]["warnings"]
    out = tmp_path / "clip.mkv"
    assert twinrate("fuse", take, "--out", out, "--align", "none", "--method", "bicubic") == 0
    assert len(decode(out)) == 40


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals for one process")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_transcoding_leaves_nothing(pair: ClipPair, tmp_path: Path, number: signal.Signals) -> None:
    hsr = write_lossless(tmp_path / "hsr.mkv", pair.truth[3::8] * 40, 30)
    lsr = write_lossless(tmp_path / "lsr.mkv", [shrink(f, 4) for f in pair.truth] * 40, 240)
    take = tmp_path / "takes" / "take"
    take.parent.mkdir()
    command = [sys.executable, "-m", "app", "import", str(hsr), str(lsr), "--out", str(take)]
    process = subprocess.Popen(
        [*command, "--offset-ms", "12.5", "--transcode"], stderr=subprocess.PIPE, text=True
    )
    while not list(take.parent.rglob("index.bin")) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said == f"twinrate: {take} was not finished; import the clips again\n"
    assert not list(take.parent.iterdir())


@pytest.mark.parametrize("transcode", [False, True])
def test_a_full_disk_leaves_nothing(
    pair: ClipPair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transcode: bool
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(app.import_clips, "write_picture", full)
    take = tmp_path / "take"
    with pytest.raises(TakeError, match=r"take: cannot be written \(No space left on device\)"):
        import_clips(pair.hsr, pair.lsr, take, offset_ms=12.5, transcode=transcode)
    assert not list(tmp_path.iterdir())
    monkeypatch.undo()
    import_clips(pair.hsr, pair.lsr, take, offset_ms=12.5, transcode=transcode)
    assert [p.name for p in tmp_path.iterdir()] == ["take"]


@pytest.mark.parametrize("transcode", [False, True])
def test_what_somebody_else_makes_meanwhile_stays(pair: ClipPair, tmp_path: Path, transcode: bool) -> None:
    take = tmp_path / "take"

    def somebody() -> None:
        take.mkdir()
        (take / "take.json").write_text("precious")

    with pytest.raises(TakeError, match="take: was made by another program meanwhile"):
        import_clips(pair.hsr, pair.lsr, take, offset_ms=12.5, transcode=transcode, on_write=somebody)
    assert [p.name for p in tmp_path.iterdir()] == ["take"]
    assert [p.read_text() for p in take.iterdir()] == ["precious"]
