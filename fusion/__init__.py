"""Two aligned streams become one: sharp as the first, fast as the second."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from fusion.cards import METHODS
from fusion.errors import FusionError

if TYPE_CHECKING:
    from fusion.awnet import AWnet
    from fusion.engine import Fuser
    from fusion.gop import FusedFrame

__all__ = ["METHODS", "AWnet", "FusedFrame", "Fuser", "FusionError"]

# torch takes seconds to load, which nobody should wait for who wants a list of methods or an error's class.
_WITH_TORCH = {"AWnet": "fusion.awnet", "FusedFrame": "fusion.gop", "Fuser": "fusion.engine"}


def __getattr__(name: str) -> object:
    if name not in _WITH_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_WITH_TORCH[name]), name)
