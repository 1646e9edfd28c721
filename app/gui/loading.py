"""torch, which takes seconds to load, is loaded when something is to be fused, and not before."""

from __future__ import annotations

import gc
import threading
from importlib import import_module

_loaded = threading.Event()


def load_torch() -> None:
    """Load what fusion needs, unless it is there; not on the window's thread.

    Raises:
        ImportError: torch is not whole.

    """
    if _loaded.is_set():
        return
    import_module("fusion.engine")
    # As with all that was loaded before: the garbage collector need not look at it again.
    gc.freeze()
    _loaded.set()


def torch_is_loaded() -> bool:
    """Whether torch can be used without waiting for it."""
    return _loaded.is_set()
