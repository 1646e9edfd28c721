"""The virtual camera: a device that can be plugged, and the PySpin CameraPtr that points at it."""

from __future__ import annotations

import time
import weakref
from collections import OrderedDict
from typing import Any

from drivers.frame import Role
from drivers.spinnaker_emulator import gs3
from drivers.spinnaker_emulator.clock import CameraClock
from drivers.spinnaker_emulator.errors import ErrorCode, SpinnakerException
from drivers.spinnaker_emulator.faults import Faults
from drivers.spinnaker_emulator.image import ImagePtr
from drivers.spinnaker_emulator.nodemap import Key, NodeState
from drivers.spinnaker_emulator.nodes import IValue, NodeMap, absent_node, make_node
from drivers.spinnaker_emulator.painter import Shot
from drivers.spinnaker_emulator.specs import Kind, NodeSpec, Scalar
from drivers.spinnaker_emulator.stream import Arrival, Stream, Wiring
from drivers.spinnaker_emulator.world import World

# PySpin's spelling (N802) is the interface emulated here; docstrings stay with the idea of each class.
# ruff: noqa: N802, D102

TIMEOUT_INFINITE = 2**64 - 1
_LONGEST_WAIT_MS = 10**9
_KEPT_SHOTS = 4_000


class Device:
    """One virtual camera on the bus.

    Args:
        world: Scene, time and trigger box.
        serial: DeviceSerialNumber.
        role: Which lens and place in the rig.
        table: Its features.
        clock: Its clock.
        wiring: Its trigger wire.

    """

    def __init__(
        self,
        world: World,
        serial: str,
        role: Role,
        table: tuple[NodeSpec, ...],
        clock: CameraClock,
        wiring: Wiring,
    ) -> None:
        self.world, self.serial, self.role = world, serial, role
        self.clock, self.wiring = clock, wiring
        self.nodes = NodeState(table, caching=True)
        self.transport = NodeState(gs3.transport_table(serial, str(self.nodes.raw("DeviceModelName"))))
        self.host = NodeState(gs3.stream_table())
        self.stream: Stream | None = None
        self.shots: OrderedDict[int, Shot] = OrderedDict()
        self.initialized = self.initialized_when_pulled = False
        self.plugged = True
        self.generation = 0
        self.faults = Faults()
        self._references = 0
        self._user_sets: dict[str, dict[Key, Scalar]] = {}
        commands = self.nodes.on_command
        commands["TriggerSoftware"] = self._software_trigger
        commands["TimestampLatch"] = self._latch
        commands["UserSetLoad"] = self._load_user_set
        commands["UserSetSave"] = self._save_user_set
        self.nodes.on_write.append(self._wake)
        self.nodes.before_write = self._settle
        self.nodes.before_read = lambda name: self.faults.before_read(name)
        for name, read in (
            ("StreamDeliveredFrameCount", lambda s: s.fetched),
            ("StreamLostFrameCount", lambda s: s.lost),
            ("StreamIncompleteFrameCount", lambda s: s.incomplete),
            ("StreamInputBufferCount", lambda s: s.counts()[0]),
            ("StreamOutputBufferCount", lambda s: s.counts()[1]),
        ):
            self.host.live[name] = lambda read=read: read(self.stream) if self.stream else 0  # type: ignore[misc]

    def _wake(self, name: str) -> None:
        if name.startswith("Trigger"):
            with self.world.keeper.changed:
                self.world.keeper.changed.notify_all()

    def _settle(self) -> None:
        """What was exposed until now was exposed with the settings until now."""
        with self.world.keeper.changed:
            if self.stream is not None and self.world.keeper.real_time:
                self.stream.settle()

    def _software_trigger(self) -> None:
        with self.world.keeper.changed:
            if self.stream is not None:
                self.stream.software_trigger()
                self.world.keeper.changed.notify_all()

    def _latch(self) -> None:
        # The clock is read in whole ticks, other than the frames' time stamps.
        tick = int(self.nodes.raw("TimestampIncrement")) if "TimestampIncrement" in self.nodes.specs else 1
        reading = self.clock.reading(self.world.keeper.now_ns()) // tick * tick
        for name in ("Timestamp", "TimestampLatchValue"):
            if name in self.nodes.specs:
                self.nodes.force(name, reading)

    def _load_user_set(self) -> None:
        saved = self._user_sets.get(str(self.nodes.raw("UserSetSelector")))
        if saved is None:
            self.nodes.reset()
        else:
            self.nodes.restore(saved)

    def _save_user_set(self) -> None:
        self._user_sets[str(self.nodes.raw("UserSetSelector"))] = self.nodes.snapshot()

    def referenced(self) -> None:
        """A CameraPtr was handed out."""
        self._references += 1

    def dereferenced(self, generation: int) -> None:
        """A CameraPtr died; with the last one the camera is given back, as PySpin does."""
        if generation != self.generation:
            return
        self._references -= 1
        if self._references == 0:
            if self.stream is not None:
                self.end()
            self.initialized = False

    def unplug(self) -> None:
        """Pull the cable: streams end, pointers die, settings are lost."""
        with self.world.keeper.changed:
            self.plugged = False
            self.nodes.unplugged = True
            if self.stream is not None:
                self.stream.gone = True
                self.end()
            self.generation += 1
            self._references = 0
            self.initialized_when_pulled, self.initialized = self.initialized, False
            self.nodes.reset()
            self.host.reset()

    def plug(self) -> None:
        """Put the cable back: the camera comes up with its default user set."""
        with self.world.keeper.changed:
            self.plugged = True
            self.nodes.unplugged = False

    def begin(self) -> None:
        """BeginAcquisition."""
        if self.faults.refuse_buffers:
            raise SpinnakerException("Could not start acquisition", ErrorCode.IO)
        stream = Stream(self.world, self.role, self.nodes, self.host, self.clock, self.wiring, self.faults)
        box = self.world.box
        if stream.makes_pulses:
            # Every picture is drawn before the first pulse, as when a box makes them.
            for prepare in (*box.before_start, stream.prepare):
                prepare(stream.free_rate, box.divider)
        with self.world.keeper.changed:
            self.shots.clear()
            self.stream = stream
            self.nodes.force("TLParamsLocked", 1)
            self.host.force("StreamIsGrabbing", True)
            self.world.keeper.followers.append(stream)
            box.before_start.append(stream.prepare)

    def remember(self, arrival: Arrival) -> None:
        """Keep what a frame showed, for the truth."""
        self.shots[arrival.header.frame_id] = arrival.shot
        while len(self.shots) > _KEPT_SHOTS:
            self.shots.popitem(last=False)

    def end(self) -> None:
        """EndAcquisition."""
        with self.world.keeper.changed:
            if self.stream is not None:
                self.stream.close()
                self.world.keeper.followers.remove(self.stream)
                self.world.box.before_start.remove(self.stream.prepare)
                self.stream = None
            self.nodes.force("TLParamsLocked", 0)
            self.host.force("StreamIsGrabbing", False)
            self.world.keeper.changed.notify_all()


def fetch(stream: Stream, world: World, timeout_ms: int, removal: ErrorCode | None = None) -> Arrival:
    """Wait for the next frame; `removal` is the code when the camera has left meanwhile.

    Raises:
        SpinnakerException: -1011 when none came in time, -1012 when the acquisition ended meanwhile.

    """
    deadline = time.monotonic() + timeout_ms / 1000.0
    with world.keeper.changed:
        while True:
            if not stream.open:
                text = "Device has been disconnected." if stream.gone else "Stream has been aborted."
                raise SpinnakerException(text, (stream.gone and removal) or ErrorCode.ABORT)
            arrival = stream.take()
            if arrival is not None:
                return arrival
            left = deadline - time.monotonic()
            if left <= 0:
                raise SpinnakerException(
                    "Failed waiting for EventData on NEW_BUFFER_DATA event.", ErrorCode.TIMEOUT
                )
            world.keeper.changed.wait(min(left, stream.wait_s()))


class CameraPtr:
    """PySpin's camera pointer. Quick-spin features are attributes: `cam.ExposureTime`."""

    def __init__(self, device: Device | None, quick_names: dict[str, Kind]) -> None:
        self._device = device
        self._quick = quick_names
        self._handlers: list[object] = []
        self._generation = 0
        if device is not None:
            self._generation = device.generation
            device.referenced()
            weakref.finalize(self, device.dereferenced, device.generation).atexit = False

    def _get(self) -> Device:
        if self._device is None:
            raise SpinnakerException("Camera pointer is not valid", ErrorCode.INVALID_HANDLE)
        if not self.IsValid():
            code = self._device.faults.removal or ErrorCode.INVALID_ADDRESS
            raise SpinnakerException("Camera has been removed from the list.", code)
        return self._device

    def _ready(self) -> Device:
        device = self._get()
        if not device.initialized:
            raise SpinnakerException("Camera is not initialized.", ErrorCode.NOT_INITIALIZED)
        return device

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._quick:
            raise AttributeError(f"'CameraPtr' object has no attribute '{name}'")
        device = self._get()
        if name in device.nodes.specs:
            return make_node(device.nodes, name, quick=True)
        return absent_node(name, self._quick[name])

    @property
    def TLDevice(self) -> QuickMap:
        return QuickMap(self._get().transport)

    @property
    def TLStream(self) -> QuickMap:
        return QuickMap(self._get().host)

    def IsValid(self) -> bool:
        device = self._device
        return device is not None and device.plugged and device.generation == self._generation

    def IsInitialized(self) -> bool:
        # It says so of a camera that has left, too: https://github.com/samuelpowell/Spinnaker.jl/pull/74.
        device = self._device
        if device is None:
            return False
        return device.initialized if self.IsValid() else device.initialized_when_pulled

    def IsStreaming(self) -> bool:
        return self._device is not None and self.IsValid() and self._device.stream is not None

    def GetUniqueID(self) -> str:
        return f"USB\\VID_1E10&PID_3300&SN_{self._get().serial}"

    def GetDeviceID(self) -> str:
        return self._get().serial

    def GetAccessMode(self) -> int:
        return 4 if self._get().initialized else 3

    def Init(self) -> None:
        device = self._get()
        if device.faults.held_elsewhere:
            raise SpinnakerException(
                "Failed to open device handle. The device is controlled by another application.",
                ErrorCode.ACCESS_DENIED,
            )
        if not device.initialized:
            device.nodes.invalidate()
        device.initialized = True

    def DeInit(self) -> None:
        if not self.IsInitialized():
            return
        device = self._get()
        if device.stream is not None:
            raise SpinnakerException(
                "Can't de-initialize camera. Camera is still streaming.", ErrorCode.RESOURCE_IN_USE
            )
        device.initialized = False

    def BeginAcquisition(self) -> None:
        device = self._ready()
        if device.stream is not None:
            raise SpinnakerException("Camera is already streaming.", ErrorCode.RESOURCE_IN_USE)
        device.begin()

    def EndAcquisition(self) -> None:
        device = self._ready()
        if device.stream is None:
            raise SpinnakerException("Camera is not streaming.", ErrorCode.NOT_INITIALIZED)
        device.end()

    def GetNextImage(self, grab_timeout: int = TIMEOUT_INFINITE, stream_id: int = 0) -> ImagePtr:
        del stream_id
        device = self._ready()
        stream = device.stream
        if stream is None:
            raise SpinnakerException("Camera is not streaming.", ErrorCode.NOT_INITIALIZED)
        arrival = fetch(stream, device.world, min(grab_timeout, _LONGEST_WAIT_MS), device.faults.removal)
        device.remember(arrival)
        return stream.paint(arrival)

    def GetNextImageSync(self, grab_timeout: int = TIMEOUT_INFINITE) -> ImagePtr:
        return self.GetNextImage(grab_timeout)

    def RegisterEventHandler(self, handler: object, name: str = "") -> None:
        del name
        self._handlers.append(handler)

    def UnregisterEventHandler(self, handler: object) -> None:
        if not any(h is handler for h in self._handlers):
            raise SpinnakerException("Event handler is not registered", ErrorCode.INVALID_PARAMETER)
        self._handlers = [h for h in self._handlers if h is not handler]

    def GetNodeMap(self) -> NodeMap:
        return NodeMap(self._ready().nodes)

    def GetTLDeviceNodeMap(self) -> NodeMap:
        return NodeMap(self._get().transport)

    def GetTLStreamNodeMap(self) -> NodeMap:
        return NodeMap(self._get().host)

    def GetNumImagesInUse(self) -> int:
        stream = self._ready().stream
        if stream is None:
            return 0
        return int(self._get().host.number("StreamBufferCountManual")) - sum(stream.counts())


class QuickMap:
    """`cam.TLDevice` and `cam.TLStream`."""

    def __init__(self, state: NodeState) -> None:
        self._state = state

    def __getattr__(self, name: str) -> IValue:
        if name.startswith("_"):
            raise AttributeError(name)
        return make_node(self._state, name, quick=True) if name in self._state.specs else IValue(None, name)
