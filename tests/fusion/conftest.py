"""Lets the tests of this folder share `fusion_scene`, and networks begin alike in every run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def same_start() -> None:
    """Whatever begins by chance begins the same, whichever tests ran before."""
    torch.manual_seed(0)
