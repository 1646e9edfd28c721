"""`twinrate train` and `twinrate evaluate` as an operator calls them: what they leave, and what they say."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from fusion_scene import pan

from app.cli import run
from fusion.weights import save_weights

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def data(tmp_path):
    for seed, name in enumerate(("cat", "dog")):
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True)
        for k, frame in enumerate(pan(9, 64, 96, (1.5, 0.5), seed)):
            cv2.imwrite(str(folder / f"{k:02d}.png"), frame)
    return tmp_path / "data"


@pytest.fixture
def twinrate(capsys):
    def call(*arguments, code=0):
        with pytest.raises(SystemExit) as stopped:
            run([str(a) for a in arguments])
        said = capsys.readouterr()
        assert stopped.value.code == code, said.err
        return json.loads(said.out.splitlines()[-1]) if code == 0 else said.err

    return call


def test_training_alone_needs_no_more_than_torch_and_opencv(data, tmp_path):
    """As on a GPU machine that has nothing of the rest; the docs say so."""
    absent = ("av", "PyQt6", "pyqtgraph", "superqt", "platformdirs", "tifffile", "PySpin")
    options = ["--data", str(data), "--out", str(tmp_path / "run"), "--crop", "32x32", "--batch", "1"]
    program = (
        f"import runpy, sys; sys.modules.update(dict.fromkeys({absent!r}));"
        f"sys.argv = ['train', *{options!r}, '--steps', '1'];"
        "runpy.run_module('app.commands.train', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "live_x4.safetensors").exists()


def test_live_is_trained_judged_stopped_and_trained_on(twinrate, data, tmp_path):
    common = ("train", "--data", data, "--out", tmp_path / "run", "--crop", "48x32", "--batch", "1", "--json")
    made = twinrate(*common, "--validate", "dog", "--steps", "2", "--schedule", "cosine", "--slow", "0.7")
    assert (made["clips"], made["validation"]) == (["cat"], ["dog"])
    card = json.loads((tmp_path / "run" / "live_x4.json").read_text())
    assert card["recipe"]["schedule"]["shape"] == "cosine"
    assert card["recipe"]["slow"] == 0.7
    assert card["recipe"]["samples"]["crop"] == [32, 48]
    error = twinrate(*common, "--validate", "dog", "--steps", "2", "--scale", "8", code=1)
    assert "holds a run with other settings (samples, schedule, slow)" in error
    assert len(error.splitlines()) == 1
    start = tmp_path / "run" / "live_x4.safetensors"
    again = ("train", "--data", data, "--out", tmp_path / "two", "--crop", "32x32", "--batch", "1", "--json")
    twinrate(*again, "--steps", "1", "--start", start)
    save_weights(tmp_path / "foreign.safetensors", torch.nn.Conv2d(1, 1, 1), layout="flow")
    elsewhere = ("--steps", "1", "--refs", "2", "--start")
    error = twinrate(
        *again[:4], tmp_path / "three", *again[5:], *elsewhere, tmp_path / "foreign.safetensors", code=1
    )
    assert "made for flow, not for live" in error
    twinrate(*again[:4], tmp_path / "pair", *again[5:], *elsewhere, start)
    assert json.loads((tmp_path / "pair" / "live_x4.json").read_text())["references"] == [1, 2]
    rows = twinrate("evaluate", "--data", data, "--weights", start, "--table", "methods", "--json")["rows"]
    assert (rows[0]["model"], sorted(rows[0]["ssim_by_clip"])) == ("live_x4", ["cat", "dog"])
    pieces = twinrate("train", "split", start, "--out", tmp_path / "pieces", "--mebibytes", "1", "--json")
    assert len(pieces["pieces"]) > 1
    twinrate(*again[:4], tmp_path / "four", *again[5:], "--steps", "1", "--start", tmp_path / "pieces")
    twinrate("train", "join", tmp_path / "pieces", "--out", tmp_path / "joined.safetensors", "--json")
    twinrate("evaluate", "--data", data, "--weights", tmp_path / "joined.safetensors", "--json")


def test_a_pack_is_made_and_awnet_s_flow_trained_on_it(twinrate, data, tmp_path):
    pack = tmp_path / "pack"
    made = twinrate("train", "pack", data, "--out", pack, "--validate", "dog", "--megabytes", "1", "--json")
    assert made["frames"] == 9
    common = ("train", "--data", pack, "--out", tmp_path / "run", "--model", "awnet", "--crop", "64x64")
    made = twinrate(*common, "--batch", "1", "--steps", "1", "--stage", "0", "--precision", "bf16", "--json")
    assert made["weights"].endswith("stage0.safetensors")
    assert made["clips"] == ["cat.00000"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--out", "OUT"], 2, "--data is missing"),
        (["--data", "DATA"], 2, "--out is missing"),
        (["--data", "OUT/none", "--out", "OUT"], 1, "there is no such folder"),
        (["--data", "DATA", "--out", "OUT", "--crop", "wide"], 2, "not a size such as 384x256"),
        (["--data", "DATA", "--out", "OUT", "--steps", "1"], 1, "no clip has frames of 192x192"),
        (["--data", "DATA", "--out", "OUT", "--validate", "cow"], 1, "no clip named cow"),
        (["--data", "DATA", "--out", "OUT", "--clean", "0.5"], 2, "give --noise-variance"),
        (["--data", "DATA", "--out", "OUT", "--model", "awnet", "--crop", "60x64"], 2, "multiples of 64"),
        (["--data", "DATA", "--out", "OUT", "--model", "live-flow", "--crop", "64x96"], 2, "multiples of 64"),
        (["--data", "DATA", "--out", "OUT", "--crop", "97x96"], 2, "sides must be multiples of 16"),
        (["--data", "DATA", "--out", "OUT", "--crop", "96x100"], 2, "sides must be multiples of 16"),
        (["--data", "DATA", "--out", "OUT", "--crop", "0x16"], 2, "not a size such as 384x256"),
        (["--data", "DATA", "--out", "OUT", "--seed", "-1"], 2, "--seed"),
        (["--data", "DATA", "--out", "OUT", "--seed", "2147483648"], 2, "--seed"),
        (["--data", "DATA", "--out", "OUT", "--model", "live-flow", "--stage", "3"], 2, "has steps 0 to 1"),
        (["--data", "DATA", "--out", "OUT", "--stage", "1"], 2, "live is trained in one step"),
        (["--data", "DATA", "--out", "OUT", "--published"], 2, "it is for awnet"),
        (["--data", "DATA", "--out", "OUT", "--steps", "1", "--minutes", "1"], 2, "give one of them"),
        (
            ["--data", "DATA", "--out", "OUT", "--model", "awnet", "--stage", "2", "--steps", "1"],
            1,
            "train step 1",
        ),
    ],
)
def test_what_cannot_be_trained_is_said_in_one_line(arguments, code, says, twinrate, data, tmp_path):
    arguments = [a.replace("DATA", str(data)).replace("OUT", str(tmp_path / "out")) for a in arguments]
    error = twinrate("train", *arguments, code=code)
    assert says in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--table", "noise", "--noise-variance", "0.01"], "variances of its own"),
        (["--table", "5", "--protocol", "gop"], "between two sharp frames"),
        (["--method", "magic"], "'magic' is no method; choose from: awnet, live, classical, bicubic, plain"),
        (["--recursion", "magic"], "--recursion"),
    ],
)
def test_options_that_mean_nothing_are_wrong_usage(arguments, says, twinrate, data):
    assert says in twinrate("evaluate", "--data", data, *arguments, code=2)


def test_footage_that_cannot_be_read_is_said_in_one_line(twinrate, data, tmp_path):
    cv2.imwrite(str(data / "dog" / "09.png"), np.zeros((60, 96, 3), np.uint8))
    common = ("train", "--data", data, "--out", tmp_path / "out", "--steps", "1", "--crop", "48x48")
    assert "frames of different sizes" in twinrate(*common, code=1)
    (data / "dog" / "09.png").write_bytes(b"no picture")
    assert "not a readable picture" in twinrate(*common, code=1)
