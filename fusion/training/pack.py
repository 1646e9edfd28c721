"""A pack: training frames, photos and cut-outs as one small folder of JPEGs that needs nothing else.

The folder is laid out like any data folder: `clips/NAME.FIRST/` holds a run of consecutive frames,
`photos/` pictures and `cutouts/` objects in front of nothing (PNG with alpha); `pack.json` says where all
of it is from.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fusion.errors import TrainingError
from fusion.levels import ByteImage
from fusion.training.clips import FEWEST, clip_depth, decode_clip, find_clips, find_pictures, fit_width
from fusion.training.picture_files import read_picture

MANIFEST = "pack.json"

_STILLS_SHARE = 0.12
_RESERVE = 64_000
_CUTOUT_STEP = 12
_SMALLEST_CUTOUT = 0.01


@dataclass(frozen=True, slots=True)
class PackOptions:
    """What goes into a pack.

    Attributes:
        megabytes: Size of the whole folder, at most [10^6 bytes].
        width: Wider frames and photos are reduced to this many columns.
        run: Consecutive frames in a run.
        runs: Most runs of one clip; None for as many as there is room for.
        most: Frames looked at in each clip, from its start.
        quality: JPEG quality, 0..100.
        only: Patterns of names (`sam2_*`); where there are any, nothing else is packed.

    """

    megabytes: float = 55.0
    width: int = 640
    run: int = 12
    runs: int | None = None
    most: int = 400
    quality: int = 90
    only: tuple[str, ...] = ()


@dataclass(slots=True)
class Packed:
    """What a pack holds.

    Attributes:
        bytes: Size of all files without the manifest.
        items: One entry a run, photo or cut-out: folder or file, origin, source, licence, frames.
        doubts: What the operator should know about clips, one sentence each.

    """

    bytes: int = 0
    items: list[dict[str, Any]] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


def write_pack(
    data: Path,
    out: Path,
    *,
    validate: Sequence[str] = (),
    options: PackOptions | None = None,
    on_clip: Callable[[], object] | None = None,
) -> Packed:
    """Write a pack of the data folder; the same data and options give the same bytes.

    Args:
        data: A folder of clips, or one with `clips`, `photos` and `masks` in it; a MANIFEST.tsv there
            (columns file, source, licence) gives the origins.
        out: The pack's folder; must not exist or be empty.
        validate: Names of clips left out, with their masks.
        options: What goes in; the defaults where left out.
        on_clip: Told after each clip.

    Raises:
        TrainingError: Nothing to pack, a folder that is not empty, a name that is not there, or a clip that
            cannot be read or has too few frames. Nothing is left of the pack then.

    """
    options = options or PackOptions()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TrainingError(f"{out}: not an empty folder; give a new one for the pack")
    clips = [path for path in find_clips(data, without=validate) if _wanted(path, options)]
    if not clips:
        raise TrainingError(f"{data}: no clip is named {' or '.join(options.only)}; check the patterns")
    try:
        return _write(data, out, clips, validate, options, on_clip)
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise


def _write(
    data: Path,
    out: Path,
    clips: Sequence[Path],
    validate: Sequence[str],
    options: PackOptions,
    on_clip: Callable[[], object] | None,
) -> Packed:
    budget = options.megabytes * 1e6 - _RESERVE
    origins = _origins(data)
    packed = Packed()
    _pack_stills(data, out, packed, budget * _STILLS_SHARE, origins, validate, options)
    for index, (path, name) in enumerate(zip(clips, _names(clips), strict=True)):
        share = (budget - packed.bytes) / (len(clips) - index)
        _pack_clip(path, out / "clips" / name, packed, share, origins, options)
        if on_clip:
            on_clip()
    if not any(item["kind"] == "run" for item in packed.items):
        raise TrainingError(f"{out}: {options.megabytes:g} MB hold not one run of frames; allow more")
    manifest = {
        "format": 1,
        "options": asdict(options),
        "left_out_for_validation": sorted(validate),
        "items": packed.items,
    }
    (out / MANIFEST).write_text(json.dumps(manifest, indent=0) + "\n", encoding="utf-8")
    return packed


def _names(paths: Sequence[Path]) -> list[str]:
    """Names without ending, or with it where they would be the same: one would replace the other."""
    stems = [path.stem for path in paths]
    return stems if len(set(stems)) == len(stems) else [path.name for path in paths]


def _pack_clip(
    path: Path, named: Path, packed: Packed, share: float, origins: dict[str, Any], options: PackOptions
) -> None:
    depth = clip_depth(path)
    packed.doubts += [depth.doubt] if depth.doubt else []
    frames = decode_clip(path, width=options.width, most=options.most, bits=depth.bits)
    coded = [_jpeg(frame, options) for frame in frames]
    if len(coded) < FEWEST:
        raise TrainingError(f"{path}: {len(coded)} frames; training needs at least {FEWEST}; leave it out")
    length = min(options.run, len(coded))
    mean = sum(map(len, coded)) / len(coded)
    runs = min(int(share / (mean * length)), len(coded) // length, options.runs or len(coded))
    for first in np.linspace(0, len(coded) - length, runs).round().astype(int).tolist():
        chosen = coded[first : first + length]
        if packed.bytes + sum(map(len, chosen)) > options.megabytes * 1e6 - _RESERVE:
            break
        folder = named.with_name(f"{named.name}.{first:05d}")
        for offset, picture in enumerate(chosen):
            _keep(folder / f"{first + offset:06d}.jpg", picture, packed)
        packed.items.append(
            {
                "kind": "run",
                "file": f"clips/{folder.name}",
                "origin": path.name,
                "frames": [first, length],
                **origins.get(path.name, {}),
            }
        )


def _pack_stills(
    data: Path,
    out: Path,
    packed: Packed,
    budget: float,
    origins: dict[str, Any],
    validate: Sequence[str],
    options: PackOptions,
) -> None:
    photos = [path for path in find_pictures(data / "photos") if _wanted(path, options)]
    cutouts = [
        mask
        for folder in sorted((data / "masks").glob("*"))
        if folder.name not in validate and _wanted(folder, options)
        for mask in list(find_pictures(folder))[::_CUTOUT_STEP]
    ]
    for path, name in zip(photos, _names(photos), strict=True):
        picture = _jpeg(fit_width(read_picture(path), options.width), options)
        if packed.bytes + len(picture) > budget:
            break
        _keep(out / "photos" / f"{name}.jpg", picture, packed)
        packed.items.append({"kind": "photo", "file": f"photos/{name}.jpg", **origins.get("photos/", {})})
    bits = cache(lambda folder: clip_depth(folder).bits)
    for mask in cutouts:
        frame = next(
            (p for p in find_pictures(data / "clips" / mask.parent.name) if p.stem == mask.stem), None
        )
        filmed = read_picture(frame, bits(frame.parent)) if frame else None
        cutout = _cut_out(filmed, read_picture(mask), options.width) if filmed is not None else None
        if cutout is None or packed.bytes + len(cutout) > budget:
            continue
        name = f"cutouts/{mask.parent.name}_{mask.stem}.png"
        _keep(out / name, cutout, packed)
        packed.items.append({"kind": "cutout", "file": name, **origins.get(mask.parent.name, {})})


def _cut_out(frame: ByteImage, mask: ByteImage, width: int) -> bytes | None:
    """The object's own rectangle as PNG with alpha; None where there is hardly an object."""
    if mask.shape[:2] != frame.shape[:2]:
        return None
    alpha = (mask.max(axis=2) > 127).astype(np.uint8) * 255
    rows, columns = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
    if np.count_nonzero(alpha) < _SMALLEST_CUTOUT * alpha.size:
        return None
    part = np.dstack([frame[..., ::-1], alpha])[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    part = np.where(part[..., 3:] > 0, part, 0)
    if part.shape[1] > width // 2:
        height = max(1, round(part.shape[0] * (width // 2) / part.shape[1]))
        part = cv2.resize(part, (width // 2, height), interpolation=cv2.INTER_AREA)
    return bytes(cv2.imencode(".png", part)[1])


def _wanted(path: Path, options: PackOptions) -> bool:
    return not options.only or any(fnmatch(path.stem, p) or fnmatch(path.name, p) for p in options.only)


def _jpeg(frame: ByteImage, options: PackOptions) -> bytes:
    flags = [cv2.IMWRITE_JPEG_QUALITY, options.quality]
    return bytes(cv2.imencode(".jpg", np.ascontiguousarray(frame[..., ::-1]), flags)[1])


def _keep(path: Path, content: bytes, packed: Packed) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    packed.bytes += len(content)


def _origins(data: Path) -> dict[str, dict[str, str]]:
    """Source and licence by the file's name, from MANIFEST.tsv in `data` or above it."""
    table = next((p for p in (data / "MANIFEST.tsv", data.parent / "MANIFEST.tsv") if p.is_file()), None)
    if table is None:
        return {}
    origins = {}
    with table.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            name = row.get("file") or ""
            key = name if name.endswith("/") else Path(name).name
            origins[key] = {k: row[k] for k in ("source", "licence") if row.get(k)}
    return origins
