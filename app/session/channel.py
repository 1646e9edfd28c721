"""One camera of a live session: its ring, its grab thread, and calls that the grab thread runs for others."""

from __future__ import annotations

import logging
import math
import queue
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, replace
from typing import TypeVar

from drivers import (
    Applied,
    Camera,
    CameraError,
    CameraSettings,
    ClockReading,
    DriverError,
    Frame,
    FrameFlag,
    RingBuffer,
    Role,
)
from drivers.rejoin import Shift
from drivers.sensor import readout_us

_RING_SECONDS = 4.0
_RING_BYTES = 768 * 1024**2
_LEAST_FRAMES = 8
_POLL_MS = 50
_CALL_TIMEOUT_S = 5.0
_CHECK_EVERY_S = 1.0
_FAILED_CHECKS = 3
_SWITCH_S = 0.0005
_USUAL_SWITCH_S = sys.getswitchinterval()
_LOG = logging.getLogger("twinrate")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class LiveCounters:
    """What one stream has done since the pulses began.

    Attributes:
        received: Frames taken from the camera.
        incomplete: Of these, damaged ones.
        missing: Frames that the frame ids say are missing.
        last_host_ns: Host monotonic clock at the newest frame [ns]; 0 before the first.
        buffered: Share of the camera's buffers that wait to be fetched, 0..1, as of the last second.

    """

    received: int = 0
    incomplete: int = 0
    missing: int = 0
    last_host_ns: int = 0
    buffered: float = 0.0


def make_ring(settings: CameraSettings, fps: float, heir_of: RingBuffer | None = None) -> RingBuffer:
    """A ring for some seconds of one stream, within the memory that a session may take."""
    stride = settings.pixel_format.frame_bytes(settings.height, settings.width)
    capacity = max(_LEAST_FRAMES, min(int(fps * _RING_SECONDS), _RING_BYTES // stride))
    return RingBuffer(capacity, settings.height, settings.width, settings.pixel_format, heir_of=heir_of)


def shorten_turns() -> None:
    """Shorten Python's turn of each thread from 5 ms: that is longer than the period of a fast camera."""
    sys.setswitchinterval(_SWITCH_S)


def restore_turns() -> None:
    """Python's own turns again, when no camera runs."""
    sys.setswitchinterval(_USUAL_SWITCH_S)


class Channel:
    """A camera with its ring and grab thread.

    Args:
        camera: Opened camera; from `start` on the grab thread owns it.
        on_change: Called when the thread ends and when the camera changed its settings by itself.
        hold_back: Asked before each frame is stored; while True the grab thread waits (emulated pulses only).

    """

    def __init__(
        self, camera: Camera, on_change: Callable[[], None], hold_back: Callable[[Role], bool] | None = None
    ) -> None:
        self.camera = camera
        self.role = camera.role
        self.ring: RingBuffer | None = None
        self._received = self._incomplete = self._missing = self._last_host_ns = 0
        self._buffered = 0.0
        self.failure: DriverError | None = None
        self.deviations: tuple[str, ...] = ()
        self.grab_ns: list[int] | None = None
        self._on_change = on_change
        self._hold_back = hold_back
        self._thread: threading.Thread | None = None
        self._drain = threading.Event()
        self._drain_until = self._heard = 0.0
        self._settings: CameraSettings | None = None
        self._exposure_us = 0.0
        self._free_running = False
        self._last_id, self._damaged_since = -1, 0
        self._shift: Shift | None = None
        self.armed_ns = 0
        self.unanswered = ""
        self._failed_checks = self._received_then = 0
        self._door = threading.Lock()
        self._serving = False
        self._requests: queue.SimpleQueue[tuple[Callable[[], object], Future[object]]] = queue.SimpleQueue()

    @property
    def counters(self) -> LiveCounters:
        """What the stream has done since the pulses began."""
        return LiveCounters(
            self._received,
            self._incomplete,
            self._missing,
            self._last_host_ns,
            self._buffered,
        )

    @property
    def running(self) -> bool:
        """Whether the grab thread is alive."""
        return self._thread is not None and self._thread.is_alive()

    def arm(self, settings: CameraSettings, fps: float) -> None:
        """Make a fresh ring and begin acquisition.

        Raises:
            CameraError: The camera refuses.

        """
        self.ring = make_ring(settings, fps, self.ring)
        self._received = self._incomplete = self._missing = self._last_host_ns = 0
        self.failure = None
        self.deviations, self.unanswered = (), ""
        self._failed_checks = self._received_then = 0
        self._free_running = not settings.triggered
        self._settings, self._exposure_us = settings, settings.exposure_us
        self._drain.clear()
        self._last_id, self._damaged_since = -1, 0
        self._shift = None
        self.armed_ns = time.perf_counter_ns()
        self.camera.arm()

    def start(self) -> None:
        """Start the grab thread; the camera is armed."""
        self._serving = True
        self._thread = threading.Thread(target=self._grab, name=f"grab {self.role}", daemon=True)
        self._thread.start()

    def renumber(self, shift: Shift) -> int:
        """Let ids and times go on from where the camera had left; return the index of the first such frame.

        Raises:
            DriverError: The camera has given up.

        """

        def apply() -> int:
            self._shift = shift
            newest = self.ring.latest() if self.ring is not None else None
            first = 0 if newest is None else newest + 1
            if self.ring is not None:
                self.ring.forget(first)
            return first

        return self.call(apply)

    def clock(self) -> ClockReading:
        """The clock that the frames in the ring are stamped with; waits for the grab thread's next turn."""
        reading = self.call(self.camera.clock)
        shift = self._shift
        return reading if shift is None else replace(reading, camera_ns=reading.camera_ns + shift.ns)

    def finish(self, longest_s: float) -> None:
        """Let the thread end once no frame can be under way any more, at the latest after `longest_s`."""
        now = time.monotonic()
        self._drain_until = now + max(longest_s, self._under_way_s())
        self._heard = now
        self._drain.set()

    def join(self) -> None:
        """Wait for the grab thread's end."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        else:
            # Armed only: no thread ends its acquisition.
            self.camera.stop()

    def call(self, action: Callable[[], _T]) -> _T:
        """Run `action` where the camera may be used: on the grab thread while there is one.

        Raises:
            DriverError: What `action` raised.
            CameraError: The grab thread has no time for it.

        """
        future: Future[object] = Future()
        with self._door:
            served = self._serving
            if served:
                self._requests.put((action, future))
        if not served:
            return action()
        try:
            result: _T = future.result(timeout=_CALL_TIMEOUT_S)  # type: ignore[assignment]
        except FutureTimeoutError as error:
            # Nobody waits for it any more: it must not happen later.
            future.cancel()
            serial = self.camera.identity.serial
            raise CameraError(
                f"camera {serial} did not answer within {_CALL_TIMEOUT_S:g} s; check its cable and the "
                "computer's load"
            ) from error
        return result

    def probe(self) -> None:
        """Ask the idle camera for its region, so that one that has left is known as failed."""
        try:
            self.camera.region()
        except DriverError as error:
            self.failure = error

    def set_exposure_us(self, value: float) -> Applied:
        """Change SFNC ExposureTime now."""
        applied = self.call(lambda: self.camera.set_exposure_us(value))
        self._exposure_us = applied.applied
        return applied

    def set_gain_db(self, value: float) -> Applied:
        """Change SFNC Gain now."""
        return self.call(lambda: self.camera.set_gain_db(value))

    # -- the grab thread ------------------------------------------------------------------------------

    def _grab(self) -> None:
        ring = self.ring
        next_check = time.monotonic() + _CHECK_EVERY_S
        try:
            self.camera.start()
            while ring is not None:
                self._serve()
                with self.camera.borrow(self._patience_ms()) as frame:
                    if frame is not None:
                        self._heard = time.monotonic()
                        self._wait_for_disk()
                        ring.append(self._as_kept(frame))
                        self._count(frame)
                    elif self._drain.is_set() and self._patience_ms() == 0:
                        break
                if self._drain.is_set() and self._never_ends():
                    break
                if time.monotonic() >= next_check:
                    self._check()
                    next_check = time.monotonic() + _CHECK_EVERY_S
        except DriverError as error:
            self.failure = error
        except ValueError as error:
            self.failure = DriverError(f"camera {self.camera.identity.serial} changed its picture: {error}")
        except Exception as error:
            # Whatever it is, a stream must not end in silence: the watch tells it and opens the camera anew.
            _LOG.exception("the grab thread of camera %s failed", self.camera.identity.serial)
            self.failure = DriverError(f"camera {self.camera.identity.serial} failed: {error!r}")
        finally:
            try:
                self.camera.stop()
            except DriverError as error:
                self.failure = self.failure or error
            except Exception as error:
                self.failure = self.failure or DriverError(f"the camera does not stop: {error!r}")
            if ring is not None:
                ring.close()
            with self._door:
                # From here on callers may use the camera themselves.
                self._serving = False
            self._serve()
            self._on_change()

    def _as_kept(self, frame: Frame) -> Frame:
        if self._hold_back is not None:
            # Where pulses wait for the reader, the time of arrival means nothing and differs from run to run.
            frame = replace(frame, host_ns=0)
        shift = self._shift
        if shift is None:
            return frame
        return replace(
            frame, frame_id=frame.frame_id + shift.ids, mid_exposure_ns=frame.mid_exposure_ns + shift.ns
        )

    def _under_way_s(self) -> float:
        """How long after the last pulse its frame may come, when it is exposed, read out and sent [s]."""
        settings = self._settings
        if settings is None or self._hold_back is not None:
            # Pulses that wait for their reader have no time of their own.
            return _POLL_MS / 1000
        readout = readout_us(settings.height * settings.binning)
        return _POLL_MS / 1000 + (self._exposure_us + readout) * 1e-6

    def _patience_ms(self) -> int:
        """How long to wait for the next frame now [ms]; 0 when none can come after the last pulse."""
        if not self._drain.is_set():
            return _POLL_MS
        left = self._heard + self._under_way_s() - time.monotonic()
        return max(0, min(_POLL_MS, math.ceil(left * 1000)))

    def _never_ends(self) -> bool:
        """Draining is pointless: the camera waits for no pulses and delivers for ever."""
        free = self._free_running or any(text.startswith("TriggerMode ") for text in self.deviations)
        return free or time.monotonic() > self._drain_until

    def _wait_for_disk(self) -> None:
        while self._hold_back is not None and not self._drain.is_set() and self._hold_back(self.role):
            time.sleep(0.002)

    def _count(self, frame: Frame) -> None:
        if self.grab_ns is not None:
            self.grab_ns.append(time.perf_counter_ns() - frame.host_ns)
        if frame.flags & (FrameFlag.GAP_BEFORE | FrameFlag.INCOMPLETE):
            self._incomplete += bool(frame.flags & FrameFlag.INCOMPLETE)
            if frame.flags & FrameFlag.GAP_BEFORE:
                self._missing += max(0, frame.frame_id - self._last_id - 1 - self._damaged_since)
        if frame.flags & FrameFlag.INCOMPLETE:
            # Its id may be a guess.
            self._damaged_since += 1
        else:
            self._last_id, self._damaged_since = frame.frame_id, 0
        self._last_host_ns = frame.host_ns
        self._received += 1

    def _check(self) -> None:
        """Look at what no frame shows. An answer that fails is no reason to end a stream that delivers.

        Raises:
            DriverError: Several failed in a row, and no frame has come meanwhile.

        """
        try:
            self._compare_settings()
            self._look_at_buffers()
        except DriverError as error:
            if self._failed_checks == 0:
                self._received_then = self._received
            self._failed_checks += 1
            if self._failed_checks >= _FAILED_CHECKS and self._received == self._received_then:
                raise
            self.unanswered = str(error)
            self._on_change()
        else:
            self._failed_checks, self.unanswered = 0, ""

    def _compare_settings(self) -> None:
        """Another program, a brown-out or a reset may have changed the camera behind our back."""
        found = self.camera.deviations()
        if found != self.deviations:
            self.deviations = found
            self._on_change()

    def _look_at_buffers(self) -> None:
        counters = self.camera.counters()
        self._buffered = counters.buffers_in_use / max(1, counters.buffer_count)

    def _serve(self) -> None:
        while True:
            try:
                action, future = self._requests.get_nowait()
            except queue.Empty:
                return
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(action())
            except Exception as error:
                # It is the caller's; the stream goes on.
                future.set_exception(error)
