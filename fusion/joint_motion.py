"""Motion into all references of a frame, and what two of them say of each other and of it.

How one sharp picture moved into another is known more exactly than how either moved into a coarse frame
between them. So the place of a pixel in one reference also says where it is in the other. Each flow becomes
the mean of its own answer and the other's, as means of unequal precision are weighted: an answer is the less
precise the farther the motion went and the less what it fetches is like the frame. Where the frame lies
between the two in time, it may also follow the way between them evenly.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from threading import Lock
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from fusion.constant_velocity import choose_motion, even_motion, needs_even_motion, share_of_way
from fusion.gop import Mask, Reference
from fusion.levels import FloatImage, to_bytes
from fusion.motion import FlowArray, FlowSource, lengths, luma, reaches, search, side_by_side, warp_array
from fusion.resample import lose_detail

_FINEST, _STRIDE, _REFINEMENTS = 0, 4, 5
_CYCLE = 2.0
"""Motion between sharp pictures counts about a third where there and back again misses by so many pixels."""
_NEAR = 1.5
"""Likewise where the two answers are so many LSR pixels apart: then one of them is plainly wrong."""
_SMOOTHING = 0.75
"""Of the frame's mismatch, in LSR pixels."""
_LEAST_MISMATCH = 1.0
_SHARP_MISMATCH = 0.7
"""Grey levels that stand for the mismatch where there is none to see, and between sharp pictures."""
_LEAST_MOTION = 0.25
"""LSR pixels."""

_Map = npt.NDArray[np.float32]


class _Way(NamedTuple):
    """From one sharp picture into another.

    Attributes:
        flow: (H, W, 2) offset [px].
        cycle: (H, W) by how much the way back misses the start [px].

    """

    flow: FlowArray
    cycle: _Map


class _Pair:
    """Two sharp pictures, not kept alive, and how one moved into the other."""

    def __init__(self, images: Sequence[FloatImage]) -> None:
        self._images = [weakref.ref(image) for image in images]
        self._lock = Lock()
        self._ways: tuple[_Way, _Way] | None = None

    def alive(self) -> bool:
        return all(kept() is not None for kept in self._images)

    def holds(self, images: Sequence[FloatImage]) -> bool:
        return all(kept() is image for kept, image in zip(self._images, images, strict=True))

    def ways(self, images: Sequence[FloatImage]) -> tuple[_Way, _Way]:
        with self._lock:
            if self._ways is None:
                self._ways = _ways(*images)
            return self._ways


class JointMotion:
    """Motion into each reference; threads may share one.

    Args:
        source: Finds the motion into a single one.
        scale: Output pixels per LSR pixel.
        noise_variance: Of the LSR frames, of values in 0..1.

    """

    def __init__(self, source: FlowSource, scale: float, noise_variance: float = 0.0) -> None:
        self._source, self._scale, self._noise_variance = source, scale, noise_variance
        self._lock = Lock()
        self._pairs: list[_Pair] = []

    def __call__(
        self, lsr: FloatImage, upscaled: FloatImage, references: Sequence[Reference]
    ) -> list[FlowArray]:
        """Offset (H, W, 2) from each pixel of a frame into each reference [px].

        The frame is given as it is, (h, w, 3), and enlarged, (H, W, 3), both in 0..255.

        Fused pictures (`Reference.fused`) say nothing of others: how they moved is only as exact as they are.
        """
        flows = side_by_side(lambda reference: self._source(upscaled, reference), references)
        if len(references) != 2 or any(reference.fused for reference in references):
            return flows
        first, second = references
        there, back = self._between(first, second)
        frame = luma(upscaled)
        variances = side_by_side(
            lambda pair: self._variance(frame, *pair), list(zip(references, flows, strict=True))
        )
        means = side_by_side(
            lambda index: self._mean(
                flows[index],
                flows[1 - index],
                (back, there)[index],
                (references[1 - index].valid, references[index].valid),
                (variances[index], variances[1 - index]),
            ),
            range(2),
        )
        share = share_of_way(references)
        if share is None or not needs_even_motion(self._scale, self._noise_variance):
            return means
        onwards, backwards = side_by_side(
            lambda way: even_motion(*way), [(there.flow, share), (back.flow, 1 - share)]
        )
        return side_by_side(
            lambda index: choose_motion(
                means[index],
                (onwards[index], backwards[1 - index]),
                references[index],
                lsr,
                noise_variance=self._noise_variance,
                scale=self._scale,
            ),
            range(2),
        )

    def _between(self, first: Reference, second: Reference) -> tuple[_Way, _Way]:
        """Motion from the first sharp picture into the second, and back; the frames of a GoP share both."""
        images = [one.image if one.unlit is None else one.unlit for one in (first, second)]
        with self._lock:
            # A GoP's pictures take hundreds of megabytes: nothing of them may live on here.
            self._pairs = [pair for pair in self._pairs if pair.alive()]
            known = next((pair for pair in self._pairs if pair.holds(images)), None)
            if known is None:
                known = _Pair(images)
                self._pairs.append(known)
        return known.ways(images)

    def _variance(self, frame: FloatImage, reference: Reference, flow: FlowArray) -> _Map:
        """Of a flow's error (H, W), in a unit of its own, from how far it goes and how well it fits."""
        shown = lose_detail(warp_array(luma(reference.image), flow), reference.lsr_size)
        mismatch = cv2.GaussianBlur(np.abs(shown - frame), (0, 0), _SMOOTHING * self._scale)
        far = lengths(flow) / self._scale + _LEAST_MOTION
        return np.asarray(((mismatch + _LEAST_MISMATCH) * far) ** 2, dtype=np.float32)

    def _mean(
        self,
        own: FlowArray,
        other: FlowArray,
        way: _Way,
        valid: tuple[Mask | None, Mask | None],
        variances: tuple[_Map, _Map],
    ) -> FlowArray:
        """A flow and the answer that the other one gives by the way between the sharp pictures."""
        led = warp_array(way.flow, other)
        found = other + led
        move = found - own
        apart = lengths(move) / (_NEAR * self._scale)
        missed = warp_array(way.cycle, other) / _CYCLE
        sure = np.exp(-(apart**2) - missed**2) * reaches(other, valid[0]) * reaches(found, valid[1])
        between = (_SHARP_MISMATCH * lengths(led) / self._scale) ** 2
        share = sure * variances[0] / (variances[0] + variances[1] + between)
        return np.ascontiguousarray(own + share[..., None] * move, dtype=np.float32)


def _ways(first: FloatImage, second: FloatImage) -> tuple[_Way, _Way]:
    pictures = [to_bytes(luma(image)) for image in (first, second)]
    there, back = side_by_side(lambda pair: search(_searcher(), *pair), [pictures, pictures[::-1]])
    return _Way(there, _cycle(there, back)), _Way(back, _cycle(back, there))


def _searcher() -> cv2.DISOpticalFlow:
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    dis.setFinestScale(_FINEST)
    dis.setPatchStride(_STRIDE)
    dis.setVariationalRefinementIterations(_REFINEMENTS)
    return dis


def _cycle(there: FlowArray, back: FlowArray) -> _Map:
    return lengths(there + warp_array(back, there))
