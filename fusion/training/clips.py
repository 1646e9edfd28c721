"""Training footage: any folder of clips and frame folders, decoded once into a cache."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from fusion.errors import TrainingError
from fusion.resample import ByteImage, downscale, to_bytes

_CLIPS = {".mp4", ".mov", ".avi", ".mkv", ".webm"}
_PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}
_FEWEST = 3


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """Decoded frames of one clip.

    Attributes:
        name: File or folder name.
        frames: (T, H, W, 3) uint8 RGB, memory-mapped.

    """

    name: str
    frames: npt.NDArray[np.uint8]


def find_clips(folder: Path, *, without: Sequence[str] = ()) -> list[Path]:
    """Clips and frame folders directly inside `folder`, by name.

    Args:
        folder: Where to look.
        without: Names (with or without ending) to leave out, for validation.

    Raises:
        TrainingError: No such folder, nothing in it, or a name in `without` that is not there.

    """
    if not folder.is_dir():
        raise TrainingError(f"{folder}: there is no such folder; give a folder of clips or frame folders")
    found = [
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in _CLIPS or (path.is_dir() and any(_pictures(path)))
    ]
    missing = set(without) - {path.name for path in found} - {path.stem for path in found}
    if missing:
        raise TrainingError(f"{folder}: no clip named {', '.join(sorted(missing))} to leave out")
    kept = [path for path in found if path.name not in without and path.stem not in without]
    if not kept:
        raise TrainingError(
            f"{folder}: no clips ({', '.join(sorted(_CLIPS))}) and no folders of pictures in it"
        )
    return kept


def load_clip(path: Path, cache: Path, *, width: int = 640, most: int = 120) -> Clip:
    """Decode a clip, or take it from the cache.

    Args:
        path: A clip or a folder of pictures.
        cache: Folder for decoded frames; made if missing.
        width: Wider frames are reduced to this many columns.
        most: Frames kept, from the start.

    Raises:
        TrainingError: The clip cannot be decoded, has too few frames, or pictures of several sizes.

    """
    cache.mkdir(parents=True, exist_ok=True)
    stamp = f"{path.resolve()}|{path.stat().st_mtime_ns}|{width}|{most}"
    stored = cache / f"{path.stem}-{hashlib.sha256(stamp.encode()).hexdigest()[:16]}.npy"
    if not stored.exists():
        frames: list[ByteImage] = []
        size: tuple[int, ...] = ()
        for frame in _decode(path):
            if frames and frame.shape != size:
                raise TrainingError(f"{path}: frames of different sizes in one clip; sort them into folders")
            size = frame.shape
            frames.append(_fit(frame, width))
            if len(frames) == most:
                break
        if len(frames) < _FEWEST:
            raise TrainingError(f"{path}: {len(frames)} frames; training needs at least {_FEWEST}")
        partial = stored.with_suffix(f".{os.getpid()}.npy")
        np.save(partial, np.stack(frames))
        partial.replace(stored)
    return Clip(path.name, np.load(stored, mmap_mode="r"))


def load_clips(
    paths: Sequence[Path],
    cache: Path,
    *,
    width: int = 640,
    most: int = 120,
    on_clip: Callable[[], object] | None = None,
) -> list[Clip]:
    """Load several clips, telling `on_clip` after each; see `load_clip`."""
    clips = []
    for path in paths:
        clips.append(load_clip(path, cache, width=width, most=most))
        if on_clip:
            on_clip()
    return clips


def _pictures(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.iterdir()) if path.suffix.lower() in _PICTURES)


def _decode(path: Path) -> Iterator[ByteImage]:
    if path.is_dir():
        for picture in _pictures(path):
            yield _read_picture(picture)
        return
    import av  # the training machine needs it only where clips are not decoded yet

    try:
        with av.open(str(path)) as file:
            for frame in file.decode(video=0):
                yield np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
    except (av.FFmpegError, IndexError) as error:
        raise TrainingError(f"{path}: cannot be decoded ({error}); remove or replace it") from error


def _read_picture(path: Path) -> ByteImage:
    image: npt.NDArray[Any] | None = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise TrainingError(f"{path}: not a readable picture; remove or replace it")
    return np.ascontiguousarray(image[..., ::-1], dtype=np.uint8)


def _fit(frame: ByteImage, width: int) -> ByteImage:
    if frame.shape[1] <= width:
        return frame
    height = max(1, round(frame.shape[0] * width / frame.shape[1]))
    return to_bytes(downscale(frame, height, width))
