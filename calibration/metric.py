"""Metric calibration: both cameras from board views, each alone first, then together.

Each camera is calibrated by itself (Zhang 2000), so unlike resolutions and lenses do no harm; the pair is
then refined jointly. Reprojection error alone is misleading (the coarse camera has the lowest and the worst
epipolar error), so `quality` measures what the fusion needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from calibration.board import Board, BoardView, find_board, mirrored, spans, turned
from calibration.board_guess import other_board
from calibration.errors import BoardError, MirroredViewError, RotatedViewError
from calibration.grid import ImageU8, Matrix, Points

MIN_VIEWS = 4
_FLAGS = cv2.CALIB_FIX_K3
_PRECISE = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 200, 1e-9)
_BROKEN_PX = 2.0
_SEED = 20
_ROUNDS = 16
_LOOKED_AT = 3
_MAX_ANGLE = 60.0
_MIN_TILT = 3.0  # [deg] between the boards of two views; less leaves the focal lengths open


@dataclass(frozen=True, slots=True, eq=False)
class BoardPair:
    """The board as both cameras saw it at one instant.

    Attributes:
        name: How messages and the report call it.
        hsr: Corners in the HSR view.
        lsr: Corners in the LSR view.

    """

    name: str
    hsr: BoardView
    lsr: BoardView


@dataclass(frozen=True, slots=True, eq=False)
class CameraFit:
    """One camera from its board views.

    Attributes:
        matrix: 3x3 intrinsics [px].
        distortion: (5,) k1 k2 p1 p2 k3.
        rms_px: Reprojection error [px].
        view_rms_px: (views,) the same per view.
        sigmas: Standard deviations of fx, fy, cx, cy [px].

    """

    matrix: Matrix
    distortion: Matrix
    rms_px: float
    view_rms_px: npt.NDArray[np.float64]
    sigmas: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class StereoFit:
    """Both cameras together.

    Attributes:
        lsr: The fast camera, refined.
        hsr: The sharp camera, refined.
        rotation: 3x3, X_hsr = R X_lsr + t.
        translation: (3,) t [mm].
        essential: 3x3.
        rms_px: Reprojection error of all corners in both cameras [px].
        view_rms_px: (views, 2) per view: LSR, HSR.

    """

    lsr: CameraFit
    hsr: CameraFit
    rotation: Matrix
    translation: Points
    essential: Matrix
    rms_px: float
    view_rms_px: npt.NDArray[np.float64]


def find_pairs(
    hsr: Mapping[str, ImageU8], lsr: Mapping[str, ImageU8], board: Board
) -> tuple[list[BoardPair], list[str]]:
    """Find the board in every pair of pictures.

    Args:
        hsr: Pictures of the sharp camera by name.
        lsr: Pictures of the fast camera, by the same names.
        board: What to look for.

    Returns:
        The pairs in which both cameras see the board, and one sentence per pair that was left out.

    Raises:
        BoardError: No pictures, unlike names or sizes, or fewer than 4 usable pairs. Says what was seen.

    """
    if set(hsr) != set(lsr) or not hsr:
        odd = sorted(set(hsr) ^ set(lsr))
        what = f"without a partner: {', '.join(odd[:5])}" if odd else "there are none"
        raise BoardError(f"each HSR board picture needs an LSR picture of the same instant; {what}")
    for name, side in (("HSR", hsr), ("LSR", lsr)):
        sizes = {im.shape[:2] for im in side.values()}
        if len(sizes) > 1:
            raise BoardError(f"the {name} board pictures have unlike sizes: {sorted(sizes)}")
    pairs, left_out = _search(hsr, lsr, board)
    if left_out and board.kind == "charuco":
        again = _search(hsr, lsr, replace(board, legacy=not board.legacy))
        if len(again[0]) > len(pairs):
            pairs, left_out = again
    if len(pairs) < MIN_VIEWS:
        raise BoardError(_too_few(pairs, hsr, lsr, board, left_out))
    return pairs, left_out


def _search(
    hsr: Mapping[str, ImageU8], lsr: Mapping[str, ImageU8], board: Board
) -> tuple[list[BoardPair], list[str]]:
    pairs, left_out = [], []
    for name in sorted(hsr):
        found = {"HSR": find_board(hsr[name], board), "LSR": find_board(lsr[name], board)}
        missing = [camera for camera, view in found.items() if view is None]
        h, v = found["HSR"], found["LSR"]
        if h is not None and v is not None:
            if spans(h.shared(v)[0], board):
                pairs.append(BoardPair(name, h, v))
                continue
            missing = ["common part of both"]
        part = "wholly" if board.kind == "chessboard" else "far enough"
        left_out.append(f"{name}: the board is not {part} in the {' and '.join(missing)} view")
    return pairs, left_out


def _too_few(
    pairs: Sequence[BoardPair],
    hsr: Mapping[str, ImageU8],
    lsr: Mapping[str, ImageU8],
    board: Board,
    left_out: Sequence[str],
) -> str:
    shown = [image for side in (hsr, lsr) for image in list(side.values())[:_LOOKED_AT]]
    return other_board(shown, board) or (
        f"both cameras see the {board} in {len(pairs)} of {len(hsr)} pairs, {MIN_VIEWS} are needed "
        f"({left_out[0] if left_out else 'take more'})"
    )


def fit_camera(views: Sequence[BoardView], board: Board, size: tuple[int, int]) -> CameraFit:
    """Intrinsics of one camera (cv2.calibrateCameraExtended, k3 = 0).

    Args:
        views: At least 4 views.
        board: The board.
        size: (width, height) of the pictures.

    """
    points = [board.points[v.ids] for v in views]
    corners = [v.corners.astype(np.float32) for v in views]
    start = np.array([[1.5 * max(size), 0, (size[0] - 1) / 2], [0, 1.5 * max(size), (size[1] - 1) / 2]])
    rms, k, d, _, _, sigmas, _, per_view = cv2.calibrateCameraExtended(
        points,
        corners,
        size,
        np.vstack([start, [0, 0, 1]]),
        np.zeros(5),
        flags=_FLAGS,
        criteria=_PRECISE,
    )
    return CameraFit(
        matrix=np.asarray(k, np.float64),
        distortion=np.asarray(d, np.float64).ravel()[:5],
        rms_px=float(rms),
        view_rms_px=np.asarray(per_view, np.float64).ravel(),
        sigmas=np.asarray(sigmas, np.float64).ravel()[:4],
    )


def fit_stereo(
    pairs: Sequence[BoardPair], board: Board, hsr: CameraFit, lsr: CameraFit, *, refine: bool = True
) -> StereoFit:
    """Both cameras together (cv2.stereoCalibrateExtended).

    Args:
        pairs: The views.
        board: The board.
        hsr: The sharp camera alone.
        lsr: The fast camera alone.
        refine: Also improve both cameras; False keeps them as they are.

    """
    points, first, second = [], [], []
    for pair in pairs:
        ids, h, v = pair.hsr.shared(pair.lsr)
        points.append(board.points[ids])
        first.append(v.astype(np.float32))
        second.append(h.astype(np.float32))
    mode = cv2.CALIB_USE_INTRINSIC_GUESS if refine else cv2.CALIB_FIX_INTRINSIC
    rms, k1, d1, k2, d2, r, t, e, _, _, _, per_view = cv2.stereoCalibrateExtended(
        points,
        first,
        second,
        lsr.matrix.copy(),
        lsr.distortion.copy(),
        hsr.matrix.copy(),
        hsr.distortion.copy(),
        (1, 1),
        np.eye(3),
        np.zeros(3),
        flags=_FLAGS | mode,
        criteria=_PRECISE,
    )

    def refined(fit: CameraFit, k: npt.NDArray[Any], d: npt.NDArray[Any]) -> CameraFit:
        return CameraFit(
            np.asarray(k, np.float64),
            np.asarray(d, np.float64).ravel()[:5],
            fit.rms_px,
            fit.view_rms_px,
            fit.sigmas,
        )

    return StereoFit(
        lsr=refined(lsr, k1, d1),
        hsr=refined(hsr, k2, d2),
        rotation=np.asarray(r, np.float64),
        translation=np.asarray(t, np.float64).ravel(),
        essential=np.asarray(e, np.float64),
        rms_px=float(rms),
        view_rms_px=np.asarray(per_view, np.float64).reshape(len(pairs), 2),
    )


def calibrate_pair(
    pairs: Sequence[BoardPair], board: Board, *, hsr_size: tuple[int, int], lsr_size: tuple[int, int]
) -> tuple[StereoFit, list[BoardPair]]:
    """Calibrate both cameras from board pairs.

    Args:
        pairs: At least 4.
        board: The board.
        hsr_size: (width, height).
        lsr_size: (width, height).

    Returns:
        The fit, and the pairs with their chessboard corners counted from the same end in both views.

    Raises:
        BoardError: The two cameras contradict each other: not the same instant, or a board that bends; or the
            board faced the cameras alike in all views, which leaves their focal lengths open.
        MirroredViewError: One of them is mirrored.
        RotatedViewError: One of them is turned by more than 60 degrees.

    """
    hsr = fit_camera([p.hsr for p in pairs], board, hsr_size)
    lsr = fit_camera([p.lsr for p in pairs], board, lsr_size)
    ordered = list(pairs)
    fit = fit_stereo(ordered, board, hsr, lsr, refine=False)
    if fit.rms_px > _BROKEN_PX and board.kind == "chessboard":
        # A chessboard looks the same from both ends: count each view from the end that agrees.
        ordered = [_agreeing(p) for p in pairs]
        fit = fit_stereo(ordered, board, hsr, lsr, refine=False)
    if fit.rms_px > _BROKEN_PX:
        if board.kind == "chessboard" and _is_mirrored(ordered, board, hsr_size, lsr_size):
            raise MirroredViewError(
                "one camera's pictures are mirrored against the other's; switch its ReverseX and ReverseY off"
            )
        _refuse_parallel(pairs, board, hsr)
        each = fit.view_rms_px.max(axis=1)
        worst = int(each.argmax())
        raise BoardError(
            f"the two cameras contradict each other by {fit.rms_px:.1f} px, most in view {pairs[worst].name} "
            f"({each[worst]:.1f} px); both pictures of a pair must show the same, flat board at the same "
            "instant: leave out the views that do not"
        )
    _refuse_parallel(pairs, board, hsr)
    angle = float(np.degrees(np.linalg.norm(cv2.Rodrigues(fit.rotation)[0])))
    if angle > _MAX_ANGLE:
        raise RotatedViewError(
            f"the cameras are turned by {angle:.0f} degrees against each other, up to {_MAX_ANGLE:.0f} are "
            "possible; turn one upright, or switch its ReverseX and ReverseY"
        )
    return fit_stereo(ordered, board, hsr, lsr), ordered


def _refuse_parallel(pairs: Sequence[BoardPair], board: Board, hsr: CameraFit) -> None:
    normals = []
    for pair in pairs:
        view = pair.hsr
        found, turn, _ = cv2.solvePnP(board.points[view.ids], view.corners, hsr.matrix, hsr.distortion)
        if found:
            normals.append(cv2.Rodrigues(np.asarray(turn, np.float64))[0][:, 2])
    facing = np.array(normals)
    tilt = float(np.degrees(np.arccos(np.clip((facing @ facing.T).min(initial=1.0), -1, 1))))
    if tilt < _MIN_TILT:
        raise BoardError(
            f"the board faced the cameras alike in all views, to {tilt:.1f} degrees; take views in which it "
            "is tilted by 20 to 40 degrees, to all sides"
        )


def _agreeing(pair: BoardPair) -> BoardPair:
    """The pair with both views' first and last corners in the same direction."""
    across = [v.corners[-1] - v.corners[0] for v in (pair.hsr, pair.lsr)]
    return pair if float(across[0] @ across[1]) > 0 else BoardPair(pair.name, pair.hsr, turned(pair.lsr))


def _is_mirrored(
    pairs: Sequence[BoardPair], board: Board, hsr_size: tuple[int, int], lsr_size: tuple[int, int]
) -> bool:
    """Whether the cameras agree once the LSR pictures are mirrored."""
    hsr = fit_camera([p.hsr for p in pairs], board, hsr_size)
    for axis in (0, 1):
        flipped = [_agreeing(BoardPair(p.name, p.hsr, mirrored(p.lsr, board, lsr_size, axis))) for p in pairs]
        lsr = fit_camera([p.lsr for p in flipped], board, lsr_size)
        if fit_stereo(flipped, board, hsr, lsr, refine=False).rms_px < _BROKEN_PX:
            return True
    return False


def pose_sigmas(pairs: Sequence[BoardPair], board: Board, fit: StereoFit) -> tuple[float, float]:
    """Standard deviations of the baseline [mm] and of the rotation [deg], by bootstrap over views.

    Views are drawn with replacement and the cameras refined each time: a focal length that the views hardly
    determine moves the pose with it. Seeded.
    """
    rng = np.random.default_rng(_SEED)
    lengths, angles = [], []
    for _ in range(_ROUNDS):
        drawn = [pairs[i] for i in rng.integers(0, len(pairs), len(pairs))]
        again = fit_stereo(drawn, board, fit.hsr, fit.lsr)
        lengths.append(float(np.linalg.norm(again.translation)))
        angles.append(rotation_angle_deg(again.rotation @ fit.rotation.T))
    return float(np.std(lengths, ddof=1)), float(np.sqrt(np.mean(np.square(angles))))


def rotation_angle_deg(rotation: Matrix) -> float:
    """Angle by which a 3x3 rotation turns [deg]."""
    return float(np.degrees(np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1))))
