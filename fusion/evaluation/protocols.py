"""Protocols: from a reference some frames away, whole GoPs, between two references, from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fusion.evaluation.layouts import Pair
from fusion.evaluation.metrics import psnr, ssim
from fusion.gop import (
    RECURSIONS,
    Mask,
    Reference,
    Synthesiser,
    nearest_in_time,
    prepare_reference,
    synthesise_gop,
)
from fusion.levels import ByteImage, to_bytes, to_floats
from fusion.resample import downscale, upscale

GOP = 8
BEFORE = 3
SEPTUPLET = 7
AWAY = 2
"""Frames between a frame and the later one that `septuplets` gives as its reference."""

MULTIPLE = 16
"""Frames are cut to multiples of this many pixels, so that they can be reduced by any usual scale."""


@dataclass(frozen=True, slots=True)
class Figure:
    """Quality of one synthesised frame.

    Attributes:
        clip: Name of the clip.
        position: Index of the frame in it.
        distance: Signed number of frames from its reference.
        psnr: [dB] over all pixels and channels.
        ssim: Mean structural similarity of the luma.
        weight: Mean share W of the reference.

    """

    clip: str
    position: int
    distance: int
    psnr: float
    ssim: float
    weight: float


def lsr_frame(frame: ByteImage, scale: int, *, noise_variance: float = 0.0, seed: int = 0) -> ByteImage:
    """What an LSR camera sees of a frame: anti-aliased bicubic reduction, Gaussian noise, 8 bits."""
    small = downscale(frame, frame.shape[0] // scale, frame.shape[1] // scale)
    if noise_variance:
        noise = np.random.default_rng(seed).standard_normal(small.shape)
        small = np.asarray(small + 255 * np.sqrt(noise_variance) * noise, dtype=np.float32)
    return to_bytes(small)


def whole(frame: ByteImage, multiple: int) -> ByteImage:
    """Cut a frame to multiples of `multiple` pixels."""
    height, width = (side - side % multiple for side in frame.shape[:2])
    return np.ascontiguousarray(frame[:height, :width])


def septuplets(
    synthesiser: Synthesiser,
    name: str,
    frames: Sequence[ByteImage],
    scale: int,
    *,
    positions: Sequence[int],
    references: int = 1,
    noise_variance: float = 0.0,
) -> Iterator[Figure]:
    """Each frame in `positions` from the sharp one two frames later.

    With two references the second one is the sharp frame two frames earlier, where the clip reaches so far.
    """
    for position in positions:
        lsr = lsr_frame(frames[position], scale, noise_variance=noise_variance, seed=position)
        around = [k for k in (position + AWAY, position - AWAY)[:references] if k >= 0]
        sharp = [prepare_reference(frames[k], None, lsr.shape[:2], distance=position - k) for k in around]
        near = _neighbours(frames, position, scale, noise_variance)
        yield _judged(synthesiser, name, position, -AWAY, frames[position], lsr, sharp, near)


def ends(
    synthesiser: Synthesiser,
    name: str,
    frames: Sequence[ByteImage],
    scale: int,
    *,
    references: int,
    noise_variance: float = 0.0,
) -> Iterator[Figure]:
    """The five frames inside septuplets, from the first sharp frame or from the first and the last.

    This is the protocol of the paper's Table 5. Septuplets follow each other and share their ends.
    """
    for first in range(0, len(frames) - SEPTUPLET + 1, SEPTUPLET - 1):
        last = first + SEPTUPLET - 1
        small = lsr_frame(frames[first], scale).shape[:2]
        sharp = [prepare_reference(frames[k], None, small) for k in (first, last)[:references]]
        for position in range(first + 1, last):
            target = frames[position]
            lsr = lsr_frame(target, scale, noise_variance=noise_variance, seed=position)
            given = [
                replace(one, distance=position - k) for one, k in zip(sharp, (first, last), strict=False)
            ]
            near = _neighbours(frames, position, scale, noise_variance)
            yield _judged(synthesiser, name, position, position - first, target, lsr, given, near)


def aside(
    synthesiser: Synthesiser, pair: Pair, scale: int, *, noise_variance: float = 0.0
) -> Iterator[Figure]:
    """One picture from another taken at the same moment from elsewhere: what parallax costs."""
    target, reference = whole(pair.target, MULTIPLE), whole(pair.reference, MULTIPLE)
    lsr = lsr_frame(target, scale, noise_variance=noise_variance)
    sharp = [prepare_reference(reference, None, lsr.shape[:2])]
    yield _judged(synthesiser, pair.name, 0, 0, target, lsr, sharp)


def _judged(
    synthesiser: Synthesiser,
    name: str,
    position: int,
    distance: int,
    target: ByteImage,
    lsr: ByteImage,
    references: Sequence[Reference],
    neighbours: Sequence[ByteImage] = (),
) -> Figure:
    near = [to_floats(frame) for frame in neighbours]
    made = synthesiser.synthesise(to_floats(lsr), upscale(lsr, *target.shape[:2]), references, near)
    return _figure(name, position, distance, to_bytes(made.image), made.weight, target)


def _neighbours(
    frames: Sequence[ByteImage], position: int, scale: int, noise_variance: float
) -> list[ByteImage]:
    return [
        lsr_frame(frames[k], scale, noise_variance=noise_variance, seed=k)
        for k in nearest_in_time(range(len(frames)), position)
    ]


def _figure(
    name: str,
    position: int,
    distance: int,
    image: ByteImage,
    weight: npt.NDArray[np.float32] | None,
    truth: ByteImage,
) -> Figure:
    share = 0.0 if weight is None else float(weight.mean())
    return Figure(name, position, distance, psnr(image, truth), ssim(image, truth), share)


def gops(
    synthesiser: Synthesiser,
    name: str,
    frames: Sequence[ByteImage],
    scale: int,
    *,
    references: int = 1,
    recursion: str | None = None,
    noise_variance: float = 0.0,
) -> Iterator[Figure]:
    """Every frame that is not synchronised, in whole GoPs of 8 around frames 3, 11, 19, ...

    With two references the second one is the sharp frame on the other side, where the clip reaches so far.
    """
    assert recursion is None or recursion in RECURSIONS
    for first in range(0, len(frames) - GOP + 1, GOP):
        lsr = [
            lsr_frame(frames[k], scale, noise_variance=noise_variance, seed=k)
            for k in range(first, first + GOP)
        ]
        sync = first + BEFORE
        for part, other in ((slice(0, BEFORE), sync - GOP), (slice(BEFORE, GOP), sync + GOP)):
            sharp: list[tuple[ByteImage, Mask | None]] = [(frames[sync], None)]
            if references > 1 and 0 <= other < len(frames):
                sharp.append((frames[other], None))
            distances = range(-BEFORE, GOP - BEFORE)
            for made in synthesise_gop(
                synthesiser,
                lsr[part],
                distances[part],
                sharp,
                recursion=recursion or synthesiser.recursion,
                cancelled=lambda: False,
                next_distances=range(first - other, first - other + GOP)[part],
                beside=[(lsr[k], distances[k]) for k in range(GOP) if k not in range(GOP)[part]],
            ):
                position = first + part.start + made.position
                if made.distance:
                    image = np.asarray(made.image, np.uint8)
                    yield _figure(name, position, round(made.distance), image, made.weight, frames[position])
