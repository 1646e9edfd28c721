"""What the pictures of two streams say about their relation in time, read frame by frame. Qt-free."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

import cv2
import numpy as np
import numpy.typing as npt

from app.small_pictures import SmallPictures
from calibration import CalibrationError
from calibration.features import match_features
from calibration.homography import fit_homography
from calibration.sync import (
    FrameSync,
    FrameWindow,
    MotionSync,
    match_frames,
    motion_curve,
    motion_times,
    sync_motion,
)
from drivers import FrameSource, StreamPair
from drivers.pairing import regular_times

Picture = npt.NDArray[np.uint8]
Matrix = npt.NDArray[np.float64]
Corners = npt.NDArray[np.float64]


@runtime_checkable
class LivelySource(Protocol):
    """A source that knows how much moves without decoding, such as `drivers.VideoClip`."""

    @property
    def activity(self) -> npt.NDArray[np.float64]:
        """How much the picture changes at each frame, shape (frame_count,)."""
        ...


_MOTION_WIDTH = 96
_MATCH_WIDTH = 320
_MOTION_SECONDS = 120.0
_SEGMENTS = 16
_CHECKED_SEGMENTS = 8
_CHECKED_SECONDS = 15.0
_REGISTERED = 4
_REACH = 6
_MAX_EXPOSURE = 8
_ROUNDS = 8
_SETTLED = 0.02
_FIRST_GUESS = 0.6


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
        self._hsr, self._lsr = SmallPictures(pair.hsr), SmallPictures(pair.lsr)
        self._tell = on_progress
        self.hsr_s, self.lsr_s = _seconds(pair.hsr), _seconds(pair.lsr)
        self.lsr_period, self.hsr_period = _period(self.lsr_s), _period(self.hsr_s)
        self._registered: dict[tuple[int, int], Corners | None] = {}
        self._limit_s, self._segments = _MOTION_SECONDS, _SEGMENTS
        self._pair = pair
        self._slow: npt.NDArray[np.float64] | None = None

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

    def counted(self, indices: Iterable[int], total: int, part: tuple[float, float]) -> Iterator[int]:
        """The same indices, telling the progress between both parts of the whole on the way."""
        for done, index in enumerate(indices):
            if done % 16 == 0:
                self._tell(part[0] + (part[1] - part[0]) * done / max(1, total))
            yield index

    def slow_curve(self) -> npt.NDArray[np.float64]:
        """How much the HSR picture changes from each frame to the next, shape (frames - 1,)."""
        if self._slow is None:
            count = int(np.searchsorted(self.hsr_s, self._limit_s))
            indices = self.counted(range(count), count, (0.0, 0.2))
            self._slow = motion_curve((self._hsr.read(i, _MOTION_WIDTH) for i in indices), 1)
        return self._slow

    def motion(self) -> MotionSync:
        """Offset by motion energy over all of both clips, at most two minutes of each."""
        lag = max(1, round(self.hsr_period / self.lsr_period))
        slow = self.slow_curve()
        count = int(np.searchsorted(self.lsr_s, _MOTION_SECONDS))
        indices = self.counted(range(count), count, (0.2, 0.6))
        fast = motion_curve((self._lsr.read(i, _MOTION_WIDTH) for i in indices), lag)
        return sync_motion(
            slow,
            motion_times(self.hsr_s[: len(slow) + 1], 1),
            fast,
            motion_times(self.lsr_s[: len(fast) + lag], lag),
        )

    def frames(self, shift_s: float) -> tuple[FrameSync | None, float]:
        """Refine a shift that is right to a few LSR frames; also the mean HSR time of the frames used.

        A moving camera makes views that were registered at a wrong instant agree best near that instant, so
        registration and matching take turns until neither moves the other.
        """
        chosen = self._moving_frames(shift_s)
        if not chosen:
            return None, 0.0
        self._decode(chosen, shift_s)
        at = float(np.mean(self.hsr_s[chosen]))
        found = self._match(chosen, shift_s, registered_s=shift_s)
        before = step = 0.0
        for number in range(_ROUNDS):
            self._tell(0.6 + 0.4 * (number + 1) / _ROUNDS)
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
        pull = (moved.shift_s - found.shift_s) / self.lsr_period if moved.frames else 0.0
        if self._registration(chosen, shift_s) is None:
            # Unregistered views differ by an unknown shift, which any motion of the camera turns into time.
            pull = 1.0
        return _with_doubt(found, step, before, pull), at

    def _decode(self, chosen: list[int], shift_s: float) -> None:
        """Read what matching will look at in ascending order, which decodes each frame once."""
        for j in chosen:
            self._hsr.read(j)
            for index in self._around(j, shift_s):
                self._lsr.read(index)

    def _around(self, j: int, shift_s: float) -> range:
        """LSR frames around the place of HSR frame `j`; empty where they reach beyond the clip."""
        centre = self._nearest(float(self.hsr_s[j]) + shift_s)
        half = _REACH + _MAX_EXPOSURE // 2
        inside = centre >= half and centre + half < len(self.lsr_s)
        return range(centre - half, centre + half + 1) if inside else range(0)

    def _match(self, chosen: list[int], shift_s: float, *, registered_s: float) -> FrameSync:
        """Match HSR frames around `shift_s`, with views registered as if `registered_s` were the shift."""
        view = self._registration(chosen, registered_s)
        windows = [w for w in (self._window(j, shift_s, view) for j in chosen) if w is not None]
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
        corners: list[Corners] = []
        picks = [chosen[i] for i in np.linspace(0, len(chosen) - 1, _REGISTERED).round().astype(int)]
        for j in dict.fromkeys(picks):
            # Between two LSR frames, so that the view belongs to the instant and not to the nearest frame.
            place = float(np.interp(self.hsr_s[j] + shift_s, self.lsr_s, np.arange(len(self.lsr_s))))
            low = min(int(place), len(self.lsr_s) - 2)
            first, second = self._register(j, low), self._register(j, low + 1)
            if first is not None and second is not None:
                corners.append(first + (place - low) * (second - first))
        if not corners:
            return None
        typical = np.median(np.stack(corners), axis=0).astype(np.float32)
        square = self._lsr_corners().astype(np.float32)
        return np.asarray(cv2.getPerspectiveTransform(square, typical), np.float64)

    def _register(self, hsr_index: int, lsr_index: int) -> Corners | None:
        """Where the corners of an LSR frame lie in the HSR picture; None when that cannot be found."""
        key = (hsr_index, lsr_index)
        if key not in self._registered:
            hsr, lsr = self._hsr.read(hsr_index), self._lsr.read(lsr_index)
            self._registered[key] = None
            try:
                matches = match_features(_grey_rgb(hsr), _grey_rgb(lsr))
                scale = float(np.sqrt(hsr.size / lsr.size))
                plane = fit_homography(matches, lsr_size=(lsr.shape[1], lsr.shape[0]), scale=scale)
            except CalibrationError:
                return None
            matrix = plane.matrix @ _scaling(lsr.shape[1] / self._lsr.size(_MATCH_WIDTH)[0])
            corners = cv2.perspectiveTransform(self._lsr_corners(), matrix)
            self._registered[key] = np.asarray(corners, np.float64)
        return self._registered[key]

    def _lsr_corners(self) -> npt.NDArray[np.float64]:
        w, h = self._lsr.size(_MATCH_WIDTH)
        return np.array([[[0, 0], [w - 1, 0], [w - 1, h - 1], [0, h - 1]]], np.float64)

    def _window(self, j: int, shift_s: float, view: Matrix | None) -> FrameWindow | None:
        """HSR frame `j` in the LSR view, and the LSR frames around its place."""
        around = self._around(j, shift_s)
        if not around:
            return None
        width, height = self._lsr.size(_MATCH_WIDTH)
        lsr = np.stack([self._lsr.read(i, width) for i in around]).astype(np.float32)
        hsr: npt.NDArray[np.float32] = self._hsr.read(j).astype(np.float32)
        matrix = view if view is not None else _plain(hsr.shape, (height, width))
        zoom = float(np.sqrt(abs(np.linalg.det(matrix[:2, :2]))))
        if zoom > 1.2:
            # The LSR pixel averages over `zoom` HSR pixels; without this the warp would alias.
            hsr = np.asarray(cv2.GaussianBlur(hsr, (0, 0), 0.5 * zoom), np.float32)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        warped = cv2.warpPerspective(hsr, matrix, (width, height), flags=flags)
        seen = cv2.warpPerspective(np.ones_like(hsr), matrix, (width, height), flags=flags) > 0.999
        if seen.mean() < 0.1:
            return None
        inner = cv2.erode(seen.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
        filled = np.where(seen, warped, warped[seen].mean()).astype(np.float32)
        return FrameWindow(filled, float(self.hsr_s[j]), lsr, self.lsr_s[around.start : around.stop], inner)


def _with_doubt(found: FrameSync, step: float, before: float, pull: float) -> FrameSync:
    """Add to the error what steady motion of the camera hides, in LSR frames.

    Args:
        found: The last match.
        step: How far the last round moved the shift.
        before: How far the round before moved it.
        pull: How far registering one LSR frame later moves the match, 0..1. At 1 all motion is the camera's
            and steady: any instant looks right, and only the first guess is known.

    """
    error = found.error_frames + _FIRST_GUESS * min(max(pull, 0.0), 1.0) ** 3
    if abs(step) >= _SETTLED and before != 0:
        ratio = min(abs(step / before), 0.95)
        error += abs(step) * ratio / (1 - ratio)
    return replace(found, error_frames=error)


def _grey_rgb(grey: Picture) -> Picture:
    return np.repeat(grey[..., None], 3, axis=2)


def _scaling(factor: float) -> Matrix:
    """Pixel coordinates times `factor`, with pixel centres on whole numbers."""
    shift = 0.5 * factor - 0.5
    return np.array([[factor, 0, shift], [0, factor, shift], [0, 0, 1]], np.float64)


def _plain(hsr: tuple[int, ...], lsr: tuple[int, int]) -> Matrix:
    """LSR px -> HSR px for two cameras with the same field of view."""
    sy, sx = hsr[0] / lsr[0], hsr[1] / lsr[1]
    return np.array([[sx, 0, 0.5 * sx - 0.5], [0, sy, 0.5 * sy - 0.5], [0, 0, 1]], np.float64)


def motion_correlations(
    hsr: FrameSource,
    lsr: FrameSource,
    factors: Sequence[float],
    *,
    on_progress: Callable[[float], None] | None = None,
) -> dict[float, float]:
    """How alike both streams move if the LSR stream were that many times faster than its times say.

    Args:
        hsr: The sharp, slow stream.
        lsr: The coarse, fast stream.
        factors: Factors to try.
        on_progress: Called with the share done, 0..1.

    Returns:
        Normalised correlation of the motion curves at the best shift, -1..1, for every factor.

    """
    search = PictureSearch(StreamPair(hsr, lsr, None), on_progress or (lambda _: None))
    slow = search.slow_curve()
    count = int(np.searchsorted(search.lsr_s, _MOTION_SECONDS))
    small = SmallPictures(lsr)
    indices = search.counted(range(count), count, (0.2, 1.0))
    thumbnails = [small.read(i, _MOTION_WIDTH // 2) for i in indices]
    scores = {}
    for factor in factors:
        lag = max(1, round(search.hsr_period / search.lsr_period * factor))
        fast = motion_curve(thumbnails, lag)
        found = sync_motion(
            slow,
            motion_times(search.hsr_s[: len(slow) + 1], 1),
            fast,
            motion_times(search.lsr_s[: len(fast) + lag] / factor, lag),
        )
        scores[factor] = found.correlation
    return scores
