"""Two phone clips from import to fused clip, as an operator runs it: speed, sync error, gain over bicubic.

    python -m tests.bench_phone_pair FOLDER [--seconds 8] [--seeds 0 1] [--silent] [--keep DIR]

FOLDER holds real clips; `tests.phone_pair` says how a pair is authored from them. Every command runs in a
process of its own, so that its start counts. Authoring takes about a minute per second of clip.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from drivers import Role, open_clip
from tests.phone_pair import LSR_FPS, RATIO, PhonePair, Wall, author_pair, sound_of

START_S = 0.7


def twinrate(*arguments: object) -> tuple[dict[str, object], float]:
    """The `--json` line of a command, and its wall time with the program's start [s]."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "app", *map(str, arguments), "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.strip().splitlines()[-1]), time.perf_counter() - began


def gains(
    wall: Wall, pair: PhonePair, out: Path, frames: int, options: list[str]
) -> tuple[float, float, float]:
    """Mean PSNR of bicubic and fused frames against the truth [dB], and seconds per frame."""
    # Half a frame early: the range then begins with the same frame whatever the rounding.
    start = START_S - 0.5 / LSR_FPS
    span = ["--start", start, "--end", start + frames / LSR_FPS]
    fused_file = out / "fused.mkv"
    result, _ = twinrate(
        "fuse", pair.hsr, pair.lsr, "--out", fused_file, "--codec", "ffv1", "--overwrite", *span, *options
    )
    notes = json.loads((out / "fused.mkv.json").read_text())
    x0, y0, w, h = notes["alignment"]["lsr_crop"]
    if notes["size"] != [3 * w, 3 * h]:
        raise SystemExit(f"the output is {notes['size']}, not three times the LSR's {w}x{h}")
    fused, bicubic = [], []
    with open_clip(fused_file, Role.HSR) as clip, open_clip(pair.lsr, Role.LSR) as lsr:
        for number, record in enumerate(notes["per_frame"]):
            truth = wall.frame(record["lsr_index"])[3 * y0 : 3 * (y0 + h), 3 * x0 : 3 * (x0 + w)]
            seen = lsr.read(record["lsr_index"]).image[y0 : y0 + h, x0 : x0 + w]
            enlarged = cv2.resize(seen, (3 * w, 3 * h), interpolation=cv2.INTER_CUBIC)
            fused.append(cv2.PSNR(clip.read(number).image, truth))
            bicubic.append(cv2.PSNR(enlarged, truth))
    return float(np.mean(bicubic)), float(np.mean(fused)), float(str(result["seconds"])) / len(fused)


def main() -> None:
    """Author, import, fuse, compare, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--frames", type=int, default=2 * RATIO, help="output frames to compare")
    parser.add_argument("--baseline-mm", type=float, default=30.0)
    parser.add_argument("--silent", action="store_true", help="film without sound")
    parser.add_argument("--keep", type=Path, help="folder for the clips; those already there are used again")
    parser.add_argument("--fuse", default="", help='more options for fuse, such as --fuse="--method live"')
    options = parser.parse_args()
    more = shlex.split(options.fuse)
    print(
        "| pair | import | x real time | sync error [frames] | confidence | bicubic | fused | gain | fuse |"
    )
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        for seed in options.seeds:
            wall = Wall(options.folder, seed)
            name = f"{seed}{' silent' if options.silent else ''}"
            out = (options.keep or Path(scratch)) / f"pair_{name.replace(' ', '_')}_{options.seconds:g}s"
            out.mkdir(parents=True, exist_ok=True)
            sound = None if options.silent else sound_of(options.folder, options.seconds)
            if (out / "hsr.mov").exists() and (out / "lsr.mov").exists():
                pair = PhonePair.known(out, options.seconds)
            else:
                pair = author_pair(
                    wall,
                    out,
                    seconds=options.seconds,
                    baseline_m=options.baseline_mm / 1e3,
                    sound=sound,
                    seed=seed,
                )
            take = Path(scratch) / f"take_{seed}"
            found, seconds = twinrate("import", pair.hsr, pair.lsr, "--out", take)
            error = (float(str(found["offset_ms"])) - pair.offset_ms) * LSR_FPS / 1e3
            bicubic, fused, each = gains(wall, pair, Path(scratch), options.frames, more)
            print(
                f"| {name}, {options.seconds:g} s | {seconds:.1f} s | {options.seconds / seconds:.2f} "
                f"| {error:+.3f} | {float(str(found['confidence'])):.2f} | {bicubic:.2f} dB | {fused:.2f} dB "
                f"| {fused - bicubic:+.2f} dB | {each:.1f} s a frame |",
                flush=True,
            )
            wall.close()


if __name__ == "__main__":
    main()
