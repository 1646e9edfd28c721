"""torch, which takes seconds to load, is loaded when something is to be fused, and not before."""

from __future__ import annotations

import gc
import threading
from importlib import import_module

from app.torch_missing import TorchMissingError

_loaded = threading.Event()
_failed = threading.Event()


def load_torch() -> None:
    """Load what fusion needs, unless it is there; not on the window's thread.

    Raises:
        TorchMissingError: torch is not whole.

    """
    if _loaded.is_set():
        return
    try:
        import_module("fusion.engine")
    except (ImportError, OSError) as error:
        _failed.set()
        raise TorchMissingError(error) from error
    # As with all that was loaded before: the garbage collector need not look at it again.
    gc.freeze()
    _loaded.set()


def torch_is_loaded() -> bool:
    """Whether torch can be used without waiting for it."""
    return _loaded.is_set()


def torch_has_failed() -> bool:
    """Whether torch could not be loaded when it was asked for."""
    return _failed.is_set() and not _loaded.is_set()
