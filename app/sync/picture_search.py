"""What the pictures of two streams say about their relation in time, read frame by frame. Qt-free."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event
from typing import Protocol, TypeVar, runtime_checkable

import cv2
import numpy as np
import numpy.typing as npt

from app.sync.point_search import sync_by_points
from app.sync.registration import Corners, Registrations
from app.sync.small_pictures import SmallPictures
from calibration.grid import scaling
from calibration.sync import (
    FrameSync,
    FrameWindow,
    MotionSync,
    PointSync,
    band_pass,
    match_frames,
    motion_curve,
    motion_times,
    sync_motion,
)
from drivers import FrameSource, StreamPair
from drivers.pairing import regular_times

Picture = npt.NDArray[np.uint8]
Matrix = npt.NDArray[np.float64]
Here = TypeVar("Here")
There = TypeVar("There")


@runtime_checkable
class LivelySource(Protocol):
    """A source that knows how much moves without decoding, such as `drivers.VideoClip`."""

    @property
    def activity(self) -> npt.NDArray[np.float64]:
        """How much the picture changes at each frame, shape (frame_count,)."""
        ...


_MOTION_WIDTH = 96
_HSR_WIDTH, _LSR_WIDTH = 640, 320
_MOTION_SECONDS = 120.0
_STILL_LEVELS = 0.2
_TELLING = 16  # HSR frames whose motion is not matched by chance
_SEGMENTS = 16
_CHECKED_SEGMENTS = 8
_CHECKED_SECONDS = 15.0
_REGISTERED = 4
_REACH = 6
_MAX_EXPOSURE = 8
_ROUNDS = 8
_SETTLED = 0.02
_FIRST_GUESS = 0.6
_THREADS = 2
_POINT_INSTANTS = 8
_SAME_VIEW = 0.1  # LSR frames in which a moving camera's view changes too little to matter
_VAGUE = 0.1
_BLUR_ERROR = 0.05  # for each LSR frame of exposure: blurred points are not found where sharp ones are


def _seconds(source: FrameSource) -> npt.NDArray[np.float64]:
    """Times from the first frame on, without the rounding to a container's ticks [s]."""
    times = regular_times(source.mid_exposure_ns)
    times = times - int(source.mid_exposure_ns[0])
    seconds: npt.NDArray[np.float64] = times / 1e9
    return seconds


def _period(times_s: npt.NDArray[np.float64]) -> float:
    """Mean time between frames [s]; phones alternate between long and short steps."""
    return float(np.ptp(times_s)) / (len(times_s) - 1) if len(times_s) > 1 else 1.0


class PictureSearch:
    """Looks at the pictures of one pair; decodes what it needs, once.

    Args:
        pair: Both streams; `clock_offset_ns` is not looked at.
        on_progress: Called with the share done, 0..1.

    """

    def __init__(self, pair: StreamPair, on_progress: Callable[[float], None]) -> None:
        self._hsr, self._lsr = SmallPictures(pair.hsr, _HSR_WIDTH), SmallPictures(pair.lsr, _LSR_WIDTH)
        self._tell = on_progress
        self._unwanted = Event()
        self._passed: dict[int, npt.NDArray[np.float32]] = {}
        self._registered = Registrations(self._hsr, self._lsr)
        self._limit_s, self._segments = _MOTION_SECONDS, _SEGMENTS
        self._pair = pair
        self._slow: npt.NDArray[np.float64] | None = None
        self.read_times()

    def read_times(self) -> None:
        """Take the frame times from the streams; again, once the capture factor of a clip is known."""
        self.hsr_s, self.lsr_s = _seconds(self._pair.hsr), _seconds(self._pair.lsr)
        self.lsr_period, self.hsr_period = _period(self.lsr_s), _period(self.hsr_s)

    def check_only(self) -> None:
        """Look at fewer frames, chosen without decoding others where that is possible.

        For an offset that the sound has given already.
        """
        self._segments = _CHECKED_SEGMENTS
        source = self._pair.hsr
        if isinstance(source, LivelySource) and np.ptp(source.activity) > 0:
            self._slow = source.activity[1:]
        else:
            self._limit_s = _CHECKED_SECONDS

    def _beside(self, here: Callable[[], Here], there: Callable[[], There]) -> tuple[Here, There]:
        """Do two things at once, one for each stream: decoders leave the interpreter free for each other.

        Args:
            here: Done on this thread; may end the whole by an exception.
            there: Done on another; asks `_while_wanted` whether to go on.

        """
        with ThreadPoolExecutor(1, "hsr-pictures") as pool:
            other = pool.submit(there)
            try:
                mine = here()
            except BaseException:
                self._unwanted.set()
                raise
            return mine, other.result()

    def _while_wanted(self, indices: Iterable[int]) -> Iterator[int]:
        for index in indices:
            if self._unwanted.is_set():
                return
            yield index

    def _telling(self, indices: Sequence[int], part: tuple[float, float]) -> Iterator[int]:
        """The same indices, telling the progress between both parts of the whole on the way."""
        for done, index in enumerate(indices):
            if done % 16 == 0:
                self._tell(part[0] + (part[1] - part[0]) * done / len(indices))
            yield index

    def slow_curve(self) -> npt.NDArray[np.float64]:
        """How much the HSR picture changes from each frame to the next, shape (frames - 1,)."""
        if self._slow is None:
            count = int(np.searchsorted(self.hsr_s, self._limit_s))
            wanted = self._while_wanted(range(count))
            self._slow = motion_curve((self._hsr.thumbnail(i, _MOTION_WIDTH) for i in wanted), 1)
        return self._slow

    def is_still(self) -> bool:
        """Whether so little moves that what changes is mostly the codec's doing, such as at key frames."""
        curve = self.slow_curve()
        return len(curve) == 0 or float(np.quantile(curve, 0.9)) < _STILL_LEVELS

    def motion(self) -> MotionSync:
        """Offset by motion energy over all of both clips, at most two minutes of each."""
        return self._motion(self._lsr_thumbnails((0.0, 0.6)), 1.0)

    def correlations(self, factors: Sequence[float]) -> dict[float, float]:
        """How alike both streams move if the LSR stream were that many times faster than its times say.

        Args:
            factors: Factors to try.

        Returns:
            Normalised correlation of the motion curves at the best shift, -1..1, for every factor; -1 for
            those that leave so short a clip that it matches anything.

        """
        thumbnails, _ = self._beside(lambda: list(self._lsr_thumbnails((0.0, 0.6))), self.slow_curve)
        length = float(self.lsr_s[-1]) / self.hsr_period
        return {
            factor: self._motion(thumbnails, factor).correlation if length / factor >= _TELLING else -1.0
            for factor in factors
        }

    def _lsr_thumbnails(self, part: tuple[float, float]) -> Iterator[Picture]:
        count = int(np.searchsorted(self.lsr_s, _MOTION_SECONDS))
        return (self._lsr.thumbnail(i, _MOTION_WIDTH) for i in self._telling(range(count), part))

    def _motion(self, thumbnails: Iterable[Picture], factor: float) -> MotionSync:
        lag = max(1, round(self.hsr_period / self.lsr_period * factor))
        fast, slow = self._beside(lambda: motion_curve(thumbnails, lag), self.slow_curve)
        return sync_motion(
            slow,
            motion_times(self.hsr_s[: len(slow) + 1], 1),
            fast,
            motion_times(self.lsr_s[: len(fast) + lag] / factor, lag),
        )

    def frames(self, shift_s: float) -> tuple[FrameSync | None, float]:
        """Refine a shift that is right to a few LSR frames; also the mean HSR time of the frames used.

        A moving camera makes views that were registered at a wrong instant agree best near that instant, so
        registration and matching take turns until neither moves the other.
        """
        chosen = self._moving_frames(shift_s)
        self._passed.clear()
        if not chosen:
            return None, 0.0
        self._decode(chosen, shift_s)
        at = float(np.mean(self.hsr_s[chosen]))
        found = self._match(chosen, shift_s, registered_s=shift_s)
        before = step = 0.0
        for number in range(_ROUNDS):
            self._tell(0.8 + 0.2 * (number + 1) / _ROUNDS)
            if found.frames == 0:
                return found, at
            before, step = step, (found.shift_s - shift_s) / self.lsr_period
            shift_s = found.shift_s
            if abs(step) < _SETTLED:
                break
            found = self._match(chosen, shift_s, registered_s=shift_s)
        if found.frames == 0:
            return found, at
        moved = self._match(chosen, shift_s, registered_s=shift_s + self.lsr_period)
        # How far registering one LSR frame later moves the match, 0..1. At 1 all motion is the camera's and
        # steady: any instant looks right, and only the first guess is known.
        pull = (moved.shift_s - found.shift_s) / self.lsr_period if moved.frames else 0.0
        if self._registration(chosen, shift_s) is None:
            # Unregistered views differ by an unknown shift, which any motion of the camera turns into time.
            pull = 1.0
        hidden = _FIRST_GUESS * min(max(pull, 0.0), 1.0) ** 3
        return self._through_parallax(_with_doubt(found, step, before, hidden), chosen, hidden), at

    def _through_parallax(self, found: FrameSync, chosen: list[int], hidden: float) -> FrameSync:
        """Correct what depth has done to a match: a near thing that moves looks early or late.

        Args:
            found: The match.
            chosen: Its HSR frames.
            hidden: Error that steady motion of the camera hides [LSR frames].

        """
        shift_s = registered_s = found.shift_s
        view = self._registration(chosen, registered_s)
        picks = _spread(chosen, _POINT_INSTANTS)
        for number in range(_ROUNDS):
            if abs(shift_s - registered_s) > _SAME_VIEW * self.lsr_period:
                view, registered_s = self._registration(chosen, shift_s), shift_s
            points = None if view is None else self._points(picks, view, shift_s, found)
            if points is None and number == 0:
                return found
            if points is None or points.error_frames > _VAGUE:
                break
            if abs(points.late_frames) <= max(0.5 * points.error_frames, _SETTLED):
                blurred = _BLUR_ERROR * (found.exposure_frames - 1)
                error = float(np.hypot(points.error_frames, blurred)) + _SETTLED + hidden
                return replace(found, shift_s=shift_s, error_frames=error, frames=len(chosen))
            shift_s += float(np.clip(points.late_frames, -_REACH, _REACH)) * self.lsr_period
        return replace(found, error_frames=max(found.error_frames, _FIRST_GUESS))

    def _points(self, picks: list[int], view: Matrix, shift_s: float, found: FrameSync) -> PointSync | None:
        """What single points of some HSR frames say; None without parallax."""
        places = self._place(picks, shift_s)
        return sync_by_points(self._lsr, self._registered, picks, places, view, found.exposure_frames)

    def _place(self, hsr: list[int], shift_s: float) -> npt.NDArray[np.float64]:
        """Places of HSR frames among the LSR frames, as fractional indices."""
        return np.interp(self.hsr_s[hsr] + shift_s, self.lsr_s, np.arange(len(self.lsr_s)))

    def _decode(self, chosen: list[int], shift_s: float) -> None:
        """Read what matching will look at in ascending order, which decodes each frame once."""

        def read_hsr() -> None:
            for j in self._while_wanted(chosen):
                self._hsr.read(j)

        def read_lsr() -> None:
            for j in self._telling(chosen, (0.6, 0.8)):
                for index in self._around(j, shift_s):
                    self._lsr.read(index)

        self._beside(read_lsr, read_hsr)

    def _around(self, j: int, shift_s: float) -> range:
        """LSR frames around the place of HSR frame `j`; empty where they reach beyond the clip."""
        centre = self._nearest(float(self.hsr_s[j]) + shift_s)
        half = _REACH + _MAX_EXPOSURE // 2
        inside = centre >= half and centre + half < len(self.lsr_s)
        return range(centre - half, centre + half + 1) if inside else range(0)

    def _match(self, chosen: list[int], shift_s: float, *, registered_s: float) -> FrameSync:
        """Match HSR frames around `shift_s`, with views registered as if `registered_s` were the shift."""
        view = self._registration(chosen, registered_s)
        windows = self._windows(chosen, shift_s, self._plain() if view is None else view)
        limit = min(float(_MAX_EXPOSURE), self.hsr_period / self.lsr_period)
        return match_frames(windows, max_exposure=limit)

    def _moving_frames(self, shift_s: float) -> list[int]:
        """HSR frames inside the overlap with the most motion around them, spread over the clip."""
        margin = (_REACH + _MAX_EXPOSURE / 2 + 1) * self.lsr_period
        there = self.hsr_s + shift_s
        inside = np.flatnonzero((there >= margin) & (there <= self.lsr_s[-1] - margin))
        inside = inside[(inside > 0) & (inside < len(self.slow_curve()))]
        if len(inside) == 0:
            return []
        curve = self.slow_curve()
        lively = curve[inside - 1] + curve[inside]
        chosen = []
        for part in np.array_split(np.arange(len(inside)), min(self._segments, len(inside))):
            chosen.append(int(inside[part[np.argmax(lively[part])]]))
        return chosen

    def _nearest(self, time_s: float) -> int:
        return int(np.argmin(np.abs(self.lsr_s - time_s)))

    def _registration(self, chosen: list[int], shift_s: float) -> Matrix | None:
        """Match-size LSR px -> HSR px at matching size, median over several instants; None when unknown."""
        picks = _spread(chosen, _REGISTERED)
        # Between two LSR frames, so that the view belongs to the instant and not to the nearest frame.
        places = dict(zip(picks, self._place(picks, shift_s).tolist(), strict=True))
        before = {j: min(int(place), len(self.lsr_s) - 2) for j, place in places.items()}
        self._registered.prepare((j, low + step) for j, low in before.items() for step in (0, 1))
        corners: list[Corners] = []
        for j, low in before.items():
            first, second = (self._registered.corners(j, low + step) for step in (0, 1))
            if first is not None and second is not None:
                corners.append(first + (places[j] - low) * (second - first))
        if not corners:
            return None
        typical = np.median(np.stack(corners), axis=0).astype(np.float32)
        square = self._registered.square.astype(np.float32)
        return np.asarray(cv2.getPerspectiveTransform(square, typical), np.float64)

    def _plain(self) -> Matrix:
        """LSR px -> HSR px for two cameras with the same field of view."""
        (hw, hh), (lw, lh) = self._hsr.size, self._lsr.size
        return scaling(hw / lw, hh / lh)

    def _windows(self, chosen: list[int], shift_s: float, view: Matrix) -> list[FrameWindow]:
        """HSR frames in the LSR view, each with the LSR frames around its place."""
        around = {j: near for j in chosen if len(near := self._around(j, shift_s))}
        sharp = [(self._hsr.read(j), float(self.hsr_s[j])) for j in around]
        new = {i: self._lsr.read(i) for near in around.values() for i in near if i not in self._passed}
        with ThreadPoolExecutor(_THREADS) as pool:
            self._passed.update(
                zip(new, pool.map(lambda p: band_pass(p.astype(np.float32)), new.values()), strict=True)
            )
            seen = list(pool.map(lambda p: _seen_from(p[0], view, self._lsr.size), sharp))
        return [
            FrameWindow(s[0], time, [self._passed[i] for i in near], self.lsr_s[near], s[1])
            for (_, time), near, s in zip(sharp, around.values(), seen, strict=True)
            if s is not None
        ]


def _seen_from(
    hsr: Picture, view: Matrix, size: tuple[int, int]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]] | None:
    """A band-passed HSR frame in the LSR view and where it is known; None where the views hardly overlap.

    Args:
        hsr: The HSR frame.
        view: LSR px -> HSR px.
        size: Width and height of the LSR view [px].

    """
    sharp: npt.NDArray[np.float32] = hsr.astype(np.float32)
    zoom = float(np.sqrt(abs(np.linalg.det(view[:2, :2]))))
    if zoom > 1.2:
        # The LSR pixel averages over `zoom` HSR pixels; without this the warp would alias.
        sharp = np.asarray(cv2.GaussianBlur(sharp, (0, 0), 0.5 * zoom), np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpPerspective(sharp, view, size, flags=flags)
    seen = cv2.warpPerspective(np.ones_like(sharp), view, size, flags=flags) > 0.999
    if seen.mean() < 0.1:
        return None
    inner = cv2.erode(seen.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    return band_pass(np.where(seen, warped, warped[seen].mean()).astype(np.float32)), inner


def _spread(chosen: list[int], count: int) -> list[int]:
    """At most so many of the frames, from the first to the last."""
    picks = np.linspace(0, len(chosen) - 1, min(count, len(chosen))).round().astype(int)
    return [chosen[i] for i in picks]


def _with_doubt(found: FrameSync, step: float, before: float, hidden: float) -> FrameSync:
    """Add to the error of a match, in LSR frames.

    Args:
        found: The last match.
        step: How far the last round moved the shift.
        before: How far the round before moved it.
        hidden: Error that steady motion of the camera hides.

    """
    error = found.error_frames + hidden
    if abs(step) >= _SETTLED and before != 0:
        ratio = min(abs(step / before), 0.95)
        error += abs(step) * ratio / (1 - ratio)
    return replace(found, error_frames=error)
