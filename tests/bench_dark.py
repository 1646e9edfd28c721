"""What darkness costs: fusion of dark footage as it is, and with gain, as a table.

    python -m tests.bench_dark --data DIR [--scale 4] [--out FILE.md]

DIR holds clips or folders of frames. Frames 0 and 8 of each, 640 px wide, are the sharp ones; those between
are fused from both by the method that runs unasked. Both cameras give so much darker frames of 8 bits, the
fast one with noise of half a grey level; what is fused is judged as bright as the clip is.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fusion import Fuser
from fusion.digital_gain import brightness, digital_gain
from fusion.evaluation.layouts import read_clips
from fusion.evaluation.metrics import psnr
from fusion.evaluation.protocols import whole
from fusion.levels import ByteImage, to_bytes, to_floats
from fusion.resample import downscale

FRAMES, WIDTH, SIGMA = 9, 640, 0.5
DARKER = (2, 4, 8, 16)


def mean_psnr(frames: Sequence[ByteImage], scale: int, darker: int, *, follow: bool) -> float:
    """Of the frames between the sharp ones [dB]."""
    rng = np.random.default_rng(0)
    lsr = []
    for frame in frames:
        small = downscale(frame, frame.shape[0] // scale, frame.shape[1] // scale) / np.float32(darker)
        lsr.append(to_bytes(small + rng.normal(0, SIGMA, small.shape).astype(np.float32)))
    last = FRAMES - 1
    sharp = [to_bytes(to_floats(frames[k], 1 / darker)) for k in (0, last)]
    gain = digital_gain([brightness(lsr[last // 2])]) if follow else 1.0
    fuser = Fuser(scale=scale, device="cpu", noise_variance=(SIGMA / 255) ** 2, gain=gain)
    made = fuser.fuse_gop(
        lsr,
        range(FRAMES),
        sharp[0],
        next_reference=sharp[1],
        next_distances=[float(k - last) for k in range(FRAMES)],
        same_view=False,
    )
    bright = ((to_bytes(to_floats(one.image, darker)), frames[one.position]) for one in made)
    return float(np.mean([psnr(*pair) for pair in list(bright)[1:last]]))


def main() -> None:
    """Print the table, and write it where asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    figures: dict[int, list[list[float]]] = {darker: [] for darker in DARKER}
    with tempfile.TemporaryDirectory() as cache:
        for name, load in read_clips(options.data, Path(cache), width=WIDTH, most=FRAMES):
            frames = [whole(frame, 4 * options.scale) for frame in list(load().frames)[:FRAMES]]
            for darker, found in figures.items():
                found.append(
                    [mean_psnr(frames, options.scale, darker, follow=follow) for follow in (False, True)]
                )
            print(name, flush=True)
    lines = [
        f"| scale {options.scale}, darker by | as it is | with gain | clips it helps |",
        "|---|---|---|---|",
    ]
    for darker, found in figures.items():
        before, after = np.transpose(found)
        helped = f"{int(np.sum(after > before))} of {len(found)}"
        lines.append(f"| {darker} | {before.mean():.2f} | {after.mean():.2f} | {helped} |")
    text = "\n".join(lines)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
