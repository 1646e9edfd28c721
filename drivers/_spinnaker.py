"""The Spinnaker library and the cameras that it sees."""

from __future__ import annotations

import atexit
import gc
import importlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from drivers._nodes import Nodes, unpinned
from drivers.camera import CameraIdentity
from drivers.errors import CameraError, DriverMissingError

SIMULATED_MARK = "(simulated)"
_held: tuple[Any, Any] | None = None
"""The PySpin module and its System, held until the process ends."""


def load_pyspin() -> Any:
    """The PySpin module.

    Raises:
        DriverMissingError: It is not installed, or was built for another Python or NumPy.

    """
    try:
        module = importlib.import_module("PySpin")
    except (ImportError, AttributeError, RuntimeError) as error:
        # Of a wheel for another Python, a part of PySpin is not found.
        if isinstance(error, ModuleNotFoundError) and error.name == "PySpin":
            raise DriverMissingError(
                "PySpin is not installed; install the Spinnaker SDK and its wheel for this Python from the "
                "maker, or use the emulated rig (--emulate)"
            ) from error
        raise DriverMissingError(
            f"PySpin is installed but cannot be loaded ({error}); its wheel must match this Python and NumPy "
            f"{np.__version__}, and needs the Spinnaker SDK of its own version"
        ) from error
    if not hasattr(module, "System"):
        raise DriverMissingError(
            "the installed package called PySpin is not the camera maker's; replace it by the Spinnaker wheel"
        )
    return module


def _system_of(spin: Any) -> Any:
    """Spinnaker's system, held from now on.

    When its last reference dies while anything still refers to a camera, Spinnaker throws in a destructor,
    and that ends the process (https://github.com/jbhunt/parallel-pyspin/issues/3). The traceback of an
    exception that somebody keeps is enough to hold a camera.
    """
    global _held
    if _held is None or _held[0] is not spin:
        _held = (spin, spin.System.GetInstance())
    return _held[1]


def release_system() -> None:
    """Give Spinnaker's system back, if it was used; the end of the process does so. Safe to call twice."""
    global _held
    held, _held = _held, None
    if held is None:
        return
    spin, system = held
    # An error in a reference cycle may still hold a camera.
    gc.collect()
    try:
        system.ReleaseInstance()
    except spin.SpinnakerException:
        # Whatever holds a camera still, its destructor must not try again and end the process.
        system.thisown = False


atexit.register(release_system)


@contextmanager
def searching(spin: Any) -> Iterator[Any]:
    """The list of Spinnaker's cameras, which is given back in the end.

    Raises:
        CameraError: Spinnaker fails inside the block, as it may while a camera comes or goes.

    """
    try:
        cameras = _system_of(spin).GetCameras()
        try:
            yield cameras
        finally:
            with suppress(spin.SpinnakerException):
                # Some versions refuse while one of its cameras is in use; nothing is lost then.
                cameras.Clear()
    except spin.SpinnakerException as error:
        raise CameraError(f"Spinnaker cannot search for cameras, try again: {error}") from unpinned(error)


def list_cameras() -> tuple[CameraIdentity, ...]:
    """Every camera that Spinnaker sees, opened by nobody or not.

    Raises:
        DriverMissingError: PySpin is missing.
        CameraError: Spinnaker fails.

    """
    spin = load_pyspin()
    with searching(spin) as cameras:
        return tuple(identity_of(spin, cameras.GetByIndex(i)) for i in range(cameras.GetSize()))


def identity_of(spin: Any, pointer: Any) -> CameraIdentity:
    """Who a camera is, readable before it is opened."""
    nodes = Nodes(spin, pointer.GetTLDeviceNodeMap(), "transport layer")
    vendor = nodes.text("DeviceVendorName", "unknown")
    return CameraIdentity(
        serial=nodes.text("DeviceSerialNumber", ""),
        model=nodes.text("DeviceModelName", "unknown"),
        vendor=vendor,
        firmware=nodes.text("DeviceVersion", ""),
        simulated=SIMULATED_MARK in vendor,
        link=nodes.symbol("DeviceCurrentSpeed") if nodes.exists("DeviceCurrentSpeed") else "",
    )
