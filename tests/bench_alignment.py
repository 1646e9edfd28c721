"""Speed and memory of calibration at the paper's size, as a table.

    python -m tests.bench_alignment [--out FILE.md]

2304x1920 HSR, 576x480 LSR, a scene with depth layers; best of several runs, with the processor time beside
it because other programs may be running.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from calibration import Rig, align_baseline, align_scene, align_with_rig, match_colours
from tests.depth_scenes import depth_scene

LIMITS_S = {"live preview (half size)": 0.015, "baseline update": 0.050, "scene alignment": 2.5}


def rig_of_scene(width: int, height: int) -> Rig:
    """Rig of the depth scene."""

    def camera(focal: float, w: int, h: int) -> dict[str, object]:
        k = ((focal, 0, (w - 1) / 2), (0, focal, (h - 1) / 2), (0, 0, 1))
        return {"id": {"width": w, "height": h}, "matrix": k, "distortion": (-1e-4, 0, 0, 0, 0)}

    return Rig.model_validate(
        {
            "lsr": camera(1450.0, width // 4, height // 4),
            "hsr": camera(5800.0, width, height),
            "rotation": np.eye(3).tolist(),
            "direction": [1, 0, 0],
            "baseline_mm": 100.0,
            "reference_mm": 5800.0 * 100 / 54,
        }
    )


def timed(work: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Least wall and processor time of one call [s]."""
    wall, cpu = [], []
    for _ in range(rounds):
        a, b = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - a)
        cpu.append(time.process_time() - b)
    return min(wall), min(cpu)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(2)
    scene = depth_scene(2304, 1920)
    rig = rig_of_scene(2304, 1920)
    aligned = align_scene(scene.hsr, scene.lsr)
    base = align_baseline(rig)
    warped = aligned.warp(scene.hsr)
    work: dict[str, tuple[Callable[[], object], int]] = {
        "live preview (half size)": (lambda: aligned.preview(scene.hsr, 1152, 960), 20),
        "baseline update": (lambda: align_baseline(rig, baseline_mm=101.0, view=base.view), 20),
        "scene alignment": (lambda: align_scene(scene.hsr, scene.lsr), 4),
        "alignment with a rig file": (lambda: align_with_rig(scene.hsr, scene.lsr, rig.moved()), 4),
        "warp of one HSR frame": (lambda: aligned.warp(scene.hsr), 5),
        "colour map, fit": (lambda: match_colours(warped, scene.lsr, aligned.valid), 5),
    }
    lines = ["| step | wall [ms] | processor [ms] | limit [ms] |", "|---|---|---|---|"]
    for name, (call, rounds) in work.items():
        wall, cpu = timed(call, rounds)
        limit = f"{1000 * LIMITS_S[name]:.0f}" if name in LIMITS_S else ""
        lines.append(f"| {name} | {1000 * wall:.1f} | {1000 * cpu:.1f} | {limit} |")
    # Linux counts kilobytes, macOS bytes.
    unit = 2**20 if sys.platform != "darwin" else 2**30
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    lines.append(f"\nPeak memory of the process, pictures included: {peak:.2f} GiB (limit 1).")
    print("\n".join(lines))
    if options.out is not None:
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
