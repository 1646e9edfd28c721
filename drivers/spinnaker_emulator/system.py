"""PySpin's System, camera lists, interfaces and event handlers."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from drivers.spinnaker_emulator.camera import CameraPtr, Device
from drivers.spinnaker_emulator.errors import ErrorCode, SpinnakerException
from drivers.spinnaker_emulator.nodemap import NodeState
from drivers.spinnaker_emulator.nodes import NodeMap
from drivers.spinnaker_emulator.specs import Kind, fixed

# PySpin's spelling (N802) is the interface emulated here; docstrings stay with the idea of each class.
# ruff: noqa: N802, D102

_STILL_HELD = "Can't clear a camera because something still holds a reference to the camera"


@dataclass(frozen=True, slots=True)
class LibraryVersion:
    """What GetLibraryVersion() returns."""

    major: int = 4
    minor: int = 0
    type: int = 0
    build: int = 0


class EventHandler:
    """Base of what RegisterEventHandler takes."""


class InterfaceEventHandler(EventHandler):
    """Told about cameras that come and go."""

    def OnDeviceArrival(self, camera: CameraPtr) -> None:
        """A camera was plugged in."""

    def OnDeviceRemoval(self, camera: CameraPtr) -> None:
        """A camera was unplugged."""


class DeviceEventHandler(EventHandler):
    """Told about events of one camera."""

    def OnDeviceEvent(self, name: str) -> None:
        """An event of the camera."""


class ImageEventHandler(EventHandler):
    """Told about images of one camera."""

    def OnImageEvent(self, image: Any) -> None:
        """An image arrived."""


class SystemEventHandler(EventHandler):
    """Told about interfaces that come and go."""


class CameraList:
    """What GetCameras() returns."""

    def __init__(
        self, cameras: list[CameraPtr], quick: dict[str, Kind], *, refuses_to_clear: bool = False
    ) -> None:
        self._cameras = cameras
        self._quick = quick
        self._refuses_to_clear = refuses_to_clear

    def GetSize(self) -> int:
        return len(self._cameras)

    def GetByIndex(self, index: int) -> CameraPtr:
        if not 0 <= index < len(self._cameras):
            raise SpinnakerException("Index out of range", ErrorCode.INVALID_PARAMETER)
        return self._cameras[index]

    def GetBySerial(self, serial: str) -> CameraPtr:
        for camera in self._cameras:
            if camera.GetDeviceID() == serial:
                return camera
        return CameraPtr(None, self._quick)

    def GetByDeviceID(self, device_id: str) -> CameraPtr:
        return self.GetBySerial(device_id)

    def RemoveBySerial(self, serial: str) -> None:
        self._cameras = [c for c in self._cameras if c.GetDeviceID() != serial]

    def RemoveByIndex(self, index: int) -> None:
        self.GetByIndex(index)
        del self._cameras[index]

    def Append(self, other: CameraList) -> None:
        self._cameras = self._cameras + other._cameras

    def Clear(self) -> None:
        if self._refuses_to_clear and any(camera.IsInitialized() for camera in self._cameras):
            raise SpinnakerException(_STILL_HELD, ErrorCode.RESOURCE_IN_USE)
        self._cameras = []

    def __len__(self) -> int:
        return len(self._cameras)

    def __getitem__(self, index: int) -> CameraPtr:
        return self.GetByIndex(index)

    def __iter__(self) -> Iterator[CameraPtr]:
        return iter(self._cameras)


class Interface:
    """The one USB host controller."""

    def __init__(self, system: System) -> None:
        self._system = system

    def IsValid(self) -> bool:
        return True

    def GetCameras(self, update: bool = True) -> CameraList:
        return self._system.GetCameras(update, update)

    def UpdateCameras(self) -> bool:
        return self._system.UpdateCameras()

    def GetTLNodeMap(self) -> NodeMap:
        return NodeMap(NodeState((fixed("InterfaceDisplayName", Kind.STRING, "Emulated USB Interface"),)))

    def RegisterEventHandler(self, handler: EventHandler) -> None:
        self._system.RegisterEventHandler(handler)

    def UnregisterEventHandler(self, handler: EventHandler) -> None:
        self._system.UnregisterEventHandler(handler)


class InterfaceList:
    """What GetInterfaces() returns."""

    def __init__(self, interfaces: list[Interface]) -> None:
        self._interfaces = interfaces

    def GetSize(self) -> int:
        return len(self._interfaces)

    def GetByIndex(self, index: int) -> Interface:
        if not 0 <= index < len(self._interfaces):
            raise SpinnakerException("Index out of range", ErrorCode.INVALID_PARAMETER)
        return self._interfaces[index]

    def Clear(self) -> None:
        self._interfaces = []

    def __len__(self) -> int:
        return len(self._interfaces)

    def __getitem__(self, index: int) -> Interface:
        return self.GetByIndex(index)

    def __iter__(self) -> Iterator[Interface]:
        return iter(self._interfaces)


class System:
    """The library's singleton.

    Args:
        devices: Cameras on the bus.
        quick_names: Attributes that every CameraPtr has.

    Attributes:
        failing_lists: How often the bus still cannot be searched.
        lists_refuse_to_clear: Lists are not cleared while one of their cameras is in use, as
            https://github.com/NeLy-EPFL/octacam met it (src/octacam/cameras/flir.py).
        aborted: What the real library would have ended the process with.

    """

    def __init__(self, devices: list[Device], quick_names: dict[str, Kind]) -> None:
        self.devices = devices
        self._quick = quick_names
        self._handlers: list[InterfaceEventHandler] = []
        self._pointers: weakref.WeakSet[CameraPtr] = weakref.WeakSet()
        self._known = [d.serial for d in devices if d.plugged]
        self.failing_lists = 0
        self.lists_refuse_to_clear = False
        self.references = 0
        self.aborted: list[str] = []

    def let_go(self) -> None:
        """A reference died; with the last one the library is released, in a destructor.

        An error there is `terminate called after throwing an instance of 'Spinnaker::Exception'`:
        https://github.com/jbhunt/parallel-pyspin/issues/3.
        """
        self.references -= 1
        if self.references == 0 and self.IsInUse():
            self.aborted.append(f"Spinnaker: {_STILL_HELD} [{int(ErrorCode.RESOURCE_IN_USE)}]")

    def pointer(self, device: Device) -> CameraPtr:
        """A new CameraPtr that counts as a reference."""
        pointer = CameraPtr(device, self._quick)
        self._pointers.add(pointer)
        return pointer

    def announce(self, device: Device) -> None:
        """Tell the handlers that a camera came or went."""
        for handler in tuple(self._handlers):
            if device.plugged:
                handler.OnDeviceArrival(self.pointer(device))
            else:
                handler.OnDeviceRemoval(self.pointer(device))

    def GetCameras(self, update_interfaces: bool = True, update_cameras: bool = True) -> CameraList:
        del update_interfaces, update_cameras
        if self.failing_lists:
            self.failing_lists -= 1
            raise SpinnakerException("Could not enumerate devices.", ErrorCode.IO)
        return CameraList(
            [self.pointer(d) for d in self.devices if d.plugged],
            self._quick,
            refuses_to_clear=self.lists_refuse_to_clear,
        )

    def GetInterfaces(self, update: bool = True) -> InterfaceList:
        del update
        return InterfaceList([Interface(self)])

    def UpdateCameras(self) -> bool:
        now = [d.serial for d in self.devices if d.plugged]
        changed, self._known = now != self._known, now
        return changed

    def GetLibraryVersion(self) -> LibraryVersion:
        return LibraryVersion()

    def GetTLNodeMap(self) -> NodeMap:
        return NodeMap(NodeState((fixed("TLVendorName", Kind.STRING, "Twinrate (simulated)"),)))

    def IsInUse(self) -> bool:
        return len(self._pointers) > 0

    def RegisterEventHandler(self, handler: EventHandler) -> None:
        if isinstance(handler, InterfaceEventHandler):
            self._handlers.append(handler)

    def UnregisterEventHandler(self, handler: EventHandler) -> None:
        if handler not in self._handlers:
            raise SpinnakerException("Event handler is not registered", ErrorCode.INVALID_PARAMETER)
        self._handlers = [h for h in self._handlers if h is not handler]

    def ReleaseInstance(self) -> None:
        if self.IsInUse():
            raise SpinnakerException(_STILL_HELD, ErrorCode.RESOURCE_IN_USE)


class SystemPtr:
    """What System.GetInstance() returns: a reference, which has all that the System has.

    Args:
        instance: The System.

    """

    def __init__(self, instance: System) -> None:
        self._instance = instance
        instance.references += 1
        self._finalizer = weakref.finalize(self, instance.let_go)
        self._finalizer.atexit = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._instance, name)

    @property
    def thisown(self) -> bool:
        """SWIG's: whether the destructor runs when the reference dies."""
        return self._finalizer.alive

    @thisown.setter
    def thisown(self, value: bool) -> None:
        if not value:
            self._finalizer.detach()
