"""Data sets for evaluation as (name, frames): clips, Vimeo90K's test septuplets, KITTI, light fields."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fusion.errors import TrainingError
from fusion.levels import ByteImage
from fusion.training.clips import Clip, PictureFrames, find_clips, find_pictures, load_clip
from fusion.training.picture_files import read_picture

_VIMEO_LIST = "sep_testlist.txt"
_KITTI = ("image_2", "image_3")
_GRID = 9
_VIEWS_APART = 2


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """One scene from two places at one moment.

    Attributes:
        name: Scene and picture.
        target: (H, W, 3) uint8, what the LSR camera looks at.
        reference: (H, W, 3) uint8, what the HSR camera sees from elsewhere.

    """

    name: str
    target: ByteImage
    reference: ByteImage


def read_clips(
    folder: Path, cache: Path, *, width: int, most: int
) -> Iterator[tuple[str, Callable[[], Clip]]]:
    """Names of clips and how to get each: clips and frame folders, or Vimeo90K's septuplets for testing.

    Raises:
        TrainingError: As `find_clips` and `load_clip` say.

    """
    listed = folder / _VIMEO_LIST
    if listed.is_file():
        for name in listed.read_text(encoding="utf-8").split():
            pictures = list(find_pictures(folder / "sequences" / name))
            if not pictures:
                raise TrainingError(f"{listed}: names {name}, which is not there; unpack it whole")
            yield name, partial(Clip, name, PictureFrames(pictures))
        return
    for path in find_clips(folder):
        yield path.name, partial(load_clip, path, cache, width=width, most=most)


def read_pairs(folder: Path) -> Iterator[Pair]:
    """Scenes seen from two places: KITTI's left and right pictures, or two views of each light field.

    KITTI: `image_2` and `image_3`, here or in `training`. Light fields: folders of 9x9 views named
    `input_Cam000.png` to `input_Cam080.png`, or of views with row and column in their names; the target is
    the middle view and the reference lies two views to its right.

    Raises:
        TrainingError: No such folder, or neither of these in it.

    """
    for root in (folder, folder / "training"):
        left, right = (root / name for name in _KITTI)
        if left.is_dir() and right.is_dir():
            yield from _kitti(left, right)
            return
    scenes = [f for f in (folder, *sorted(p for p in folder.glob("*") if p.is_dir())) if _views(f)]
    if not scenes:
        raise TrainingError(
            f"{folder}: neither KITTI ({_KITTI[0]} and {_KITTI[1]}) nor light fields (folders of views named "
            "by row and column) are in it"
        )
    for scene in scenes:
        views = _views(scene)
        rows, columns = sorted({row for row, _ in views}), sorted({column for _, column in views})
        middle = (rows[len(rows) // 2], columns[len(columns) // 2])
        aside = (middle[0], columns[min(len(columns) // 2 + _VIEWS_APART, len(columns) - 1)])
        if middle == aside or middle not in views or aside not in views:
            raise TrainingError(f"{scene}: views are missing around its middle one; unpack it whole")
        yield _pair(scene.name, views[middle], views[aside])


def _kitti(left: Path, right: Path) -> Iterator[Pair]:
    there = {path.name: path for path in find_pictures(right)}
    for path in find_pictures(left):
        # Of the multi-view set, the reference pictures alone.
        if path.name in there and path.stem.endswith("_10"):
            yield _pair(path.stem, path, there[path.name])


def _pair(name: str, target: Path, reference: Path) -> Pair:
    pair = Pair(name, read_picture(target), read_picture(reference))
    if pair.target.shape != pair.reference.shape:
        raise TrainingError(f"{reference}: of another size than {target.name}; unpack the set again")
    return pair


def _views(folder: Path) -> dict[tuple[int, int], Path]:
    views = {}
    for path in find_pictures(folder):
        numbered = re.fullmatch(r"input_Cam(\d{3})", path.stem)
        placed = re.match(r"\D*(\d{1,2})_(\d{1,2})(?!\d)", path.stem)
        if numbered:
            views[divmod(int(numbered[1]), _GRID)] = path
        elif placed:
            views[int(placed[1]), int(placed[2])] = path
    return views if len({column for _, column in views}) > 1 else {}
