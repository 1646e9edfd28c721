"""`twinrate sync` and `twinrate import` on two clips, as an operator runs them."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from scipy import ndimage

from app.cli import run
from app.errors import CancelledError
from app.import_clips import import_clips
from calibration.sync import sync_audio
from drivers import Take, open_clip, pair_streams
from drivers.frame import Role

LSR_PERIOD_MS = 1000 / 240


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command line."""
    with pytest.raises(SystemExit) as ended:
        run([str(a) for a in arguments])
    code = ended.value.code
    captured = capsys.readouterr()
    return code if isinstance(code, int) else 0, captured.out, captured.err


def last_json(text: str) -> dict[str, object]:
    found = json.loads(text.strip().splitlines()[-1])
    assert isinstance(found, dict)
    return found


class Scene:
    """Texture that jitters along a random path: what both clips show."""

    def __init__(self) -> None:
        rng = np.random.default_rng(11)
        layers = [
            ndimage.gaussian_filter(rng.standard_normal((500, 620, 3)), (s, s, 0)) * s for s in (1.2, 3, 9)
        ]
        texture = sum(layers)
        self._texture = np.clip(texture / texture.std() * 45 + 120, 0, 255).astype(np.uint8)
        path = np.cumsum(ndimage.gaussian_filter1d(rng.standard_normal((2, 3000)), 30, axis=1), axis=1)
        self._path = (path - path.mean(axis=1, keepdims=True)) * 1.5

    def at(self, time_s: float) -> np.ndarray:
        dx, dy = (np.interp(time_s * 1000, np.arange(3000), p) for p in self._path)
        move = np.array([[1, 0, dx - 150], [0, 1, dy - 130]], np.float64)
        return cv2.warpAffine(self._texture, move, (320, 240), borderMode=cv2.BORDER_REFLECT)


def write(
    path: Path, pictures: list[np.ndarray], fps: int, sound: np.ndarray | None = None, made: str = ""
) -> Path:
    with av.open(str(path), "w") as container:
        if made:
            container.metadata["creation_time"] = made
        stream = container.add_stream("libx264", rate=fps, options={"crf": "16", "preset": "veryfast"})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        track = container.add_stream("pcm_s16le", rate=48000, layout="mono") if sound is not None else None
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if track is not None and sound is not None:
            samples = (np.clip(sound, -1, 1) * 32000).astype(np.int16)[None]
            piece = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            piece.rate, piece.pts, piece.time_base = 48000, 0, Fraction(1, 48000)
            container.mux(track.encode(piece))
            container.mux(track.encode(None))
    return path


class Clips:
    """HSR at 30 fps from 0.3 s on, LSR at 240 fps from 0.2 s on; the offset is 100 ms."""

    offset_ms = 100.0

    def __init__(self, folder: Path) -> None:
        scene = Scene()
        coarse = [
            cv2.resize(scene.at(0.2 + i / 240), (160, 120), interpolation=cv2.INTER_AREA) for i in range(288)
        ]
        sharp = [scene.at(0.3 + j / 30) for j in range(30)]
        rng = np.random.default_rng(2)
        heard = rng.standard_normal(3 * 48000) * 0.1
        self.hsr = write(folder / "hsr.mov", sharp, 30)
        self.lsr = write(folder / "lsr.mov", coarse, 240)
        self.baked = write(folder / "baked.mov", coarse, 30)
        self.short_baked = write(folder / "short_baked.mov", coarse[:60], 30)
        still = [sharp[0]] * 30
        self.still_hsr = write(folder / "still_hsr.mov", still, 30)
        self.still_lsr = write(folder / "still_lsr.mov", [coarse[0]] * 240, 240)
        self.still_baked = write(folder / "still_baked.mov", [coarse[0]] * 240, 30)
        self.loud_hsr = write(folder / "loud_hsr.mov", still, 30, heard[14400 : 14400 + 48000])
        self.loud_lsr = write(folder / "loud_lsr.mov", [coarse[0]] * 240, 240, heard[9600 : 9600 + 48000])


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    return Clips(tmp_path_factory.mktemp("clips"))


def test_sync_by_pictures(clips: Clips, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "sync", clips.hsr, clips.lsr, "--json")
    assert code == 0
    found = last_json(out)
    assert abs(float(str(found["offset_ms"])) - clips.offset_ms) < 0.25 * LSR_PERIOD_MS
    assert float(str(found["confidence"])) >= 0.5
    assert found["drift_ppm"] == 0
    assert found["method"] == "frames"


def test_sync_by_sound_where_nothing_moves(clips: Clips, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "sync", clips.loud_hsr, clips.loud_lsr, "--json")
    assert code == 0
    found = last_json(out)
    assert float(str(found["offset_ms"])) == pytest.approx(clips.offset_ms, abs=0.5)
    assert found["method"] == "audio"
    assert "warning" in err


def test_clips_of_different_days_are_warned_of(
    clips: Clips, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    scene = Scene()
    hsr = write(tmp_path / "hsr.mov", [scene.at(j / 30) for j in range(30)], 30, made="2026-11-22T17:30:00Z")
    fast = [cv2.resize(scene.at(i / 240), (160, 120)) for i in range(240)]
    for made, warned in (("2026-11-20T16:29:30Z", True), ("2026-11-22T17:30:00Z", False)):
        lsr = write(tmp_path / "lsr.mov", fast, 240, made=made)
        code, _, err = call(capsys, "sync", hsr, lsr)
        assert code == 0
        assert ("the clips were made 2 days, 1:00:30 apart by their dates" in err) == warned


def test_nothing_to_go_by_asks_for_the_offset(
    clips: Clips, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, err = call(capsys, "sync", clips.still_hsr, clips.still_lsr, "--json")
    assert code == 0
    assert float(str(last_json(out)["confidence"])) < 0.5
    assert "warning" in err
    for command, name in (("fuse", "o.mp4"), ("import", "take")):
        code, _, err = call(capsys, command, clips.still_hsr, clips.still_lsr, "--out", tmp_path / name)
        assert code == 1
        assert "--offset-ms" in err
        assert not (tmp_path / name).exists()


def test_import_by_reference_and_use(
    clips: Clips, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, _ = call(capsys, "import", clips.hsr, clips.lsr, "--out", tmp_path / "take", "--json")
    assert code == 0
    found = last_json(out)
    assert (found["hsr_frames"], found["lsr_frames"], found["capture_factor"]) == (30, 288, 1)
    assert found["gops"] == 30
    assert float(str(found["ratio"])) == pytest.approx(8, rel=1e-3)
    assert {p.name for p in (tmp_path / "take").iterdir()} == {"take.json", "done.json", "hsr.jpg", "lsr.jpg"}
    with Take.open(tmp_path / "take") as take, open_clip(clips.lsr, Role.LSR) as clip:
        np.testing.assert_array_equal(take.lsr.read(50).image, clip.read(50).image)
        gop = pair_streams(take.pair()).gops[3]
        assert gop.distances == (-3, -2, -1, 0, 1, 2, 3, 4)
        assert gop.lsr_indices[3] == 24 + 3 * 8
    code, out, _ = call(capsys, "sync", tmp_path / "take", "--json")
    assert code == 0
    assert abs(float(str(last_json(out)["offset_ms"])) - clips.offset_ms) < 0.25 * LSR_PERIOD_MS


def test_an_offset_can_be_nudged(clips: Clips, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """By one LSR frame: then each GoP is centred on the LSR frame after."""
    arguments = ["import", clips.hsr, clips.lsr, "--offset-ms", "100", "--json"]
    centres = []
    for nudge in (0.0, LSR_PERIOD_MS):
        out_path = tmp_path / f"take{nudge:.0f}"
        code, out, _ = call(capsys, *arguments, "--nudge-ms", nudge, "--out", out_path)
        assert code == 0
        assert float(str(last_json(out)["offset_ms"])) == pytest.approx(100 + nudge)
        with Take.open(out_path) as take:
            gop = pair_streams(take.pair()).gops[3]
            centres.append(gop.lsr_indices[gop.distances.index(0)])
    assert centres[1] == centres[0] + 1


def test_a_take_is_searched_as_its_clips_and_held_against_the_offset_it_has(
    clips: Clips, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    take, right = tmp_path / "take", f"{clips.offset_ms:.3f}"
    assert call(capsys, "import", clips.hsr, clips.lsr, "--out", take, "--offset-ms", 130)[0] == 0
    code, out, err = call(capsys, "sync", take, "--json")
    assert code == 0
    found = last_json(out)
    assert found["stored_offset_ms"] == pytest.approx(130)
    assert float(str(found["offset_ms"])) == pytest.approx(clips.offset_ms, abs=0.25 * LSR_PERIOD_MS)
    assert "130.0 ms, 7.2 LSR frames more than the one found" in err
    assert "--nudge-ms -30." in err
    # By sound too, where the clips have it.
    loud = tmp_path / "loud"
    assert call(capsys, "import", clips.loud_hsr, clips.loud_lsr, "--out", loud, "--offset-ms", right)[0] == 0
    code, out, err = call(capsys, "sync", loud)
    assert code == 0
    assert "(by audio)" in out
    assert f"has an offset of {right} ms; the one found differs by" in out
    assert "--nudge-ms" not in err


def test_a_filmed_timer_checks_the_offset(
    clips: Clips, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """HSR frame 10 is filmed 633.3 ms after the scene's zero, LSR frame 60 after 450 ms: offset 100 ms."""
    right = ["--timer-hsr", "10=633.3", "--timer-lsr", "60=450"]
    code, out, err = call(capsys, "sync", clips.hsr, clips.lsr, *right, "--json")
    assert (code, "timer" in err) == (0, False)
    assert float(str(last_json(out)["timer_offset_ms"])) == pytest.approx(100, abs=0.1)
    wrong = ["--timer-hsr", "10=733", "--timer-lsr", "60=450"]
    code, out, err = call(capsys, "sync", clips.hsr, clips.lsr, *wrong, "--json")
    assert (code, "the filmed timer says 199.7 ms" in err) == (0, True)
    arguments = ["import", clips.hsr, clips.lsr, "--offset-ms", "100", "--json"]
    code, out, err = call(capsys, *arguments, *right, "--out", tmp_path / "right")
    assert (code, err) == (0, "")
    code, out, err = call(capsys, *arguments, "--nudge-ms", "30", *right, "--out", tmp_path / "nudged")
    assert (code, "30.0 ms less than the offset used" in err) == (0, True)
    code, out, err = call(capsys, "sync", tmp_path / "right", *right, "--timer-step-ms", "1", "--json")
    assert code == 0
    assert float(str(last_json(out)["timer_offset_ms"])) == pytest.approx(100, abs=0.1)


def test_frames_to_read_a_timer_in_show_one_moment(
    clips: Clips, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "timer"
    code, _, _ = call(capsys, "sync", clips.hsr, clips.lsr, "--timer-pictures", folder)
    assert code == 0
    index = {p.stem.split("_")[0]: int(p.stem.split("_")[2]) for p in folder.iterdir()}
    assert 0 < index["hsr"] < 29
    assert index["lsr"] == pytest.approx(8 * index["hsr"] + 24, abs=1)
    picture = cv2.cvtColor(cv2.imread(str(folder / f"hsr_frame_{index['hsr']}.png")), cv2.COLOR_BGR2RGB)
    with open_clip(clips.hsr, Role.HSR) as clip:
        np.testing.assert_array_equal(picture, clip.read(index["hsr"]).image)


def test_import_of_baked_slow_motion_with_frames(
    clips: Clips, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out_path = tmp_path / "take"
    code, out, _ = call(capsys, "import", clips.hsr, clips.baked, "--out", out_path, "--transcode", "--json")
    assert code == 0
    found = last_json(out)
    assert found["capture_factor"] == 8
    assert abs(float(str(found["offset_ms"])) - clips.offset_ms) < 0.25 * LSR_PERIOD_MS
    with Take.open(out_path) as take, open_clip(clips.hsr, Role.HSR) as clip:
        assert take.lsr.info.fps == pytest.approx(240)
        np.testing.assert_array_equal(take.hsr.read(7).image, clip.read(7).image)


@pytest.mark.parametrize("offset_ms", [None, 100.0])
def test_a_stopped_import_leaves_nothing(clips: Clips, tmp_path: Path, offset_ms: float | None) -> None:
    """While it searches, or, with a given offset, while it writes."""
    told: list[float] = []
    with pytest.raises(CancelledError, match="import the clips again"):
        import_clips(
            clips.hsr,
            clips.lsr,
            tmp_path / "take",
            offset_ms=offset_ms,
            capture_factor=1.0,
            transcode=True,
            on_progress=told.append,
            cancelled=lambda: bool(told),
        )
    assert len(told) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("said", [(), ("--capture-factor", 8)])
def test_fuse_knows_slow_motion_also_where_the_offset_is_given(
    clips: Clips, capsys: pytest.CaptureFixture[str], tmp_path: Path, said: tuple[object, ...]
) -> None:
    out = tmp_path / "clip.mkv"
    how = ("--method", "bicubic", "--align", "none", "--offset-ms", clips.offset_ms, *said)
    code, _, err = call(capsys, "fuse", clips.hsr, clips.baked, "--out", out, *how)
    assert code == 0, err
    note = json.loads(Path(f"{out}.json").read_text())
    assert (note["capture_factor"], note["playback_rate"]) == (8, "240")
    assert note["frames"] > 240
    with pytest.raises(SystemExit):
        run(["fuse", str(tmp_path), "--out", str(tmp_path / "no.mkv"), "--capture-factor", "8"])
    assert "--capture-factor belongs to two clips" in capsys.readouterr().err


def test_a_take_of_clips_notices_lost_and_changed_clips(
    clips: Clips, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    hsr, lsr = tmp_path / "h.mov", tmp_path / "l.mov"
    hsr.write_bytes(clips.hsr.read_bytes())
    lsr.write_bytes(clips.lsr.read_bytes())
    take = tmp_path / "take"
    assert call(capsys, "import", hsr, lsr, "--out", take, "--offset-ms", "100")[0] == 0
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in (hsr, lsr, take):
        path.rename(moved / path.name)
    with Take.open(moved / "take") as opened:
        assert opened.hsr.info.frame_count == 30
    (moved / "h.mov").write_bytes(b"other")
    code, _, err = call(capsys, "sync", moved / "take")
    assert (code, "was changed after its import" in err) == (1, True)
    (moved / "h.mov").unlink()
    code, _, err = call(capsys, "sync", moved / "take")
    assert (code, "is gone" in err) == (1, True)


def test_sound_is_kept_in_real_time_and_left_out_in_slow_motion(
    clips: Clips, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The HSR clip is heard from the first fused frame on."""
    arguments = ["fuse", clips.loud_hsr, clips.loud_lsr, "--offset-ms", "100", "--align", "none"]
    arguments += ["--method", "bicubic", "--start", "0.15", "--end", "0.65", "--json"]
    for name in ("out.mp4", "out.mkv", "out.avi"):
        code, out, _ = call(capsys, *arguments, "--out", tmp_path / name)
        assert (code, last_json(out)["sound"]) == (0, "of the HSR clip")
        with open_clip(tmp_path / name, Role.HSR) as fused, open_clip(clips.loud_hsr, Role.HSR) as sharp:
            heard, whole = fused.read_audio(24000), sharp.read_audio(24000)
            assert heard is not None
            assert whole is not None
            assert len(heard.samples) / 24000 == pytest.approx(0.5, abs=0.05)
            found = sync_audio(
                whole.samples, heard.samples, hsr_start_s=whole.start_s, lsr_start_s=heard.start_s
            )
        # What the output plays at its start is what the HSR clip plays 50 ms after its own.
        assert found.shift_s == pytest.approx(-0.05, abs=0.003)
    code, out, _ = call(capsys, *arguments, "--fps", "30", "--out", tmp_path / "slow.mp4")
    assert (code, "real time" in str(last_json(out)["sound"])) == (0, True)
    with open_clip(tmp_path / "slow.mp4", Role.HSR) as slow:
        assert not slow.has_audio


def test_a_take_of_raw_frames_keeps_the_sound_of_its_clips(
    clips: Clips, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """At the same moments, also before the first sharp frame; sound still tells the offset."""
    files, by = (clips.loud_hsr, clips.loud_lsr), ("--offset-ms", 20)
    how = ("--align", "none", "--method", "bicubic", "--json", "--out")
    takes = tmp_path / "frames", tmp_path / "clips"
    assert call(capsys, "import", *files, *by, "--transcode", "--out", takes[0])[0] == 0
    assert call(capsys, "import", *files, *by, "--out", takes[1])[0] == 0
    heard = []
    for take in takes:
        code, out, _ = call(capsys, "fuse", take, *how, take.with_suffix(".avi"))
        assert (code, last_json(out)["sound"]) == (0, "of the HSR clip")
        with open_clip(take.with_suffix(".avi"), Role.HSR) as fused:
            found = fused.read_audio(48000)
        assert found is not None
        heard.append(found)
    assert heard[0].start_s == heard[1].start_s
    # AVI has PCM, rounded here once more.
    np.testing.assert_allclose(heard[0].samples, heard[1].samples, atol=2 / 32768)
    code, out, _ = call(capsys, "sync", takes[0], "--json")
    assert (code, last_json(out)["method"]) == (0, "audio")
    assert float(str(last_json(out)["offset_ms"])) == pytest.approx(clips.offset_ms, abs=0.5)


def test_the_cameras_of_two_clips_are_exported_with_their_sound(
    clips: Clips, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Each with its own; side by side the sharp one's, from the first fast frame on."""
    take = tmp_path / "take"
    assert call(capsys, "import", clips.loud_hsr, clips.loud_lsr, "--out", take, "--offset-ms", "100")[0] == 0
    with open_clip(clips.loud_hsr, Role.HSR) as sharp:
        whole = sharp.read_audio(24000)
    assert whole is not None
    arguments = ["export", take, "--start", "0.15", "--end", "0.65", "--json"]
    for view, spoken in (("hsr", "HSR"), ("lsr", "LSR"), ("both", "HSR")):
        out = tmp_path / f"{view}.mp4"
        code, _, _ = call(capsys, *arguments, "--out", out, "--view", view)
        assert code == 0
        assert json.loads(Path(f"{out}.json").read_text())["sound"] == f"of the {spoken} clip"
        with open_clip(out, Role.HSR) as exported:
            heard = exported.read_audio(24000)
            assert heard is not None
            assert len(heard.samples) / 24000 == pytest.approx(
                exported.info.frame_count / exported.info.fps, abs=0.05
            )
            if spoken == "HSR":
                found = sync_audio(
                    whole.samples, heard.samples, hsr_start_s=whole.start_s, lsr_start_s=heard.start_s
                )
                assert found.shift_s == pytest.approx(-0.05, abs=0.02 if view == "hsr" else 0.003)
    code, _, _ = call(capsys, *arguments, "--out", tmp_path / "slow.mp4", "--fps", 10)
    assert code == 0
    assert "real time" in json.loads((tmp_path / "slow.mp4.json").read_text())["sound"]


def test_damaged_frames_are_replaced_and_named(
    clips: Clips, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Zeros over a part of the file: it is still imported, and the fused clip has all its frames."""
    with av.open(str(tmp_path / "whole.mov"), "w") as container, open_clip(clips.lsr, Role.LSR) as clip:
        stream = container.add_stream("png", rate=240)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "rgb24"
        for number, frame in enumerate(clip.frames()):
            picture = av.VideoFrame.from_ndarray(frame.image, format="rgb24")
            picture.pts, picture.time_base = number, Fraction(1, 240)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    data = bytearray((tmp_path / "whole.mov").read_bytes())
    middle = data.index(b"mdat") + len(data) // 2
    data[middle : middle + 60_000] = bytes(60_000)
    damaged = tmp_path / "damaged.mov"
    damaged.write_bytes(data)
    code, out, _ = call(capsys, "sync", clips.hsr, damaged, "--json")
    assert code == 0
    assert abs(float(str(last_json(out)["offset_ms"])) - clips.offset_ms) < 0.25 * LSR_PERIOD_MS
    arguments = ["--offset-ms", "100", "--align", "none", "--method", "bicubic", "--json"]
    code, out, err = call(capsys, "fuse", clips.hsr, damaged, *arguments, "--out", tmp_path / "out.mkv")
    assert (code, last_json(out)["frames"]) == (0, 249)
    assert "is damaged, frame" in err
    with open_clip(tmp_path / "out.mkv", Role.HSR) as fused:
        assert fused.info.frame_count == 249


@pytest.mark.parametrize(
    ("build", "code", "message"),
    [
        (lambda c, t: ["sync", c.lsr, c.hsr], 1, "swapped"),
        (lambda c, t: ["sync", c.hsr, c.hsr], 1, "same clip was given twice"),
        (lambda c, t: ["sync", c.hsr], 1, "is one clip"),
        (lambda c, t: ["sync", t / "no", c.hsr], 1, "no such file"),
        (lambda c, t: ["sync", t, c.hsr], 1, "is a folder"),
        (lambda c, t: ["sync", c.hsr, c.lsr, "--capture-factor", "lots"], 2, "neither a number nor auto"),
        (lambda c, t: ["sync", c.hsr, c.lsr, "--capture-factor", "0.5"], 2, "from 1 on"),
        (lambda c, t: ["sync", c.hsr, c.lsr, "--capture-factor", "inf"], 2, "from 1 on"),
        (
            lambda c, t: ["fuse", c.hsr, c.lsr, "--out", t / "x.mkv", "--capture-factor", "nan"],
            2,
            "from 1 on",
        ),
        (lambda c, t: ["import", c.still_hsr, c.still_baked, "--out", t / "x"], 1, "give --capture-factor"),
        (lambda c, t: ["import", c.hsr, c.short_baked, "--out", t / "x"], 1, "give --capture-factor"),
        (lambda c, t: ["import", c.hsr, c.lsr, "--out", t], 1, "already exists"),
        (lambda c, t: ["import", c.hsr, c.lsr, "--out", t / "x", "--offset-ms", "9e6"], 1, "do not overlap"),
        (lambda c, t: ["import", c.hsr, c.lsr, "--out", t / "x", "--offset-ms", "soon"], 2, "soon"),
        (lambda c, t: ["import", c.hsr, c.lsr, "--out", t / "x", "--offset-ms", "nan"], 2, "nan"),
        (lambda c, t: ["sync", c.hsr, c.lsr, "--timer-hsr", "3=20"], 2, "read in both clips"),
        (lambda c, t: ["sync", c.hsr, c.lsr, "--timer-hsr", "3", "--timer-lsr", "3=1"], 2, "is not FRAME=MS"),
        (
            lambda c, t: ["sync", c.hsr, c.lsr, "--timer-hsr", "3=1", "--timer-lsr", "999=1"],
            1,
            "no frame 999",
        ),
        (lambda c, t: ["sync", c.hsr, c.lsr, "--timer-step-ms", "3"], 2, "belongs to --timer-hsr"),
        (
            lambda c, t: ["import", c.hsr, c.lsr, "--out", t / "x", "--offset-ms", "9", "--nudge-ms", "nan"],
            1,
            "no number",
        ),
    ],
)
def test_wrong_use_is_told_in_one_sentence(
    clips: Clips,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    build: object,
    code: int,
    message: str,
) -> None:
    assert callable(build)
    got, _, err = call(capsys, *build(clips, tmp_path))
    assert (got, message in err) == (code, True), err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "x").exists()
