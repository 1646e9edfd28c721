"""Training footage: any folder of clips and frame folders, decoded once into a cache."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, overload

import cv2
import numpy as np
import numpy.typing as npt

from fusion.errors import TrainingError
from fusion.levels import ByteImage, to_bytes
from fusion.resample import downscale
from fusion.training.picture_files import Depth, depth_of, read_picture

_CLIPS = {".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".mts", ".m2ts"}
_PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}
FEWEST = 3
"""Frames that a clip must have."""

_STATE = "state.safetensors"
"""What marks the folder of a training, whose pictures are no footage; see `fusion.training.state`."""

_SEPTUPLETS = "sequences"
_SEPTUPLET_LIST = "sep_trainlist.txt"


class Frames(Protocol):
    """Frames of one size, (T, H, W, 3) uint8 RGB, by index or by slice."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, H, W, 3)."""
        ...

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[ByteImage]: ...

    @overload
    def __getitem__(self, index: int, /) -> ByteImage: ...
    @overload
    def __getitem__(self, index: slice, /) -> npt.NDArray[np.uint8]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """Decoded frames of one clip.

    Attributes:
        name: File or folder name.
        frames: (T, H, W, 3) uint8 RGB, memory-mapped or read when asked for.
        doubt: What the operator should know about it, as one sentence; "" when nothing is.

    """

    name: str
    frames: Frames
    doubt: str = ""


class StoredFrames:
    """Decoded frames in a file, memory-mapped; processes that are given it map the same file.

    Args:
        path: The .npy file, (T, H, W, 3) uint8.

    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._frames: npt.NDArray[np.uint8] = np.load(path, mmap_mode="r")

    def __reduce__(self) -> tuple[type[StoredFrames], tuple[Path]]:
        return StoredFrames, (self._path,)

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, H, W, 3)."""
        return self._frames.shape

    def __len__(self) -> int:
        return len(self._frames)

    def __iter__(self) -> Iterator[ByteImage]:
        return iter(self._frames)

    @overload
    def __getitem__(self, index: int, /) -> ByteImage: ...
    @overload
    def __getitem__(self, index: slice, /) -> npt.NDArray[np.uint8]: ...
    def __getitem__(self, index: int | slice, /) -> ByteImage:
        """One frame (H, W, 3), or several (T, H, W, 3): views of the file."""
        return self._frames[index]


class PictureFrames:
    """Frames that stay on disk as pictures, for data sets too large to be decoded beforehand.

    Args:
        pictures: Files of one size, in order.

    """

    def __init__(self, pictures: Sequence[Path]) -> None:
        self._pictures = list(pictures)
        self._size: tuple[int, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, H, W, 3)."""
        if not self._size:
            self._size = read_picture(self._pictures[0]).shape
        return (len(self._pictures), *self._size)

    def __len__(self) -> int:
        return len(self._pictures)

    def __iter__(self) -> Iterator[ByteImage]:
        return (self._read(path) for path in self._pictures)

    @overload
    def __getitem__(self, index: int, /) -> ByteImage: ...
    @overload
    def __getitem__(self, index: slice, /) -> npt.NDArray[np.uint8]: ...
    def __getitem__(self, index: int | slice, /) -> ByteImage:
        """Read one picture (H, W, 3), or several (T, H, W, 3)."""
        if isinstance(index, slice):
            return np.stack([self._read(path) for path in self._pictures[index]])
        return self._read(self._pictures[index])

    def _read(self, path: Path) -> ByteImage:
        picture = read_picture(path)
        if picture.shape != self.shape[1:]:
            raise TrainingError(f"{path}: of another size than those beside it; unpack the set again")
        return picture


def find_clips(folder: Path, *, without: Sequence[str] = ()) -> list[Path]:
    """Clips and frame folders of a data folder, by name.

    They lie directly inside `folder` or inside its subfolder `clips`; hidden ones and folders of trainings do
    not count. A folder laid out like Vimeo90K gives the septuplets of its training list, with names such as
    00001/0001.

    Args:
        folder: Where to look.
        without: Names (with or without ending) to leave out, for validation.

    Raises:
        TrainingError: No such folder, nothing in it, or a name in `without` that is not there.

    """
    if not folder.is_dir():
        raise TrainingError(f"{folder}: there is no such folder; give a folder of clips or frame folders")
    if (folder / _SEPTUPLETS).is_dir():
        names = {path: {_septuplet_name(path)} for path in _septuplets(folder)}
    else:
        inside = folder / "clips"
        folder = inside if inside.is_dir() else folder
        names = {path: {path.name, path.stem} for path in sorted(folder.iterdir()) if _is_footage(path)}
    missing = set(without).difference(*names.values())
    if missing:
        raise TrainingError(f"{folder}: no clip named {', '.join(sorted(missing))} to leave out")
    kept = [path for path, known in names.items() if known.isdisjoint(without)]
    if not kept and names:
        raise TrainingError(f"{folder}: all clips are left out, and none is left to learn from")
    if not kept:
        raise TrainingError(
            f"{folder}: no clips ({', '.join(sorted(_CLIPS))}) and no folders of pictures in it"
        )
    return kept


def also_learnt(learn: Sequence[Path], judge: Sequence[Path]) -> list[Path]:
    """Those of `judge` that are among `learn`, also as copies: what is known says nothing of what is not.

    Args:
        learn: Clips and frame folders to learn from.
        judge: Those to judge by.

    """
    known: dict[str, list[Path]] = {}
    for path in learn:
        known.setdefault(path.name, []).append(path)
    places = {path.resolve() for path in learn}
    return [
        path
        for path in judge
        if path.resolve() in places or any(_sizes(path) == _sizes(one) for one in known.get(path.name, []))
    ]


def find_pictures(folder: Path) -> Iterator[Path]:
    """Picture files directly inside `folder`, by number and name; none where there is no such folder.

    Hidden files, as macOS puts them beside others on foreign disks, do not count.
    """
    if not folder.is_dir():
        return iter(())
    found = (p for p in folder.iterdir() if p.suffix.lower() in _PICTURES and not p.name.startswith("."))
    return iter(sorted(found, key=_by_number))


def load_clip(path: Path, cache: Path, *, width: int = 640, most: int = 120) -> Clip:
    """Decode a clip, or take it from the cache.

    Septuplets of Vimeo90K's layout stay on disk as they are: there are too many of them to be decoded.

    Args:
        path: A clip or a folder of pictures.
        cache: Folder for decoded frames; made if missing.
        width: Wider frames are reduced to this many columns.
        most: Frames kept, from the start.

    Raises:
        TrainingError: The clip cannot be decoded, has too few frames, or pictures of several sizes.

    """
    if path.is_dir() and _is_septuplet(path):
        pictures = list(find_pictures(path))
        if len(pictures) < FEWEST:
            raise TrainingError(f"{path}: {len(pictures)} pictures; training needs at least {FEWEST}")
        return Clip(_septuplet_name(path), PictureFrames(pictures))
    cache.mkdir(parents=True, exist_ok=True)
    depth = clip_depth(path)
    stamp = f"{path.resolve()}|{_stamp(path)}|{width}|{most}"
    if depth.bits != Depth().bits:
        stamp += f"|{depth.bits} bits"
    stored = cache / f"{path.stem}-{hashlib.sha256(stamp.encode()).hexdigest()[:16]}.npy"
    # A power cut may have left less of a file than its name promises.
    with suppress(OSError, ValueError, EOFError):
        return Clip(path.name, StoredFrames(stored), depth.doubt)
    frames = list(decode_clip(path, width=width, most=most, bits=depth.bits))
    if len(frames) < FEWEST:
        raise TrainingError(
            f"{path}: {len(frames)} of the {FEWEST} frames that are needed at least; leave it out"
        )
    _store(stored, frames)
    return Clip(path.name, StoredFrames(stored), depth.doubt)


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


def clip_depth(path: Path) -> Depth:
    """How many bits a folder of pictures fills: one answer for all of them, or brightness would jump."""
    return depth_of(list(find_pictures(path)))


def decode_clip(path: Path, *, width: int, most: int, bits: int) -> Iterator[ByteImage]:
    """The first `most` frames of a clip or a folder of pictures, at most `width` columns wide.

    Args:
        path: The clip or the folder.
        width: Wider frames are reduced to this many columns.
        most: Frames wanted, from the start.
        bits: What `clip_depth` says of a folder.

    Raises:
        TrainingError: The clip cannot be decoded, or holds pictures of several sizes.

    """
    size: tuple[int, ...] = ()
    for index, frame in enumerate(_decode(path, bits)):
        if index == most:
            break
        if size and frame.shape != size:
            raise TrainingError(f"{path}: frames of different sizes in one clip; sort them into folders")
        size = frame.shape
        yield fit_width(frame, width)


def write_picture(path: Path, image: npt.NDArray[np.uint8]) -> None:
    """Write BGR pixels as PNG, also where Windows keeps OpenCV from names with other letters.

    Nothing happens where the disk refuses: what is only there to be looked at stops no training.
    """
    with suppress(OSError):
        path.write_bytes(cv2.imencode(".png", image)[1].tobytes())


def fit_width(frame: ByteImage, width: int) -> ByteImage:
    """Reduce a frame to at most `width` columns."""
    if frame.shape[1] <= width:
        return frame
    height = max(1, round(frame.shape[0] * width / frame.shape[1]))
    return to_bytes(downscale(frame, height, width))


def _store(path: Path, frames: Sequence[ByteImage]) -> None:
    """Write frames for `StoredFrames`; whatever stops it leaves nothing of them."""
    partial = path.with_suffix(f".{os.getpid()}.partial")
    whole = np.stack(frames)
    try:
        with partial.open("wb") as file:
            # `np.save` does not tell a full disk as the system does.
            np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(whole))
            file.write(whole.data)
        partial.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        partial.unlink(missing_ok=True)


def _is_footage(path: Path) -> bool:
    """Whether a file or folder is a clip or a folder of pictures."""
    if path.name.startswith("."):
        return False
    if path.suffix.lower() in _CLIPS:
        return True
    return not (path / _STATE).exists() and any(find_pictures(path))


def _by_number(path: Path) -> tuple[list[str | int], str]:
    """Where a picture stands among others: frame 9 before frame 10, however they are written."""
    parts = re.split(r"([0-9]+)", path.name)
    return [int(part) if k % 2 else part for k, part in enumerate(parts)], path.name


def _stamp(path: Path) -> object:
    """What changes with a clip's content: pictures written anew leave their folder's own time as it was."""
    if not path.is_dir():
        return path.stat().st_mtime_ns
    told = [(picture.name, picture.stat()) for picture in find_pictures(path)]
    return [(name, status.st_mtime_ns, status.st_size) for name, status in told]


def _sizes(path: Path) -> list[tuple[str, int]]:
    files = find_pictures(path) if path.is_dir() else [path]
    return [(file.name, file.stat().st_size) for file in files]


def _is_septuplet(path: Path) -> bool:
    """Whether a folder belongs to Vimeo90K's layout; others may be called `sequences` too."""
    above = path.parent.parent
    return above.name == _SEPTUPLETS and (above.parent / _SEPTUPLET_LIST).is_file()


def _septuplet_name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _septuplets(folder: Path) -> list[Path]:
    listed = folder / _SEPTUPLET_LIST
    if not listed.is_file():
        raise TrainingError(f"{listed}: missing; a folder with {_SEPTUPLETS} needs Vimeo90K's training list")
    names = listed.read_text(encoding="utf-8").split()
    gone = next((name for name in names if not (folder / _SEPTUPLETS / name).is_dir()), None)
    if gone or not names:
        raise TrainingError(f"{listed}: names {gone or 'no septuplets'}, which is not there; unpack it whole")
    return [folder / _SEPTUPLETS / name for name in names]


def _decode(path: Path, bits: int) -> Iterator[ByteImage]:
    if path.is_dir():
        for picture in find_pictures(path):
            yield read_picture(picture, bits)
        return
    import av  # the training machine needs it only where clips are not decoded yet

    try:
        with av.open(str(path)) as file:
            # Not just the first one, which may be a cover.
            stream = file.streams.best("video")
            if stream is None:
                raise TrainingError(f"{path}: has no pictures; remove or replace it")
            for frame in file.decode(stream):
                assert isinstance(frame, av.VideoFrame)
                yield np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
    except av.FFmpegError as error:
        raise TrainingError(f"{path}: cannot be decoded ({error.strerror}); remove or replace it") from error
