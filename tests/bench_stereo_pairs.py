"""Alignment and board calibration on OpenCV's sample pictures, as tables.

    python -m tests.bench_stereo_pairs --pairs DIR --boards DIR [--out FILE.md]

DIR are folders with OpenCV's samples: aloeL.jpg, aloeR.jpg, aloeGT.png, graf1.png and graf3.png; left01.jpg
to right14.jpg. The left view shrunk by 4 is the LSR view, the right view the HSR view. PSNR and the share of
positions more than 3 px off are taken where the true map says that the right camera sees the point.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from app.commands._calibrate_pictures import read_picture
from calibration import (
    Alignment,
    Board,
    Rig,
    align_scene,
    align_with_rig,
    assess,
    calibrate_pair,
    find_pairs,
)

# The plane between both pictures as OpenCV's samples/data/H1to3p.xml states it.
GRAF = np.array(
    [
        [7.6285898e-01, -2.9922929e-01, 2.2567123e02],
        [3.3443473e-01, 1.0143901e00, -7.6999973e01],
        [3.4663091e-04, -1.4364524e-05, 1.0],
    ]
)
FOCAL, BASELINE_MM, SHIFT = 3740.0, 160.0, 270.0  # the aloe rig; the right picture is cut by `SHIFT` px


def visible(disparity: np.ndarray) -> np.ndarray:
    """Pixels of the left view that the right view shows too: nothing nearer lands on their place."""
    height, width = disparity.shape
    x = np.round(np.arange(width) - disparity).astype(int)
    known = (disparity > 0) & (x >= 0)
    nearest = np.zeros((height, width), np.float32)
    rows = np.repeat(np.arange(height)[:, None], width, axis=1)
    np.maximum.at(nearest, (rows[known], x[known]), disparity[known])
    out = np.zeros_like(known)
    out[known] = disparity[known] >= nearest[rows[known], x[known]] - 1
    return out


def row(
    name: str,
    found: Alignment,
    hsr: np.ndarray,
    truth: np.ndarray,
    true_map: np.ndarray,
    where: np.ndarray,
) -> str:
    """One line of the table."""
    error = np.linalg.norm(found.map_xy - true_map, axis=2)[where]
    difference = (found.warp(hsr).astype(np.float64) - truth)[where]
    psnr = 10 * np.log10(255**2 / np.mean(difference**2))
    return f"| {name} | {found.method} | {psnr:.2f} | {np.median(error):.2f} | {np.mean(error > 3):.1%} |"


def aloe_rig(hsr: np.ndarray, lsr: np.ndarray, disparity: float) -> Rig:
    """The rectified pair as a rig whose reference plane has the given disparity."""
    cx, cy = (hsr.shape[1] - 1) / 2, (hsr.shape[0] - 1) / 2

    def camera(scale: float, shift: float, image: np.ndarray) -> dict[str, object]:
        k = [
            [FOCAL * scale, 0, (cx + shift + 0.5) * scale - 0.5],
            [0, FOCAL * scale, (cy + 0.5) * scale - 0.5],
            [0, 0, 1],
        ]
        identity = {"width": image.shape[1], "height": image.shape[0]}
        return {"id": identity, "matrix": k, "distortion": (0.0,) * 5}

    return Rig.model_validate(
        {
            "lsr": camera(0.25, 0.0, lsr),
            "hsr": camera(1.0, SHIFT, hsr),
            "rotation": np.eye(3).tolist(),
            "direction": [1, 0, 0],
            "baseline_mm": BASELINE_MM,
            "reference_mm": FOCAL * BASELINE_MM / (disparity + SHIFT),
        }
    )


def aloe(folder: Path) -> list[str]:
    """Rows of the scene with depth, clean and with noise and gain."""
    left, hsr = read_picture(folder / "aloeL.jpg"), read_picture(folder / "aloeR.jpg")
    disparity = read_picture(folder / "aloeGT.png")[..., 0].astype(np.float32)
    height, width = (s // 4 * 4 for s in left.shape[:2])
    left, disparity = left[:height, :width], disparity[:height, :width]
    where = visible(disparity)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    true_map = np.stack([x - disparity, y], axis=-1)
    lines = []
    for label, noise, gain in (("aloe", 0.0, 1.0), ("aloe, noise 5, gain 0.85", 5.0, 0.85)):
        small = cv2.resize(left, (width // 4, height // 4), interpolation=cv2.INTER_AREA) * gain
        small = small + np.random.default_rng(0).normal(0, 1, small.shape) * noise
        lsr = np.clip(np.round(small), 0, 255).astype(np.uint8)
        for step in ("none", "mesh", "flow", "dense"):
            lines.append(row(label, align_scene(hsr, lsr, refine=step), hsr, left, true_map, where))
        rig = aloe_rig(hsr, lsr, float(np.median(disparity[where])))
        lines.append(row(label, align_with_rig(hsr, lsr, rig, scale=4), hsr, left, true_map, where))
    return lines


def graf(folder: Path) -> list[str]:
    """Rows of the planar scene."""
    left, hsr = read_picture(folder / "graf1.png"), read_picture(folder / "graf3.png")
    height, width = left.shape[:2]
    lsr = cv2.resize(left, (width // 4, height // 4), interpolation=cv2.INTER_AREA)
    x, y = np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64))
    true_map = cv2.perspectiveTransform(np.stack([x, y], axis=-1), GRAF)
    inner = (true_map > 2) & (true_map < np.array([hsr.shape[1] - 3, hsr.shape[0] - 3]))
    where = inner.all(axis=2)
    return [
        row(f"graf, refine {s}", align_scene(hsr, lsr, refine=s, scale=4), hsr, left, true_map, where)
        for s in ("none", "dense")
    ]


def boards(folder: Path) -> list[str]:
    """Rows of the chessboard set, the left camera at full and at quarter size."""
    lines = [
        "| left camera | views | RMS left / right / both [px] | epipolar median / p95 [px] | hold-out [px] "
        "| baseline [squares] |",
        "|---|---|---|---|---|---|",
    ]
    board = Board(9, 6, 1.0)
    right = {p.stem[5:]: read_picture(p) for p in sorted(folder.glob("right*.jpg"))}
    left = {p.stem[4:]: read_picture(p) for p in sorted(folder.glob("left[0-9]*.jpg"))}
    for shrink in (1, 4):
        lsr = {
            n: cv2.resize(im, (im.shape[1] // shrink, im.shape[0] // shrink), interpolation=cv2.INTER_AREA)
            for n, im in left.items()
        }
        pairs, _ = find_pairs(right, lsr, board)
        sizes = {"hsr_size": (640, 480), "lsr_size": (640 // shrink, 480 // shrink)}
        fit, ordered = calibrate_pair(pairs, board, **sizes)
        q = assess(ordered, board, fit, **sizes)
        lines.append(
            f"| {640 // shrink}x{480 // shrink} | {len(ordered)} "
            f"| {q.lsr_rms_px:.3f} / {q.hsr_rms_px:.3f} / {q.stereo_rms_px:.3f} "
            f"| {q.epipolar_median_px:.3f} / {q.epipolar_p95_px:.3f} | {q.holdout_px:.3f} "
            f"| {q.baseline_mm:.4f} +- {q.baseline_sigma_mm:.4f} |"
        )
    return lines


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--boards", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    lines = ["| scene | alignment | PSNR [dB] | median error [px] | > 3 px |", "|---|---|---|---|---|"]
    lines += [*aloe(options.pairs), *graf(options.pairs), "", *boards(options.boards)]
    print("\n".join(lines))
    if options.out is not None:
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
