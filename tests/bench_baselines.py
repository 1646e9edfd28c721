"""Quality at every baseline of the emulated rig, with and without a rig file, as a table.

    python -m tests.bench_baselines [--frames 8] [--method classical] [--out FILE.md]

Each row is one take of the paper's rig (2304x1920 at 30 fps, 576x480 at 240 fps, 20 mm and 6 mm lenses),
fused by the program and compared with what the emulator knows to be true.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from app.aligner import camera_id
from app.capture import CaptureJob, run_job
from app.demo import TruthOfView, upscale
from app.fusion_options import FusionOptions
from app.pipeline import Pipeline
from app.session import RigSetup
from calibration import Rig
from drivers import Role, StreamPair, Take
from drivers.spinnaker_emulator import RigGeometry
from drivers.spinnaker_emulator.optics import Region
from fusion.evaluation.metrics import psnr

BASELINES_MM = (50.0, 100.0, 150.0, 200.0, 250.0)
HSR, LSR = (2304, 1920), (576, 480)


def true_rig(pair: StreamPair) -> Rig:
    """Rig file content as a perfect calibration at a baseline of 50 mm would give it."""
    geometry = RigGeometry(baseline_mm=50.0)

    def camera(role: Role) -> dict[str, object]:
        identity = camera_id(pair.hsr if role is Role.HSR else pair.lsr)
        w, h = identity.size
        region = Region(identity.offset_x or 0, identity.offset_y or 0, w, h)
        k = geometry.intrinsics(role, region, w, h)
        return {"id": identity, "matrix": k.tolist(), "distortion": (0.0,) * 5}

    rotation = geometry.rotation(Role.HSR)
    centre = -rotation.T @ geometry.translation(Role.HSR)
    return Rig.model_validate(
        {
            "lsr": camera(Role.LSR),
            "hsr": camera(Role.HSR),
            "rotation": rotation.tolist(),
            "direction": (centre / np.linalg.norm(centre)).tolist(),
            "baseline_mm": 50.0,
            "reference_mm": geometry.plane_distance_mm,
        }
    )


def measure(take: Take, align: str, frames: int, method: str) -> dict[str, float | str]:
    """Mean PSNR of the first fused frames against the truth, and of bicubic on the same field."""
    pipeline = Pipeline(take.pair(), FusionOptions(method=method, align=align))
    truth = TruthOfView(take, pipeline)
    fused, bicubic = [], []
    for number, frame in enumerate(pipeline.frames()):
        true = truth.frame(frame.record.lsr_index)
        fused.append(psnr(frame.image, true))
        bicubic.append(psnr(upscale(frame.lsr, pipeline.width, pipeline.height), true))
        if number + 1 == frames:
            break
    return {
        "method": pipeline.alignment.method,
        "field": pipeline.alignment.lsr_crop[2] * pipeline.alignment.lsr_crop[3] / (LSR[0] * LSR[1]),
        "valid": float(pipeline.alignment.valid.mean()),
        "fused": float(np.mean(fused)),
        "bicubic": float(np.mean(bicubic)),
        "worst_gain": float(np.min(np.array(fused) - np.array(bicubic))),
    }


def main() -> None:
    """Record, fuse, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--method", default="classical")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    lines = [
        "| baseline [mm] | rig file | alignment | LSR field covered | seen by both | bicubic [dB] "
        "| fused [dB] | smallest gain [dB] |",
        "|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for baseline in BASELINES_MM:
            path = Path(folder) / f"take_{baseline:.0f}"
            setup = RigSetup(emulate=True, baseline_mm=baseline, hsr_size=HSR, lsr_size=LSR)
            run_job(CaptureJob(setup, path, 0.11))
            with Take.open(path) as take:
                rig_file = Path(folder) / f"rig_{baseline:.0f}.json"
                true_rig(take.pair()).moved(baseline_mm=baseline).save(rig_file)
                for name, align in (("no", "auto"), ("yes", str(rig_file))):
                    row = measure(take, align, options.frames, options.method)
                    lines.append(
                        f"| {baseline:.0f} | {name} | {row['method']} | {row['field']:.0%} "
                        f"| {row['valid']:.0%} | {row['bicubic']:.2f} | {row['fused']:.2f} "
                        f"| {row['worst_gain']:+.2f} |"
                    )
                    print(lines[-1], flush=True)
    if options.out is not None:
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
