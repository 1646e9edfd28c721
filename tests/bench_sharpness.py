"""What a soft fast camera costs: fusion with and without making its frames as sharp as their pixels.

    python -m tests.bench_sharpness --data DIR [--scale 4] [--methods classical live] [--out FILE.md]

DIR holds clips or folders of frames. Frames 0 and 8 of each, 640 px wide, are the sharp ones; those between
are fused as `twinrate fuse --align none` does. The fast camera has a soft lens or sharpens as
a phone does; all but the first kind average over square pixels. Noise is half a grey level.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np

from app.export import open_sink
from app.fusion_options import FusionOptions
from app.moments import Sharpness, sharpness_of
from app.pipeline import Pipeline
from app.sinks import CODECS
from drivers import open_clip_pair
from fusion.evaluation.layouts import read_clips
from fusion.evaluation.metrics import psnr
from fusion.evaluation.protocols import whole
from fusion.levels import ByteImage, FloatImage, to_bytes
from fusion.resample import downscale

FRAMES, WIDTH, NOISE = 9, 640, 0.5


def averaged(frame: ByteImage, scale: int, blur_px: float = 0.0) -> FloatImage:
    """By square pixels, behind a lens with a Gaussian blur [LSR px]."""
    soft = cv2.GaussianBlur(frame.astype(np.float32), (0, 0), scale * blur_px) if blur_px else frame
    size = (frame.shape[1] // scale, frame.shape[0] // scale)
    return np.asarray(cv2.resize(soft, size, interpolation=cv2.INTER_AREA), np.float32)


def sharpened(picture: FloatImage) -> FloatImage:
    """As many phones do: half of what a blur takes away is added."""
    return np.asarray(1.5 * picture - 0.5 * cv2.GaussianBlur(picture, (0, 0), 1.0), np.float32)


CAMERAS: dict[str, Callable[[ByteImage, int], FloatImage]] = {
    "as `lsr_frame`": lambda frame, n: downscale(frame, frame.shape[0] // n, frame.shape[1] // n),
    "square pixels": averaged,
    "and a blur of 0.25 px": lambda frame, n: averaged(frame, n, 0.25),
    "0.5 px": lambda frame, n: averaged(frame, n, 0.5),
    "0.75 px": lambda frame, n: averaged(frame, n, 0.75),
    "0.25 px, sharpened": lambda frame, n: sharpened(averaged(frame, n, 0.25)),
}


def filmed(
    frames: Sequence[ByteImage], camera: Callable[[ByteImage, int], FloatImage], scale: int
) -> list[ByteImage]:
    """LSR frames."""
    rng = np.random.default_rng(0)
    small = [camera(frame, scale) for frame in frames]
    return [to_bytes(np.asarray(s + NOISE * rng.standard_normal(s.shape), np.float32)) for s in small]


def written(path: Path, frames: Sequence[ByteImage], fps: int) -> Path:
    """A clip without losses."""
    height, width = frames[0].shape[:2]
    sink = open_sink(path, CODECS["ffv1"], width, height, Fraction(fps))
    for frame in frames:
        sink.write(frame)
    sink.finish()
    return path


def mean_psnr(
    folder: Path, frames: Sequence[ByteImage], lsr: Sequence[ByteImage], method: str, *, match: bool
) -> float:
    """Of the frames between the sharp ones [dB]."""
    hsr = written(folder / "hsr.mkv", [frames[0], frames[-1]], 30)
    pair = open_clip_pair(hsr, written(folder / "lsr.mkv", lsr, 240), offset_ms=0.0)
    how = sharpness_of if match else lambda _: Sharpness(None, 0.0, hsr_is_soft=False)
    try:
        with patch("app.pipeline.sharpness_of", how):
            pipeline = Pipeline(pair, FusionOptions(align="none", method=method, device="cpu"))
        made = [frame.image for frame in pipeline.frames()]
    finally:
        pair.hsr.close()
        pair.lsr.close()
    return float(np.mean([psnr(made[k], frames[k]) for k in range(1, FRAMES - 1)]))


def main() -> None:
    """Print the table, and write it where asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--methods", nargs="+", default=["classical", "live"])
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = {(name, match): [] for name in options.methods for match in (False, True)}
    with tempfile.TemporaryDirectory() as folder:
        for name, load in read_clips(options.data, Path(folder), width=WIDTH, most=FRAMES):
            frames = [whole(frame, 4 * options.scale) for frame in list(load().frames)[:FRAMES]]
            seen = [filmed(frames, camera, options.scale) for camera in CAMERAS.values()]
            for (method, match), figures in rows.items():
                figures.append([mean_psnr(Path(folder), frames, lsr, method, match=match) for lsr in seen])
            print(name, flush=True)
    lines = [
        f"| scale {options.scale} | matched | {' | '.join(CAMERAS)} |",
        "|---|---|" + "---|" * len(CAMERAS),
    ]
    for (method, match), figures in rows.items():
        means = " | ".join(f"{mean:.2f}" for mean in np.mean(figures, axis=0))
        lines.append(f"| `{method}` | {'yes' if match else 'no'} | {means} |")
    text = "\n".join(lines)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
