"""Pictures that `twinrate calibrate` reads: both views of one moment, and board views by name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np

from app.commands._common import progress_bar
from app.errors import InputError
from app.outputs import PICTURE_ENDINGS
from calibration import CameraId
from drivers import Image, RgbImage, in_8_bits, pair_streams, to_rgb
from fusion.digital_gain import brightened

BoardPictures: TypeAlias = tuple[dict[str, RgbImage], dict[str, RgbImage], CameraId, CameraId]
_MAX_TAKE_VIEWS = 40
_DEPTHS = (8, 10, 12, 14, 16)


def read_picture(path: Path) -> RgbImage:
    """RGB picture (H, W, 3) uint8 from a file.

    Cameras of 10, 12 or 14 bits fill only so many of 16: the brightest pixel tells how many.

    Raises:
        InputError: Missing, not a picture, or one of other values than 8 or 16 bits.

    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such picture")
    data = np.fromfile(path, np.uint8)
    # What is wrong with a file is told below, in one sentence.
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH) if data.size else None
    finally:
        cv2.utils.logging.setLogLevel(level)
    if image is None:
        raise InputError(f"{path}: not a picture, or damaged")
    if image.dtype == np.uint16:
        bits = next(depth for depth in _DEPTHS if int(image.max()) < 1 << depth)
        image = np.right_shift(np.asarray(image, np.uint16), bits - 8).astype(np.uint8)
    if image.dtype != np.uint8:
        raise InputError(f"{path}: its values are {image.dtype}; save it with 8 or 16 bits")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


@dataclass(frozen=True, slots=True)
class Moment:
    """Both views of one moment, RGB (H, W, 3) uint8, and what is known of the cameras.

    Attributes:
        filmed: The HSR view as it was filmed.
        hsr: The HSR view as it is compared: not dark.
        lsr: The LSR view, alike.
        hsr_id: The HSR camera.
        lsr_id: The LSR camera.

    """

    filmed: RgbImage
    hsr: RgbImage
    lsr: RgbImage
    hsr_id: CameraId
    lsr_id: CameraId


def moment(inputs: Sequence[Path], frame: int, offset_ms: float | None) -> Moment:
    """Both views of one moment: two pictures, or that HSR frame of a take or of two clips.

    Raises:
        InputError: No such picture or frame.

    """
    if len(inputs) == 2 and all(p.suffix.lower() in PICTURE_ENDINGS for p in inputs):
        hsr, lsr = (read_picture(path) for path in inputs)
        return _moment(hsr, lsr, _unnamed(hsr), _unnamed(lsr))
    from app.aligner import camera_id
    from app.inputs import open_inputs

    # With a given offset clips may be of any rates, and of a view where nothing moves.
    pair = open_inputs(inputs, offset_ms=offset_ms, capture_factor=None if offset_ms is None else 1.0)
    try:
        gops = pair_streams(pair).gops
        if frame >= len(gops):
            raise InputError(f"--frame {frame} is too late, there are {len(gops)} HSR frames with LSR frames")
        gop = gops[frame]
        sharp, coarse = to_rgb(pair.hsr.read(gop.hsr_index)), to_rgb(pair.lsr.read(gop.nearest_lsr))
        return _moment(sharp, coarse, camera_id(pair.hsr), camera_id(pair.lsr))
    finally:
        pair.hsr.close()
        pair.lsr.close()


def _moment(hsr: Image, lsr: Image, hsr_id: CameraId, lsr_id: CameraId) -> Moment:
    return Moment(in_8_bits(hsr), brightened(hsr)[0], brightened(lsr)[0], hsr_id, lsr_id)


def _unnamed(picture: RgbImage) -> CameraId:
    return CameraId(width=picture.shape[1], height=picture.shape[0])


def board_pictures(inputs: Sequence[Path]) -> BoardPictures:
    """Pictures of both cameras under common names, not dark, and what a take knows about the cameras."""
    if len(inputs) == 1:
        return _board_take(inputs[0])
    if len(inputs) != 2:
        raise InputError(f"{len(inputs)} inputs were given; give two folders (HSR, LSR) or one take")
    files = []
    for folder in inputs:
        if not folder.is_dir():
            raise InputError(f"{folder}: not a folder of board pictures")
        files.append(sorted(filter(_is_picture, folder.iterdir()), key=_counted))
    if len(files[0]) != len(files[1]) or not files[0]:
        raise InputError(
            f"{inputs[0]} holds {len(files[0])} pictures and {inputs[1]} holds {len(files[1])}; "
            "each HSR picture needs its LSR picture, in the same order of names"
        )
    names = [p.stem for p in files[0]]
    _check_names(inputs, names, [p.stem for p in files[1]])
    with progress_bar("reading pictures", total=2 * len(names)) as bar:
        sides: list[dict[str, RgbImage]] = []
        for side in files:
            pictures = {}
            for name, path in zip(names, side, strict=True):
                pictures[name] = brightened(read_picture(path))[0]
                bar.advance()
            sides.append(pictures)
    ids = [_unnamed(side[names[0]]) for side in sides]
    return sides[0], sides[1], ids[0], ids[1]


def _is_picture(path: Path) -> bool:
    """Whether a file is one of the pictures; what macOS hides beside them on other disks (._NAME) is none."""
    return path.suffix.lower() in PICTURE_ENDINGS and not path.name.startswith(".") and path.is_file()


def _counted(path: Path) -> tuple[list[tuple[str, int]], str]:
    """Order of names in which 9 comes before 10, as it was counted."""
    parts = re.findall(r"(\D*)(\d*)", path.stem.casefold())
    return [(text, int(number or 0)) for text, number in parts], path.name


def _check_names(inputs: Sequence[Path], hsr: Sequence[str], lsr: Sequence[str]) -> None:
    """Refuse names that pair pictures of two instants: order counts only where no name is in both folders."""
    for folder, names in zip(inputs, (hsr, lsr), strict=True):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InputError(f"{folder} holds two pictures {twice[0]} with different endings; remove one")
    odd = sorted(set(hsr) ^ set(lsr))
    if odd and set(hsr) & set(lsr):
        raise InputError(
            f"{', '.join(odd[:5])}: there is such a picture in one of {inputs[0]} and {inputs[1]} only; "
            "remove it, or name the pictures alike in both folders"
        )


def _board_take(folder: Path) -> BoardPictures:
    from app.aligner import camera_id
    from app.inputs import open_inputs

    pair = open_inputs([folder])
    try:
        gops = pair_streams(pair).gops
        if not gops:
            raise InputError(f"{folder}: no HSR frame has an LSR frame of its moment")
        step = -(-len(gops) // _MAX_TAKE_VIEWS)
        hsr, lsr = {}, {}
        for gop in gops[::step]:
            name = f"{gop.hsr_index:05d}"
            hsr[name] = brightened(to_rgb(pair.hsr.read(gop.hsr_index)))[0]
            lsr[name] = brightened(to_rgb(pair.lsr.read(gop.nearest_lsr)))[0]
        return hsr, lsr, camera_id(pair.hsr), camera_id(pair.lsr)
    finally:
        pair.hsr.close()
        pair.lsr.close()
