"""A thread that fuses the newest GoP while the cameras run, drops what it has no time for, and says so."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from app.gui.alignment_lock import Lock
from app.gui.live_region import REGIONS, LiveView, Region, lsr_noise, match_moments
from app.gui.loading import load_torch
from app.gui.mailbox import Mailbox
from app.gui.priorities import lower_priority
from app.session.live_pairs import LivePairs, Rings, find_frame
from app.torch_missing import TorchMissingError
from drivers import Frame, Image, OverwrittenError, RgbImage, in_8_bits, to_rgb8
from fusion.digital_gain import brightness, digital_gain, gained

if TYPE_CHECKING:
    from app.moments import Sharpness
    from fusion import Fuser

_IDLE_S = 0.1
_SAME_NOISE = 1.5
_SAME_BRIGHTNESS = 1.5
_LOOK_EVERY_S = 1.0
_FOCUS_EVERY_S = 3.0


@dataclass(frozen=True, slots=True)
class Choice:
    """What to fuse and how.

    Attributes:
        method: A name from `fusion.METHODS`.
        region: Part of the view.
        distance: LSR frames after the HSR frame; the farther, the harder.
        references: 1, or 2 for this and the next HSR frame, which is a GoP later.
        recurrent: Fuse every frame up to `distance`, each from the one before, as a whole GoP is fused.
        flow: Also say where in the sharp frame each pixel lies.

    """

    method: str = "classical"
    region: Region = REGIONS["Centre, a quarter"]
    distance: int = 1
    references: int = 1
    recurrent: bool = False
    flow: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Fused:
    """One fused picture and what it came from.

    Attributes:
        image: (H, W, 3) uint8.
        upscaled: The LSR frame enlarged to the same size, (H, W, 3) uint8.
        weight: (H, W) float32 share of the sharp frame; None for methods without one.
        flow: (H, W, 2) float32, x then y, from each pixel to the same thing in the sharp frame [px]; None
            when nobody asked.
        distance: LSR frames between the fused frame and its sharp frame.
        lsr_frame_id: The LSR frame that it shows.
        region: Part of the view.
        method: What made it.
        device: Where.
        seconds: How long it took.
        age_ms: From the arrival of the LSR frame to the finished picture.
        skipped: GoPs since the picture before that were dropped.
        note: What the operator should know about the model, or "".

    """

    image: RgbImage
    upscaled: RgbImage
    weight: npt.NDArray[np.float32] | None
    flow: npt.NDArray[np.float32] | None
    distance: int
    lsr_frame_id: int
    region: Region
    method: str
    device: str
    seconds: float
    age_ms: float
    skipped: int
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class _Gop:
    """What is fused: sharp frames, one GoP apart, and LSR frames from the first one's instant on."""

    sharp: tuple[Frame, ...]
    fast: tuple[Frame, ...]
    distances: tuple[int, ...]


class LiveFusion:
    """Fuses one LSR frame of the newest GoP, as far from its HSR frame as the operator wants to see.

    Args:
        pairs: Finds the frames of one instant.
        on_error: Told once about every new failure, on the fusion thread.

    Attributes:
        mailbox: The newest picture.
        load: Share of the time that may be used, 0..1; recording outranks fusion.

    """

    def __init__(self, pairs: LivePairs, on_error: Callable[[Exception], None]) -> None:
        self.mailbox: Mailbox[Fused] = Mailbox()
        self.load = 1.0
        self._pairs, self._on_error = pairs, on_error
        self._lock: Lock | None = None
        self._choice: Choice | None = None
        self._changed = threading.Event()
        self._stop = threading.Event()
        self._fuser: tuple[tuple[str, float, int, bool, float], float, Fuser] | None = None
        self._noise_measured = 0.0
        # How bright the scene was when the gain was chosen, and the gain.
        self._light = 0.0, 1.0
        self._light_measured = 0.0
        self._sharpness: tuple[tuple[object, ...], Sharpness] | None = None
        self._sharpened = 0.0
        self._last = (-1, "")
        self._thread = threading.Thread(target=self._run, name="live fusion", daemon=True)
        self._thread.start()

    def set_lock(self, lock: Lock | None) -> None:
        """Use this alignment from the next GoP on."""
        self._lock = lock
        self._changed.set()

    def set_choice(self, choice: Choice | None) -> None:
        """Fuse this way; None switches off."""
        self._choice = choice
        self._last = (-1, "")
        self._changed.set()

    def close(self) -> None:
        """End the thread and wait for it."""
        self._stop.set()
        self._changed.set()
        self._thread.join(30.0)

    def _run(self) -> None:
        lower_priority()
        while not self._stop.is_set():
            self._changed.clear()
            choice, lock = self._choice, self._lock
            if choice is None or self.load <= 0:
                self._changed.wait(_IDLE_S)
                continue
            began = time.perf_counter()
            try:
                load_torch()
                fused = None if lock is None else self._newest(choice, lock)
            except Exception as error:
                if self._last[1] != str(error):
                    self._on_error(error)
                self._last = (self._last[0], str(error))
                # To look for torch takes a second of everybody's time; it is looked for again when asked to.
                self._changed.wait(None if isinstance(error, TorchMissingError) else 1.0)
                continue
            took = time.perf_counter() - began
            if fused is None:
                self._changed.wait(_IDLE_S if lock is None else 0.01)
                continue
            self.mailbox.put(fused)
            if self.load < 1:
                self._stop.wait(took * (1 / self.load - 1))

    def _newest(self, choice: Choice, lock: Lock) -> Fused | None:
        rings = self._pairs.rings()
        if rings is None:
            return None
        hsr_ring = rings[0]
        newest = hsr_ring.latest()
        if newest is None:
            return None
        # The frames after the very newest HSR frame are still on their way.
        for index in range(newest, max(-1, newest - 4), -1):
            try:
                hsr_id = hsr_ring.head(index).frame_id
                if hsr_id == self._last[0]:
                    return None
                gop = read_gop(self._pairs, rings, index, choice)
            except OverwrittenError:
                continue
            if gop is None:
                continue
            skipped = hsr_id - self._last[0] - 1 if self._last[0] >= 0 else 0
            self._last = (hsr_id, "")
            return self._fuse(choice, lock, gop, skipped)
        return None

    def _fuse(self, choice: Choice, lock: Lock, gop: _Gop, skipped: int) -> Fused | None:
        began = time.perf_counter()
        frame = gop.fast[-1]
        view = LiveView(lock, choice.region, gop.sharp[0].image.shape[:2], frame.image.shape[:2])
        gain = self._gain_for(gop.fast[0])
        # What is made brighter and dark again would lose what its few grey levels leave of it.
        lsr = [view.crop(each, deep=gain > 1) for each in gop.fast]
        sharp = [match_moments(view.reference(each, deep=gain > 1), lsr[0]) for each in gop.sharp]
        looked_at = gained(lsr[0], gain), gained(sharp[0], gain)
        sharpness = self._sharpness_for(view, *looked_at, gain)
        if sharpness.filter is not None:
            lsr = [sharpness.matched(each) for each in lsr]
            sharp = [match_moments(each, lsr[0]) for each in sharp]
            looked_at = gained(lsr[0], gain), gained(sharp[0], gain)
        noise, fuser = self._fuser_for(choice, view, *looked_at, gain)
        # Without recursion only the last frame is wanted; the first one is there to match brightness.
        wanted = slice(0, None) if choice.recurrent else slice(-1, None)
        distances = gop.distances[wanted]
        apart = self._pairs.ratio
        frames = list(
            fuser.fuse_gop(
                lsr[wanted],
                distances,
                sharp[0],
                valid=view.valid,
                next_reference=sharp[1] if len(sharp) > 1 else None,
                next_valid=view.valid if len(sharp) > 1 else None,
                next_distances=[distance - apart for distance in distances] if len(sharp) > 1 else None,
                same_view=False,
                cancelled=self._stop.is_set,
            )
        )
        if not frames:
            return None
        made = frames[-1]
        rows, columns = made.image.shape[:2]
        enlarged: Image
        enlarged = cv2.resize(lsr[-1], (columns, rows), interpolation=cv2.INTER_CUBIC)  # type: ignore[assignment]
        flow = None
        if choice.flow:
            bright = gained(enlarged, gain), gained(lsr[-1], gain)
            flow = flow_to(looked_at[1], view, *bright, noise * gain**2)
        return Fused(
            image=in_8_bits(made.image),
            upscaled=in_8_bits(enlarged),
            weight=made.weight,
            flow=flow,
            distance=distances[made.position],
            lsr_frame_id=frame.frame_id,
            region=choice.region,
            method=fuser.method,
            device=fuser.device,
            seconds=time.perf_counter() - began,
            age_ms=(time.perf_counter_ns() - frame.host_ns) / 1e6,
            skipped=max(0, skipped),
            note="; ".join(note for note in (*sharpness.warnings, fuser.note) if note),
        )

    def _sharpness_for(self, view: LiveView, lsr: RgbImage, sharp: RgbImage, gain: float) -> Sharpness:
        """How sharp the cameras are in this region; looked at now and then."""
        from app.moments import Moment, sharpness_of

        now, region = time.perf_counter(), (view.scale, lsr.shape)
        if self._sharpness is None or self._sharpness[0] != region or now - self._sharpened > _FOCUS_EVERY_S:
            moment = Moment(sharp, (lsr,), 0, view.shown_in(lsr), apart=False, gain=gain)
            self._sharpness = region, sharpness_of([moment])
            self._sharpened = now
        return self._sharpness[1]

    def _gain_for(self, frame: Frame) -> float:
        """How many times as bright pictures are fused: as a clip of them is, see `fusion.digital_gain`.

        It is looked at now and then, and kept as long as the scene is about as bright.
        """
        now = time.perf_counter()
        if self._light[0] and now - self._light_measured < _LOOK_EVERY_S:
            return self._light[1]
        self._light_measured = now
        # Of the whole view, as in a clip, whichever part is fused here.
        level = max(brightness(to_rgb8(frame)), 1.0)
        if not 1 / _SAME_BRIGHTNESS < level / max(self._light[0], 0.1) < _SAME_BRIGHTNESS:
            self._light = level, digital_gain([level])
        return self._light[1]

    def _fuser_for(
        self, choice: Choice, view: LiveView, lsr: RgbImage, sharp: RgbImage, gain: float
    ) -> tuple[float, Fuser]:
        """The noise [variance of 0..1] of pictures without gain that fusion is told of, and the fuser.

        Noise changes slowly and every frame measures it a little differently: it is looked at now and then,
        and as long as it is about the same nothing is changed.
        """
        key = (choice.method, view.scale, choice.references, choice.recurrent, gain)
        old = self._fuser if self._fuser is not None and self._fuser[0] == key else None
        now = time.perf_counter()
        if old is not None and now - self._noise_measured < _LOOK_EVERY_S:
            return old[1:]
        self._noise_measured = now
        sigma = lsr_noise(lsr, sharp, view) / gain
        if old is not None and 1 / _SAME_NOISE < sigma / (255 * old[1] ** 0.5) < _SAME_NOISE:
            return old[1:]
        from fusion import Fuser

        noise = (sigma / 255) ** 2
        fuser = Fuser(
            choice.method,
            scale=view.scale,
            references=choice.references,
            noise_variance=noise,
            recursion="recurrent" if choice.recurrent else "direct",
            gain=gain,
        )
        self._fuser = (key, noise, fuser)
        return noise, fuser


def read_gop(pairs: LivePairs, rings: Rings, index: int, choice: Choice) -> _Gop | None:
    """The frames that `choice` needs around one HSR frame; None while one of them is missing.

    Raises:
        OverwrittenError: They are no longer there.

    """
    hsr_ring, lsr_ring = rings
    head = hsr_ring.head(index)
    last = min(choice.distance, pairs.ratio - 1)
    distances = tuple(range(last + 1)) if choice.recurrent or last == 0 else (0, last)
    sharp = [index, find_frame(hsr_ring, head.frame_id + 1)][: choice.references]
    fast = [pairs.beside(rings, head, distance) for distance in distances]
    if None in sharp or None in fast:
        return None
    return _Gop(
        tuple(hsr_ring.read(at) for at in sharp if at is not None),
        tuple(lsr_ring.read(at) for at in fast if at is not None),
        distances,
    )


def flow_to(
    sharp: RgbImage, view: LiveView, upscaled: RgbImage, lsr: RgbImage, noise_variance: float
) -> npt.NDArray[np.float32]:
    """Where in the sharp frame each pixel of the enlarged LSR frame lies, (H, W, 2) [px].

    It is measured as the fast methods measure it, between pictures of the same sharpness.
    """
    from fusion.gop import prepare_reference
    from fusion.motion import DisFlow

    enlarged = upscaled.astype(np.float32)
    reference = prepare_reference(sharp, view.valid, (lsr.shape[0], lsr.shape[1]), enlarged)
    return DisFlow(view.scale, noise_variance)(enlarged, reference)
