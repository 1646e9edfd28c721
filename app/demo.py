"""The whole line on the emulated rig: capture -> take -> align -> fuse -> clip, measured by the truth."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from app.capture import CaptureJob, run_job
from app.errors import OutputError
from app.export import open_sink
from app.fusion_options import FusionOptions
from app.outputs import Claim, real_path, write_json, write_picture
from app.pipeline import Pipeline
from app.session import RigSetup
from app.sinks import CODECS
from app.versions import versions
from drivers import RgbImage, Take, in_8_bits
from drivers.spinnaker_emulator import truth_from_take
from fusion.evaluation.metrics import psnr

_HSR_SIZE = (1152, 960)
_LSR_SIZE = (288, 240)
_PICTURE_NAME = "comparison.png"
_MARK = "demo.json"
_CUT = 320


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo made and measured.

    Attributes:
        take: Folder of the take.
        clip: The fused clip.
        picture: LSR upscaled | fused | truth, the same cut-out of one frame.
        frames: Fused frames.
        frames_lost: Frames that the capture lost.
        psnr_bicubic: Mean PSNR of the bicubically upscaled LSR frames against the truth [dB].
        psnr_fused: Mean PSNR of the fused frames against the truth [dB].
        method: Fusion method.
        model: Weights, or "none".
        seconds: Time of the whole demo [s].

    """

    take: Path
    clip: Path
    picture: Path
    frames: int
    frames_lost: int
    psnr_bicubic: float
    psnr_fused: float
    method: str
    model: str
    seconds: float

    def to_json(self) -> dict[str, object]:
        """The `--json` line."""
        return {k: str(v) if isinstance(v, Path) else v for k, v in asdict(self).items()}


def run_demo(
    folder: Path,
    *,
    seconds: float = 0.4,
    method: str | None = None,
    on_stage: Callable[[str, int], None] | None = None,
    on_step: Callable[[], None] | None = None,
) -> DemoResult:
    """Record the emulated rig, fuse the take and compare with what the emulator knows to be true.

    Args:
        folder: Where to put everything; made when missing, emptied when an earlier demo made it.
        seconds: Length of the take [s].
        method: Fusion method; None = the best shipped one.
        on_stage: Called with (text, steps) when a stage begins.
        on_step: Called after each step of a stage.

    Raises:
        OutputError: The folder holds something that is not an earlier demo, or another demo is at work there.

    """
    _check(folder)
    claim = Claim(real_path(folder))
    try:
        _empty(folder)
        return _demo(folder, seconds, method, on_stage or _ignore_stage, on_step or _ignore_step)
    finally:
        claim.give_up()


def _demo(
    folder: Path,
    seconds: float,
    method: str | None,
    stage: Callable[[str, int], None],
    step: Callable[[], None],
) -> DemoResult:
    began = time.monotonic()
    frames_lost = _record(folder / "take", seconds, stage, step)
    with Take.open(folder / "take") as take:
        pipeline = Pipeline(take.pair(), FusionOptions(method=method))
        truth = TruthOfView(take, pipeline)
        clip = folder / "fused.mp4"
        sink = open_sink(clip, CODECS["h264"], pipeline.width, pipeline.height, pipeline.rate)
        stage(f"fusing by {pipeline.fuser.method}", pipeline.frame_count)
        fused_db: list[float] = []
        bicubic_db: list[float] = []
        shown = pipeline.frame_count // 2
        for number, frame in enumerate(pipeline.frames()):
            image, lsr = in_8_bits(frame.image), in_8_bits(frame.lsr)
            sink.write(image)
            true = truth.frame(frame.record.lsr_index)
            upscaled = upscale(lsr, pipeline.width, pipeline.height)
            fused_db.append(psnr(image, true))
            bicubic_db.append(psnr(upscaled, true))
            if number == shown:
                picture = compare([upscaled, image, true])
            step()
        sink.finish()
    write_picture(folder / _PICTURE_NAME, picture)
    result = DemoResult(
        take=folder / "take",
        clip=clip,
        picture=folder / _PICTURE_NAME,
        frames=len(fused_db),
        frames_lost=frames_lost,
        psnr_bicubic=round(float(np.mean(bicubic_db)), 3),
        psnr_fused=round(float(np.mean(fused_db)), 3),
        method=pipeline.fuser.method,
        model=pipeline.fuser.model,
        seconds=round(time.monotonic() - began, 1),
    )
    write_json(folder / _MARK, {**result.to_json(), "versions": versions()})
    return result


def _ignore_stage(text: str, steps: int) -> None:
    """Nobody is watching."""


def _ignore_step() -> None:
    """Nobody is watching."""


def _check(folder: Path) -> None:
    """Refuse a folder that no demo made."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; give a folder with --out")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _MARK).is_file():
        raise OutputError(f"{folder} holds other files; give a new folder with --out")


def _empty(folder: Path) -> None:
    if folder.is_dir() and any(folder.iterdir()):
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # Marked at once, so that a demo that was stopped half way can be repeated.
    write_json(folder / _MARK, {})


def _record(take: Path, seconds: float, stage: Callable[[str, int], None], step: Callable[[], None]) -> int:
    job = CaptureJob(
        RigSetup(emulate=True, hsr_size=_HSR_SIZE, lsr_size=_LSR_SIZE),
        take,
        seconds,
        name="demo",
    )
    stage("recording the emulated rig", job.expected_lsr_frames)
    seen = 0

    def count(received: int) -> None:
        nonlocal seen
        for _ in range(received - seen):
            step()
        seen = max(seen, received)

    return run_job(job, on_frame=count).frames_lost


class TruthOfView:
    """What the emulator knows: the LSR view of a moment with the pixels of the output view."""

    def __init__(self, take: Take, pipeline: Pipeline) -> None:
        truth = truth_from_take(take)
        x, y, width, height = pipeline.alignment.lsr_crop
        region = replace(
            truth.region,
            offset_x=truth.region.offset_x + x * truth.region.binning,
            offset_y=truth.region.offset_y + y * truth.region.binning,
            width=width * truth.region.binning,
            height=height * truth.region.binning,
        )
        self._take = take
        self._truth = replace(truth, region=region)
        self._size = (pipeline.height, pipeline.width)

    def frame(self, lsr_index: int) -> RgbImage:
        """True picture of one LSR frame, (H, W, 3) uint8 RGB of the output view's size."""
        return self._truth.frame(self._take.lsr.read(lsr_index), *self._size)


def upscale(image: RgbImage, width: int, height: int) -> RgbImage:
    """Bicubic enlargement with pixel centres, uint8 (H, W, 3): what a single fast camera gives."""
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def compare(pictures: list[RgbImage]) -> RgbImage:
    """The same square cut-out of several pictures side by side, where the last one has most detail."""
    height, width = pictures[-1].shape[:2]
    cut = min(_CUT, height, width)
    luma = cv2.cvtColor(pictures[-1], cv2.COLOR_RGB2GRAY).astype(np.float32)
    energy = cv2.blur(np.abs(cv2.Laplacian(luma, cv2.CV_32F)), (cut, cut))
    half = cut // 2
    inner = energy[half : height - half + 1, half : width - half + 1]
    y, x = np.unravel_index(int(np.argmax(inner)), inner.shape)
    gap = np.full((cut, 4, 3), 255, np.uint8)
    parts: list[RgbImage] = []
    for picture in pictures:
        parts += [np.asarray(picture[y : y + cut, x : x + cut]), gap]
    return np.concatenate(parts[:-1], axis=1)
