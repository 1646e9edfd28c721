"""Two aligned streams become one: sharp as the first, fast as the second."""

from fusion.awnet import AWnet
from fusion.engine import METHODS, Fuser
from fusion.errors import FusionError
from fusion.gop import FusedFrame

__all__ = ["METHODS", "AWnet", "FusedFrame", "Fuser", "FusionError"]
