"""The measurements that the documentation names can be started as it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAMED = sorted(
    {
        name
        for page in (ROOT / "docs").glob("*.md")
        for name in re.findall(r"-m (tests\.\w+)", page.read_text("utf-8"))
    }
)


@pytest.mark.parametrize("name", NAMED)
def test_a_measurement_of_the_docs_starts(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", name, "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage:" in done.stdout
