"""Training and evaluation on Windows: files in use stay, and OpenCV opens no names with other letters."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from fusion_scene import pan

from fusion.evaluation import evaluate
from fusion.training.clips import Clip, find_clips, load_clips
from fusion.training.crops import SampleOptions
from fusion.training.loop import LoopOptions, RunOptions
from fusion.training.pack import write_pack
from fusion.training.pictures import load_cutouts
from fusion.training.recipe import train_live
from windows import files_in_use_stay

SAMPLES = SampleOptions(crop=(48, 48))


@pytest.fixture
def footage(tmp_path):
    folder = tmp_path / "Aufnahmen für Köln" / "pan"
    folder.mkdir(parents=True)
    for k, frame in enumerate(pan(9, 64, 96, (1.5, 0.5), 0)):
        (folder / f"{k:02d}.png").write_bytes(cv2.imencode(".png", frame)[1])
    return folder.parent


@pytest.fixture
def _opencv_takes_ascii_only(monkeypatch):
    """Its functions take names in the code page there, and fail without a word on others."""
    read, write = cv2.imread, cv2.imwrite
    monkeypatch.setattr(cv2, "imread", lambda name, *more: read(name, *more) if name.isascii() else None)
    monkeypatch.setattr(cv2, "imwrite", lambda name, *more: name.isascii() and write(name, *more))


def train(footage, out, steps):
    clips = load_clips(find_clips(footage), out / "cache")
    judged = Clip("pan1", np.stack(pan(8, 64, 80, (1.5, -1), 1)))
    loop = LoopOptions(steps=steps, save_every=1, validate_every=2)
    trainer = train_live(clips, [judged], out, SAMPLES, loop, RunOptions(batch=2))
    trainer.run()
    return trainer


def test_a_resumed_training_replaces_its_state(footage, tmp_path, monkeypatch):
    refused = files_in_use_stay(monkeypatch)
    train(footage, tmp_path / "run", 2)
    assert train(footage, tmp_path / "run", 4).step == 4
    assert refused == []


def test_an_evaluation_leaves_nothing_behind(footage, tmp_path, monkeypatch):
    refused = files_in_use_stay(monkeypatch)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    (row,) = evaluate(footage, scale=4, methods=["bicubic"])
    assert row.psnr > 20
    assert refused == []
    assert list(temporary.iterdir()) == []


@pytest.mark.usefixtures("_opencv_takes_ascii_only")
def test_any_letters_do_for_names_of_folders(footage, tmp_path):
    out = tmp_path / "Läufe"
    train(footage, out, 2)
    assert {path.name for path in out.glob("*.png")} == {"curve.png", "step_000002.png"}
    write_pack(footage, out / "pack")
    assert json.loads((out / "pack" / "pack.json").read_text())["items"]
    cutouts = out / "cutouts"
    cutouts.mkdir()
    (cutouts / "ö.png").write_bytes(cv2.imencode(".png", np.full((40, 40, 4), 200, np.uint8))[1])
    found = load_cutouts(Path(out))
    assert found is not None
    assert found.shape[:2] == (1, 4)
