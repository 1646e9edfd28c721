"""How long the disk lasts, as the status bar and the check list say it."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from app.gui.checks import check_disk
from app.gui.status import minutes_left, planned_rate
from drivers.disk import RESERVE_BYTES
from emulated import SETUP

SETTINGS = SETUP.settings()
RATE = 96 * 80 * 30 + 48 * 40 * 240


@pytest.mark.parametrize(
    ("total", "minutes", "level", "words"),
    [
        (10**12, 5.0, "good", "5.0 min at 1 MB/s"),
        (10**12, 1.0, "warn", "1.0 min"),
        (10**12, 0.0, "bad", "full"),
        (10**12, -1.0, "bad", "full"),
        (0, 0.0, "bad", "full"),
    ],
    ids=["enough", "little", "full", "below the reserve", "no disk"],
)
def test_room_is_what_lies_above_the_reserve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, total: int, minutes: float, level: str, words: str
) -> None:
    usage = namedtuple("usage", "total used free")
    free = 0 if total == 0 else RESERVE_BYTES + int(minutes * 60 * RATE)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(total, 0, free))
    assert planned_rate(SETTINGS) == RATE
    assert minutes_left(tmp_path / "not yet", SETTINGS) == pytest.approx(max(0.0, minutes))
    check = check_disk(tmp_path / "not yet", SETTINGS)
    assert check.level == level
    assert words in check.text


def test_a_disk_that_was_pulled_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pulled(_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(shutil, "disk_usage", pulled)
    check = check_disk(tmp_path, SETTINGS)
    assert check.level == "bad"
    assert "Input/output error); choose another folder" in check.text
