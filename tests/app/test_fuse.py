"""`twinrate fuse` on real files: quality against the truth, interruption, resumption, bad input."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from app.export import open_sink
from app.fusion_options import FusionOptions
from app.pipeline import Pipeline
from app.sinks import codec_for
from app.sinks.segments import SEGMENT_FRAMES
from drivers import open_clip_pair
from fusing import decode, twinrate
from fusion import Fuser
from fusion.awnet import AWnet
from fusion.cards import base_for, fingerprint, save_card
from fusion.evaluation.metrics import psnr
from fusion.flownet import SMALL, SMALL_LAYOUT, FlowNet
from fusion.training.crops import SampleOptions
from fusion.training.recipe import card
from fusion.weights import save_weights
from pictures import RgbImage
from synthetic import ClipPair, make_pair, make_two_views, moving_scene, shrink, write_lossless

CLASSICAL = ("--method", "classical", "--codec", "ffv1")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> ClipPair:
    return make_pair(tmp_path_factory.mktemp("pair"))


@pytest.fixture(scope="module")
def whole(pair: ClipPair, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of it, fused by `classical` with two sharp frames, without loss."""
    out = tmp_path_factory.mktemp("whole") / "classical.mkv"
    assert fuse(pair, out, *CLASSICAL) == 0
    return out


def fuse(pair: ClipPair, out: Path, *extra: object) -> int:
    return twinrate(
        "fuse", pair.hsr, pair.lsr, "--out", out, "--align", "none", "--offset-ms", pair.offset_ms, *extra
    )


def mean_unsynchronised(pair: ClipPair, frames: list[RgbImage]) -> float:
    return float(
        np.mean(
            [
                psnr(frame, true)
                for k, (frame, true) in enumerate(zip(frames, pair.truth, strict=True))
                if (k - pair.first_hsr) % pair.ratio
            ]
        )
    )


def test_every_output_frame_shows_its_lsr_frame_in_hsr_quality(
    pair: ClipPair, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    enlarged = tmp_path / "bicubic.mkv"
    capsys.readouterr()
    assert fuse(pair, enlarged, "--method", "bicubic", "--codec", "ffv1", "--json") == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (said["frames"], said["method"], said["model"]) == (len(pair.truth), "bicubic", "none")
    frames = decode(whole)
    assert frames[0].shape == pair.truth[0].shape
    for k in range(pair.first_hsr, len(frames), pair.ratio):
        assert psnr(frames[k], pair.truth[k]) > 45
    assert mean_unsynchronised(pair, frames) > mean_unsynchronised(pair, decode(enlarged)) + 4


def test_the_file_beside_the_clip_tells_where_each_frame_came_from(pair: ClipPair, whole: Path) -> None:
    note = json.loads(Path(f"{whole}.json").read_text())
    assert (note["method"], note["model"]) == ("classical", "none")
    rows = note["per_frame"]
    assert [row["lsr_index"] for row in rows] == list(range(40))
    assert [row["hsr_index"] for row in rows] == [k // 8 for k in range(40)]
    assert [row["distance"] for row in rows[:8]] == [-3, -2, -1, 0, 1, 2, 3, 4]
    assert note["playback_rate"] == "240"
    assert note["versions"]["numpy"] == np.__version__
    assert sorted(p.name for p in whole.parent.iterdir()) == [whole.name, f"{whole.name}.json"]


def test_a_clip_is_played_at_the_rate_asked_for(pair: ClipPair, tmp_path: Path) -> None:
    out = tmp_path / "clip.mp4"
    assert fuse(pair, out, "--method", "bicubic", "--fps", 30) == 0
    assert json.loads((tmp_path / "clip.mp4.json").read_text())["playback_rate"] == "30"
    with av.open(str(out)) as container:
        assert container.streams.video[0].average_rate == 30
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clip.mp4", "clip.mp4.json"]


@pytest.mark.parametrize("method", ["bicubic", "classical"])
def test_a_part_has_the_frames_of_the_whole(pair: ClipPair, whole: Path, tmp_path: Path, method: str) -> None:
    """Sharp frames outside the part serve it as they serve the whole."""
    cut, how = tmp_path / "cut.mkv", ("--method", method, "--codec", "ffv1")
    if method == "bicubic":
        whole = tmp_path / "whole.mkv"
        assert fuse(pair, whole, *how) == 0
    assert fuse(pair, cut, *how, "--start", 10 / 240 - 0.001, "--end", 22 / 240 - 0.001) == 0
    for part, frame in zip(decode(cut), decode(whole)[10:22], strict=True):
        assert np.array_equal(part, frame)


def test_a_second_run_gives_the_same_bytes(pair: ClipPair, tmp_path: Path) -> None:
    for name in ("one.mp4", "two.mp4"):
        assert fuse(pair, tmp_path / name, "--method", "classical", "--end", 0.06) == 0
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()


def test_views_from_two_places_are_aligned(tmp_path: Path) -> None:
    truth = moving_scene(16, 384, 480)
    # The LSR camera looks at the middle of what the HSR camera sees, slightly turned.
    turn = cv2.getRotationMatrix2D((239.5, 191.5), 1.5, 1.0)
    turn[:, 2] += (7.0, -5.0)
    hsr = [np.asarray(cv2.warpAffine(f, turn, (480, 384), flags=cv2.INTER_CUBIC), np.uint8) for f in truth]
    pair = ClipPair(
        write_lossless(tmp_path / "hsr.mkv", hsr[3::8], 30),
        write_lossless(tmp_path / "lsr.mkv", [shrink(f[64:320, 80:400], 4) for f in truth], 240),
        [f[64:320, 80:400] for f in truth],
        3,
        8,
    )
    out = tmp_path / "aligned.mkv"
    code = twinrate(
        "fuse",
        pair.hsr,
        pair.lsr,
        "--out",
        out,
        "--offset-ms",
        12.5,
        "--codec",
        "ffv1",
        "--method",
        "classical",
    )
    assert code == 0
    frames = decode(out)
    assert frames[0].shape == pair.truth[0].shape
    up = [cv2.resize(shrink(f, 4), (320, 256), interpolation=cv2.INTER_CUBIC) for f in pair.truth]
    bicubic = mean_unsynchronised(pair, [np.asarray(f, np.uint8) for f in up])
    assert mean_unsynchronised(pair, frames) > bicubic + 3


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_ctrl_c_leaves_a_playable_part_that_can_be_resumed(tmp_path: Path) -> None:
    pair = make_pair(tmp_path, 72, size=(128, 192))
    out = tmp_path / "clip.mp4"
    command = [sys.executable, "-m", "app", "fuse", str(pair.hsr), str(pair.lsr), "--out", str(out)]
    how = ("--method", "classical", "--refs", 1)
    command += ["--align", "none", "--offset-ms", "12.5", *map(str, how)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    first_segment = tmp_path / "clip.partial.mp4.segments" / "000000.mkv"
    while not first_segment.exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "--resume" in said
    assert "Traceback" not in said
    assert not out.exists()
    part = decode(tmp_path / "clip.partial.mp4")
    assert 48 <= len(part) < 72

    assert fuse(pair, out, *how, "--resume") == 0
    assert len(decode(out)) == 72
    whole = tmp_path / "whole.mp4"
    assert fuse(pair, whole, *how) == 0
    assert out.read_bytes() == whole.read_bytes()
    assert not list(tmp_path.glob("*partial*"))


def test_a_resumed_fusion_of_two_views_has_the_frames_of_an_uninterrupted_one(tmp_path: Path) -> None:
    """Also where the colours of the views come from GoPs before the ones that are left."""
    streams = make_two_views(tmp_path, 48)
    options = FusionOptions(method="classical", device="cpu")
    whole = [f.image for f in Pipeline(streams, options).frames()]
    left = [f.image for f in Pipeline(streams, options).frames(skip=42)]
    streams.hsr.close()
    streams.lsr.close()
    assert len(left) == len(whole) - 42 == 6
    assert all(np.array_equal(a, b) for a, b in zip(left, whole[42:], strict=True))


def test_one_lsr_frame_is_fused(pair: ClipPair, tmp_path: Path) -> None:
    one = write_lossless(tmp_path / "one.mkv", [shrink(pair.truth[3], 4)], 240)
    out = tmp_path / "out.mkv"
    how = ("--align", "none", "--method", "classical", "--codec", "ffv1")
    assert twinrate("fuse", pair.hsr, one, "--out", out, "--offset-ms", 0, *how) == 0
    (frame,) = decode(out)
    assert psnr(frame, pair.truth[3]) > 45


def test_what_a_job_under_another_ending_left_is_not_resumed(pair: ClipPair, tmp_path: Path) -> None:
    """Two stopped jobs, c.mkv and c.avi: each goes on from its own frames."""
    out = tmp_path / "c.mkv"
    for path in (out, tmp_path / "c.avi"):
        sink = open_sink(path, codec_for("ffv1", path), 320, 256, Fraction(240))
        for _ in range(SEGMENT_FRAMES + 1):
            sink.write(np.full((256, 320, 3), 200 if path == out else 20, np.uint8))
        sink.abandon()
    sink = open_sink(out, codec_for("ffv1", out), 320, 256, Fraction(240), resume=True)
    assert sink.frames_done == SEGMENT_FRAMES
    sink.finish()
    assert {int(frame.mean()) for frame in decode(out)} == {200}


@pytest.mark.parametrize("method", ["bicubic", "classical"])
def test_a_blank_moment_in_the_middle_does_not_refuse_the_clip(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], method: str
) -> None:
    truth = moving_scene(40)
    for k in range(16, 24):
        truth[k] = np.zeros_like(truth[k])
    hsr = write_lossless(tmp_path / "hsr.mkv", truth[3::8], 30)
    lsr = write_lossless(tmp_path / "lsr.mkv", [shrink(f, 4) for f in truth], 240)
    out = tmp_path / "clip.mkv"
    how = ("--offset-ms", 12.5, "--method", method, "--codec", "ffv1", "--json")
    assert twinrate("fuse", hsr, lsr, "--out", out, *how) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said["frames"] == 40
    assert any("keeps the first alignment" in text for text in said["warnings"])


def test_an_output_never_destroys_what_it_is_made_from(
    pair: ClipPair, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own.mkv"
    own.write_bytes(pair.hsr.read_bytes())
    how = ("--offset-ms", 12.5, "--align", "none", "--method", "bicubic", "--overwrite")
    assert twinrate("fuse", own, pair.lsr, "--out", own, *how) == 1
    assert "from which it is made" in capsys.readouterr().err
    take = tmp_path / "takes" / "t"
    take.parent.mkdir()
    assert twinrate("import", own, pair.lsr, "--out", take, "--offset-ms", 12.5) == 0
    capsys.readouterr()
    for inside, out, words in (
        (tmp_path, take, "from which it is made"),
        (tmp_path, take.parent, "from which it is made"),
        (tmp_path, own, "from which it is made"),
        (take, "..", "no name"),
        (take.parent, ".", "no name"),
    ):
        monkeypatch.chdir(inside)
        assert twinrate("fuse", take, "--out", out, *how[2:]) == 1, out
        assert words in one_line(capsys.readouterr().err)
    assert own.read_bytes() == pair.hsr.read_bytes()
    assert (take / "take.json").is_file()
    album = tmp_path / "album"
    album.mkdir()
    (album / "000000.png").write_bytes(b"old")
    (album / "holiday.jpg").write_bytes(b"precious")
    assert twinrate("fuse", own, pair.lsr, "--out", album, *how) == 1
    assert "more than numbered pictures" in capsys.readouterr().err
    (album / "holiday.jpg").unlink()
    assert twinrate("fuse", own, pair.lsr, "--out", album, *how, "--end", 0.03) == 0
    assert len(list(album.iterdir())) == 8


def test_resuming_another_job_is_refused(
    pair: ClipPair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "clip.partial.mp4.json").write_text('{"job": "of somebody else"}')
    assert fuse(pair, tmp_path / "clip.mp4", "--method", "bicubic", "--resume") == 1
    assert "other inputs or options" in capsys.readouterr().err


def one_line(text: str) -> str:
    lines = text.strip().splitlines()
    assert len(lines) == 1, text
    assert "Traceback" not in text
    return lines[0]


def test_bad_input_is_one_sentence_and_leaves_no_file(
    pair: ClipPair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(pair.lsr.read_bytes()[:200])
    text = tmp_path / "notes.mp4"
    text.write_text("these are not the pixels you are looking for")
    empty = tmp_path / "empty.mkv"
    empty.write_bytes(b"")
    square = write_lossless(tmp_path / "square.mkv", [f[:64, :64] for f in pair.truth], 240)
    cases: list[tuple[list[object], int, str]] = [
        ([tmp_path / "missing.mkv", pair.lsr], 1, "missing.mkv"),
        ([text, pair.lsr], 1, "notes.mp4"),
        ([pair.hsr, empty], 1, "empty.mkv"),
        ([pair.hsr, cut], 1, "cut.mkv"),
        ([tmp_path, pair.lsr], 1, tmp_path.name),
        ([pair.lsr, pair.hsr], 1, "swap"),
        ([pair.hsr], 1, "one clip"),
        ([pair.hsr, pair.lsr, pair.lsr], 1, "3 inputs"),
        ([pair.hsr, pair.lsr, "--offset-ms", "5e6"], 1, "overlap"),
        ([pair.hsr, pair.lsr, "--offset-ms", "soon"], 2, "soon"),
        ([pair.hsr, pair.lsr, "--method", "magic"], 2, "magic"),
        ([pair.hsr, pair.lsr, "--nudge-ms", "nan"], 1, "--nudge-ms nan"),
        ([pair.hsr, pair.lsr, "--nudge-ms", "inf"], 1, "--nudge-ms inf"),
        ([pair.hsr, square, "--align", "none"], 1, "differ in shape"),
        ([pair.hsr, pair.lsr, "--codec", "png"], 1, "folder of pictures"),
        ([pair.hsr, pair.lsr, "--start", "9"], 1, "--start"),
        ([pair.hsr, pair.lsr, "--align", "somewhere"], 1, "somewhere"),
    ]
    before = sorted(p.name for p in tmp_path.iterdir())
    for inputs, code, words in cases:
        offset = () if "--offset-ms" in inputs else ("--offset-ms", "12.5")
        assert twinrate("fuse", *inputs, *offset, "--out", tmp_path / "out.mp4") == code, inputs
        said = one_line(capsys.readouterr().err)
        assert words in said, said
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_an_existing_output_is_kept_unless_told_otherwise(
    pair: ClipPair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "precious.mp4"
    out.write_bytes(b"precious")
    assert fuse(pair, out, "--method", "bicubic") == 1
    assert "--overwrite" in one_line(capsys.readouterr().err)
    assert out.read_bytes() == b"precious"
    assert fuse(pair, out, "--method", "bicubic", "--overwrite") == 0
    assert len(decode(out)) == 40


def test_two_references_help_between_two_sharp_frames(pair: ClipPair, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "one.mkv"
    assert fuse(pair, out, *CLASSICAL, "--refs", 1) == 0
    one, two = decode(out), decode(whole)
    assert len(one) == len(two) == len(pair.truth)
    assert mean_unsynchronised(pair, two) > mean_unsynchronised(pair, one)


def test_lost_frames_do_not_bring_the_next_sharp_one_nearer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = moving_scene(32, 64, 96)
    filmed = [k for k in range(32) if k not in (5, 6, 18)]
    lsr = tmp_path / "lsr.mkv"
    write_lossless(lsr, [shrink(truth[k], 2) for k in filmed], 240, slots=filmed)
    hsr = write_lossless(tmp_path / "hsr.mkv", truth[::8], 30)
    given: list[tuple[list[int], list[float]]] = []

    def look(
        _: Fuser, frames: object, distances: list[int], *rest: object, **options: Any
    ) -> Iterator[object]:
        if options["next_reference"] is not None:
            given.append((list(distances), list(options["next_distances"])))
        return iter(())

    monkeypatch.setattr(Fuser, "fuse_gop", look)
    streams = open_clip_pair(hsr, lsr, offset_ms=0.0)
    list(Pipeline(streams, FusionOptions(align="none", method="classical", references=2)).frames())
    assert ([0, 1, 2, 3, 4], [-8, -7, -6, -5, -4]) in given
    assert ([-1], [7]) in given
    for distances, onwards in given:
        assert {abs(one - other) for one, other in zip(distances, onwards, strict=True)} == {8}


def test_the_papers_recursion_can_be_chosen_and_shows_in_the_sidecar(pair: ClipPair, tmp_path: Path) -> None:
    origins = {}
    for wish in ((), ("--recursion", "recurrent")):
        out = tmp_path / f"clip{len(wish)}.mkv"
        assert fuse(pair, out, "--method", "classical", "--codec", "ffv1", "--end", "0.06", *wish) == 0
        notes = json.loads(Path(f"{out}.json").read_text())
        origins[notes["recursion"]] = {record["reference"] for record in notes["per_frame"]}
    assert origins == {"direct": {"hsr"}, "recurrent": {"hsr", "hstr"}}


def test_what_awnet_goes_on_from_is_named_beside_the_clip(pair: ClipPair, tmp_path: Path) -> None:
    network = AWnet(2, matched=True, refined=True)
    network.start_at_plain_warp()
    weights = tmp_path / "awnet_x4.safetensors"
    save_weights(weights, network, layout=network.layout, half=True)
    save_card(weights, card("awnet", SampleOptions(references=2)) | {"layout": network.layout})
    out = tmp_path / "clip.mkv"
    assert fuse(pair, out, "--weights", weights, "--codec", "ffv1", "--end", "0.01") == 0
    notes = json.loads(Path(f"{out}.json").read_text())
    assert (notes["method"], notes["references"]) == ("awnet", 2)
    base = base_for(notes["scale"], (notes["noise_sigma"] / 255) ** 2)
    assert notes["base_sha256"] == fingerprint(base.path)
    assert notes["weights_sha256"] == fingerprint(weights)


def test_a_flow_network_of_ones_own_is_used_and_named_beside_the_clip(
    pair: ClipPair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flow = tmp_path / "live_flow_x4.safetensors"
    network = FlowNet(SMALL)
    network.start_at_zero_flow()
    save_weights(flow, network, layout=SMALL_LAYOUT)
    out = tmp_path / "clip.mkv"
    wish = ("--method", "classical", "--codec", "ffv1", "--end", "0.06", "--flow", flow)
    assert fuse(pair, out, *wish) == 0
    notes = json.loads(Path(f"{out}.json").read_text())
    assert notes["options"]["flow"] == str(flow)
    assert notes["flow_sha256"] == hashlib.sha256(flow.read_bytes()).hexdigest()
    by_dis = tmp_path / "dis.mkv"
    assert fuse(pair, by_dis, *wish[:-2]) == 0
    assert json.loads(Path(f"{by_dis}.json").read_text())["flow_sha256"] is None
    assert not all(np.array_equal(a, b) for a, b in zip(decode(out), decode(by_dis), strict=True))
    capsys.readouterr()
    assert fuse(pair, tmp_path / "no.mkv", "--method", "bicubic", "--flow", flow) == 1
    assert "bicubic takes no flow network" in one_line(capsys.readouterr().err)
