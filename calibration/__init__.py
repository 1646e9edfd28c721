"""Where does a pixel of one camera land in the other: pure functions on arrays."""

from calibration.alignment import Alignment, OutputView, identity_alignment
from calibration.baseline import (
    Relock,
    Shift,
    align_baseline,
    measure_shift,
    plane_homography,
    predicted_shift_px,
    relock,
)
from calibration.board import Board, BoardView, find_board
from calibration.board_rig import calibrate_rig, make_rig
from calibration.calibrated import RigRefine, align_with_rig
from calibration.errors import (
    BoardError,
    CalibrationError,
    MirroredViewError,
    NoOverlapError,
    RigFileError,
    RotatedViewError,
    StaleRigError,
    TooFewFeaturesError,
    ViewError,
)
from calibration.features import Matches, match_features
from calibration.metric import BoardPair, StereoFit, calibrate_pair, find_pairs
from calibration.noise import NoiseEstimate, estimate_noise_sigma, view_mismatch
from calibration.photometric import ColourMap, match_colours, smooth_colours
from calibration.quality import Quality, assess
from calibration.report import draw_report, write_report
from calibration.rig import CameraId, CameraModel, Rig, load_rig
from calibration.scene import Refine, align_scene, register_views
from calibration.sharpness import SamePicture, Sharpening, match_sharpness

__all__ = [
    "Alignment",
    "Board",
    "BoardError",
    "BoardPair",
    "BoardView",
    "CalibrationError",
    "CameraId",
    "CameraModel",
    "ColourMap",
    "Matches",
    "MirroredViewError",
    "NoOverlapError",
    "NoiseEstimate",
    "OutputView",
    "Quality",
    "Refine",
    "Relock",
    "Rig",
    "RigFileError",
    "RigRefine",
    "RotatedViewError",
    "SamePicture",
    "Sharpening",
    "Shift",
    "StaleRigError",
    "StereoFit",
    "TooFewFeaturesError",
    "ViewError",
    "align_baseline",
    "align_scene",
    "align_with_rig",
    "assess",
    "calibrate_pair",
    "calibrate_rig",
    "draw_report",
    "estimate_noise_sigma",
    "find_board",
    "find_pairs",
    "identity_alignment",
    "load_rig",
    "make_rig",
    "match_colours",
    "match_features",
    "match_sharpness",
    "measure_shift",
    "plane_homography",
    "predicted_shift_px",
    "register_views",
    "relock",
    "smooth_colours",
    "view_mismatch",
    "write_report",
]
