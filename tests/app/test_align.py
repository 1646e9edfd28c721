"""Fusing takes with the alignment that the operator asked for: by the pictures, or by a rig file."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.aligner import camera_id
from app.capture import CaptureJob, run_job
from app.cli import run
from app.demo import TruthOfView, upscale
from app.fusion_options import FusionOptions
from app.pipeline import Pipeline
from app.session import RigSetup
from calibration import CameraModel, Rig, RigFileError, StaleRigError
from drivers import FrameSource, Role, StreamPair, Take, open_clip_pair
from drivers.spinnaker_emulator import Region, RigGeometry
from fusing import twinrate
from fusion.evaluation.metrics import psnr
from pictures import textured
from synthetic import moving_scene, shrink, write_lossless


@pytest.fixture(scope="module")
def take(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("rig") / "take"
    setup = RigSetup(emulate=True, hsr_size=(1152, 960), lsr_size=(288, 240))
    assert run_job(CaptureJob(setup, out, 2 / 30)).frames_lost == 0
    return out


def emulated_rig(take: Take) -> Rig:
    """The rig file that a perfect calibration of the emulated rig would give."""
    geometry = RigGeometry()

    def model(source: FrameSource, role: Role) -> CameraModel:
        identity = camera_id(source)
        region = Region(identity.offset_x, identity.offset_y, identity.width, identity.height)
        k = geometry.intrinsics(role, region, identity.width, identity.height)
        return CameraModel.model_validate({"id": identity, "matrix": k.tolist(), "distortion": (0,) * 5})

    return Rig.model_validate(
        {
            "lsr": model(take.lsr, Role.LSR),
            "hsr": model(take.hsr, Role.HSR),
            "rotation": geometry.rotation(Role.HSR).tolist(),
            "direction": (1.0, 0.0, 0.0),
            "baseline_mm": geometry.baseline_mm,
            "reference_mm": geometry.plane_distance_mm,
        }
    )


def gain_over_bicubic(take: Take, pipeline: Pipeline, frames: int = 3) -> float:
    """Mean gain [dB] of the first fused frames over the enlarged LSR frames, by the emulator's truth."""
    truth = TruthOfView(take, pipeline)
    gains = []
    for _, frame in zip(range(frames), pipeline.frames(), strict=False):
        true = truth.frame(frame.record.lsr_index)
        plain = upscale(frame.lsr, pipeline.width, pipeline.height)
        gains.append(psnr(frame.image, true) - psnr(plain, true))
    return float(np.mean(gains))


def test_a_rig_file_aligns_a_take(take: Path, tmp_path: Path) -> None:
    with Take.open(take) as opened:
        emulated_rig(opened).save(tmp_path / "rig.json")
        pipeline = Pipeline(
            opened.pair(), FusionOptions(method="classical", align=str(tmp_path / "rig.json"))
        )
        assert pipeline.alignment.method.startswith("rig")
        assert gain_over_bicubic(opened, pipeline) > 3


def test_a_rig_file_that_was_not_in_use_at_the_take_is_doubted(
    take: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Take.open(take) as opened:
        rig = emulated_rig(opened)
    used, other, out = tmp_path / "used.json", tmp_path / "other.json", tmp_path / "take"
    rig.save(used)
    rig.moved(baseline_mm=51).save(other)
    setup = RigSetup(emulate=True, hsr_size=(1152, 960), lsr_size=(288, 240))
    run_job(CaptureJob(setup, out, 2 / 30, rig_file=used))

    def warnings(recorded: Path, file: Path) -> list[str]:
        clip = tmp_path / f"{recorded.name}_{file.stem}.mp4"
        how = ("--method", "bicubic", "--end", "0.01", "--overwrite", "--json")
        assert twinrate("fuse", recorded, "--out", clip, "--align", file, *how) == 0
        told = json.loads(capsys.readouterr().out.splitlines()[-1])["warnings"]
        return [text for text in told if "recorded with another rig file" in text]

    assert warnings(out, used) == []
    (told,) = warnings(out, other)
    assert told.startswith(f"{other}: ")
    used.write_bytes(other.read_bytes())
    assert len(warnings(out, used)) == 1
    # Of a take that keeps no word of a rig file nothing is known.
    assert warnings(take, other) == []


def test_a_rig_file_of_other_cameras_or_a_damaged_one_is_refused(take: Path, tmp_path: Path) -> None:
    with Take.open(take) as opened:
        rig = emulated_rig(opened)
        other = rig.hsr.model_copy(update={"id": rig.hsr.id.model_copy(update={"serial": "16299999"})})
        rig.model_copy(update={"hsr": other}).save(tmp_path / "other.json")
        with pytest.raises(StaleRigError, match="16299999"):
            Pipeline(opened.pair(), FusionOptions(align=str(tmp_path / "other.json")))
        (tmp_path / "damaged.json").write_text("{")
        with pytest.raises(RigFileError, match="damaged"):
            Pipeline(opened.pair(), FusionOptions(align=str(tmp_path / "damaged.json")))
        with pytest.raises(RigFileError, match="no such rig file"):
            Pipeline(opened.pair(), FusionOptions(align=str(tmp_path / "missing.json")))


def test_a_covered_lens_in_the_middle_keeps_the_alignment_and_says_so(take: Path) -> None:
    with Take.open(take) as opened:
        pipeline = Pipeline(opened.pair(), FusionOptions(method="bicubic"))
        hsr = pipeline.aligner.align(
            np.zeros((960, 1152, 3), np.uint8), np.zeros((240, 288, 3), np.uint8), "the dark GoP"
        )
        assert hsr is pipeline.alignment
        assert any("the dark GoP keeps the first alignment" in w for w in pipeline.warnings)


def two_views(folder: Path, marks: list[int]) -> StreamPair:
    """Three sharp frames of a dim wall with so many marks at a time, and a turned view of it."""
    height, width, ratio = 384, 512, 4
    walls = []
    for number, count in enumerate(marks):
        rng = np.random.default_rng(number)
        wall = textured(height, width, seed=1, cell=64) // 4 + 40
        for _ in range(count):
            x, y, value = *rng.integers((40, 40), (width - 56, height - 56)), rng.integers(120, 255)
            wall[y : y + rng.integers(8, 16), x : x + rng.integers(8, 16)] = value
        walls.append(np.asarray(wall, np.uint8))
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 1.5, 1.03)
    turned = [cv2.warpAffine(wall, turn, (width, height), flags=cv2.INTER_CUBIC) for wall in walls]
    return open_clip_pair(
        write_lossless(folder / "hsr.mkv", walls, 60),
        write_lossless(folder / "lsr.mkv", [shrink(one, 2) for one in turned for _ in range(ratio)], 240),
        offset_ms=1000 / 240,
    )


def test_the_moment_that_shows_most_points_fixes_the_view(tmp_path: Path) -> None:
    pair = two_views(tmp_path, [150, 15, 15])
    with pair.hsr, pair.lsr:
        pipeline = Pipeline(pair, FusionOptions(method="bicubic"))
        assert pipeline.alignment.inliers > 60
        assert not [text for text in pipeline.warnings if "aligned by" in text]


def test_views_that_are_aligned_by_few_points_are_doubted(tmp_path: Path) -> None:
    pair = two_views(tmp_path, [8, 8, 8])
    with pair.hsr, pair.lsr:
        pipeline = Pipeline(pair, FusionOptions(method="bicubic"))
        (told,) = (text for text in pipeline.warnings if "double edges" in text)
        assert f"by {pipeline.alignment.inliers} points only" in told


def test_a_view_that_can_hardly_be_matched_is_doubted(tmp_path: Path) -> None:
    truth = moving_scene(12, 384, 512)
    for frame in truth[1::4]:
        # Something hangs before the sharp camera alone.
        frame[:, 200:] = textured(384, 312, seed=5, cell=12)
    lsr = [shrink(frame, 2) for frame in moving_scene(12, 384, 512)]
    pair = open_clip_pair(
        write_lossless(tmp_path / "hsr.mkv", truth[1::4], 60),
        write_lossless(tmp_path / "lsr.mkv", lsr, 240),
        offset_ms=1000 / 240,
    )
    with pair.hsr, pair.lsr:
        pipeline = Pipeline(pair, FusionOptions(method="bicubic"))
        (told,) = (text for text in pipeline.warnings if "could be matched with the HSR view" in text)
        assert f"{pipeline.alignment.valid.mean():.0%}" in told


@pytest.mark.parametrize(
    "command", [["scene"], ["relock", "--baseline-mm", "50", "--distance-mm", "2000"]], ids=lambda c: c[0]
)
def test_calibrate_refuses_the_rig_file_of_other_cameras(
    take: Path, tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with Take.open(take) as opened:
        rig = emulated_rig(opened)
    other = rig.hsr.model_copy(update={"id": rig.hsr.id.model_copy(update={"serial": "99999999"})})
    file = tmp_path / "rig.json"
    rig.model_copy(update={"hsr": other}).save(file)
    before = file.read_bytes()
    with pytest.raises(SystemExit, match="1"):
        run(["calibrate", *command, str(take), "--rig", str(file)])
    assert "the rig's was 99999999" in capsys.readouterr().err
    assert file.read_bytes() == before
