"""Other programs' read loops on the emulated rig, set up as their own documentation does it."""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from app.bench.figures import SETTLE_S, Meter, Row, figures
from app.session import RigSetup
from app.session.channel import make_ring
from drivers import CameraSettings, Image, Role
from drivers.spinnaker_emulator import VirtualRig

_DRAIN_MS = 200


def _set_up(spin: Any, pointer: Any, size: tuple[int, int], exposure_us: float) -> None:
    """What both peers leave to their user, in PySpin's own words."""
    pointer.Width.SetValue(size[0])
    pointer.Height.SetValue(size[1])
    pointer.ExposureAuto.SetValue(spin.ExposureAuto_Off)
    pointer.TriggerSource.SetValue(spin.TriggerSource_Line0)
    pointer.TriggerMode.SetValue(spin.TriggerMode_On)
    pointer.TriggerOverlap.SetValue(spin.TriggerOverlap_ReadOut)
    pointer.ExposureTime.SetValue(exposure_us)


Reader = Callable[[int], bool]


class _Kept:
    """Memory that a peer's user keeps pictures in: as many of the newest as our ring holds, made once.

    What both peers hand out is a view of a buffer that the camera fills again; ours are copies that stay.
    """

    def __init__(self, settings: CameraSettings, fps: float) -> None:
        ring = make_ring(settings, fps)
        self._pictures = np.empty((ring.capacity, *ring.stored_shape), ring.stored_format.dtype)
        self._pictures.fill(0)
        self._next = 0

    def keep(self, picture: Image) -> None:
        np.copyto(self._pictures[self._next], picture)
        self._next = (self._next + 1) % len(self._pictures)


def _keepers(setup: RigSetup) -> dict[Role, _Kept]:
    settings = setup.settings()
    return {role: _Kept(settings.camera(role), settings.fps(role)) for role in Role}


def _peer(
    rig: VirtualRig,
    setup: RigSetup,
    seconds: float,
    program: str,
    readers: dict[Role, Reader],
    *,
    threads: bool,
    on_second: Callable[[], None],
) -> Row:
    """Read from both cameras for a while; a reader returns False when nothing came in time [ms]."""
    counts = dict.fromkeys(Role, 0)
    stop = threading.Event()

    def loop(roles: tuple[Role, ...]) -> None:
        while not stop.is_set():
            for role in roles:
                counts[role] += readers[role](1000)
        for role in roles:
            while readers[role](_DRAIN_MS):
                counts[role] += 1

    groups = [(role,) for role in Role] if threads else [tuple(Role)]
    workers = [threading.Thread(target=loop, args=(group,), daemon=True) for group in groups]
    rig.box.start(setup.hsr_fps * setup.ratio, setup.ratio)
    began = time.monotonic()
    for worker in workers:
        worker.start()
    time.sleep(SETTLE_S)
    before = sum(counts.values())
    meter = Meter()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(min(1.0, max(0.0, end - time.monotonic())))
        on_second()
    _, cpu_s = meter.spent()
    measured = sum(counts.values()) - before
    rig.box.stop()
    ran = time.monotonic() - began
    stop.set()
    for worker in workers:
        worker.join()
    cpu_s *= sum(counts.values()) / max(1, measured)
    how = "one thread per camera" if threads else "its own loop"
    return figures(f"{program}, {how}", setup, counts, rig.box.ticks_given() or 0, ran, cpu_s)


def read_easypyspin(
    rig: VirtualRig, setup: RigSetup, seconds: float, *, threads: bool, on_second: Callable[[], None]
) -> Row:
    """Read both cameras as EasyPySpin's documentation does: `VideoCapture.read` until it is told to stop.

    Args:
        rig: The emulated rig, installed.
        setup: What both cameras are set to.
        seconds: For how long [s].
        threads: One thread per camera instead of both in turn.
        on_second: Told about every second that has passed.

    """
    easy, spin = importlib.import_module("EasyPySpin"), importlib.import_module("PySpin")
    captures = {role: easy.VideoCapture(rig.serials[role]) for role in Role}
    kept = _keepers(setup)
    readers: dict[Role, Reader] = {}
    for role, capture in captures.items():
        size = setup.hsr_size if role is Role.HSR else setup.lsr_size
        _set_up(spin, capture.cam, size, setup.lsr_exposure_us)
        capture.cam.BeginAcquisition()

        def read(timeout_ms: int, capture: Any = capture, keep: _Kept = kept[role]) -> bool:
            capture.grabTimeout = timeout_ms
            try:
                ok, picture = capture.read()
            except spin.SpinnakerException:
                return False
            if ok:
                keep.keep(picture)
            return bool(ok)

        readers[role] = read
    row = _peer(rig, setup, seconds, "EasyPySpin", readers, threads=threads, on_second=on_second)
    for capture in captures.values():
        capture.release()
    return row


def read_simple_pyspin(
    rig: VirtualRig, setup: RigSetup, seconds: float, *, threads: bool, on_second: Callable[[], None]
) -> Row:
    """Read both cameras as simple_pyspin's `Camera` does.

    Args:
        rig: The emulated rig, installed.
        setup: What both cameras are set to.
        seconds: For how long [s].
        threads: One thread per camera instead of both in turn.
        on_second: Told about every second that has passed.

    """
    simple, spin = importlib.import_module("simple_pyspin"), importlib.import_module("PySpin")
    cameras = {role: simple.Camera(rig.serials[role]) for role in Role}
    kept = _keepers(setup)
    readers: dict[Role, Reader] = {}
    for role, camera in cameras.items():
        camera.init()
        size = setup.hsr_size if role is Role.HSR else setup.lsr_size
        _set_up(spin, camera.cam, size, setup.lsr_exposure_us)
        camera.start()

        def read(timeout_ms: int, camera: Any = camera, keep: _Kept = kept[role]) -> bool:
            # get_array() waits for ever; the same two calls with an end to the waiting.
            try:
                image = camera.cam.GetNextImage(timeout_ms)
                keep.keep(image.GetNDArray())
            except spin.SpinnakerException:
                return False
            return True

        readers[role] = read
    row = _peer(rig, setup, seconds, "simple_pyspin", readers, threads=threads, on_second=on_second)
    for camera in cameras.values():
        camera.close()
    return row
