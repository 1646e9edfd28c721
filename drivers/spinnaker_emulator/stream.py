"""One running acquisition: pulses become exposures, exposures become frames in a pool of buffers."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from drivers.frame import Image, PixelFormat, Role
from drivers.spinnaker_emulator import painter
from drivers.spinnaker_emulator.balance import BLUE, RED, balance_step
from drivers.spinnaker_emulator.clock import CameraClock, PulseRun
from drivers.spinnaker_emulator.faults import Faults
from drivers.spinnaker_emulator.gs3 import ROW_TIME_US
from drivers.spinnaker_emulator.image import (
    STATUS_MISSING_PACKETS,
    STATUS_OK,
    Header,
    ImagePtr,
    enabled_chunks,
)
from drivers.spinnaker_emulator.left_on import alter
from drivers.spinnaker_emulator.loop import PictureLoop
from drivers.spinnaker_emulator.nodemap import NodeState
from drivers.spinnaker_emulator.optics import Region
from drivers.spinnaker_emulator.painter import Shot
from drivers.spinnaker_emulator.sensor import Exposure
from drivers.spinnaker_emulator.world import World

_LEAD_SLOW_PERIODS = 2
_OUTPUT = 2  # entry of LineSelector: Line2, the one that is wired to the divider
_UNLIMITED_RATE = 30.0
"""Frames per second of a free-running camera whose rate nobody set, as long as its region allows them."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """Which line of the trigger box reaches which input of the camera.

    Attributes:
        inputs: TriggerSource symbols that the wire is connected to.
        slow: Connected to the slow line; the fast one otherwise.

    """

    inputs: frozenset[str]
    slow: bool


@dataclass(frozen=True, slots=True)
class Arrival:
    """A frame in a buffer, not yet fetched."""

    slot: int
    shot: Shot
    header: Header


class Stream:
    """State between BeginAcquisition and EndAcquisition. All methods run under the keeper's condition.

    Args:
        world: Scene, time and trigger box.
        role: Which camera's lens and place.
        nodes: The camera's features.
        host: The host side's stream features.
        clock: The camera's clock.
        wiring: Its trigger wire.
        faults: Its troubles.

    """

    def __init__(
        self,
        world: World,
        role: Role,
        nodes: NodeState,
        host: NodeState,
        clock: CameraClock,
        wiring: Wiring,
        faults: Faults,
    ) -> None:
        self._world, self._role, self._nodes, self._host = world, role, nodes, host
        self._clock, self._wiring = clock, wiring
        number = nodes.number
        binning = int(number("BinningVertical"))
        self._width, self._height = int(number("Width")), int(number("Height"))
        self._binning = binning
        self._format = PixelFormat(str(nodes.raw("PixelFormat")))
        self._readout_ns = round((self._height * binning * ROW_TIME_US + 50) * 1000)
        self._chunks = enabled_chunks(nodes)
        count = int(host.number("StreamBufferCountManual"))
        self._buffers: list[Image | None] = [None] * count
        self._free = deque(range(count))
        self._ready: deque[Arrival] = deque()
        self._mode = str(host.raw("StreamBufferHandlingMode"))
        self._run_index, self._pulse = self._next_run(world.keeper.now_ns())
        self._free_run: PulseRun | None = None
        self._software: deque[int] = deque()
        self._faults = faults
        self._next_id = 0
        self._pulses_seen = 0
        self._exposure_end = self._readout_end = -(2**62)
        self._again_ns: int | None = None
        self.fetched = 0
        self.lost = 0
        self.incomplete = 0
        self.open = True
        self.gone = False

    # -- pulses ---------------------------------------------------------------------------------------

    @property
    def triggered(self) -> bool:
        """TriggerMode is On for the frame start."""
        return self._nodes.raw("TriggerMode") == "On"

    def _next_run(self, now_ns: int) -> tuple[int, int]:
        runs = self._world.box.runs
        if runs:
            divider = runs[-1].ratio if self._wiring.slow else 1
            phase = runs[-1].phase if divider > 1 else 0
            pulse = max(0, -(-(runs[-1].ticks_until(now_ns) - phase) // divider))
            if runs[-1].time_of(pulse, divider) is not None:
                return len(runs) - 1, pulse
        return len(runs), 0

    def next_pulse_ns(self) -> int | None:
        """Time of the next pulse on the chosen input; None when there is none to come."""
        if not self.open:
            return None
        if not self.triggered:
            return self._free_running_pulse()
        source = str(self._nodes.raw("TriggerSource"))
        if source == "Software":
            return self._software[0] if self._software else None
        line = self._nodes.entries("LineSelector").get(source)
        if source not in self._wiring.inputs or self._nodes.raw("LineMode", line) == "Output":
            return None
        if self._again_ns is not None:
            return self._again_ns
        runs = self._world.box.runs
        while self._run_index < len(runs):
            run = runs[self._run_index]
            at = run.time_of(self._pulse, run.ratio if self._wiring.slow else 1)
            if at is not None:
                return at
            if self._run_index == len(runs) - 1:
                return None
            self._run_index, self._pulse = self._run_index + 1, 0
        return None

    @property
    def makes_pulses(self) -> bool:
        """Runs free, and its line output carries the exposures to the divider."""
        nodes = self._nodes
        on = "StrobeEnabled" not in nodes.specs or bool(nodes.raw("StrobeEnabled", _OUTPUT))
        output = on and nodes.raw("LineMode", _OUTPUT) == "Output"
        exposures = nodes.raw("LineSource", _OUTPUT) == "ExposureActive"
        return output and exposures and not self.triggered and not self._wiring.slow

    @property
    def free_rate(self) -> float:
        """Frames per second without a trigger."""
        nodes = self._nodes
        automatic = (
            "AcquisitionFrameRateAuto" in nodes.specs and nodes.raw("AcquisitionFrameRateAuto") != "Off"
        )
        if automatic or not self._rate_enabled():
            return min(_UNLIMITED_RATE, nodes.limits("AcquisitionFrameRate")[1])
        return nodes.number("AcquisitionFrameRate")

    def _free_running_pulse(self) -> int | None:
        rate = self.free_rate
        if self._free_run is None or self._free_run.tick_hz != rate:
            if self.makes_pulses:
                self._free_run = self._world.box.follow(rate)
            else:
                begin = self._world.keeper.now_ns() if self._free_run is None else max(0, self._exposure_end)
                self._free_run = PulseRun(begin, rate, 1, None)
            self._pulse = 0
        return self._free_run.time_of(self._pulse, 1)

    def _rate_enabled(self) -> bool:
        name = "AcquisitionFrameRateEnabled"
        return bool(self._nodes.number(name if name in self._nodes.specs else "AcquisitionFrameRateEnable"))

    def software_trigger(self) -> None:
        """TriggerSoftware.Execute."""
        now = self._world.keeper.now_ns()
        self._software.append(max(now, self._exposure_end, self._readout_end))

    def _retrigger(self, exposure_us: float) -> None:
        """A pulse that outlasts the exposure is taken for the next one, as soon as the sensor is ready.

        Measured on a GS3: "Hardware quirks" in CLAUDE.md of https://github.com/NeLy-EPFL/octacam.
        """
        nodes, end = self._nodes, self._exposure_end
        waits = self.triggered and nodes.raw("TriggerSource") != "Software"
        if waits and nodes.raw("TriggerOverlap") == "ReadOut":
            held = self._world.box.holds(end, slow=self._wiring.slow)
            self._again_ns = max(end, self._readout_end - round(exposure_us * 1000)) if held else None

    def _consume(self) -> None:
        if self.triggered and self._nodes.raw("TriggerSource") == "Software":
            self._software.popleft()
        elif self._again_ns is not None:
            self._again_ns = None
        else:
            self._pulse += 1

    # -- exposures ------------------------------------------------------------------------------------

    def _expose(self, at_ns: int) -> Shot | None:
        """Take the pulse; None when the sensor was busy and ignored it.

        With overlap it is ignored during an exposure only; during a read-out the exposure begins so late that
        it ends with it: https://www.manualslib.com/manual/1790613/Flir-Grasshopper-3-Series.html?page=59.
        """
        exposure_us = self._nodes.number("ExposureTime")
        overlap = not self.triggered or self._nodes.raw("TriggerOverlap") == "ReadOut"
        if at_ns < (self._exposure_end if overlap else self._readout_end):
            return None
        exposure_ns = round(exposure_us * 1000)
        at_ns = max(at_ns, self._readout_end - exposure_ns)
        self._exposure_end = at_ns + exposure_ns
        self._readout_end = self._exposure_end + self._readout_ns
        self._retrigger(exposure_us)
        return self._shot(at_ns, exposure_us)

    def _shot(self, at_ns: int, exposure_us: float) -> Shot:
        number = self._nodes.number
        red, blue = (float(self._nodes.raw("BalanceRatio", colour)) for colour in (RED, BLUE))
        exposure = Exposure(exposure_us, number("Gain"), number("BlackLevel"), red, blue)
        binning = self._binning
        region = Region(
            int(self._nodes.number("OffsetX")) * binning,
            int(self._nodes.number("OffsetY")) * binning,
            self._width * binning,
            self._height * binning,
            binning,
        )
        return Shot(self._role, region, self._format, at_ns, exposure)

    def _header(self, shot: Shot) -> Header:
        count, self._next_id = self._next_id, self._next_id + 1
        faults = self._faults
        reading = self._clock.reading(shot.start_ns)
        return Header(
            frame_id=(count + faults.first_id) % 2**faults.id_bits,
            timestamp_ns=faults.stamp(reading, count),
            exposure_us=shot.exposure.exposure_us,
            gain_db=shot.exposure.gain_db,
            black_level_percent=shot.exposure.black_level_percent,
            offset_x=shot.region.offset_x // self._binning,
            offset_y=shot.region.offset_y // self._binning,
            pixel_format=self._format,
            status=STATUS_MISSING_PACKETS if count in faults.damaged_frames else STATUS_OK,
            chunks=self._chunks,
        )

    def settle(self) -> None:
        """Book everything that arrived since the last call: into free buffers, or as lost."""
        keeper = self._world.keeper
        if not keeper.real_time:
            if not self._ready and self._free:
                self._render_next()
            return
        now = keeper.now_ns()
        while (at := self.next_pulse_ns()) is not None:
            if at + round(self._nodes.number("ExposureTime") * 1000) + self._readout_ns > now:
                return
            self._pulse_at(at)

    def _render_next(self) -> None:
        keeper = self._world.keeper
        while (at := self.next_pulse_ns()) is not None:
            runs = self._world.box.runs
            lead = round(_LEAD_SLOW_PERIODS * 1e9 * runs[-1].ratio / runs[-1].tick_hz) if runs else 10**9
            if not keeper.may_render(at, lead):
                return
            keeper.reached(at)
            if self._pulse_at(at):
                return

    def _pulse_at(self, at_ns: int) -> bool:
        """One pulse, with whatever goes wrong at it; True when a frame is ready because of it."""
        ordinal, self._pulses_seen = self._pulses_seen, self._pulses_seen + 1
        trouble = self._faults.at_pulse.pop(ordinal, None)
        if trouble is not None:
            trouble()
            if not self.open:
                return True
        self._consume()
        if self._faults.wire_off or ordinal in self._faults.lost_pulses:
            return False
        shot = self._expose(at_ns)
        if shot is None:
            return False
        header = self._header(shot)
        if self._faults.stalled or (self._next_id - 1) in self._faults.lost_frames:
            self.lost += 1
            return False
        return self._store(shot, header)

    def _store(self, shot: Shot, header: Header) -> bool:
        if not header.complete:
            self.incomplete += 1
        overwrite = self._mode == "NewestOnly" or (self._mode == "OldestFirstOverwrite" and not self._free)
        if overwrite and self._ready:
            self._free.append(self._ready.popleft().slot)
            self.lost += 1
        if not self._free:
            self.lost += 1
            return False
        arrival = Arrival(self._free.popleft(), shot, header)
        if self._mode == "NewestFirst":
            self._ready.appendleft(arrival)
        else:
            self._ready.append(arrival)
        return True

    # -- the client's side ----------------------------------------------------------------------------

    def take(self) -> Arrival | None:
        """The next frame to hand out."""
        self.settle()
        return self._ready.popleft() if self._ready else None

    def wait_s(self) -> float:
        """How long until the next frame can be there [s]; 0.1 when nobody knows."""
        if not self._world.keeper.real_time or not self._free:
            return 0.1
        at = self.next_pulse_ns()
        if at is None:
            return 0.1
        ready = at + round(self._nodes.number("ExposureTime") * 1000) + self._readout_ns
        return min(0.1, max(0.0002, (ready - self._world.keeper.now_ns()) * 1e-9))

    def paint(self, arrival: Arrival) -> ImagePtr:
        """Put the pixels into the buffer and hand out the image. Runs without the condition held."""
        out = self._buffer(arrival.slot)
        world = self._world
        if world.keeper.real_time:
            self._current_loop().fill(world.geometry, arrival.shot, out)
        else:
            out[...] = painter.picture(world.scene, world.geometry, arrival.shot, world.seed)
        alter(out, self._format, self._nodes)
        if not arrival.header.complete:
            # Packets that never came leave the buffer as it was; here, without light.
            out[out.shape[0] * 2 // 3 :] = 0
        if self._nodes.raw("BalanceWhiteAuto") == "Once":
            balance_step(self._nodes, arrival.shot, out)
        self.fetched += 1
        return ImagePtr(*self._faults.as_sent(out, arrival.header), arrival.slot, self.release)

    def _buffer(self, slot: int) -> Image:
        out = self._buffers[slot]
        if out is None:
            out = self._buffers[slot] = np.empty(
                self._format.shape(self._height, self._width), self._format.dtype
            )
            out.fill(0)
        return out

    def prepare(self, tick_hz: float, ratio: int) -> None:
        """Draw the pictures for pulses of this rate, so that none is late later."""
        if self._world.keeper.real_time and self.open and (self.triggered or self.makes_pulses):
            loop = self._loop(tick_hz / ratio if self._wiring.slow else tick_hz)
            for slot in range(len(self._buffers)):
                self._buffer(slot)
            loop.prepare(self._world.geometry, self._shot(0, self._nodes.number("ExposureTime")))

    def _current_loop(self) -> PictureLoop:
        runs = self._world.box.runs
        if self.triggered and runs:
            return self._loop(runs[-1].tick_hz / (runs[-1].ratio if self._wiring.slow else 1))
        # Any loop shows the nearest moment: a free rate may change without new pictures.
        return self._world.loops.get(self._role) or self._loop(self.free_rate)

    def _loop(self, rate_hz: float) -> PictureLoop:
        loops = self._world.loops
        loop = loops.get(self._role)
        if loop is None or loop.rate_hz != rate_hz:
            loop = loops[self._role] = PictureLoop(self._world.scene, self._world.seed, rate_hz)
        return loop

    def release(self, slot: int) -> None:
        """A client gave a buffer back."""
        with self._world.keeper.changed:
            if self.open:
                self.settle() if self._world.keeper.real_time else None
                self._free.append(slot)
                self._world.keeper.changed.notify_all()

    def counts(self) -> tuple[int, int]:
        """Buffers waiting for frames, and frames waiting for the client."""
        return len(self._free), len(self._ready)

    def close(self) -> None:
        """End of acquisition."""
        if self._free_run is not None and self._free_run in self._world.box.runs:
            self._world.box.stop()
        self.open = False
        self._ready.clear()
