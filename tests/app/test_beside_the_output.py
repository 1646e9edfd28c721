"""What lies beside an output: the file that describes it, foreign files, the take that it is made from."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from app.errors import CancelledError, OutputError
from app.fuse import run_job
from app.fuse_job import FuseJob
from app.fusion_options import FusionOptions
from app.raw_export import RawExportJob, RawView, run_raw_export
from drivers import Take
from fusing import decode, twinrate
from synthetic import ClipPair, make_pair

HOW = ("--align", "none", "--method", "bicubic")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> ClipPair:
    return make_pair(tmp_path_factory.mktemp("pair"), 64)


def imported(pair: ClipPair, take: Path) -> Path:
    assert twinrate("import", pair.hsr, pair.lsr, "--out", take, "--offset-ms", pair.offset_ms) == 0
    return take


def stopped(job: FuseJob, frames: int) -> None:
    """A job that the operator ends after some frames."""
    done: list[None] = []
    with pytest.raises(CancelledError, match="--resume"):
        run_job(job, on_frame=lambda: done.append(None), cancelled=lambda: len(done) >= frames)


def test_a_fusion_into_its_takes_own_folder_is_resumed(pair: ClipPair, tmp_path: Path) -> None:
    take = imported(pair, tmp_path / "take")
    options = FusionOptions(method="bicubic", align="none")
    stopped(FuseJob((take,), take / "clip.mkv", options), 50)
    result = run_job(FuseJob((take,), take / "clip.mkv", options, resume=True))
    assert len(decode(take / "clip.mkv")) == result.frames == 64
    assert json.loads((take / "clip.mkv.json").read_text())["frames_resumed"] == 48
    assert not list(take.glob("*partial*"))


def test_a_fusion_of_a_take_whose_clip_was_replaced_is_not_resumed(pair: ClipPair, tmp_path: Path) -> None:
    lsr = tmp_path / "lsr.mkv"
    lsr.write_bytes(pair.lsr.read_bytes())
    take = tmp_path / "take"
    assert twinrate("import", pair.hsr, lsr, "--out", take, "--offset-ms", pair.offset_ms) == 0
    options = FusionOptions(method="bicubic", align="none")
    stopped(FuseJob((take,), tmp_path / "clip.mkv", options), 50)
    os.utime(lsr, (1, 1))
    with pytest.raises(OutputError, match="other inputs"):
        run_job(FuseJob((take,), tmp_path / "clip.mkv", options, resume=True))


def test_another_name_of_an_input_is_known(
    pair: ClipPair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Macs and Windows know a file by its name in large and small letters: here it has two names."""
    own = tmp_path / "clip.mkv"
    own.write_bytes(pair.hsr.read_bytes())
    (tmp_path / "CLIP.MKV").hardlink_to(own)
    how = ("--offset-ms", 12.5, "--align", "none", "--method", "bicubic", "--codec", "ffv1", "--overwrite")
    assert twinrate("fuse", own, pair.lsr, "--out", tmp_path / "CLIP.MKV", *how) == 1
    assert "from which it is made" in capsys.readouterr().err


@pytest.mark.parametrize("extra", [(), ("--overwrite",)])
def test_a_foreign_file_is_not_replaced_by_the_description(
    pair: ClipPair, tmp_path: Path, capsys: pytest.CaptureFixture[str], extra: tuple[str, ...]
) -> None:
    texts = {"notes.json": '{"cameras": 2}', "list.json": "[1, 2]", "clip.mp4.json": "no JSON"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        out = tmp_path / name.removesuffix(".json")
        code = twinrate("fuse", pair.hsr, pair.lsr, "--offset-ms", 12.5, "--out", out, *HOW, *extra)
        (said,) = capsys.readouterr().err.splitlines()
        assert (code, str(tmp_path / name) in said) == (1, True)
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == texts


def test_the_description_never_takes_the_place_of_take_json(
    pair: ClipPair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    take = imported(pair, tmp_path / "t")
    before = {p.name: p.read_bytes() for p in take.iterdir()}
    monkeypatch.chdir(take)
    for out in ("take", "done"):
        capsys.readouterr()
        assert twinrate("fuse", ".", "--out", out, "--overwrite", *HOW) == 1
        assert f"{out}.json" in capsys.readouterr().err
    with pytest.raises(OutputError, match=r"take\.json"):
        run_raw_export(RawExportJob(take, take / "take", RawView.LSR, "png", overwrite=True))
    assert {p.name: p.read_bytes() for p in take.iterdir()} == before
    with Take.open(take) as opened:
        assert opened.lsr.info.frame_count == 64


@pytest.mark.parametrize("name", ["clip.mp4", "pictures"])
def test_the_description_of_a_clip_that_was_deleted_is_replaced(
    pair: ClipPair, tmp_path: Path, name: str
) -> None:
    take = imported(pair, tmp_path / "take")
    job = RawExportJob(take, tmp_path / name, RawView.LSR, end_s=0.1)
    run_raw_export(job)
    job.out.rename(tmp_path / "elsewhere")
    how = ("--out", job.out, *HOW, "--end", 0.05)
    assert twinrate("fuse", take, *how) == 0
    assert json.loads((tmp_path / f"{name}.json").read_text())["method"] == "bicubic"
    assert twinrate("fuse", take, *how, "--overwrite") == 0
    assert twinrate("fuse", take, *how) == 1


@pytest.mark.parametrize("nudge_ms", [0.0, 1.5])
def test_the_offset_that_was_used_is_in_the_description(
    pair: ClipPair, tmp_path: Path, nudge_ms: float
) -> None:
    """Also where it is a take's own; what was added to it stands beside it."""
    take = imported(pair, tmp_path / "take")
    for inputs in ((take,), (pair.hsr, pair.lsr, "--offset-ms", pair.offset_ms)):
        out = tmp_path / f"clip{len(inputs)}.mkv"
        assert twinrate("fuse", *inputs, "--out", out, "--nudge-ms", nudge_ms, *HOW, "--end", 0.05) == 0
        said = json.loads(Path(f"{out}.json").read_text())
        assert (said["offset_ms"], said["nudge_ms"], said["drift_ppm"]) == (12.5, nudge_ms, 0)
