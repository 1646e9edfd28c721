"""Order of synthesis over one group of pictures (GoP-m) around a synchronised sharp frame (paper 3.2.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from fusion.resample import ByteImage, FloatImage, lose_detail, upscale

RECURSIONS = ("recurrent", "direct")
"""What is warped: the frame made just before (`recurrent`, the paper's way), or the sharp one (`direct`)."""

Mask = npt.NDArray[np.bool_]

Lights = tuple[FloatImage | None, ...]


@dataclass(frozen=True, slots=True, eq=False)
class FusedFrame:
    """One frame of the HSTR video.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        position: Index into the LSR sequence given.
        distance: Signed number of LSR periods from the synchronised instant.
        reference: What was warped: "hsr", a sharp camera frame, or "hstr", the frame made just before.
        weight: (H, W) float32, share of the reference in every pixel (W of paper eq. 12; nominally 0..1, a
            network's unconstrained taps may leave that range), or None for methods without one.
        lights: See `Synthesis`.

    """

    image: ByteImage
    position: int
    distance: float
    reference: str
    weight: npt.NDArray[np.float32] | None
    lights: Lights = ()


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """A sharp picture ready to be warped.

    Attributes:
        image: (H, W, 3) float32 in 0..255, filled from the LSR stream where not valid.
        matched: The same after the LSR camera's loss of detail: reduced to its size and enlarged again.
        valid: (H, W) bool, False where the picture does not show the scene; None for valid everywhere.
        lsr_size: Rows and columns of the LSR frames.
        fused: Whether the picture is itself a fused one (recursion), not what a camera saw.
        distance: Signed number of LSR frames from its instant to that of the frame to be made from it; None
            where that is not known.
        unlit: The picture before it was brought into the frame's light; None where it was not.
        light: How much brighter the frame is in each part than `unlit`: a small picture (h', w', 3) of smooth
            factors; None where it was not brought into that light.

    """

    image: FloatImage
    matched: FloatImage
    valid: Mask | None
    lsr_size: tuple[int, int]
    fused: bool = False
    distance: float | None = None
    unlit: FloatImage | None = None
    light: FloatImage | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Synthesis:
    """One synthesised picture.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        weight: See `FusedFrame`.
        valid: (H, W) bool, where its detail comes from a reference; None for everywhere.
        lights: `Reference.light` of the references; empty where the picture is a reference as it is.

    """

    image: ByteImage
    weight: npt.NDArray[np.float32] | None
    valid: Mask | None
    lights: Lights = ()


class Synthesiser(Protocol):
    """One way to bring a reference's detail into an upscaled frame."""

    @property
    def recursion(self) -> str:
        """The better one of `RECURSIONS` for this method, by measurement."""
        ...

    def synthesise(self, lsr: ByteImage, upscaled: FloatImage, references: Sequence[Reference]) -> Synthesis:
        """Fuse (h, w, 3) `lsr`, (H, W, 3) `upscaled` in 0..255 and at least one reference."""
        ...


def prepare_reference(
    image: ByteImage,
    valid: Mask | None,
    lsr_size: tuple[int, int],
    fill: FloatImage | None = None,
    *,
    fused: bool = False,
    distance: float | None = None,
) -> Reference:
    """Make a picture ready to be warped.

    Args:
        image: (H, W, 3) uint8.
        valid: (H, W) bool or None.
        lsr_size: Rows and columns of the LSR frames.
        fill: (H, W, 3) float32 put where `valid` is False, so that a black border cannot pull the flow.
        fused: Whether it is itself a fused picture.
        distance: See `Reference`.

    """
    sharp = image.astype(np.float32)
    if valid is not None and fill is not None:
        sharp = np.where(valid[..., None], sharp, fill)
    return Reference(sharp, lose_detail(sharp, lsr_size), valid, lsr_size, fused, distance)


def synthesis_order(distances: Sequence[float], recursion: str) -> list[int]:
    """Positions in the order of synthesis.

    Time order when every frame comes straight from the sharp one; for the recursion, outwards from the
    synchronised instant: backwards first, then forwards.
    """
    positions = sorted(range(len(distances)), key=lambda position: distances[position])
    if recursion == "direct":
        return positions
    before = [position for position in positions if distances[position] < 0]
    return before[::-1] + positions[len(before) :]


def synthesise_gop(
    synthesiser: Synthesiser,
    lsr: Sequence[ByteImage],
    distances: Sequence[float],
    references: Sequence[tuple[ByteImage, Mask | None]],
    *,
    recursion: str,
    cancelled: Callable[[], bool],
    same_view: bool = True,
    next_distances: Sequence[float] | None = None,
) -> Iterator[FusedFrame]:
    """Make the frames of one GoP in time order.

    Args:
        synthesiser: The method.
        lsr: (h, w, 3) uint8 RGB frames.
        distances: One signed distance for each of them, all different.
        references: The synchronised sharp frame with its validity, then any further ones.
        recursion: One of `RECURSIONS`.
        cancelled: Asked before every frame; True ends the iteration.
        same_view: The first reference shows exactly what the frame at distance 0 shows and is taken as it is;
            False where it was aligned from another camera and has to be fused like the others.
        next_distances: The frames' distances from the second reference, where they are known.

    Yields:
        Frames by ascending distance. In the recursion those before the synchronised instant are held back
        until the earliest is done.

    """
    height, width = references[0][0].shape[:2]
    nearest = min(range(len(lsr)), key=lambda position: abs(distances[position]))
    fill = upscale(lsr[nearest], height, width)
    sharp = [prepare_reference(image, valid, lsr[0].shape[:2], fill) for image, valid in references]
    held: list[FusedFrame] = []
    previous, origin = sharp[0], "hsr"
    side = np.sign(0)
    for position in synthesis_order(distances, recursion):
        if cancelled():
            return
        distance = distances[position]
        if np.sign(distance) != side or recursion == "direct":
            side, previous, origin = np.sign(distance), sharp[0], "hsr"
            yield from reversed(held)
            held.clear()
        upscaled = upscale(lsr[position], height, width)
        if distance == 0 and same_view:
            synthesis = _synchronised(*references[0], upscaled)
        else:
            given = [previous if previous.fused else replace(previous, distance=distance), *sharp[1:]]
            if next_distances is not None and len(given) > 1:
                given[1] = replace(given[1], distance=next_distances[position])
            synthesis = synthesiser.synthesise(lsr[position], upscaled, given)
        frame = FusedFrame(synthesis.image, position, distance, origin, synthesis.weight, synthesis.lights)
        if recursion == "recurrent" and (distance or not same_view):
            previous = prepare_reference(synthesis.image, synthesis.valid, lsr[0].shape[:2], fused=True)
            origin = "hstr"
        if recursion == "recurrent" and distance < 0:
            held.append(frame)
        else:
            yield frame
    yield from reversed(held)


def _synchronised(image: ByteImage, valid: Mask | None, upscaled: FloatImage) -> Synthesis:
    if valid is None:
        return Synthesis(image, np.ones(image.shape[:2], np.float32), None)
    filled = np.clip(np.rint(upscaled), 0, 255).astype(np.uint8)
    return Synthesis(np.where(valid[..., None], image, filled), valid.astype(np.float32), valid)
