"""Accuracy of synchronisation on pairs cut from given clips with known offsets: the tables of docs/sync.md.

    python -m tests.bench_sync --out sync.json CLIP...

Pictures: every frame of a clip, 640 px wide, is an HSR instant or part of an HSR exposure; the half-size
frames with noise are the LSR stream at 240 fps. Sound: the clips' sound, one after the other, against a
delayed, stretched copy with an echo and noise on both.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from scipy import signal

from app.sync.streams import sync_streams
from calibration.sync import AUDIO_RATE, BELIEVABLE, sync_audio
from drivers import Frame, PixelFormat, Role, SourceInfo, StreamPair, open_clip
from drivers.iphone import VideoClip

RATE = 240
RATIO = 8
# LSR frames cut off the front, HSR exposure [frames], LSR noise, HSR gain, first HSR frame
CASES = ((0, 1, 3.0, 1.0, 3), (37, 4, 6.0, 0.7, 0), (0, 7, 10.0, 0.6, 2), (61, 2, 4.0, 0.9, 5))
SOUNDS = (
    (0.037, 20, 20),
    (2.346, -50, 10),
    (-0.432, 50, 0),
    (1.111, 100, 0),
    (1.111, 100, -6),
    (5.0, 20, -10),
)

Picture = npt.NDArray[np.uint8]


class Memory:
    """Pictures in memory as a `FrameSource`."""

    def __init__(self, pictures: list[Picture], period_ns: float, role: Role) -> None:
        self._pictures, self._role = pictures, role
        self.mid_exposure_ns = np.rint(np.arange(len(pictures)) * period_ns).astype(np.int64)
        self.frame_ids = np.arange(len(pictures), dtype=np.int64)
        height, width = pictures[0].shape[:2]
        self.info = SourceInfo(
            "memory", role, width, height, PixelFormat.RGB8, len(pictures), 1e9 / period_ns
        )

    def read(self, index: int) -> Frame:
        time_ns = int(self.mid_exposure_ns[index])
        return Frame(self._pictures[index], PixelFormat.RGB8, self._role, index, time_ns)

    def frames(self, start: int = 0, stop: int | None = None):  # type: ignore[no-untyped-def]
        return (self.read(i) for i in range(start, len(self._pictures) if stop is None else stop))

    def close(self) -> None: ...


def load(clip: VideoClip, limit: int = 320) -> list[Picture]:
    """First frames of a clip, 640 px wide."""
    pictures = []
    for index in range(min(limit, clip.info.frame_count)):
        image = clip.read(index).image
        height = round(image.shape[0] * 640 / image.shape[1] / 16) * 16
        pictures.append(cv2.resize(image, (640, height), interpolation=cv2.INTER_AREA))
    return pictures


def cut_pair(
    base: list[Picture], case: tuple[int, int, float, float, int], seed: int
) -> tuple[StreamPair, float]:
    """A pair of streams and its true offset [ms]."""
    dropped, exposure, noise, gain, first = case
    rng = np.random.default_rng(seed)
    height, width = base[0].shape[:2]
    lsr = []
    for picture in base[dropped:]:
        small = cv2.resize(picture, (width // 2, height // 2), interpolation=cv2.INTER_AREA).astype(
            np.float32
        )
        lsr.append(np.clip(small + noise * rng.standard_normal(small.shape), 0, 255).astype(np.uint8))
    turn, zoom = np.deg2rad(rng.uniform(-1, 1)), rng.uniform(0.97, 1.03)
    c, s = zoom * np.cos(turn), zoom * np.sin(turn)
    view = np.array([[c, -s, rng.uniform(-8, 8)], [s, c, rng.uniform(-6, 6)]])
    hsr = []
    for start in range(first, len(base) - exposure + 1, RATIO):
        blurred = np.mean([base[k].astype(np.float32) for k in range(start, start + exposure)], axis=0)
        seen = cv2.warpAffine(blurred, view, (width, height), borderMode=cv2.BORDER_REFLECT) * gain
        hsr.append(np.clip(seen + 2 * rng.standard_normal(seen.shape), 0, 255).astype(np.uint8))
    period = 1e9 / RATE
    truth_ms = (first + (exposure - 1) / 2 - dropped) * 1e3 / RATE
    return StreamPair(Memory(hsr, period * RATIO, Role.HSR), Memory(lsr, period, Role.LSR), None), truth_ms


def measure_pictures(paths: list[Path]) -> list[dict[str, object]]:
    """One row per pair: error in LSR frames, confidence, seconds."""
    rows = []
    for path in paths:
        with open_clip(path, Role.HSR) as clip:
            base = load(clip)
        if len(base) < 140:
            continue
        for number, case in enumerate(CASES):
            pair, truth_ms = cut_pair(base, case, number)
            started = time.perf_counter()
            found = sync_streams(pair)
            rows.append(
                {
                    "clip": path.stem,
                    "case": number,
                    "error_frames": (found.offset_ms - truth_ms) * RATE / 1e3,
                    "confidence": found.confidence,
                    "method": found.method,
                    "seconds": time.perf_counter() - started,
                }
            )
            print(rows[-1], file=sys.stderr, flush=True)
    return rows


def measure_sound(paths: list[Path]) -> list[dict[str, float]]:
    """One row per case: errors in ms and ppm."""
    pieces = []
    for path in paths:
        with open_clip(path, Role.HSR) as clip:
            sound = clip.read_audio(AUDIO_RATE)
        if sound is not None and sound.samples.std() > 0.005:
            pieces.append(sound.samples / sound.samples.std())
    whole = np.concatenate(pieces).astype(np.float64)
    fine = signal.resample_poly(whole, 8, 1)
    rng = np.random.default_rng(0)
    rows = []
    for offset_s, drift_ppm, snr_db in SOUNDS:
        there = (np.arange(len(whole)) / AUDIO_RATE - offset_s) / (1 + drift_ppm * 1e-6)
        far = np.interp(there * AUDIO_RATE * 8, np.arange(len(fine)), fine, left=0, right=0)
        near, noise = whole.copy(), 10 ** (-snr_db / 20)
        near[311:] += 0.3 * whole[:-311]
        far[523:] += 0.25 * far[:-523].copy()
        near += noise * near.std() * rng.standard_normal(len(near))
        far += noise * far.std() * rng.standard_normal(len(far))
        found = sync_audio(near.astype(np.float32), far.astype(np.float32))
        truth = offset_s + drift_ppm * 1e-6 * found.at_s
        rows.append(
            {
                "offset_ms": offset_s * 1e3,
                "drift_ppm": drift_ppm,
                "snr_db": snr_db,
                "seconds_of_sound": len(whole) / AUDIO_RATE,
                "error_ms": (found.shift_s - truth) * 1e3,
                "drift_error_ppm": found.drift_ppm - drift_ppm,
                "confidence": found.confidence,
            }
        )
    return rows


def tables(sound: list[dict[str, float]], pictures: list[dict[str, object]]) -> str:
    """Both tables in Markdown."""
    lines = ["| offset / drift / SNR | offset error | drift error |", "|---|---|---|"]
    for row in sound:
        case = f"{row['offset_ms']:.0f} ms / {row['drift_ppm']:.0f} ppm / {row['snr_db']:.0f} dB"
        lines.append(f"| {case} | {row['error_ms']:+.4f} ms | {row['drift_error_ppm']:+.2f} ppm |")
    lines += ["", "| clip | error of the four pairs [LSR frames] (? = flagged as doubtful) |", "|---|---|"]
    for clip in dict.fromkeys(str(r["clip"]) for r in pictures):
        cells = []
        for row in pictures:
            if row["clip"] == clip:
                doubt = "" if float(str(row["confidence"])) >= BELIEVABLE else "?"
                cells.append(f"{float(str(row['error_frames'])):+.2f}{doubt}")
        lines.append(f"| {clip} | {', '.join(cells)} |")
    errors = np.array([abs(float(str(r["error_frames"]))) for r in pictures])
    sure = np.array([float(str(r["confidence"])) >= BELIEVABLE for r in pictures])
    if len(errors):
        lines += [
            "",
            f"{len(errors)} pairs: {np.mean(errors <= 0.25):.1%} within 0.25 LSR frame, median "
            f"{np.median(errors):.3f}; {np.mean(sure):.1%} believed, of those "
            f"{np.mean(errors[sure] <= 0.25):.1%} within 0.25.",
        ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    parser.add_argument("--out", type=Path, required=True, help="JSON file for the rows")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    sound = measure_sound(arguments.clips)
    pictures = measure_pictures(arguments.clips)
    arguments.out.write_text(json.dumps({"sound": sound, "pictures": pictures}, indent=2) + "\n")
    print(tables(sound, pictures))


if __name__ == "__main__":
    main()
