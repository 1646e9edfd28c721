"""What is said where the memory does not suffice, whichever library finds it out."""

from __future__ import annotations

import cv2

_SAID = ("not enough memory", "can't allocate memory", "std::bad_alloc")
"""By torch, whose own error class is for graphics cards alone, and by compiled code."""


def memory_problem(error: BaseException) -> str:
    """One sentence for an error that comes of too little memory; "" for any other."""
    said = " ".join(str(error).split())
    if not (
        isinstance(error, MemoryError)
        or (isinstance(error, cv2.error) and error.code == cv2.Error.StsNoMem)
        or (isinstance(error, RuntimeError) and any(words in said for words in _SAID))
    ):
        return ""
    reason = f" ({said})" if said else ""
    return f"too little memory is free for this{reason}; close other programs, or take smaller pictures"
