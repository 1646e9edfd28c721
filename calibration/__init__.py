"""Where does a pixel of one camera land in the other: pure functions on arrays."""

from calibration.alignment import Alignment, OutputView, identity_alignment
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
from calibration.noise import NoiseEstimate, estimate_noise_sigma
from calibration.photometric import ColorMap, match_colors, smooth_colors
from calibration.scene import Refine, align_scene, register_views

__all__ = [
    "Alignment",
    "BoardError",
    "CalibrationError",
    "ColorMap",
    "MirroredViewError",
    "NoOverlapError",
    "NoiseEstimate",
    "OutputView",
    "Refine",
    "RigFileError",
    "RotatedViewError",
    "StaleRigError",
    "TooFewFeaturesError",
    "ViewError",
    "align_scene",
    "estimate_noise_sigma",
    "identity_alignment",
    "match_colors",
    "register_views",
    "smooth_colors",
]
