"""The quality of a calibration as one picture an operator can judge at a glance."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from calibration._whole_file import write_whole
from calibration.errors import CalibrationError
from calibration.grid import ImageU8
from calibration.quality import CELLS, Quality
from calibration.rig import CameraId

_W, _H = 1280, 860
_INK, _PALE, _HSR, _LSR = (40, 40, 40), (225, 225, 225), (190, 90, 20), (40, 110, 200)
_VERDICT = {"good": (40, 140, 40), "usable": (200, 140, 0), "redo": (200, 40, 40)}


def draw_report(quality: Quality, hsr: CameraId, lsr: CameraId) -> ImageU8:
    """Report (860, 1280, 3) RGB: verdict and reasons, figures, error per view, coverage of both pictures.

    Args:
        quality: The figures.
        hsr: The sharp camera, for the title.
        lsr: The fast camera, for the title.

    """
    page = np.full((_H, _W, 3), 255, np.uint8)
    title = " and ".join(f"{camera.serial or 'camera'} {camera.lens}".strip() for camera in (hsr, lsr))
    _text(page, title, 30, 44, 0.8)
    cv2.rectangle(page, (30, 62), (250, 106), _VERDICT[quality.verdict], -1)
    _text(page, quality.verdict.upper(), 46, 93, 0.9, (255, 255, 255))
    reasons = quality.reasons or ("every figure is within its limit",)
    for k, reason in enumerate(reasons[:4]):
        _text(page, reason, 270, 78 + 22 * k, 0.5)
    _figures(page, quality, 30, 190)
    _bars(page, quality, 30, 400, 1220, 150)
    _coverage(page, quality.coverage_hsr, "HSR coverage [corners]", 30, 630, _HSR)
    _coverage(page, quality.coverage_lsr, "LSR coverage [corners]", 660, 630, _LSR)
    return page


def write_report(path: Path, quality: Quality, hsr: CameraId, lsr: CameraId) -> None:
    """Write the report as a PNG; see `draw_report`.

    Raises:
        CalibrationError: The picture cannot be encoded.
        OSError: The disk refuses; nothing is left under a partial name.

    """
    done, data = cv2.imencode(".png", cv2.cvtColor(draw_report(quality, hsr, lsr), cv2.COLOR_RGB2BGR))
    if not done:
        raise CalibrationError(f"{path}: the report could not be encoded")
    write_whole(path, data.tobytes())


def _text(page: ImageU8, text: str, x: int, y: int, size: float, colour: tuple[int, int, int] = _INK) -> None:
    cv2.putText(page, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)


def _figures(page: ImageU8, q: Quality, x: int, y: int) -> None:
    holdout = "needs 8 views" if np.isnan(q.holdout_px) else f"{q.holdout_px:.3f} px"
    rows = (
        ("Reprojection RMS: both / HSR / LSR", f"{q.stereo_rms_px:.3f} / {q.hsr_rms_px:.3f} / "),
        ("Epipolar error: median / p95", f"{q.epipolar_median_px:.3f} / {q.epipolar_p95_px:.3f} HSR px"),
        ("Hold-out transfer error, median", holdout),
        ("Baseline", f"{q.baseline_mm:.3f} +- {q.baseline_sigma_mm:.3f} mm"),
        ("Angle between the cameras", f"{q.rotation_deg:.3f} +- {q.rotation_sigma_deg:.3f} deg"),
        ("Views", str(len(q.names))),
    )
    for k, (name, value) in enumerate(rows):
        if k == 0:
            value += f"{q.lsr_rms_px:.3f} px"
        _text(page, name, x, y + 28 * k, 0.55)
        _text(page, value, x + 340, y + 28 * k, 0.55)
    for side, (name, camera) in enumerate((("HSR", q.hsr), ("LSR", q.lsr))):
        at = (camera.matrix[0, 0], camera.matrix[1, 1], camera.matrix[0, 2], camera.matrix[1, 2])
        for k, (symbol, value_px, sigma) in enumerate(
            zip(("fx", "fy", "cx", "cy"), at, camera.sigmas, strict=True)
        ):
            text = f"{name} {symbol}  {value_px:.1f} +- {sigma:.2f} px"
            _text(page, text, x + 660 + 300 * side, y + 28 * k, 0.55)


def _bars(page: ImageU8, q: Quality, x: int, y: int, width: int, height: int) -> None:
    _text(page, "Reprojection error per view [px]", x, y - 12, 0.55)
    for k, (name, colour) in enumerate((("HSR", _HSR), ("LSR", _LSR))):
        key = x + 400 + 80 * k
        cv2.rectangle(page, (key, y - 24), (key + 12, y - 12), colour, -1)
        _text(page, name, key + 18, y - 12, 0.55, colour)
    top = max(float(q.view_rms_px.max()), 0.1) * 1.1
    for share in (0.0, 0.5, 1.0):
        line = round(y + height * (1 - share))
        cv2.line(page, (x + 50, line), (x + width, line), _PALE, 1)
        _text(page, f"{top * share:.2f}", x, line + 5, 0.45)
    step = (width - 60) / len(q.names)
    for i, name in enumerate(q.names):
        left = x + 56 + i * step
        for j, colour in ((1, _HSR), (0, _LSR)):
            value = float(q.view_rms_px[i, j]) / top * height
            a = round(left + (1 - j) * 0.4 * step)
            box = (a, round(y + height - value)), (max(a + 1, round(a + 0.36 * step)), y + height)
            cv2.rectangle(page, box[0], box[1], colour, -1)
        if len(q.names) <= 40:
            _text(page, name[-int(max(step / 9, 2)) :], round(left), y + height + 16, 0.4)


def _coverage(
    page: ImageU8, counts: npt.NDArray[np.int64], title: str, x: int, y: int, colour: tuple[int, int, int]
) -> None:
    _text(page, title, x, y - 10, 0.55)
    columns, rows = CELLS
    width, height = 70, 34
    most = max(int(counts.max()), 1)
    for r in range(rows):
        for c in range(columns):
            share = counts[r, c] / most
            fill = tuple(round(255 + (v - 255) * float(np.sqrt(share)) * 0.8) for v in colour)
            a = (x + c * width, y + r * height)
            b = (a[0] + width - 3, a[1] + height - 3)
            cv2.rectangle(page, a, b, fill, -1)
            cv2.rectangle(page, a, b, _PALE, 1)
            _text(page, str(int(counts[r, c])), a[0] + 8, a[1] + 22, 0.45)
