"""Which software made a file."""

from __future__ import annotations

import platform
from functools import cache
from importlib import metadata

_PACKAGES = ("twinrate", "numpy", "opencv-python", "torch", "av", "scipy")


@cache
def versions() -> dict[str, str]:
    """Python's and the deciding packages' versions, by distribution name."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            # A vendor's build of a package (such as OpenCV) may go by another name.
            found[name] = "not known"
    return found
