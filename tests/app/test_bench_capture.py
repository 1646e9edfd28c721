"""A recording with previews, and other programs on the same cameras in the same run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from app.bench.capture import run_capture_bench
from app.errors import InputError


def test_nothing_is_lost_where_other_programs_lose_frames(tmp_path: Path) -> None:
    """With small pictures: whether a machine manages the paper's rates is for the bench to say."""
    seconds: list[int] = []
    bench = run_capture_bench(
        seconds=3.0,
        peer_seconds=1.0,
        hsr_size=(384, 320),
        lsr_size=(96, 80),
        folder=tmp_path,
        on_second=lambda: seconds.append(1),
    )
    recording, live, *peers = bench.rows
    assert recording.frames_lost == 0
    assert recording.frames == 3 * 270
    assert recording.mb_per_s == pytest.approx(5.5, abs=0.1)
    assert recording.memory_growth_mb is not None
    assert recording.memory_growth_mb < 30
    assert recording.grab_p999_ms is not None
    assert live.frames_lost == 0
    loops = [row for row in peers if "its own loop" in row.program]
    assert len(loops) == 2
    for row in loops:
        assert row.frames > 0
        assert row.frames_lost > live.frames_lost
    assert not list(tmp_path.iterdir())
    assert len(seconds) >= 3
    assert not {"EasyPySpin", "simple_pyspin"} & set(bench.missing)
    for name in [n for n in sys.modules if n.split(".")[0] in ("EasyPySpin", "simple_pyspin")]:
        del sys.modules[name]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        run_capture_bench(folder=tmp_path / "nowhere")
