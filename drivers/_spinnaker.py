"""The Spinnaker library and the cameras that it sees."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from drivers._nodes import Nodes
from drivers.camera import CameraIdentity
from drivers.errors import CameraError, DriverMissingError

SIMULATED_MARK = "(simulated)"


def load_pyspin() -> Any:
    """The PySpin module.

    Raises:
        DriverMissingError: It is not installed, or was built for another Python or NumPy.

    """
    try:
        module = importlib.import_module("PySpin")
    except ModuleNotFoundError as error:
        raise DriverMissingError(
            "PySpin is not installed; install the Spinnaker SDK and its wheel for this Python from the "
            "maker, or use the emulated rig (--emulate)"
        ) from error
    except (ImportError, AttributeError, RuntimeError) as error:
        raise DriverMissingError(
            f"PySpin cannot be loaded ({error}); its wheel must match this Python and NumPy {np.__version__}"
        ) from error
    if not hasattr(module, "System"):
        raise DriverMissingError(
            "the installed package called PySpin is not the camera maker's; replace it by the Spinnaker wheel"
        )
    return module


@contextmanager
def searching(spin: Any) -> Iterator[tuple[Any, Any]]:
    """Spinnaker's system and the list of its cameras, which is given back in the end.

    Raises:
        CameraError: Spinnaker fails inside the block, as it may while a camera comes or goes.

    """
    try:
        system = spin.System.GetInstance()
        cameras = system.GetCameras()
        try:
            yield system, cameras
        finally:
            cameras.Clear()
    except spin.SpinnakerException as error:
        raise CameraError(f"Spinnaker cannot search for cameras, try again: {error}") from error


def list_cameras() -> tuple[CameraIdentity, ...]:
    """Every camera that Spinnaker sees, opened by nobody or not.

    Raises:
        DriverMissingError: PySpin is missing.
        CameraError: Spinnaker fails.

    """
    spin = load_pyspin()
    with searching(spin) as (_, cameras):
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
    )
