"""Spinnaker's images as frames: unwrapped ids, times and exposures, also where an image came damaged."""

from __future__ import annotations

import math
import statistics
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from drivers.camera import CameraSettings
from drivers.frame import Frame, FrameFlag, Image, Role

_FRAME_ID_SPAN = 2**16
_CYCLE_NS = 128 * 10**9
"""The seconds of the camera's cycle timer wrap after this time; a stamp just before it can be a turn off."""
_LAG_NS = 10 * 10**9
"""Frames wait in the buffers for some seconds at most."""
_PERIODS = 9
_NEAR = 0.25
"""How far a damaged image's time may be from its place in the row to be believed, in frame periods."""
_LIGHT_CHUNKS = frozenset({"ExposureTime", "Gain"})


@dataclass(frozen=True, slots=True)
class Light:
    """What a frame was exposed with.

    Attributes:
        exposure_us: Exposure time [us].
        gain_db: Gain [dB].

    """

    exposure_us: float
    gain_db: float


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the newest whole frame stands: its id, its start on the camera's clock and its arrival [ns]."""

    frame_id: int
    start_ns: int
    host_ns: int


class FrameMaker:
    """Makes the frames of one acquisition, in the order of their arrival.

    A damaged image may have lost its leader, and with it id, time and size. It is counted where its header
    fits the frames before it, or else by the time of its arrival, and it moves nothing that later frames
    build on.

    Args:
        spin: The PySpin module.
        role: Which stream.
        settings: What the camera was configured with.
        chunks: Names of the chunks that are on.
        light: What the first frame is exposed with.
        simulated: Whether the camera is an emulated one.

    Attributes:
        delivered: Frames made.
        incomplete: Of these, damaged ones.
        gaps: Frames that the ids say are missing.

    """

    def __init__(
        self,
        spin: Any,
        role: Role,
        settings: CameraSettings,
        *,
        chunks: frozenset[str],
        light: Light,
        simulated: bool,
    ) -> None:
        self._spin, self._role, self._settings = spin, role, settings
        self._flags = FrameFlag.SIMULATED if simulated else FrameFlag.NONE
        self._light, self._previous = light, light
        self._coming: deque[tuple[int, Light]] = deque()
        self._last: _Place | None = None
        self._epoch = 0
        self._periods: deque[float] = deque(maxlen=_PERIODS)
        self._damaged_since = 0
        self.tells_light = chunks >= _LIGHT_CHUNKS
        self.delivered = self.incomplete = self.gaps = 0

    def frame(self, image: Any, host_ns: int) -> Frame:
        """One image as a frame; never raises Spinnaker's errors.

        Args:
            image: Spinnaker's image; the frame's picture is a view of it.
            host_ns: Host monotonic clock at its arrival [ns].

        """
        self.delivered += 1
        try:
            whole = not image.IsIncomplete()
            if whole:
                pixels = self._pixels(image)
                raw, start_ns = int(image.GetFrameID()), self._on_time(int(image.GetTimeStamp()), host_ns)
        except self._spin.SpinnakerException:
            # Nothing else is known of it: one frame is lost, not the stream.
            whole = False
        if not whole:
            return self._damaged(image, host_ns)
        flags = self._flags
        light = self._light_of(image, start_ns)
        if light != self._previous:
            flags |= FrameFlag.SETTINGS_CHANGED
        self._previous = light
        frame_id, gap = self._counted(raw, start_ns, host_ns)
        if gap:
            flags |= FrameFlag.GAP_BEFORE
            self.gaps += gap
        return self._made(pixels, frame_id, start_ns, light, host_ns, flags)

    def change_light(self, light: Light, from_ns: int) -> None:
        """The camera was told another exposure or gain.

        Args:
            light: What it was told.
            from_ns: Camera clock at that moment [ns]; 0 where nobody knows.

        """
        self._coming.append((from_ns, light))

    def _made(
        self, pixels: Image, frame_id: int, start_ns: int, light: Light, host_ns: int, flags: FrameFlag
    ) -> Frame:
        return Frame(
            image=pixels,
            pixel_format=self._settings.pixel_format,
            role=self._role,
            frame_id=frame_id,
            # The camera stamps the start of exposure.
            mid_exposure_ns=start_ns + round(light.exposure_us * 500),
            exposure_us=light.exposure_us,
            gain_db=light.gain_db,
            host_ns=host_ns,
            flags=flags,
        )

    def _pixels(self, image: Any) -> Image:
        settings = self._settings
        if not settings.pixel_format.packed:
            pixels: Image = image.GetNDArray()
            return pixels
        # Packed rows as they were sent; what GetNDArray makes of two samples in three bytes is not said.
        shape = settings.pixel_format.shape(settings.height, settings.width)
        rows: Image = np.asarray(image.GetData(), np.uint8)[: math.prod(shape)].reshape(shape)
        return rows

    def _light_of(self, image: Any, start_ns: int) -> Light:
        """Exposure and gain of this very frame; what was set last where the image does not say it."""
        while self._coming and start_ns >= self._coming[0][0]:
            self._light = self._coming.popleft()[1]
        if self.tells_light:
            with suppress(self._spin.SpinnakerException):
                chunk = image.GetChunkData()
                self._light = Light(float(chunk.GetExposureTime()), float(chunk.GetGain()))
        return self._light

    def _on_time(self, start_ns: int, host_ns: int) -> int:
        """The time stamp without the turns of the cycle timer that the host's clock knows nothing of."""
        last = self._last
        if last is None:
            return start_ns
        passed = start_ns - last.start_ns
        ahead = passed - (host_ns - last.host_ns)
        turns = round(ahead / _CYCLE_NS)
        # A clock behind the host's that does not run backwards is a host that was slow.
        if abs(ahead - turns * _CYCLE_NS) > _LAG_NS or (turns < 0 < passed):
            return start_ns
        return start_ns - turns * _CYCLE_NS

    def _counted(self, raw: int, start_ns: int, host_ns: int) -> tuple[int, int]:
        """Frame id without the wrap, and how many frames did not come at all before this one."""
        last, since = self._last, self._damaged_since
        frame_id, self._epoch = self._unwrapped(raw)
        self._last, self._damaged_since = _Place(frame_id, start_ns, host_ns), 0
        if last is None:
            # Counters begin at 0 or 1 as the firmware likes; earlier losses show in the pulse count.
            return frame_id, 0
        steps = frame_id - last.frame_id
        if steps > 0:
            self._periods.append((start_ns - last.start_ns) / steps)
        return frame_id, max(0, steps - 1 - since)

    def _unwrapped(self, raw: int) -> tuple[int, int]:
        """Frame id without the 16-bit wrap of old firmware, and what wraps have added to it."""
        last, frame_id = self._last, raw + self._epoch
        wrapped = last is not None and last.frame_id - frame_id > _FRAME_ID_SPAN // 2
        if wrapped and raw < _FRAME_ID_SPAN:
            return frame_id + _FRAME_ID_SPAN, self._epoch + _FRAME_ID_SPAN
        return frame_id, self._epoch

    def _damaged(self, image: Any, host_ns: int) -> Frame:
        self.incomplete += 1
        self._damaged_since += 1
        settings = self._settings
        pixel_format = settings.pixel_format
        shape = pixel_format.shape(settings.height, settings.width)
        pixels: Image | None = None
        with suppress(self._spin.SpinnakerException, ValueError):
            pixels = self._pixels(image)
        if pixels is None or pixels.shape != shape or pixels.dtype != pixel_format.dtype:
            pixels = np.zeros(shape, pixel_format.dtype)
        frame_id, start_ns = self._place_of(image, host_ns)
        return self._made(
            pixels, frame_id, start_ns, self._previous, host_ns, self._flags | FrameFlag.INCOMPLETE
        )

    def _place_of(self, image: Any, host_ns: int) -> tuple[int, int]:
        """Id and start of a damaged image; (0, 0) before the first whole one, where nothing says them."""
        last = self._last
        if last is None:
            return 0, 0
        period = statistics.median(self._periods) if self._periods else 0.0
        with suppress(self._spin.SpinnakerException):
            frame_id = self._unwrapped(int(image.GetFrameID()))[0]
            start_ns = self._on_time(int(image.GetTimeStamp()), host_ns)
            steps = frame_id - last.frame_id
            if steps > 0 and abs(start_ns - last.start_ns - steps * period) <= _NEAR * period:
                return frame_id, start_ns
        passed = host_ns - last.host_ns
        steps = max(self._damaged_since, round(passed / period) if period > 0 else 0)
        return last.frame_id + steps, last.start_ns + (round(steps * period) if period > 0 else passed)
