"""Figures of several methods on a folder of clips with known truth."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fusion.engine import Fuser
from fusion.errors import FusionInputError
from fusion.evaluation.protocols import GOP, Figure, gops, septuplets, whole
from fusion.resample import ByteImage
from fusion.training.clips import find_clips, load_clip

PROTOCOLS = ("septuplet", "gop")
"""`septuplet`: 448 px wide, reference two frames later. `gop`: 640 px wide, GoPs of 8, first 40 frames."""

_WIDTH = {"septuplet": 448, "gop": 640}
_MOST = {"septuplet": 60, "gop": 40}
_SEPTUPLETS = 4
_MULTIPLE = 16


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; PSNR [dB] and SSIM are means over frames per clip, then over clips.

    Attributes:
        method: The method.
        model: The weights file in use, or "none".
        protocol: One of `PROTOCOLS`.
        scale: Output pixels per LSR pixel.
        noise_variance: Of the LSR frames, of values in 0..1.
        frames: Frames judged.
        psnr: Mean PSNR.
        ssim: Mean SSIM of the luma.
        weight: Mean share W of the reference.
        seconds: Time for one frame [s].
        by_clip: PSNR of each clip.
        by_distance: PSNR at each distance from the synchronised frame.

    """

    method: str
    model: str
    protocol: str
    scale: int
    noise_variance: float
    frames: int
    psnr: float
    ssim: float
    weight: float
    seconds: float
    by_clip: dict[str, float]
    by_distance: dict[int, float]

    def to_json(self) -> dict[str, Any]:
        """The row as plain values, rounded to what is meaningful."""
        row = asdict(self)
        for key in ("psnr", "ssim", "weight", "seconds"):
            row[key] = round(row[key], 4)
        for key in ("by_clip", "by_distance"):
            row[key] = {str(name): round(value, 3) for name, value in row[key].items()}
        return row


def evaluate(
    folder: Path,
    *,
    scale: int,
    methods: Sequence[str],
    protocol: str = "septuplet",
    noise_variance: float = 0.0,
    recursion: str | None = None,
    device: str = "auto",
    on_clip: Callable[[str], None] | None = None,
) -> list[Row]:
    """Judge methods on all clips and frame folders in `folder`.

    Args:
        folder: Clips with known truth: every frame is reduced to make its LSR frame.
        scale: Output pixels per LSR pixel.
        methods: Method names of `fusion.METHODS`.
        protocol: One of `PROTOCOLS`.
        noise_variance: Gaussian noise put on the LSR frames, of values in 0..1.
        recursion: As in `Fuser`; matters for GoPs only.
        device: As in `Fuser`.
        on_clip: Hears the name of each clip when it is done.

    Returns:
        One row for each method.

    Raises:
        FusionInputError: Unknown protocol, or clips too short for it.
        FusionError: As `Fuser` and `find_clips` say.

    """
    if protocol not in PROTOCOLS:
        raise FusionInputError(f"unknown protocol {protocol!r}; choose {' or '.join(PROTOCOLS)}")
    fusers = [
        Fuser(method, scale=scale, device=device, noise_variance=noise_variance, recursion=recursion)
        for method in methods
    ]
    figures: list[list[Figure]] = [[] for _ in fusers]
    seconds = [0.0 for _ in fusers]
    with tempfile.TemporaryDirectory() as cache:
        for path in find_clips(folder):
            clip = load_clip(path, Path(cache), width=_WIDTH[protocol], most=_MOST[protocol])
            frames = [whole(frame, _MULTIPLE) for frame in clip.frames]
            if len(frames) < GOP or 0 in frames[0].shape:
                raise FusionInputError(
                    f"{path}: needs at least {GOP} frames of {_MULTIPLE}x{_MULTIPLE} pixels; leave it out"
                )
            for index, fuser in enumerate(fusers):
                began = time.perf_counter()
                figures[index] += _figures(fuser, clip.name, frames, scale, protocol, noise_variance)
                seconds[index] += time.perf_counter() - began
            if on_clip:
                on_clip(clip.name)
    return [
        _row(fuser, protocol, scale, noise_variance, own, spent)
        for fuser, own, spent in zip(fusers, figures, seconds, strict=True)
    ]


def _figures(
    fuser: Fuser, name: str, frames: Sequence[ByteImage], scale: int, protocol: str, noise_variance: float
) -> Iterator[Figure]:
    if protocol == "gop":
        return gops(
            fuser.synthesiser, name, frames, scale, recursion=fuser.recursion, noise_variance=noise_variance
        )
    positions = sorted({int(x) for x in np.linspace(1, len(frames) - 4, _SEPTUPLETS)})
    return septuplets(
        fuser.synthesiser, name, frames, scale, positions=positions, noise_variance=noise_variance
    )


def _row(
    fuser: Fuser, protocol: str, scale: int, noise_variance: float, figures: Sequence[Figure], seconds: float
) -> Row:
    clips = sorted({figure.clip for figure in figures})
    distances = sorted({figure.distance for figure in figures})

    def mean(quantity: str) -> float:
        of_clips = [np.mean([getattr(f, quantity) for f in figures if f.clip == clip]) for clip in clips]
        return float(np.mean(of_clips))

    return Row(
        method=fuser.method,
        model=fuser.model,
        protocol=protocol,
        scale=scale,
        noise_variance=noise_variance,
        frames=len(figures),
        psnr=mean("psnr"),
        ssim=mean("ssim"),
        weight=mean("weight"),
        seconds=seconds / len(figures),
        by_clip={clip: float(np.mean([f.psnr for f in figures if f.clip == clip])) for clip in clips},
        by_distance={d: float(np.mean([f.psnr for f in figures if f.distance == d])) for d in distances},
    )
