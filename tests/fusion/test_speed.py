"""What a fused frame costs: measured in processes of their own, compared within one run."""

import os
import signal
import sys

import numpy as np
import pytest

from fusion import FusionError
from fusion.evaluation import speed
from fusion.evaluation.speed import PEER, measure


def killed(*_):
    """What a machine without enough memory does."""
    os.kill(os.getpid(), signal.SIGKILL)


def test_more_work_costs_more_and_every_row_says_what_it_measured():
    heard = []
    rows, left_out = measure(
        [PEER, "bicubic", "classical"], [(320, 240)], frames=2, device="cpu", on_row=heard.append
    )
    assert rows == heard
    assert left_out == []
    assert [(row.method, row.references) for row in rows] == [
        (PEER, 1),
        ("bicubic", 1),
        ("classical", 1),
        ("classical", 2),
    ]
    assert all((row.width, row.height, row.device, row.model) == (320, 240, "cpu", "none") for row in rows)
    _, bicubic, one, two = rows
    assert bicubic.cpu_seconds < one.cpu_seconds < two.cpu_seconds
    assert all(row.seconds > 0 for row in rows)
    assert two.memory_mb > 0


@pytest.mark.skipif(sys.platform != "linux", reason="other systems tell memory in other ways")
def test_memory_of_the_program_that_asks_does_not_count():
    ballast = np.ones(400 * 2**20, np.uint8)
    (row,), _ = measure(["bicubic"], [(320, 240)], frames=1, device="cpu")
    assert ballast.all()
    assert 0 <= row.memory_mb < 100


def test_awnet_is_measured_with_the_sharp_frames_asked_for():
    rows, left_out = measure(["awnet"], [(64, 64)], references=(2,), frames=1, device="cpu")
    assert left_out == []
    assert [(row.method, row.references, row.model) for row in rows] == [("awnet", 2, "untrained")]


def test_a_network_that_would_not_fit_is_left_out_by_name():
    rows, left_out = measure(["awnet"], [(60000, 40000)], device="cpu")
    assert rows == []
    assert len(left_out) == 1
    assert left_out[0].startswith("awnet at 60000x40000 needs about 5141 GiB")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a system that kills")
@pytest.mark.timeout(60)
def test_a_measurement_that_the_system_ends_is_left_out_and_the_others_go_on(monkeypatch):
    monkeypatch.setattr(speed, "_cost", killed)
    rows, left_out = measure(["bicubic", PEER], [(320, 240)], device="cpu")
    assert rows == []
    assert [text.split(":")[0] for text in left_out] == ["bicubic at 320x240", f"{PEER} at 320x240"]


@pytest.mark.parametrize(
    ("methods", "size", "message"),
    [(["magic"], (320, 240), "unknown method 'magic'"), (["bicubic"], (40, 240), "sizes of at least 64")],
)
def test_what_cannot_be_measured_is_refused(methods, size, message):
    with pytest.raises(FusionError, match=message):
        measure(methods, [size])
