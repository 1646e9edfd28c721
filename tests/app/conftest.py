"""The emulated rig and a session on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.capture import emulated_session
from app.session import Session
from drivers.spinnaker_emulator import VirtualRig, install
from emulated import SETUP


@pytest.fixture
def rig() -> Iterator[VirtualRig]:
    """An installed rig whose pulses wait for the reader."""
    rig = install()
    yield rig
    rig.uninstall()


@pytest.fixture
def session(rig: VirtualRig) -> Iterator[Session]:
    """A session on it, connected and configured with `emulated.SETUP`."""
    with emulated_session(rig) as session:
        session.connect(rig.serials)
        session.configure(SETUP.settings())
        yield session
