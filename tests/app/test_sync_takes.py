"""Takes that `twinrate sync` and `fuse` cannot answer for: one sentence, no internal error."""

from __future__ import annotations

from pathlib import Path

import pytest

from fusing import twinrate
from takes import write_take


@pytest.mark.parametrize(("hsr", "lsr", "empty"), [(0, 24, "HSR"), (3, 0, "LSR"), (0, 0, "HSR")])
def test_a_stream_without_frames(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], hsr: int, lsr: int, empty: str
) -> None:
    take = write_take(tmp_path / "take", hsr, lsr)
    assert twinrate("sync", take) == 1
    assert capsys.readouterr().err == (
        f"twinrate: {take}: the {empty} stream has no frames; there is nothing to compare\n"
    )
    assert twinrate("fuse", take, "--out", tmp_path / "clip.mp4") == 1
    assert capsys.readouterr().err == (
        f"twinrate: {take}: the {empty} stream has no frames, and both are needed; record again with both "
        "cameras triggered\n"
    )


def test_a_capture_factor_belongs_to_clips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    take = write_take(tmp_path / "take", first_hsr_id=125)
    assert twinrate("sync", take) == 0
    capsys.readouterr()
    assert twinrate("sync", take, "--capture-factor", "8") == 1
    assert "--capture-factor belongs to two clips" in capsys.readouterr().err
