"""Mesh-based homography: the plane bent at the vertices of a grid until the matches fit.

The grid's offsets V minimise a robust data term and a bending term (content-preserving warps, Liu 2009;
bundled paths, Liu 2013): sum rho(|B V - d|) + bend * density * (|V_xx|^2 + |V_yy|^2 + |V_xy|^2) + small
gradient terms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from calibration.features import Matches
from calibration.grid import ImageF32, Mask, Matrix, Points, transform

_BEND, _GRADIENT, _SIZE = 0.2, 0.02, 1e-3
_ITERATIONS = 10
_CELLS = (32, 27)
"""Grid cells across and down."""
_NEIGHBOURS = 8
_FINEST_PX = 4.0
_PLANAR = 1.75  # [LSR px]


@dataclass(frozen=True, slots=True, eq=False)
class MeshFit:
    """Offsets on top of a homography.

    Attributes:
        offsets: (rows, columns, 2), what to add to the homography's position [HSR px]; the corner vertices
            lie on the corners of the LSR picture (pixel centres).
        inliers: (N,) matches that fit it within 4 HSR px.
        residual_px: Median distance of those [HSR px].

    """

    offsets: npt.NDArray[np.float64]
    inliers: Mask
    residual_px: float

    def on_grid(self, grid_to_lsr: Matrix, size: tuple[int, int], lsr_size: tuple[int, int]) -> ImageF32:
        """Offsets (height, width, 2) on a grid over the LSR picture [HSR px].

        Args:
            grid_to_lsr: 3x3 scale and shift, grid px -> LSR px.
            size: (width, height) of the grid.
            lsr_size: (width, height) of the LSR picture.

        """
        rows, columns = self.offsets.shape[:2]
        x = (np.arange(size[0]) * grid_to_lsr[0, 0] + grid_to_lsr[0, 2]) / (lsr_size[0] - 1) * (columns - 1)
        y = (np.arange(size[1]) * grid_to_lsr[1, 1] + grid_to_lsr[1, 2]) / (lsr_size[1] - 1) * (rows - 1)
        x, y = np.clip(x, 0, columns - 1), np.clip(y, 0, rows - 1)
        y0, x0 = np.minimum(y.astype(int), rows - 2), np.minimum(x.astype(int), columns - 2)
        fy, fx = (y - y0)[:, None, None], (x - x0)[None, :, None]
        v = self.offsets
        lines = v[y0] * (1 - fy) + v[y0 + 1] * fy
        return np.asarray(lines[:, x0] * (1 - fx) + lines[:, x0 + 1] * fx, np.float32)


def smooth_neighbours(points: Points, offsets: Points) -> Mask:
    """True for matches whose offset agrees with the median of their nearest neighbours'.

    Args:
        points: (N, 2) positions.
        offsets: (N, 2) displacement from the plane.

    """
    if len(points) <= _NEIGHBOURS:
        return np.ones(len(points), np.bool_)
    _, index = cKDTree(points).query(points, k=_NEIGHBOURS + 1)
    near = offsets[np.asarray(index)[:, 1:]]
    middle = np.median(near, axis=1)
    spread = 1.4826 * np.median(np.linalg.norm(near - middle[:, None], axis=2), axis=1)
    return np.asarray(np.linalg.norm(offsets - middle, axis=1) <= 3 * spread + 3.0)


def is_planar(lsr_to_hsr: Matrix, matches: Matches, ratio: float) -> bool:
    """True when one plane explains practically all points: no object stands out of it.

    Args:
        lsr_to_hsr: Homography, LSR px -> HSR px.
        matches: Matches that obey the epipolar geometry.
        ratio: HSR px per LSR px, see `grid.pixel_ratio`.

    """
    offsets = matches.hsr - transform(lsr_to_hsr, matches.lsr)
    kept = smooth_neighbours(matches.lsr, offsets)
    return float(np.quantile(np.linalg.norm(offsets[kept], axis=1), 0.99)) < _PLANAR * ratio


def fit_mesh(matches: Matches, lsr_to_hsr: Matrix, lsr_size: tuple[int, int]) -> MeshFit:
    """Fit the mesh to matches that obey the epipolar geometry (not the homography).

    Args:
        matches: Matches.
        lsr_to_hsr: Homography, LSR px -> HSR px.
        lsr_size: (width, height).

    """
    w, h = lsr_size
    offsets = matches.hsr - transform(lsr_to_hsr, matches.lsr)
    kept = smooth_neighbours(matches.lsr, offsets)
    points, data = matches.lsr[kept], offsets[kept]
    columns, rows = _CELLS[0] + 1, _CELLS[1] + 1
    weights = _bilinear(points, w, h, columns, rows)
    bending = _bending(columns, rows)
    density = max(len(points) / (columns * rows), 1e-3)
    smooth = density * _BEND * bending + _SIZE * density * sp.identity(columns * rows)
    vertices = np.zeros((columns * rows, 2))
    width = max(float(np.quantile(np.linalg.norm(data, axis=1), 0.9)), _FINEST_PX) if len(data) else 1.0
    for _ in range(_ITERATIONS):
        error = np.linalg.norm(weights @ vertices - data, axis=1)
        robust = 1.0 / (1.0 + (error / width) ** 2) ** 2
        normal = weights.T @ sp.diags(robust) @ weights + smooth
        vertices = splu(sp.csc_matrix(normal)).solve(weights.T @ (robust[:, None] * data))
        width = max(0.6 * width, _FINEST_PX)
    fit = _bilinear(matches.lsr, w, h, columns, rows) @ vertices
    error = np.linalg.norm(fit - offsets, axis=1)
    inliers = error < _FINEST_PX
    residual = float(np.median(error[inliers])) if inliers.any() else float("inf")
    return MeshFit(vertices.reshape(rows, columns, 2), np.asarray(inliers), residual)


def _bilinear(points: Points, w: int, h: int, columns: int, rows: int) -> sp.csr_matrix:
    x = np.clip(points[:, 0] / (w - 1), 0, 1) * (columns - 1)
    y = np.clip(points[:, 1] / (h - 1), 0, 1) * (rows - 1)
    x0, y0 = np.minimum(x.astype(int), columns - 2), np.minimum(y.astype(int), rows - 2)
    fx, fy = x - x0, y - y0
    index = np.arange(len(points))
    value = np.concatenate([(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy])
    corner = y0 * columns + x0
    column = np.concatenate([corner, corner + 1, corner + columns, corner + columns + 1])
    return sp.csr_matrix((value, (np.tile(index, 4), column)), shape=(len(points), columns * rows))


def _bending(columns: int, rows: int) -> sp.csr_matrix:
    def difference(n: int, order: int) -> sp.csr_matrix:
        return sp.csr_matrix(np.diff(np.eye(n), order, axis=0))

    x1, y1 = difference(columns, 1), difference(rows, 1)
    terms = (
        (1.0, sp.kron(sp.identity(rows), difference(columns, 2))),
        (1.0, sp.kron(difference(rows, 2), sp.identity(columns))),
        (1.0, sp.kron(y1, x1)),
        (_GRADIENT, sp.kron(sp.identity(rows), x1)),
        (_GRADIENT, sp.kron(y1, sp.identity(columns))),
    )
    total = sp.csr_matrix((columns * rows, columns * rows))
    for factor, term in terms:
        total = total + factor * (term.T @ term)
    return sp.csr_matrix(total)
