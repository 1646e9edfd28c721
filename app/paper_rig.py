"""The rig of the paper: the sizes that are recorded unless others are asked for."""

from __future__ import annotations

PAPER_HSR_SIZE = (2304, 1920)
"""Region of the sharp camera (width, height) [px]."""
PAPER_LSR_SIZE = (576, 480)
"""Region of the fast camera (width, height) [px]."""
