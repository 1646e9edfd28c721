"""What a half-trained network is worth: figures on clips that it never learns from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fusion.evaluation.protocols import AWAY, Figure, lsr_frame, septuplets, whole
from fusion.gop import Synthesiser, prepare_reference
from fusion.levels import to_bytes, to_floats
from fusion.resample import upscale
from fusion.training.clips import Clip, write_picture


def judge(
    synthesiser: Synthesiser,
    clips: Sequence[Clip],
    scale: int,
    picture: Path,
    *,
    references: int = 1,
    noise_variance: float = 0.0,
) -> dict[str, float]:
    """Mean PSNR [dB] on the middle frame of each clip, and a picture of the first one.

    The reference is two frames later, so in short clips the third frame from the end counts as the middle.
    The picture shows the upscaled frame, the result of all references and the truth side by side.

    Args:
        synthesiser: What is judged.
        clips: Footage, at least three frames each.
        scale: Output pixels per LSR pixel.
        picture: The PNG file to write.
        references: 1, or 2 for figures with the frame on the other side as well.
        noise_variance: Of the LSR frames, of values in 0..1.

    Returns:
        psnr with one reference, and psnr_refs2 with two.

    """
    figures: dict[str, list[Figure]] = {}
    for clip in clips:
        middle = min(len(clip.frames) // 2, len(clip.frames) - AWAY - 1)
        around = clip.frames[max(middle - AWAY, 0) : middle + AWAY + 1]
        frames = [whole(frame, scale) for frame in around]
        position = min(AWAY, middle)
        for count in range(1, references + 1):
            figures.setdefault("psnr" if count == 1 else f"psnr_refs{count}", []).extend(
                septuplets(
                    synthesiser,
                    clip.name,
                    frames,
                    scale,
                    positions=[position],
                    references=count,
                    noise_variance=noise_variance,
                )
            )
        if clip is clips[0]:
            target = frames[position]
            lsr = lsr_frame(target, scale, noise_variance=noise_variance)
            up = upscale(lsr, *target.shape[:2])
            given = [
                prepare_reference(frames[k], None, lsr.shape[:2], distance=position - k)
                for k in (position + AWAY, position - AWAY)[:references]
                if k >= 0
            ]
            made = synthesiser.synthesise(to_floats(lsr), up, given)
            row = np.concatenate([to_bytes(up), to_bytes(made.image), target], axis=1)
            write_picture(picture, row[..., ::-1])
    return {name: float(np.mean([one.psnr for one in found])) for name, found in figures.items()}
