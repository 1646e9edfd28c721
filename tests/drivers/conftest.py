"""An installed rig whose pulses wait for their reader, and its fast camera, opened."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from drivers import Role
from drivers.grasshopper import Grasshopper3, open_camera
from drivers.spinnaker_emulator import VirtualRig, install


@pytest.fixture
def rig() -> Iterator[VirtualRig]:
    rig = install()
    yield rig
    rig.uninstall()
    assert not rig.system.aborted


@pytest.fixture
def camera(rig: VirtualRig) -> Iterator[Grasshopper3]:
    camera = open_camera(rig.serials[Role.LSR], Role.LSR)
    yield camera
    camera.close()
