"""What JSON can say."""

from __future__ import annotations

import math
from collections.abc import Mapping


def finite(value: object) -> object:
    """The same with None for infinities and what is no number, which JSON has no words for."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return value
