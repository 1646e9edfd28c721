"""GS3-U3-51S5C through PySpin 3.x/4.x: the one real camera driver, and the emulated rig's as well."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from drivers._gs3_frames import FrameMaker, Light
from drivers._gs3_settings import (
    REAL_FEATURES,
    apply_settings,
    expected_values,
    picture_features,
    set_white_balance,
    white_balance,
)
from drivers._nodes import GONE, Nodes, error_code, unpinned
from drivers._spinnaker import identity_of, list_cameras, load_pyspin, searching
from drivers.camera import Applied, CameraIdentity, CameraSettings, Limits, StreamCounters
from drivers.clock_latch import ClockReading
from drivers.errors import (
    CameraDisconnectedError,
    CameraError,
    CameraInUseError,
    CameraNotFoundError,
    CameraSettingError,
)
from drivers.frame import Frame, Role

__all__ = ["MODEL", "Grasshopper3", "list_cameras", "load_pyspin", "open_camera"]

MODEL = "GS3-U3-51S5C"
_TIMEOUT = -1011
_NO_BUFFERS = -1010  # an I/O error: at the beginning of a stream the system has no memory for its buffers
_LATCHES = 5


def open_camera(serial: str, role: Role) -> Grasshopper3:
    """Find a camera by serial number and take it for this program alone.

    Args:
        serial: DeviceSerialNumber.
        role: Which stream it delivers.

    Raises:
        DriverMissingError: PySpin is missing.
        CameraNotFoundError: No camera has this serial number; the message lists those there are.
        CameraInUseError: Another program holds it.
        CameraSettingError: It is another model.
        CameraError: Spinnaker fails.

    """
    spin = load_pyspin()
    with searching(spin) as cameras:
        pointer = cameras.GetBySerial(serial)
        if not pointer.IsValid():
            seen = [identity_of(spin, cameras.GetByIndex(i)).serial for i in range(cameras.GetSize())]
            there = f"connected are {', '.join(seen)}" if seen else "no camera is connected"
            raise CameraNotFoundError(
                f"no camera with serial number {serial}; {there}; check cable and power"
            )
        identity = identity_of(spin, pointer)
        if MODEL not in identity.model:
            raise CameraSettingError(
                f"camera {serial} is a {identity.model}, this driver knows only {MODEL}; choose another"
            )
        try:
            pointer.Init()
        except spin.SpinnakerException as error:
            raise CameraInUseError(
                f"camera {serial} cannot be opened, another program may hold it (close SpinView): {error}"
            ) from unpinned(error)
        try:
            return Grasshopper3(spin, pointer, identity, role)
        except spin.SpinnakerException:
            with suppress(spin.SpinnakerException):
                # Held on to, it could not be opened again.
                pointer.DeInit()
            raise


class Grasshopper3:
    """One opened GS3-U3-51S5C; implements `drivers.camera.Camera`. Make one with `open_camera`.

    Args:
        spin: The PySpin module.
        pointer: The initialised CameraPtr.
        identity: Who it is.
        role: Which stream it delivers.

    """

    def __init__(self, spin: Any, pointer: Any, identity: CameraIdentity, role: Role) -> None:
        self.role = role
        self._spin, self._pointer = spin, pointer
        self._identity = identity
        self._nodes = Nodes(spin, pointer.GetNodeMap(), f"camera {identity.serial}")
        self._host = Nodes(spin, pointer.GetTLStreamNodeMap(), f"stream of camera {identity.serial}")
        self._settings: CameraSettings | None = None
        self._expected: dict[str, float | str] = {}
        self._armed = self._streaming = False
        self._chunks: frozenset[str] = frozenset()
        self._frames: FrameMaker | None = None
        self._lost = 0

    @property
    def identity(self) -> CameraIdentity:
        """Serial, model and whether it is simulated."""
        return self._identity

    @property
    def settings(self) -> CameraSettings | None:
        """What `configure` was last given."""
        return self._settings

    # -- configure ------------------------------------------------------------------------------------

    def configure(self, settings: CameraSettings) -> tuple[Applied, ...]:
        """Write every setting in the order the camera needs; see `Camera.configure`."""
        if self._streaming:
            raise CameraSettingError(
                f"camera {self._identity.serial} is streaming; stop it before configuring"
            )
        self._nodes.refresh()
        applied, self._chunks = apply_settings(self._nodes, self._host, settings)
        self._expected = expected_values(self._nodes, settings, applied)
        self._settings = settings
        return applied

    # -- arm, start, read, stop, close ----------------------------------------------------------------

    def arm(self) -> None:
        """Begin acquisition: the next pulse is the first frame. One that makes pulses waits for `start`."""
        if self._settings is None:
            raise CameraSettingError(f"camera {self._identity.serial} must be configured before it is armed")
        self._armed = True
        if self._settings.exposure_output is None:
            self._begin()

    def start(self) -> None:
        """Let a camera that makes the pulses begin; every other one has begun with `arm`."""
        if not self._armed:
            raise CameraSettingError(f"camera {self._identity.serial} must be armed before it is started")
        self._begin()

    def _begin(self) -> None:
        settings = self._settings
        if self._streaming or settings is None:
            return
        self._frames = FrameMaker(
            self._spin,
            self.role,
            settings,
            chunks=self._chunks,
            light=self._light(),
            simulated=self._identity.simulated,
        )
        try:
            self._pointer.BeginAcquisition()
        except self._spin.SpinnakerException as error:
            if error_code(error) in GONE - {_NO_BUFFERS}:
                raise self._failed(error, "cannot start its stream") from unpinned(error)
            raise CameraError(
                f"camera {self._identity.serial} cannot start its stream, often because usbfs_memory_mb is "
                f"below 1000: {error}"
            ) from unpinned(error)
        self._streaming = True
        self._lost = 0

    def read(self, timeout_ms: int) -> Frame | None:
        """Next frame, copied out of the stream buffer; see `Camera.read`."""
        with self.borrow(timeout_ms) as frame:
            return None if frame is None else replace(frame, image=frame.image.copy())

    @contextmanager
    def borrow(self, timeout_ms: int) -> Iterator[Frame | None]:
        """Next frame as a view of the stream buffer; see `Camera.borrow`."""
        frames, spin = self._frames, self._spin
        if not self._streaming or frames is None:
            raise CameraError(f"camera {self._identity.serial} is not armed")
        try:
            image = self._pointer.GetNextImage(timeout_ms, 0)
        except spin.SpinnakerException as error:
            if error_code(error) != _TIMEOUT:
                raise self._failed(error, "failed to deliver a frame") from unpinned(error)
            image = None
        if image is None:
            # The client's block runs outside the handler, or every error in it would carry the time-out.
            yield None
            return
        try:
            yield frames.frame(image, time.perf_counter_ns())
        finally:
            with suppress(spin.SpinnakerException):
                # A buffer that is not taken back is one fewer; GetNextImage says when the camera is gone.
                image.Release()

    def _failed(self, error: Exception, what: str) -> CameraError:
        serial = self._identity.serial
        if error_code(error) in GONE:
            return CameraDisconnectedError(
                f"camera {serial} stopped answering, check its cable and power: {error}"
            )
        return CameraError(f"camera {serial} {what}: {error}")

    def stop(self) -> None:
        """End acquisition. Safe to call twice, and when the camera is gone."""
        self._armed = False
        if not self._streaming:
            return
        self._streaming = False
        try:
            self._pointer.EndAcquisition()
        except self._spin.SpinnakerException as error:
            if error_code(error) not in GONE:
                raise CameraError(
                    f"camera {self._identity.serial} cannot end its stream: {error}"
                ) from unpinned(error)

    def close(self) -> None:
        """Give the camera back. Safe to call twice."""
        if self._pointer is None:
            return
        with suppress(CameraError):
            # A camera that has left cannot say it any more.
            self.counters()
        try:
            self.stop()
        finally:
            self._give_back()

    def _give_back(self) -> None:
        pointer, self._pointer = self._pointer, None
        try:
            if pointer.IsInitialized():
                pointer.DeInit()
        except self._spin.SpinnakerException as error:
            if error_code(error) not in GONE:
                raise CameraError(
                    f"camera {self._identity.serial} cannot be given back: {error}"
                ) from unpinned(error)
        finally:
            # Any reference left makes Spinnaker refuse to release the system (-1004).
            self._nodes.drop()
            self._host.drop()
            del pointer

    # -- while streaming ------------------------------------------------------------------------------

    def clock(self) -> ClockReading:
        """Timestamp, latched between two looks at the host's clock; the quickest of some tries."""
        nodes = self._nodes
        name = "TimestampLatchValue" if nodes.exists("TimestampLatchValue") else "Timestamp"
        tick = nodes.optional_integer("TimestampIncrement")
        readings = []
        for _ in range(_LATCHES):
            before = time.perf_counter_ns()
            nodes.execute("TimestampLatch")
            after = time.perf_counter_ns()
            readings.append(
                ClockReading(nodes.integer(name), (before + after) // 2, (after - before + 1) // 2, tick)
            )
        return min(readings, key=lambda reading: reading.error_ns)

    def set_exposure_us(self, value: float) -> Applied:
        """Change SFNC ExposureTime while streaming."""
        return self._changed(self._nodes.set_real("ExposureTime", value))

    def set_gain_db(self, value: float) -> Applied:
        """Change SFNC Gain while streaming."""
        return self._changed(self._nodes.set_real("Gain", value))

    def set_white_balance(self, red: float, blue: float) -> tuple[Applied, Applied]:
        """Change SFNC BalanceRatio of red and blue; see `Camera.set_white_balance`."""
        applied = set_white_balance(self._nodes, red, blue)
        self._expected["BalanceWhiteAuto"] = "Off"
        return applied

    def start_white_balance(self) -> None:
        """Let the camera find both ratios; see `Camera.start_white_balance`."""
        # The camera itself switches it off again, which is no deviation.
        self._expected.pop("BalanceWhiteAuto", None)
        self._nodes.choose("BalanceWhiteAuto", "Once")

    def settled_white_balance(self) -> tuple[Applied, Applied] | None:
        """Both ratios once the camera has found them; None while it still looks."""
        self._nodes.refresh()
        if self._nodes.symbol("BalanceWhiteAuto") != "Off":
            return None
        self._expected["BalanceWhiteAuto"] = "Off"
        return white_balance(self._nodes)

    def set_frame_rate(self, value: float) -> Applied:
        """Change SFNC AcquisitionFrameRate; see `Camera.set_frame_rate`."""
        settings = self._settings
        if settings is not None and (settings.triggered or settings.exposure_output is not None):
            raise CameraSettingError(
                f"the trigger plan sets the frame rate of camera {self._identity.serial}; change that instead"
            )
        return self._nodes.set_real("AcquisitionFrameRate", value)

    def _changed(self, applied: Applied) -> Applied:
        self._expected[applied.name] = applied.applied
        frames = self._frames
        if frames is not None and self._streaming:
            from_ns = 0
            if not frames.tells_light:
                # Frames exposed before this moment wait in the buffers, and none says how it was exposed.
                with suppress(CameraError):
                    from_ns = self.clock().camera_ns
            frames.change_light(self._light(), from_ns)
        return applied

    def _light(self) -> Light:
        return Light(float(self._expected["ExposureTime"]), float(self._expected["Gain"]))

    def exposure_limits_us(self) -> Limits:
        """Range of ExposureTime now."""
        return self._nodes.limits("ExposureTime")

    def gain_limits_db(self) -> Limits:
        """Range of Gain now."""
        return self._nodes.limits("Gain")

    def white_balance_limits(self) -> Limits:
        """Range of BalanceRatio."""
        return self._nodes.limits("BalanceRatio")

    def frame_rate_limits(self) -> Limits:
        """Range of AcquisitionFrameRate with the present region [1/s]."""
        return self._nodes.limits("AcquisitionFrameRate")

    def region(self) -> tuple[int, int, int, int]:
        """OffsetX, OffsetY, Width and Height as they are now [px]."""
        self._nodes.refresh()
        offset_x, offset_y, width, height = (
            self._nodes.integer(n) for n in ("OffsetX", "OffsetY", "Width", "Height")
        )
        return offset_x, offset_y, width, height

    def picture_features(self) -> dict[str, str]:
        """What else changes the picture; see `Camera.picture_features`."""
        self._nodes.refresh()
        return picture_features(self._nodes)

    def deviations(self) -> tuple[str, ...]:
        """Features that no longer have the value that `configure` or a later change gave them."""
        self._nodes.refresh()
        found = []
        for name, wanted in self._expected.items():
            now: float | str
            if isinstance(wanted, str):
                now = self._nodes.symbol(name)
                same = now == wanted
            else:
                now = self._nodes.real(name) if name in REAL_FEATURES else float(self._nodes.integer(name))
                same = abs(now - wanted) <= max(1e-6, 1e-4 * abs(wanted))
            if not same:
                wanted_text, now_text = (v if isinstance(v, str) else f"{v:g}" for v in (wanted, now))
                found.append(f"{name} is {now_text}, should be {wanted_text}")
        return tuple(found)

    def counters(self) -> StreamCounters:
        """Frames delivered, incomplete and lost since start; of a closed camera, as they were."""
        waiting = 0
        if self._pointer is not None:
            host = self._host
            names = ("StreamLostFrameCount", "StreamDroppedFrameCount")
            self._lost = max(host.optional_integer(name) for name in names)
            waiting = host.optional_integer("StreamOutputBufferCount")
        total = self._settings.buffer_count if self._settings else 0
        frames = self._frames
        if frames is None:
            return StreamCounters(0, 0, self._lost, waiting, total)
        lost = max(self._lost, frames.gaps)
        return StreamCounters(frames.delivered, frames.incomplete, lost, waiting, total)
