"""What one fused frame costs: time, processor time and memory, each method in a process of its own."""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import psutil
import torch

from fusion.awnet import AWnet
from fusion.cards import METHODS, runnable
from fusion.engine import Fuser
from fusion.errors import FusionInputError, MethodError
from fusion.evaluation.protocols import GOP
from fusion.gop import NEIGHBOURS, Reference, Synthesis, Synthesiser, prepare_reference
from fusion.inference import AWnetSynthesiser
from fusion.levels import ByteImage, FloatImage, to_bytes, to_floats
from fusion.motion import warp_array
from fusion.resample import upscale

PEER = "OpenCV DIS and warp"
"""What others do on a CPU: motion between the frames as they are, and the sharp one moved along it."""

SIZES = ((640, 448), (1280, 704), (2304, 1920), (3840, 2160))
"""Width and height: the paper's two, its rig, and 4K."""

_AWNET_BYTES_PER_PIXEL = 2300
_SHARE_OF_MEMORY = 0.5
_MEBIBYTE = 2**20


@dataclass(frozen=True, slots=True)
class Cost:
    """One method at one size.

    Attributes:
        method: A name of `fusion.METHODS`, or `PEER`.
        model: The weights file in use; "none", or "untrained": weights do not change what a network costs.
        device: "cpu" or "cuda".
        width: Of the fused frame [px].
        height: Of the fused frame [px].
        references: Sharp frames used.
        seconds: Median time for one frame of a GoP of 8 [s].
        cpu_seconds: Mean processor time for one [s].
        memory_mb: Most memory beyond what the process took before, on the device [MiB].

    """

    method: str
    model: str
    device: str
    width: int
    height: int
    references: int
    seconds: float
    cpu_seconds: float
    memory_mb: float


def measure(
    methods: Sequence[str],
    sizes: Sequence[tuple[int, int]] = SIZES,
    *,
    scale: int = 4,
    references: Sequence[int] = (1, 2),
    frames: int = 3,
    device: str = "auto",
    on_row: Callable[[Cost], None] | None = None,
) -> tuple[list[Cost], list[str]]:
    """Fuse some frames with every method at every size, one after the other.

    Args:
        methods: Names of `fusion.METHODS`, or `PEER`.
        sizes: Width and height of the fused frames [px].
        scale: Output pixels per LSR pixel.
        references: Numbers of sharp frames; methods are measured with those they can use.
        frames: How often it is measured, after once that does not count.
        device: As in `Fuser`.
        on_row: Hears every row.

    Returns:
        The rows, and one sentence for everything that was left out.

    Raises:
        FusionInputError: A size is too small for the scale.
        MethodError: There is no such method.
        FusionError: As `Fuser` says.

    """
    odd = next((method for method in methods if method not in (PEER, *METHODS)), None)
    if odd is not None:
        raise MethodError(f"unknown method {odd!r}; choose one of {', '.join(METHODS)}")
    for width, height in sizes:
        if min(width, height) < 16 * scale:
            raise FusionInputError(f"{width}x{height}: give sizes of at least {16 * scale} pixels")
    rows: list[Cost] = []
    left_out: list[str] = []
    spawn = multiprocessing.get_context("spawn")
    for width, height in sizes:
        for method in methods:
            if method == "awnet" and (need := width * height * _AWNET_BYTES_PER_PIXEL) > _free(device):
                left_out.append(f"awnet at {width}x{height} needs about {need / 2**30:.0f} GiB")
                continue
            alone = method in (PEER, "bicubic")
            # awnet is measured untrained, which it can be for any number.
            usable = [n for n in references if method == "awnet" or method in runnable(n)]
            for count in (1,) if alone else usable:
                # A process of its own: memory that the one before took says nothing about this one.
                with ProcessPoolExecutor(1, mp_context=spawn) as pool:
                    work = pool.submit(_cost, method, width, height, scale, count, frames, device)
                    try:
                        row = work.result()
                    except BrokenProcessPool:
                        ended = "the system ended it, most likely for want of memory"
                        left_out.append(f"{method} at {width}x{height}: {ended}")
                        continue
                rows.append(row)
                if on_row:
                    on_row(row)
    return rows, left_out


def _free(device: str) -> float:
    if device != "cpu" and torch.cuda.is_available():
        return _SHARE_OF_MEMORY * torch.cuda.mem_get_info()[0]
    return _SHARE_OF_MEMORY * psutil.virtual_memory().available


class _Peer:
    recursion = "direct"

    def synthesise(
        self,
        lsr: FloatImage,
        upscaled: FloatImage,
        references: Sequence[Reference],
        neighbours: Sequence[FloatImage] = (),
    ) -> Synthesis:
        dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        sharp = references[0].image
        grey = [cv2.cvtColor(to_bytes(image), cv2.COLOR_RGB2GRAY) for image in (upscaled, sharp)]
        flow = dis.calc(grey[0], grey[1], None)  # type: ignore[call-overload]
        return Synthesis(warp_array(sharp, flow), None, None)


def _synthesiser(method: str, scale: int, references: int, device: str) -> tuple[Synthesiser, str, str]:
    """What makes frames, its weights, and its device."""
    if method == PEER:
        return _Peer(), "none", "cpu"
    if method == "awnet":
        used = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
        return AWnetSynthesiser(AWnet(references), scale, used), "untrained", used
    fuser = Fuser(method, scale=scale, references=references, device=device)
    return fuser.synthesiser, fuser.model, fuser.device


def _cost(
    method: str, width: int, height: int, scale: int, references: int, frames: int, device: str
) -> Cost:
    target, *others = _pictures(width, height, 1 + max(references, NEIGHBOURS))
    sharp = others[:references]
    size = (width // scale, height // scale)
    lsr, *near = (
        np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        for picture in (target, *others[:NEIGHBOURS])
    )
    synthesiser, model, used = _synthesiser(method, scale, references, device)
    before = 0.0 if used == "cuda" else _memory_now()
    # The first frame of a GoP also pays for what all of them share.
    shares = np.array((1, GOP - 1)) / GOP
    costs = []
    for _ in range(1 + frames):
        moments = [(time.perf_counter(), time.process_time())]
        ready = [
            prepare_reference(image, None, lsr.shape[:2], distance=distance)
            for image, distance in zip(sharp, (1, -1), strict=False)
        ]
        for _ in shares:
            synthesiser.synthesise(
                to_floats(lsr), upscale(lsr, height, width), ready, list(map(to_floats, near))
            )
            moments.append((time.perf_counter(), time.process_time()))
        costs.append(shares @ np.diff(moments, axis=0))
    times, spent = np.transpose(costs[1:])
    return Cost(
        method=method,
        model=model,
        device=used,
        width=width,
        height=height,
        references=references,
        seconds=float(np.median(times)),
        cpu_seconds=float(np.mean(spent)),
        memory_mb=(_most_memory(used) - before) / _MEBIBYTE,
    )


def _pictures(width: int, height: int, count: int) -> list[ByteImage]:
    """Texture that pans, so that there is motion to find and detail to fetch."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (height // 4 + 8, width // 4 + 8, 3), dtype=np.uint8)
    large = cv2.resize(small, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    return [np.ascontiguousarray(large[k : k + height, 2 * k : 2 * k + width]) for k in range(count)]


def _memory_now() -> float:
    """Bytes in use; on Linux `_most_memory` counts from here on."""
    with suppress(OSError):
        if sys.platform == "linux":
            Path("/proc/self/clear_refs").write_text("5")
    return float(psutil.Process().memory_info().rss)


def _most_memory(device: str) -> float:
    """Most bytes in use so far."""
    if device == "cuda":
        return float(torch.cuda.max_memory_allocated())
    if sys.platform == "win32":
        return float(psutil.Process().memory_info().peak_wset)
    if sys.platform == "linux":
        # What `getrusage` tells begins with the memory of the process that started this one.
        with suppress(OSError, StopIteration):
            lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
            return 1024.0 * int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
