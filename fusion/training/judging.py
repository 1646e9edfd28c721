"""What a half-trained network is worth: figures on clips that it never learns from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from fusion.evaluation.protocols import AWAY, Figure, lsr_frame, septuplets, whole
from fusion.gop import Synthesiser, prepare_reference
from fusion.resample import to_bytes, upscale
from fusion.training.clips import Clip


def judge(
    synthesiser: Synthesiser, clips: Sequence[Clip], scale: int, picture: Path, *, noise_variance: float = 0.0
) -> dict[str, float]:
    """Mean PSNR [dB] on the middle frame of each clip, and a figure of the first one.

    The reference is two frames later, so in short clips the third frame from the end counts as the middle;
    with it one on the other side where the method takes two. The picture shows the upscaled frame, the result
    and the truth side by side.
    """
    figures: list[Figure] = []
    for clip in clips:
        middle = min(len(clip.frames) // 2, len(clip.frames) - AWAY - 1)
        around = clip.frames[max(middle - AWAY, 0) : middle + AWAY + 1]
        frames = [whole(frame, scale) for frame in around]
        position = min(AWAY, middle)
        figures += septuplets(
            synthesiser, clip.name, frames, scale, positions=[position], noise_variance=noise_variance
        )
        if clip is clips[0]:
            target, sharp = frames[position], frames[position + AWAY]
            lsr = lsr_frame(target, scale, noise_variance=noise_variance)
            up = upscale(lsr, *target.shape[:2])
            made = synthesiser.synthesise(lsr, up, [prepare_reference(sharp, None, lsr.shape[:2])])
            row = np.concatenate([to_bytes(up), made.image, target], axis=1)
            cv2.imwrite(str(picture), cv2.cvtColor(row, cv2.COLOR_RGB2BGR))
    return {"psnr": float(np.mean([figure.psnr for figure in figures]))}
