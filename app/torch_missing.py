"""What is said where torch, with which pictures are fused, cannot be loaded."""

from __future__ import annotations

import sys
import traceback

from app.errors import AppError

REMEDY = (
    "install it anew into this environment (pip install --force-reinstall torch), or close other programs "
    "where memory ran out; recording is not affected"
)


class TorchMissingError(AppError):
    """torch is not there, not whole, or finds no room: nothing can be fused."""

    def __init__(self, reason: BaseException) -> None:
        said = " ".join(str(reason).split()) or type(reason).__name__
        super().__init__(f"torch, which fuses the pictures, cannot be loaded ({said}); {REMEDY}")


def comes_of_torch(error: BaseException) -> bool:
    """Whether an exception says that torch could not be loaded."""
    if "torch" in sys.modules or not isinstance(error, ImportError | OSError):
        return False
    if isinstance(error, ImportError) and (error.name or "").partition(".")[0] == "torch":
        return True
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    return any(str(frame.f_globals.get("__name__", "")).partition(".")[0] == "torch" for frame in frames)
