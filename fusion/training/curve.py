"""The picture of a training run's curve."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import cv2
import numpy as np

from fusion.training.clips import write_picture

_SIZE = (480, 800)
_MARGIN = 60
_INK = (40, 40, 40)
_LOSS = (180, 90, 20)


def draw_curve(table: Path, picture: Path) -> None:
    """Draw the loss over the steps of a run's CSV file as a PNG; the newest figures stand in its title.

    Args:
        table: The CSV file a `Trainer` writes.
        picture: The PNG file to write.

    """
    with table.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if math.isfinite(float(row["loss"]))]
    if not rows:
        return
    steps = np.array([float(row["step"]) for row in rows])
    losses = np.array([float(row["loss"]) for row in rows])
    height, width = _SIZE
    canvas = np.full((height, width, 3), 255, np.uint8)
    low, high = float(losses.min()), float(losses.max())
    x = _MARGIN + (width - 2 * _MARGIN) * steps / steps.max()
    y = height - _MARGIN - (height - 2 * _MARGIN) * (losses - low) / max(high - low, 1e-12)
    line = np.rint(np.stack([x, y], axis=1)).astype(np.int32)[:, None]
    corners = (_MARGIN, _MARGIN), (width - _MARGIN, height - _MARGIN)
    cv2.rectangle(canvas, *corners, _INK, 1)
    cv2.polylines(canvas, [line], False, _LOSS, 2, cv2.LINE_AA)
    figures = next((row["figures"] for row in reversed(rows) if row["figures"]), "")
    labels = {
        (_MARGIN, 35): f"loss, {len(rows)} rows, {figures}",
        (4, _MARGIN + 6): f"{high:.4f}",
        (4, height - _MARGIN): f"{low:.4f}",
        (_MARGIN, height - 30): "0",
        (width - _MARGIN - 60, height - 30): f"{int(steps.max())} steps",
    }
    for place, text in labels.items():
        cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, _INK, 1, cv2.LINE_AA)
    write_picture(picture, canvas)
