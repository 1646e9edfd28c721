"""Tables of `twinrate evaluate`: each line and column says what it is of, and figures are of one model."""

import re

import cv2
import numpy as np
import pytest
import torch
from fusion_scene import pan

from app.cli import run
from fusion.cards import save_card
from fusion.live import LiveNet
from fusion.weights import save_weights


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data" / "cat"
    folder.mkdir(parents=True)
    for k, frame in enumerate(pan(8, 64, 96, (1.5, 0.5), 0)):
        cv2.imwrite(str(folder / f"{k:02d}.png"), np.ascontiguousarray(frame[..., ::-1]))
    return folder.parent


@pytest.fixture
def models(tmp_path):
    """Two weights files of `live`; what the second makes is worth nothing."""
    made = []
    for name in ("first", "second"):
        torch.manual_seed(0)
        network = LiveNet()
        if made:
            with torch.no_grad():
                for parameter in network.parameters():
                    parameter.add_(0.03 * torch.randn_like(parameter))
        made.append(tmp_path / f"{name}.safetensors")
        save_weights(made[-1], network, layout="live")
        card = {"method": "live", "scale": 4, "noise_variance": 0.0, "references": [1, 2], "default": False}
        save_card(made[-1], card)
    return made


@pytest.fixture
def tables(capsys, data):
    def call(*arguments):
        with pytest.raises(SystemExit) as stopped:
            run(["evaluate", "--data", str(data), *map(str, arguments)])
        said = capsys.readouterr()
        assert stopped.value.code == 0, said.err
        return said.out

    return call


def test_what_two_references_bring_is_told_of_each_model(tables, models):
    first, second = models
    said = tables("--table", "5", "--scale", "4", "--weights", first, "--weights", second)
    psnr = [float(x) for x in re.findall(r"^live .* (\S+) +\S+ +\S+ +\S+$", said, re.MULTILINE)]
    gains = re.findall(r"^live, (\w+): two references bring (\S+) dB$", said, re.MULTILINE)
    assert [name for name, _ in gains] == ["first", "second"]
    for (_, gain), one, two in zip(gains, psnr[:2], psnr[2:], strict=True):
        assert float(gain) == pytest.approx(two - one, abs=0.011)


def test_columns_and_lines_of_one_method_can_be_told_apart(tables, models):
    chosen = ("--weights", models[0], "--weights", models[1])
    said = tables("--table", "methods", *chosen)
    (header,) = [line for line in said.splitlines() if line.startswith("clip ")]
    assert "live, first" in header
    assert "live, second" in header
    said = tables("--protocol", "gop", "--table", "noise", "--method", "bicubic")
    lines = [line for line in said.splitlines() if line.startswith("bicubic, 1 reference")]
    assert [" ".join(line.split()[:5]) for line in lines] == [
        f"bicubic, 1 reference, noise {v}" for v in ("0", "0.001", "0.01")
    ]
