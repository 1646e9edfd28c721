"""The raw streams of a take as clips: every frame is shown when it was filmed, also around lost ones."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from app.errors import InputError
from app.export import open_sink
from app.gui.snapshot import save_snapshot
from app.import_clips import import_clips
from app.raw_export import RawExportJob, RawView, raw_frames, run_raw_export
from app.session import Session
from app.sinks import CODECS
from app.size_estimate import estimate_size
from drivers import RgbImage, Role, Take, hsr_times_on_lsr_clock, to_rgb
from drivers.spinnaker_emulator import VirtualRig
from fusing import twinrate
from synthetic import moving_scene, shrink
from takes import make_frame, write_take

LOST = {Role.LSR: set(range(30, 42)), Role.HSR: {5, 6, 7}}
SECONDS = 0.4


def record(rig: VirtualRig, session: Session, path: Path, *lossy: Role) -> Path:
    """A take of 96 LSR frames at 240 fps, 12 HSR frames at 30, less those that these cameras lose."""
    for role in lossy:
        rig.faults(role).lost_frames |= LOST[role]
    session.record(SECONDS, path)
    return path


def filmed(take: Path, role: Role) -> list[float]:
    """When the frames of a stream were filmed, in seconds after the first of them."""
    with Take.open(take) as opened:
        times = opened.stream(role).mid_exposure_ns
    return [float(t) for t in (times - times[0]) * 1e-9]


def shown(clip: Path) -> tuple[list[float], list[RgbImage]]:
    """When the frames of a clip are shown, and what they show."""
    with av.open(str(clip)) as container:
        frames = list(container.decode(video=0))
    return [float(f.pts * f.time_base) for f in frames], [f.to_ndarray(format="rgb24") for f in frames]


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
@pytest.mark.parametrize("role", list(Role))
def test_a_raw_clip_takes_as_long_as_what_it_shows(
    rig: VirtualRig, session: Session, tmp_path: Path, role: Role, name: str
) -> None:
    take = record(rig, session, tmp_path / "take", role)
    view = RawView.LSR if role is Role.LSR else RawView.HSR
    out = tmp_path / name
    result = run_raw_export(RawExportJob(take, out, view))
    times = filmed(take, role)
    assert result.frames == len(times) == (84 if role is Role.LSR else 9)
    # Matroska keeps milliseconds; the cameras' own clocks run some ppm off.
    assert shown(out)[0] == pytest.approx(times, abs=1e-3 if name == "clip.mkv" else 1e-4)
    lost = len(LOST[role])
    assert result.warnings == (
        f"{lost} {role.name} frames are missing among those that are exported: a clip shows the frame before "
        "a gap until it ends",
    )
    said = json.loads(Path(f"{out}.json").read_text())
    assert said["warnings"] == list(result.warnings)
    assert said["playback_rate"] == ("240" if role is Role.LSR else "30")
    rows, name = said["per_frame"], role.name.lower()
    assert [row[f"{name}_index"] for row in rows] == list(range(len(times)))
    with Take.open(take) as opened:
        assert [row[f"{name}_frame_id"] for row in rows] == opened.stream(role).frame_ids.tolist()
        # Both streams count from the same moment, so that their pictures can be put together again.
        zero = opened.lsr.mid_exposure_ns[0]
        on_lsr_clock = (
            hsr_times_on_lsr_clock(opened.pair()) if role is Role.HSR else opened.lsr.mid_exposure_ns
        )
    assert said["time_zero"] == "first LSR frame"
    assert [row["time_s"] for row in rows] == pytest.approx((on_lsr_clock - zero) * 1e-9, abs=1e-6)


def test_raw_clips_of_one_take_stay_together(rig: VirtualRig, session: Session, tmp_path: Path) -> None:
    take = record(rig, session, tmp_path / "take", Role.LSR, Role.HSR)
    clips: dict[RawView, list[float]] = {}
    for view in RawView:
        out = tmp_path / f"{view.name}.mp4"
        run_raw_export(RawExportJob(take, out, view))
        clips[view] = shown(out)[0]
    with Take.open(take) as opened:
        hsr = hsr_times_on_lsr_clock(opened.pair())
        apart = (hsr - opened.lsr.mid_exposure_ns[0]) * 1e-9
    assert [t + float(apart[0]) for t in clips[RawView.HSR]] == pytest.approx(apart.tolist(), abs=1e-4)
    assert clips[RawView.LSR] == clips[RawView.SIDE_BY_SIDE]
    assert clips[RawView.LSR][-1] == pytest.approx(95 / 240, abs=1e-6)
    assert clips[RawView.HSR][-1] == pytest.approx(11 / 30, abs=1e-6)


def test_side_by_side_the_sharp_frame_before_a_gap_is_shown_until_it_ends(
    rig: VirtualRig, session: Session, tmp_path: Path
) -> None:
    take = record(rig, session, tmp_path / "take", Role.HSR)
    out = tmp_path / "both.mkv"
    result = run_raw_export(RawExportJob(take, out, codec="ffv1"))
    assert result.warnings == (
        "3 HSR frames are missing among those that are exported: a clip shows the frame before a gap until "
        "it ends",
    )
    times, pictures = shown(out)
    assert times == pytest.approx([k / 240 for k in range(96)], abs=1e-3)
    with Take.open(take) as opened:
        sharp = list(raw_frames(opened.pair(), RawView.HSR, list(range(9))))
        ids = opened.hsr.frame_ids.tolist()
    halves = [picture[:, :96] for picture in pictures]
    beside = [next(i for i, s in zip(ids, sharp, strict=True) if np.array_equal(s, half)) for half in halves]
    rows = json.loads(Path(f"{out}.json").read_text())["per_frame"]
    assert [ids[row["hsr_index"]] for row in rows] == beside
    assert [row["lsr_index"] for row in rows] == list(range(96))
    # HSR frame n is shown from 3 LSR frames before its moment to 4 after it.
    whole = [max(0, min(11, (k + 3) // 8)) for k in range(96)]
    assert beside == [4 if n in LOST[Role.HSR] else n for n in whole]


def test_a_part_in_slow_motion_keeps_its_gap(rig: VirtualRig, session: Session, tmp_path: Path) -> None:
    take = record(rig, session, tmp_path / "take", Role.LSR)
    out = tmp_path / "part.mp4"
    job = RawExportJob(take, out, RawView.LSR, playback_fps=30, start_s=27.5 / 240, end_s=44.5 / 240)
    assert run_raw_export(job).frames == 5
    assert shown(out)[0] == pytest.approx([0, 1 / 30, 14 / 30, 15 / 30, 16 / 30], abs=1e-6)
    result = run_raw_export(replace(job, out=tmp_path / "rest.mp4", start_s=44.5 / 240, end_s=None))
    assert (result.frames, result.warnings) == (51, ())


@pytest.mark.parametrize(("first", "last", "sharp"), [(0, 24, [0, 1, 2]), (24, 33, [3, 4])])
def test_a_part_has_the_sharp_frames_of_its_moments(
    rig: VirtualRig, session: Session, tmp_path: Path, first: int, last: int, sharp: list[int]
) -> None:
    take = record(rig, session, tmp_path / "take")
    start, end = (filmed(take, Role.LSR)[k] for k in (first, last))
    rows = {}
    for view in (RawView.HSR, RawView.LSR):
        out = tmp_path / f"{view.name}.mp4"
        run_raw_export(RawExportJob(take, out, view, start_s=start, end_s=end))
        rows[view] = json.loads(Path(f"{out}.json").read_text())["per_frame"]
    assert [row["hsr_index"] for row in rows[RawView.HSR]] == sharp
    assert [row["lsr_index"] for row in rows[RawView.LSR]] == list(range(first, last))


def test_pictures_are_one_file_a_frame(rig: VirtualRig, session: Session, tmp_path: Path) -> None:
    take = record(rig, session, tmp_path / "take", Role.LSR)
    result = run_raw_export(RawExportJob(take, tmp_path / "pictures", RawView.LSR, "png"))
    assert len(list((tmp_path / "pictures").iterdir())) == result.frames == 84
    assert "12 LSR frames are missing" in result.warnings[0]


def test_a_stream_whose_take_cannot_be_fused_is_shown_in_its_own_time(
    rig: VirtualRig, session: Session, tmp_path: Path
) -> None:
    take = record(rig, session, tmp_path / "take", Role.LSR)
    about = json.loads((take / "take.json").read_text())
    about["trigger"]["ratio"] = 5
    (take / "take.json").write_text(json.dumps(about))
    out = tmp_path / "clip.mp4"
    result = run_raw_export(RawExportJob(take, out, RawView.LSR))
    assert shown(out)[0] == pytest.approx(filmed(take, Role.LSR), abs=1e-4)
    assert "12 LSR frames are missing" in result.warnings[0]
    assert json.loads(Path(f"{out}.json").read_text())["playback_rate"] == "240"
    run_raw_export(RawExportJob(take, tmp_path / "sharp.mp4", RawView.HSR))
    said = json.loads((tmp_path / "sharp.mp4.json").read_text())
    assert said["time_zero"] == "first HSR frame"
    assert [row["time_s"] for row in said["per_frame"]] == pytest.approx(filmed(take, Role.HSR), abs=1e-6)


@pytest.mark.parametrize(("hsr", "lsr"), [(5, 0), (0, 40)])
def test_what_one_camera_filmed_alone_is_exported(tmp_path: Path, hsr: int, lsr: int) -> None:
    take = write_take(tmp_path / "take", hsr, lsr)
    there, other = (RawView.HSR, RawView.LSR) if hsr else (RawView.LSR, RawView.HSR)
    out = tmp_path / "clip.mkv"
    assert run_raw_export(RawExportJob(take, out, there, "ffv1")).frames == hsr + lsr
    assert shown(out)[0] == pytest.approx([i / (30 if hsr else 240) for i in range(hsr + lsr)], abs=1e-3)
    said = json.loads(Path(f"{out}.json").read_text())
    assert said["time_zero"] == f"first {there.name} frame"
    assert said["per_frame"][-1]["time_s"] == pytest.approx(4 / 30 if hsr else 39 / 240, abs=1e-6)
    part = RawExportJob(take, tmp_path / "part.mkv", there, "ffv1", start_s=0.06, end_s=0.13)
    assert run_raw_export(part).frames == (2 if hsr else 17)
    assert estimate_size(take, there, "ffv1", "high").of(hsr + lsr) > 0
    for view in (other, RawView.SIDE_BY_SIDE):
        with pytest.raises(InputError, match=f"{other.name} stream has no frames; export the {there.name}"):
            run_raw_export(RawExportJob(take, tmp_path / "none.mkv", view, "ffv1"))
    assert not list(tmp_path.glob("none*"))


@pytest.mark.parametrize("view", list(RawView))
def test_of_a_take_without_frames_no_other_camera_is_offered(tmp_path: Path, view: RawView) -> None:
    take = write_take(tmp_path / "take", 0, 0)
    with pytest.raises(InputError, match="neither camera has frames in this take"):
        run_raw_export(RawExportJob(take, tmp_path / "clip.mkv", view))


def test_a_clip_without_an_end_is_described_in_words_of_json(tmp_path: Path) -> None:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    take, out = write_take(tmp_path / "take"), tmp_path / "clip.mkv"
    run_raw_export(RawExportJob(take, out, RawView.LSR, end_s=math.inf))
    said = json.loads(Path(f"{out}.json").read_text(), parse_constant=refuse)
    assert (said["frames"], said["end_s"]) == (24, None)


@pytest.mark.parametrize("codec", ["png", "tiff"])
def test_pictures_of_more_than_8_bits_keep_them(tmp_path: Path, codec: str) -> None:
    path = write_take(tmp_path / "take", first_hsr_id=125)

    def exported(view: RawView) -> NDArray[np.generic]:
        out = tmp_path / view.name
        run_raw_export(RawExportJob(path, out, view, codec))
        said = json.loads(Path(f"{out}.json").read_text())
        picture = cv2.imread(
            str(out / f"000007.{codec}" if view is not RawView.HSR else out / f"000000.{codec}"), -1
        )
        assert picture is not None
        assert said["bits"] == 8 * picture.itemsize == estimate_size(path, view, codec, "high").bits
        return picture[..., ::-1]

    with Take.open(path) as take:
        sharp, beside, coarse = to_rgb(take.hsr.read(0)), to_rgb(take.hsr.read(1)), to_rgb(take.lsr.read(7))
    assert (sharp.dtype, coarse.dtype) == (np.uint8, np.uint16)
    np.testing.assert_array_equal(exported(RawView.HSR), sharp)
    np.testing.assert_array_equal(exported(RawView.LSR), coarse)
    both = exported(RawView.SIDE_BY_SIDE)
    width = sharp.shape[1]
    np.testing.assert_array_equal(both[:, :width] % 257, 0)
    np.testing.assert_array_equal(both[:, :width] // 257, beside)
    np.testing.assert_array_equal(both[::2, width::2], coarse)


def test_a_clip_of_a_codec_of_8_bits_is_rounded_and_says_so(tmp_path: Path) -> None:
    path = write_take(tmp_path / "take")
    out = tmp_path / "clip.mp4"
    run_raw_export(RawExportJob(path, out, RawView.LSR, "h264"))
    assert json.loads(Path(f"{out}.json").read_text())["bits"] == 8


def test_a_snapshot_is_as_deep_as_the_camera_s_picture(tmp_path: Path) -> None:
    frames = [make_frame(role, 5) for role in Role]
    for frame, path in zip(frames, save_snapshot(frames, tmp_path, "now"), strict=True):
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert picture is not None
        np.testing.assert_array_equal(picture[..., ::-1], to_rgb(frame))


def test_the_command_exports_as_the_window_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    take, out = write_take(tmp_path / "take", first_hsr_id=125), tmp_path / "clip.mkv"
    assert twinrate("export", take, "--out", out, "--codec", "ffv1", "--end", 0.05, "--json") == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said == {"path": str(out), "frames": 12, "width": 32, "height": 12, "bits": 16, "warnings": []}
    assert len(shown(out)[1]) == 12
    assert twinrate("export", take, "--out", tmp_path / "lsr", "--view", "lsr", "--codec", "tiff") == 0
    assert "24 frames 8x6, 16 bits a colour" in capsys.readouterr().out
    for arguments, code, words in (
        ((take, "--out", out), 1, "exists"),
        ((tmp_path / "nothing", "--out", tmp_path / "a.mp4"), 1, "nothing"),
        ((take, "--out", tmp_path / "a.mp4", "--view", "left"), 2, "left"),
        ((take, "--out", tmp_path / "a.mp4", "--start", "nan"), 2, "--start"),
        (
            (take, "--out", tmp_path / "a.mp4", "--start", "9"),
            1,
            "9 s and the end; the last one is at 0.096",
        ),
        ((take, "--out", tmp_path / "a.png"), 1, "a.png"),
    ):
        assert twinrate("export", *arguments) == code, arguments
        said = capsys.readouterr().err
        assert len(said.splitlines()) == 1
        assert words in said
    assert not list(tmp_path.glob("a*"))


def take_of_clips(
    folder: Path, hsr: list[RgbImage], lsr: list[RgbImage], aspects: tuple[Fraction, Fraction]
) -> Path:
    """A take that refers to two clips, 30 and 240 fps, whose pixels are so much wider than high."""
    for name, frames, rate, aspect in zip(("hsr", "lsr"), (hsr, lsr), (30, 240), aspects, strict=True):
        height, width = frames[0].shape[:2]
        clip = folder / f"{name}.mp4"
        sink = open_sink(clip, CODECS["h264"], width, height, Fraction(rate), pixel_aspect=aspect)
        for frame in frames:
            sink.write(frame)
        sink.finish()
    take = folder / "take"
    import_clips(folder / "hsr.mp4", folder / "lsr.mp4", take, offset_ms=0.0)
    return take


SQUARE, WIDE = Fraction(1), Fraction(4, 3)


def test_a_take_with_one_sharp_frame_is_exported(tmp_path: Path) -> None:
    truth = moving_scene(24, 64, 96)
    take = take_of_clips(tmp_path, truth[:1], [shrink(f, 2) for f in truth], (SQUARE, SQUARE))
    for view, frames in ((RawView.HSR, 1), (RawView.LSR, 24), (RawView.SIDE_BY_SIDE, 24)):
        out = tmp_path / f"{view.name}.mp4"
        assert run_raw_export(RawExportJob(take, out, view)).frames == frames
        assert len(shown(out)[1]) == frames
        assert estimate_size(take, view, "h264", "high").of(frames) > 0


@pytest.mark.parametrize("aspects", [(WIDE, WIDE), (SQUARE, WIDE), (WIDE, SQUARE)])
@pytest.mark.parametrize("view", list(RawView))
def test_pixels_that_are_not_square_stay_so(
    tmp_path: Path, view: RawView, aspects: tuple[Fraction, Fraction]
) -> None:
    """Side by side, both are shown as wide as they are by themselves."""
    truth = moving_scene(16, 96, 144)
    take = take_of_clips(tmp_path, truth[::8], [shrink(f, 2) for f in truth], aspects)
    out = tmp_path / "clip.mp4"
    assert run_raw_export(RawExportJob(take, out, view)).warnings == ()
    with av.open(str(out)) as clip:
        stream = clip.streams.video[0]
        aspect, width, height = stream.sample_aspect_ratio or SQUARE, stream.width, stream.height
    wide = [Fraction(144, 96) * aspect for aspect in aspects]
    expected = {RawView.HSR: wide[0], RawView.LSR: wide[1], RawView.SIDE_BY_SIDE: sum(wide)}[view]
    assert float(aspect * width / height) == pytest.approx(float(expected), rel=0.01)
    warnings = run_raw_export(RawExportJob(take, tmp_path / "clip.mkv", view, "ffv1")).warnings
    told = any("4:3, not square" in text for text in warnings)
    assert told == (aspect == WIDE)


def test_a_part_begins_and_ends_at_the_times_that_are_told(tmp_path: Path) -> None:
    truth = moving_scene(16, 64, 96)
    take = take_of_clips(tmp_path, truth[::8], [shrink(f, 2) for f in truth], (SQUARE, SQUARE))
    job = RawExportJob(take, tmp_path / "clip.mp4", RawView.LSR, overwrite=True)
    run_raw_export(job)
    times = [row["time_s"] for row in json.loads((tmp_path / "clip.mp4.json").read_text())["per_frame"]]
    for first in range(12):
        run_raw_export(replace(job, start_s=times[first], end_s=times[first + 2]))
        rows = json.loads((tmp_path / "clip.mp4.json").read_text())["per_frame"]
        assert [row["lsr_index"] for row in rows] == [first, first + 1]
