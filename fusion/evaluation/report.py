"""Figures of several methods on a data set with known truth."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fusion.cards import own, upscaler_for
from fusion.engine import TAKES_FLOW, Fuser
from fusion.errors import FusionInputError, MethodError
from fusion.evaluation.layouts import Pair, read_clips, read_pairs
from fusion.evaluation.plain import Plain
from fusion.evaluation.protocols import GOP, MULTIPLE, Figure, aside, ends, gops, septuplets, whole
from fusion.gop import RECURSIONS, Synthesiser
from fusion.inference import UpscalerSynthesiser
from fusion.levels import ByteImage
from fusion.live import load_live

PROTOCOLS = ("septuplet", "gop", "ends", "aside")
"""`septuplet`: 448 px wide, reference two frames later. `gop`: 640 px wide, GoPs of 8, first 40 frames.
`ends`: 448 px wide, five frames between two sharp ones (paper Table 5). `aside`: the reference is from the
same moment but from elsewhere (KITTI, light fields)."""

PLAIN = "plain"
"""Name of the yardstick `Plain` among the methods."""

_TWO_SIDED = ("gop", "ends")
_WIDTH = {"septuplet": 448, "gop": 640, "ends": 448}
_MOST = {"septuplet": 60, "gop": 40, "ends": 19}
_FEWEST = {"septuplet": 7, "gop": GOP, "ends": 7}
_SEPTUPLETS = 4


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; PSNR [dB] and SSIM are means over frames per clip, then over clips.

    Attributes:
        method: The method, or "upscaler" for the learned upscaler by itself.
        model: The weights file in use, or "none".
        flow: The flow network's weights file in use, or "own" for the method's own way to find motion.
        references: Sharp frames used for each frame.
        protocol: One of `PROTOCOLS`.
        scale: Output pixels per LSR pixel.
        noise_variance: Of the LSR frames, of values in 0..1.
        frames: Frames judged.
        psnr: Mean PSNR.
        ssim: Mean SSIM of the luma.
        weight: Mean share W of the reference.
        seconds: Time for one frame [s].
        by_clip: PSNR of each clip.
        ssim_by_clip: SSIM of each clip.
        by_distance: PSNR at each distance from the synchronised frame.

    """

    method: str
    model: str
    flow: str
    references: int
    protocol: str
    scale: int
    noise_variance: float
    frames: int
    psnr: float
    ssim: float
    weight: float
    seconds: float
    by_clip: dict[str, float]
    ssim_by_clip: dict[str, float]
    by_distance: dict[int, float]

    def to_json(self) -> dict[str, Any]:
        """The row as plain values, rounded to what is meaningful."""
        row = asdict(self)
        for key in ("psnr", "ssim", "weight", "seconds"):
            row[key] = round(row[key], 4)
        for key in ("by_clip", "ssim_by_clip", "by_distance"):
            row[key] = {str(name): round(value, 4) for name, value in row[key].items()}
        return row


@dataclass(slots=True)
class _Candidate:
    method: str
    model: str
    flow: str
    synthesiser: Synthesiser
    recursion: str
    references: int
    figures: list[Figure] = field(default_factory=list)
    seconds: float = 0.0


def evaluate(
    folder: Path,
    *,
    scale: int,
    methods: Sequence[str] = (),
    weights: Sequence[Path] = (),
    flow: Path | None = None,
    upscaler: bool = False,
    references: Sequence[int] = (1,),
    protocol: str = "septuplet",
    noise_variance: float = 0.0,
    recursion: str | None = None,
    on_clip: Callable[[str], None] | None = None,
) -> list[Row]:
    """Judge methods on a data set: clips and frame folders, Vimeo90K's test set, KITTI or light fields.

    Args:
        folder: Pictures with known truth: every frame is reduced to make its LSR frame.
        scale: Output pixels per LSR pixel.
        methods: Method names of `fusion.METHODS`, or `PLAIN`, which uses one reference only; with more than
            one, those that can use them.
        weights: Weights files of one's own, judged as further methods.
        flow: As in `Fuser`, for those methods that take a flow network.
        upscaler: Judge the learned upscaler as well: what it makes of the LSR frame alone (paper Table 4).
        references: Numbers of references; each gives rows of its own. Two only for `gop` and `ends`.
        protocol: One of `PROTOCOLS`.
        noise_variance: Gaussian noise put on the LSR frames, of values in 0..1.
        recursion: As in `Fuser`; matters for GoPs only.
        on_clip: Hears the name of each clip when it is done.

    Returns:
        One row for each method or weights file and number of references.

    Raises:
        FusionInputError: Unknown protocol, clips too short or too small for it, or nothing to judge.
        MethodError: Unknown recursion.
        FusionError: As `Fuser`, `read_clips` and `read_pairs` say.

    """
    if protocol not in PROTOCOLS:
        raise FusionInputError(f"unknown protocol {protocol!r}; choose {' or '.join(PROTOCOLS)}")
    if recursion is not None and recursion not in RECURSIONS:
        raise MethodError(f"unknown recursion {recursion!r}; choose {' or '.join(RECURSIONS)}")
    if max(references, default=1) > 1 and protocol not in _TWO_SIDED:
        raise FusionInputError(
            f"{protocol} has one reference; two are for the protocols {' and '.join(_TWO_SIDED)}"
        )

    names = dict(zip(weights, _told_apart(weights), strict=True))

    def candidate(count: int, method: str | None, file: Path | None) -> _Candidate:
        if method == PLAIN:
            return _Candidate(PLAIN, "none", "own", Plain(), recursion or Plain.recursion, count)
        takes_flow = (own(file).method if file else method) in TAKES_FLOW
        fuser = Fuser(
            method,
            scale=scale,
            references=count,
            noise_variance=noise_variance,
            recursion=recursion,
            weights=file,
            flow=flow if takes_flow else None,
        )
        motion = fuser.flow.stem if fuser.flow else "own"
        model = names[file] if file else fuser.model
        return _Candidate(fuser.method, model, motion, fuser.synthesiser, fuser.recursion, count)

    candidates = [_upscaler(scale, noise_variance)] if upscaler else []
    candidates += [
        candidate(count, method, None)
        for count in references
        for method in methods
        if not (method == PLAIN and count > 1)
    ]
    candidates += [candidate(count, None, file) for count in references for file in weights]
    if not candidates:
        raise FusionInputError("nothing to judge: name a method; plain uses one reference only")
    if flow and not any(one.flow != "own" for one in candidates):
        raise FusionInputError(
            f"{flow}: none of the methods takes a flow network; judge {' or '.join(TAKES_FLOW)} with it"
        )

    def judge(cache: Path) -> None:
        for name, scene in _scenes(folder, cache, protocol):
            for one in candidates:
                began = time.perf_counter()
                one.figures += _figures(one, name, scene, scale, protocol, noise_variance)
                one.seconds += time.perf_counter() - began
            if on_clip:
                on_clip(name)

    # Windows removes no file that is mapped: all scenes are gone by then, unless an error holds them.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as cache:
        judge(Path(cache))
    if not all(one.figures for one in candidates):
        raise FusionInputError(f"{folder}: nothing in it that {protocol} could judge")
    return [_row(one, protocol, scale, noise_variance) for one in candidates]


def _told_apart(files: Sequence[Path]) -> list[str]:
    """Names of weights files, with as many of their folders as it takes: runs of one kind name them alike."""
    paths = [file.resolve().with_suffix("") for file in files]
    depth = 1
    while len({path.parts[-depth:] for path in paths}) < len(set(paths)):
        depth += 1
    return ["/".join(path.parts[-depth:]) for path in paths]


def _upscaler(scale: float, noise_variance: float) -> _Candidate:
    card = upscaler_for(scale, noise_variance)
    synthesiser = UpscalerSynthesiser(load_live(card.path).guess, noise_variance)
    return _Candidate("upscaler", card.name, "own", synthesiser, synthesiser.recursion, 1)


def _scenes(folder: Path, cache: Path, protocol: str) -> Iterator[tuple[str, Pair | list[ByteImage]]]:
    if protocol == "aside":
        for pair in read_pairs(folder):
            if 0 in whole(pair.target, MULTIPLE).shape:
                raise FusionInputError(
                    f"{folder}: {pair.name} has fewer than {MULTIPLE}x{MULTIPLE} pixels; leave it out"
                )
            yield pair.name, pair
        return
    clips = list(read_clips(folder, cache, width=_WIDTH[protocol], most=_MOST[protocol]))
    # All of them before the first is judged: one that cannot be would cost the figures of those before it.
    for name, load in clips:
        count, height, width, _ = load().frames.shape
        if count < _FEWEST[protocol] or min(height, width) < MULTIPLE:
            raise FusionInputError(
                f"{folder}: {name}: needs at least {_FEWEST[protocol]} frames of {MULTIPLE}x{MULTIPLE} "
                "pixels; leave it out"
            )
    for name, load in clips:
        yield name, [whole(frame, MULTIPLE) for frame in load().frames]


def _figures(
    one: _Candidate,
    name: str,
    scene: Pair | list[ByteImage],
    scale: int,
    protocol: str,
    noise_variance: float,
) -> Iterator[Figure]:
    synthesiser = one.synthesiser
    if isinstance(scene, Pair):
        return aside(synthesiser, scene, scale, noise_variance=noise_variance)
    if protocol == "gop":
        return gops(
            synthesiser,
            name,
            scene,
            scale,
            references=one.references,
            recursion=one.recursion,
            noise_variance=noise_variance,
        )
    if protocol == "ends":
        return ends(synthesiser, name, scene, scale, references=one.references, noise_variance=noise_variance)
    positions = sorted({int(x) for x in np.linspace(1, len(scene) - 4, _SEPTUPLETS)})
    return septuplets(synthesiser, name, scene, scale, positions=positions, noise_variance=noise_variance)


def _row(one: _Candidate, protocol: str, scale: int, noise_variance: float) -> Row:
    figures = one.figures
    clips = sorted({figure.clip for figure in figures})
    distances = sorted({figure.distance for figure in figures})

    def by_clip(quantity: str) -> dict[str, float]:
        return {
            clip: float(np.mean([getattr(f, quantity) for f in figures if f.clip == clip])) for clip in clips
        }

    def mean(quantity: str) -> float:
        return float(np.mean(list(by_clip(quantity).values())))

    return Row(
        method=one.method,
        model=one.model,
        flow=one.flow,
        references=one.references,
        protocol=protocol,
        scale=scale,
        noise_variance=noise_variance,
        frames=len(figures),
        psnr=mean("psnr"),
        ssim=mean("ssim"),
        weight=mean("weight"),
        seconds=one.seconds / len(figures),
        by_clip=by_clip("psnr"),
        ssim_by_clip=by_clip("ssim"),
        by_distance={d: float(np.mean([f.psnr for f in figures if f.distance == d])) for d in distances},
    )
