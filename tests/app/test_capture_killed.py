"""kill -9 at random moments of a recording: every whole frame reads back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from drivers import Role, Take

KILLS = 14
ROW_BYTES = 64
# One process draws the scene once and forks the recordings; OpenCV's threads would not survive a fork.
# The moments are counted in frames, so that they differ on a machine that falls behind as well.
SCRIPT = """
import os, random, signal, sys, time
from pathlib import Path
import cv2
cv2.setNumThreads(0)
from app.capture import CaptureJob, run_job
from app.session import RigSetup
from drivers.spinnaker_emulator import install
install().world.scene
rng = random.Random(3)
for number in range(int(sys.argv[2])):
    folder = Path(sys.argv[1]) / str(number)
    child = os.fork()
    if child == 0:
        setup = RigSetup(emulate=True, hsr_size=(192, 160), lsr_size=(96, 80))
        run_job(CaptureJob(setup, folder, 60))
        os._exit(0)
    index, rows = folder / "lsr" / "index.bin", rng.randrange(2, 160)
    while not (index.exists() and index.stat().st_size >= 64 * rows):
        time.sleep(0.002)
    time.sleep(rng.uniform(0, 0.01))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
@pytest.mark.timeout(300)
def test_killed_recordings_read_back(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path), str(KILLS)], check=True)
    lengths = set()
    for number in range(KILLS):
        folder = tmp_path / str(number)
        with Take.open(folder) as take:
            assert take.recovered
            for stream in (take.hsr, take.lsr):
                count = stream.info.frame_count
                assert stream.frame_ids.tolist() == list(range(count))
                assert all(frame.image.any() for frame in stream.frames())
            # A row is written after its pixels: every whole row stands for a whole frame.
            for role in Role:
                rows = (folder / role.value / "index.bin").stat().st_size // ROW_BYTES
                assert take.stream(role).info.frame_count == rows
            assert take.lsr.info.frame_count > 0
            lengths.add(take.lsr.info.frame_count)
    assert len(lengths) > KILLS // 4
