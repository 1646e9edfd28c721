"""The soak at the paper's rates, and other programs on the same cameras in the same run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from app.bench_capture import run_capture_bench
from app.errors import InputError


@pytest.mark.timeout(300)
def test_nothing_is_lost_at_the_papers_rates(tmp_path: Path) -> None:
    seconds: list[int] = []
    bench = run_capture_bench(
        seconds=10.0, peer_seconds=3.0, folder=tmp_path, on_second=lambda: seconds.append(1)
    )
    recording, live, *peers = bench.rows
    assert recording.frames_lost == 0
    assert recording.frames == 10 * 270
    assert recording.mb_per_s == pytest.approx(199.0, rel=0.02)
    assert recording.memory_growth_mb is not None
    assert recording.memory_growth_mb < 30
    # How long a grab takes is a figure of the bench: the machine decides about it.
    assert recording.grab_p999_ms is not None
    assert live.frames_lost == 0
    loops = [row for row in peers if "its own loop" in row.program]
    assert len(loops) == 2
    for row in loops:
        assert row.frames_lost > live.frames_lost
        # Seen: 0.36 to 0.45 of either loop's, idle or not, with the same copy of every frame on both sides.
        assert live.cpu_s_per_1000 < 0.8 * row.cpu_s_per_1000
    assert not list(tmp_path.iterdir())
    assert len(seconds) >= 10
    assert not {"EasyPySpin", "simple_pyspin"} & set(bench.missing)
    for name in [n for n in sys.modules if n.split(".")[0] in ("EasyPySpin", "simple_pyspin")]:
        del sys.modules[name]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        run_capture_bench(folder=tmp_path / "nowhere")
