"""Order of synthesis over one group of pictures (GoP-m) around a synchronised sharp frame (paper 3.2.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Protocol

import numpy as np
import numpy.typing as npt

from fusion.digital_gain import brightness, gain_of_moment
from fusion.levels import FloatImage, Picture, to_depth_of, to_floats
from fusion.resample import lose_detail, upscale

RECURSIONS = ("recurrent", "direct")
"""What is warped: the frame made just before (`recurrent`, the paper's way), or the sharp one (`direct`)."""

NEIGHBOURS = 4
"""How many LSR frames of other moments a method is given."""

Mask = npt.NDArray[np.bool_]

Lights = tuple[FloatImage | None, ...]


@dataclass(frozen=True, slots=True, eq=False)
class FusedFrame:
    """One frame of the HSTR video.

    Attributes:
        image: (H, W, 3) RGB, uint8, or uint16 like the sharp frame it was made from.
        position: Index into the LSR sequence given.
        distance: Signed number of LSR periods from the synchronised instant.
        reference: What was warped: "hsr", a sharp camera frame, or "hstr", the frame made just before.
        weight: (H, W) float32, share of the reference in every pixel (W of paper eq. 12; nominally 0..1, a
            network's unconstrained taps may leave that range), or None for methods without one.
        lights: See `Synthesis`.

    """

    image: Picture
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
        image: (H, W, 3) float32 RGB in 0..255, a little beyond at sharp edges.
        weight: See `FusedFrame`.
        valid: (H, W) bool, where its detail comes from a reference; None for everywhere.
        lights: `Reference.light` of the references; empty where the picture is a reference as it is.

    """

    image: FloatImage
    weight: npt.NDArray[np.float32] | None
    valid: Mask | None
    lights: Lights = ()


class Synthesiser(Protocol):
    """One way to bring a reference's detail into an upscaled frame."""

    @property
    def recursion(self) -> str:
        """The better one of `RECURSIONS` for this method, by measurement."""
        ...

    def synthesise(
        self,
        lsr: FloatImage,
        upscaled: FloatImage,
        references: Sequence[Reference],
        neighbours: Sequence[FloatImage] = (),
    ) -> Synthesis:
        """Fuse (h, w, 3) `lsr`, (H, W, 3) `upscaled`, both in 0..255, and at least one reference.

        `neighbours` are other LSR frames like `lsr`, nearest in time first; a method may leave them out.
        """
        ...


def prepare_reference(
    image: Picture | FloatImage,
    valid: Mask | None,
    lsr_size: tuple[int, int],
    fill: FloatImage | None = None,
    *,
    fused: bool = False,
    distance: float | None = None,
) -> Reference:
    """Make a picture ready to be warped.

    Args:
        image: (H, W, 3), as cameras give it or float32 in 0..255.
        valid: (H, W) bool or None.
        lsr_size: Rows and columns of the LSR frames.
        fill: (H, W, 3) float32 put where `valid` is False, so that a black border cannot pull the flow.
        fused: Whether it is itself a fused picture.
        distance: See `Reference`.

    """
    sharp = to_floats(image)
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


def nearest_in_time(moments: Sequence[float], position: int) -> list[int]:
    """Positions of the `NEIGHBOURS` frames nearest in time to one of them, nearest first, itself left out.

    Args:
        moments: When each frame was taken, in any unit.
        position: Index of the frame.

    """
    moment = moments[position]
    others = [k for k in range(len(moments)) if k != position]
    return sorted(others, key=lambda k: (abs(moments[k] - moment), moments[k]))[:NEIGHBOURS]


def synthesise_gop(
    synthesiser: Synthesiser,
    lsr: Sequence[Picture],
    distances: Sequence[float],
    references: Sequence[tuple[Picture, Mask | None]],
    *,
    recursion: str,
    cancelled: Callable[[], bool],
    same_view: bool = True,
    next_distances: Sequence[float] | None = None,
    beside: Sequence[tuple[Picture, float]] = (),
    gain: float = 1.0,
    at_gain: Callable[[float], Synthesiser] | None = None,
) -> Iterator[FusedFrame]:
    """Make the frames of one GoP in time order.

    Args:
        synthesiser: The method.
        lsr: (h, w, 3) RGB frames.
        distances: One signed distance for each of them, all different.
        references: The synchronised sharp frame with its validity, then any further ones.
        recursion: One of `RECURSIONS`.
        cancelled: Asked before every frame; True ends the iteration.
        same_view: The first reference shows exactly what the frame at distance 0 shows and is taken as it is;
            False where it was aligned from another camera and has to be fused like the others.
        next_distances: The frames' distances from the second reference, where they are known.
        beside: Further LSR frames of the stream with their distances, which help to make those given.
        gain: Pictures are fused so many times as bright, less where they would become too bright.
        at_gain: Gives the method for pictures so many times as bright, whose noise is as much stronger; None
            for `synthesiser` always.

    Yields:
        Frames by ascending distance. In the recursion those before the synchronised instant are held back
        until the earliest is done.

    """
    synchronised = references[0][0]
    height, width = synchronised.shape[:2]
    nearest = lsr[min(range(len(lsr)), key=lambda position: abs(distances[position]))]
    levels = [brightness(image) for image, _ in references] if gain > 1 else []
    ready: dict[float, list[Reference]] = {}
    held: list[FusedFrame] = []
    previous: tuple[Picture, Mask | None] | None = None
    side = np.sign(0)
    shown = [*lsr, *(picture for picture, _ in beside)]
    moments = [*distances, *(distance for _, distance in beside)]
    for position in synthesis_order(distances, recursion):
        if cancelled():
            return
        distance = distances[position]
        if np.sign(distance) != side or recursion == "direct":
            side, previous = np.sign(distance), None
            yield from reversed(held)
            held.clear()
        own = gain_of_moment(chain(levels, map(brightness, [lsr[position]])), gain)
        seen = to_floats(lsr[position], own)
        upscaled = upscale(seen, height, width)
        if own not in ready:
            # Those of another gain are given up: each takes hundreds of megabytes.
            fill = upscale(to_floats(nearest, own), height, width)
            ready = {own: [_ready(*one, lsr[0].shape[:2], own, fill) for one in references]}
        if distance == 0 and same_view:
            synthesis = _synchronised(references[0], upscaled, own)
        else:
            given = [replace(ready[own][0], distance=distance), *ready[own][1:]]
            if previous is not None:
                given[0] = _ready(*previous, lsr[0].shape[:2], own, fused=True)
            if next_distances is not None and len(given) > 1:
                given[1] = replace(given[1], distance=next_distances[position])
            maker = at_gain(own) if at_gain else synthesiser
            near = nearest_in_time(moments, position)
            synthesis = maker.synthesise(seen, upscaled, given, [to_floats(shown[k], own) for k in near])
        image = to_depth_of(synchronised, synthesis.image, own)
        origin = "hsr" if previous is None else "hstr"
        frame = FusedFrame(image, position, distance, origin, synthesis.weight, synthesis.lights)
        if recursion == "recurrent" and (distance or not same_view):
            previous = image, synthesis.valid
        if recursion == "recurrent" and distance < 0:
            held.append(frame)
        else:
            yield frame
    yield from reversed(held)


def _ready(
    image: Picture,
    valid: Mask | None,
    lsr_size: tuple[int, int],
    gain: float,
    fill: FloatImage | None = None,
    *,
    fused: bool = False,
) -> Reference:
    return prepare_reference(to_floats(image, gain), valid, lsr_size, fill, fused=fused)


def _synchronised(reference: tuple[Picture, Mask | None], upscaled: FloatImage, gain: float) -> Synthesis:
    image, valid = reference
    sharp = to_floats(image, gain)
    if valid is None:
        return Synthesis(sharp, np.ones(image.shape[:2], np.float32), None)
    return Synthesis(np.where(valid[..., None], sharp, upscaled), valid.astype(np.float32), valid)
