"""Pictures for synthetic flow: photos, cut-outs and frames of a data folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from fusion.errors import TrainingError
from fusion.levels import ByteImage
from fusion.training.clips import Clip, find_pictures, fit_width
from fusion.training.picture_files import decoded, read_picture
from fusion.training.synthetic import TEXTURES

_WIDTH = 720
_CUTOUT = 160


def load_pictures(data: Path, clips: Sequence[Clip]) -> list[ByteImage]:
    """The photos of a data folder and one frame of each clip, (H, W, 3) uint8 RGB of several sizes.

    Of the clips as many, evenly spread, as make up `TEXTURES` pictures with the photos.
    """
    photos = [fit_width(read_picture(path), _WIDTH) for path in find_pictures(data / "photos")]
    count = min(len(clips), max(TEXTURES - len(photos), 0))
    chosen = [clips[index * len(clips) // count] for index in range(count)]
    return photos + [np.asarray(clip.frames[len(clip.frames) // 2]) for clip in chosen]


def load_cutouts(data: Path) -> Tensor | None:
    """The objects of a data folder, (M, 4, 160, 160) uint8 with their outline last; None without any.

    Raises:
        TrainingError: A file there is no picture with an outline (alpha channel).

    """
    objects = []
    for path in find_pictures(data / "cutouts"):
        image = decoded(path, cv2.IMREAD_UNCHANGED)
        if image is None or image.ndim != 3 or image.shape[2] != 4:
            raise TrainingError(f"{path}: not a PNG with an alpha channel; remove or replace it")
        square = cv2.resize(image, (_CUTOUT, _CUTOUT), interpolation=cv2.INTER_AREA)
        objects.append(square[..., [2, 1, 0, 3]])
    if not objects:
        return None
    return torch.from_numpy(np.stack(objects)).permute(0, 3, 1, 2).contiguous()
