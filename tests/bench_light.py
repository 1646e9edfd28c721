"""What a lamp on mains power costs: fusion with and without following the light, as a table.

    python -m tests.bench_light --data DIR [--scale 4] [--out FILE.md]

DIR holds clips or folders of frames. Frames 0 and 8 of each, 640 px wide, are the sharp ones; those between
are fused from both. The frames are taken as filmed at 240 fps, and a lamp of 100 Hz brightens and dims them
by a fifth in linear light, the whole picture at once or, as a rolling shutter sees it, in bands; the sharp
ones average it away.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fusion import Fuser
from fusion.classical import Classical
from fusion.evaluation.layouts import read_clips
from fusion.evaluation.metrics import psnr
from fusion.evaluation.protocols import lsr_frame, whole
from fusion.gop import Synthesiser, synthesise_gop
from fusion.inference import LiveSynthesiser
from fusion.levels import ByteImage, to_bytes
from fusion.light import InLight
from fusion.live import load_live

FRAMES, WIDTH = 9, 640
FPS, LAMP_HZ, DEPTH, READOUT, PHASE, GAMMA = 240.0, 100.0, 0.2, 0.4, 0.7, 2.2
LAMPS = {"none": (0.0, 0.0), "whole picture": (DEPTH, 0.0), "bands": (DEPTH, READOUT)}


def lit(frame: ByteImage, number: int, depth: float, readout: float) -> ByteImage:
    """A frame under the lamp; `readout` of its period passes while the rows are read."""
    rows = np.arange(len(frame))[:, None, None] / len(frame)
    phase = 2 * np.pi * (LAMP_HZ / FPS * number + readout * rows) + PHASE
    linear = (frame / np.float32(255)) ** GAMMA * (1 + depth * np.sin(phase))
    return to_bytes((255 * np.clip(linear, 0, 1) ** (1 / GAMMA)).astype(np.float32))


def mean_psnr(
    maker: Synthesiser, frames: Sequence[ByteImage], scale: int, lamp: tuple[float, float]
) -> float:
    """Of the frames between the sharp ones [dB]."""
    truth = [lit(frame, k, *lamp) for k, frame in enumerate(frames)]
    last = FRAMES - 1
    made = synthesise_gop(
        maker,
        [lsr_frame(frame, scale) for frame in truth],
        range(FRAMES),
        [(frames[0], None), (frames[last], None)],
        recursion="direct",
        cancelled=lambda: False,
        same_view=False,
        next_distances=[float(k - last) for k in range(FRAMES)],
    )
    return float(np.mean([psnr(one.image, truth[one.position]) for one in made if 0 < one.position < last]))


def main() -> None:
    """Print the table, and write it where asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    scale = options.scale
    makers: dict[str, Synthesiser] = {"classical": Classical(scale)}
    weights = Fuser("live", scale=scale, device="cpu").weights
    assert weights is not None
    makers["live"] = LiveSynthesiser(load_live(weights), scale)
    rows = {(name, follow): [] for name in makers for follow in (False, True)}
    with tempfile.TemporaryDirectory() as cache:
        for name, load in read_clips(options.data, Path(cache), width=WIDTH, most=FRAMES):
            frames = [whole(frame, 4 * scale) for frame in list(load().frames)[:FRAMES]]
            for (method, follow), figures in rows.items():
                maker = InLight(makers[method]) if follow else makers[method]
                figures.append([mean_psnr(maker, frames, scale, lamp) for lamp in LAMPS.values()])
            print(name, flush=True)
    lines = [f"| scale {scale} | light followed | {' | '.join(LAMPS)} |", "|---|---|" + "---|" * len(LAMPS)]
    for (method, follow), figures in rows.items():
        means = " | ".join(f"{mean:.2f}" for mean in np.mean(figures, axis=0))
        lines.append(f"| `{method}` | {'yes' if follow else 'no'} | {means} |")
    text = "\n".join(lines)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
