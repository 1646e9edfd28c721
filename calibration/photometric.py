"""One camera's colours in terms of the other's.

The sharp reference is mapped to the LSR camera's colours, not the other way round: the LSR stream is the one
that carries every moment, so brightness never jumps where the reference ends or from one GoP to the next,
and one picture per GoP is mapped rather than m.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from calibration.errors import ViewError
from calibration.grid import CLIPPED, DARK, Mask, Matrix, resize

_MIN_SAMPLES = 2000
_MAX_SAMPLES = 40_000
_MAX_CONDITION = 3e3
_MAX_MIXED = 30.0
"""Condition of a colour map whose inverse makes more of noise than of colours."""


@dataclass(frozen=True, slots=True, eq=False)
class ColourMap:
    """Affine colour map: out = matrix[:, :3] @ rgb + matrix[:, 3], in 8-bit display values.

    Attributes:
        matrix: (3, 4); the last column is in 0..255 units.
        residual: Robust standard deviation of what the map leaves over [0..255].
        samples: Pixels it was fitted to.
        method: "affine" (3x4), "gain_offset" (per channel) or "identity".

    """

    matrix: Matrix
    residual: float
    samples: int
    method: str

    def apply(self, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Map (H, W, 3) RGB: uint8, uint16 (full 16 bits) or float in 0..1; same type and range out.

        Raises:
            ViewError: Another type.

        """
        if image.dtype == np.uint8:
            unit = 1.0
        elif image.dtype == np.uint16:
            unit = 257.0
        elif image.dtype == np.float32 or image.dtype == np.float64:
            unit = 1.0 / 255.0
        else:
            raise ViewError(f"colours of {image.dtype} pictures cannot be mapped; use uint8, uint16 or float")
        matrix = self.matrix.copy()
        matrix[:, 3] *= unit
        out = cv2.transform(image, matrix)
        return np.clip(out, 0.0, 1.0) if unit < 1.0 else out

    def of_gains(self, given: float, made: float) -> ColourMap:
        """The map between pictures as they are, fitted to ones so many times as bright."""
        if self.method == "identity":
            return self
        matrix = self.matrix / made
        matrix[:, :3] *= given
        return ColourMap(matrix, self.residual / made, self.samples, self.method)

    def inverse(self) -> ColourMap:
        """The map back.

        Raises:
            ViewError: Colours that this map takes together cannot be told apart again: one of the two cameras
                sees no colours, or hardly any light.

        """
        colours = self.matrix[:, :3]
        if np.linalg.cond(colours) > _MAX_MIXED:
            raise ViewError(
                "the colours of one camera do not follow from those of the other, as if one of them saw in "
                "grey or in the dark; leave the clip in the LSR camera's colours"
            )
        back = np.linalg.inv(colours)
        matrix = np.column_stack([back, -back @ self.matrix[:, 3]])
        return ColourMap(matrix, self.residual, self.samples, self.method)


IDENTITY = ColourMap(np.eye(3, 4), 0.0, 0, "identity")


def smooth_colours(previous: ColourMap | None, current: ColourMap, *, weight: float = 0.3) -> ColourMap:
    """Exponential average over GoPs, so that a fit's noise does not flicker.

    Args:
        previous: The smoothed map of the GoP before; None at the start of a shot.
        current: The map fitted to this GoP; where nothing could be compared (identity), `previous` stays.
        weight: Share of `current`, 0..1.

    """
    if previous is None or previous.method == "identity":
        return current
    if current.method == "identity":
        return previous
    matrix = (1 - weight) * previous.matrix + weight * current.matrix
    residual = (1 - weight) * previous.residual + weight * current.residual
    return ColourMap(matrix, residual, current.samples, current.method)


def match_colours(
    reference: npt.NDArray[np.uint8], lsr: npt.NDArray[np.uint8], valid: Mask | None = None
) -> ColourMap:
    """Fit the colours of the aligned reference to those of the LSR view.

    The fit is a 3x4 affine map in display space by iteratively reweighted least squares (Geman-McClure);
    per-channel gain and offset where the picture's colours do not determine 12 numbers.

    Args:
        reference: (Ho, Wo, 3) RGB, HSR frame in the output view.
        lsr: (h, w, 3) or (Ho, Wo, 3) RGB, LSR frame on the same field.
        valid: (Ho, Wo), where the reference shows what the LSR camera sees; None = everywhere.

    Returns:
        Map from reference colours to LSR colours; the identity when hardly any pixel can be compared.

    """
    height, width = lsr.shape[:2]
    if lsr.shape == reference.shape:
        height, width = height // 4, width // 4
    # Comparing on a coarse grid averages noise and forgives small misalignment.
    coarse = max(1.0, float(np.sqrt(height * width / _MAX_SAMPLES)))
    w, h = max(round(width / coarse), 8), max(round(height / coarse), 8)
    x = resize(reference, w, h).reshape(-1, 3).astype(np.float64)
    y = resize(lsr, w, h).reshape(-1, 3).astype(np.float64)
    usable = np.all((x > DARK) & (x < CLIPPED) & (y > DARK) & (y < CLIPPED), axis=1)
    if valid is not None:
        usable &= cv2.resize(valid.astype(np.uint8) * 255, (w, h), interpolation=cv2.INTER_AREA).ravel() > 250
    x, y = x[usable], y[usable]
    if len(x) < 50:
        return IDENTITY
    gain, gain_residual = _fit_gain_offset(x, y)
    ones = np.column_stack([x, np.ones(len(x))])
    if len(x) < _MIN_SAMPLES or np.linalg.cond(ones / np.array([255.0, 255.0, 255.0, 1.0])) > _MAX_CONDITION:
        return ColourMap(gain, gain_residual, len(x), "gain_offset")
    affine, residual = _robust_fit(ones, y, ones @ gain.T)
    return ColourMap(affine, residual, len(x), "affine")


def _fit_gain_offset(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> tuple[Matrix, float]:
    matrix = np.zeros((3, 4))
    residuals = []
    for c in range(3):
        design = np.column_stack([x[:, c], np.ones(len(x))])
        if np.ptp(x[:, c]) < 8.0:
            design = design[:, :1]
        start = design[:, :1] * (np.median(y[:, c]) / max(float(np.median(x[:, c])), 1.0))
        row, residual = _robust_fit(design, y[:, c : c + 1], start)
        matrix[c, c] = row[0, 0]
        matrix[c, 3] = row[0, 1] if row.shape[1] > 1 else 0.0
        residuals.append(residual)
    return matrix, float(np.mean(residuals))


def _robust_fit(
    design: npt.NDArray[np.float64], target: npt.NDArray[np.float64], start: npt.NDArray[np.float64]
) -> tuple[Matrix, float]:
    """Coefficients (targets, columns) by Geman-McClure IRLS from the prediction `start`."""
    error = np.linalg.norm(target - start, axis=1)
    coefficients = np.zeros((target.shape[1], design.shape[1]))
    sigma = 0.0
    for _ in range(15):
        sigma = max(1.4826 * float(np.median(error)), 0.5)
        root = 1.0 / (1.0 + (error / (2.0 * sigma)) ** 2)  # square root of the Geman-McClure weight
        solution, *_ = np.linalg.lstsq(design * root[:, None], target * root[:, None], rcond=None)
        step = float(np.max(np.abs(solution.T - coefficients)))
        coefficients = solution.T
        error = np.linalg.norm(target - design @ solution, axis=1)
        if step < 1e-5:
            break
    return coefficients, sigma
