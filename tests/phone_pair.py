"""A pair of phone clips, 3840x2160 at 30 and 1280x720 at 240 fps, authored from a folder of real footage.

The scene is a wall of nine panels, 1280x720 px each: centre crops of real clips at their own resolution, one
frame of the clip every 1/240 s, forwards and backwards. The LSR phone sees the wall reduced by three, with
noise. The HSR phone stands 3 cm beside it, slightly turned and zoomed: every panel lies at its own depth
between 1.6 and 4 m and recedes, so that panels shift against each other, hide and lay bare. Its colours and
brightness are its own, as automatic exposure and white balance make them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from drivers import Role, SourceError, VideoClip, open_clip

PANEL = (1280, 720)
HSR_SIZE = (3840, 2160)
LSR_SIZE = (1280, 720)
RATIO = 8
LSR_FPS = 240
SOUND_RATE = 48000
FOCAL_PX = 3300.0
FIRST = 19
NEAREST_M, FARTHEST_M = 1.6, 4.0

Picture = npt.NDArray[np.uint8]
Sound = npt.NDArray[np.float32]

_KEPT = 12


@dataclass(frozen=True, slots=True)
class PhonePair:
    """Two clips and what is true about them.

    Attributes:
        hsr: The sharp, slow clip.
        lsr: The coarse, fast clip.
        offset_ms: Time of the first HSR frame minus that of the first LSR frame [ms].
        seconds: Length of the LSR clip [s].

    """

    hsr: Path
    lsr: Path
    offset_ms: float
    seconds: float

    @classmethod
    def known(cls, folder: Path, seconds: float, first: int = FIRST) -> PhonePair:
        """The pair that `author_pair` wrote into a folder."""
        return cls(folder / "hsr.mov", folder / "lsr.mov", first * 1e3 / LSR_FPS, seconds)


class Wall:
    """What there is to see: nine panels of moving pictures, (2160, 3840, 3) RGB.

    Args:
        folder: Clips; those of 1280x720 and more are used, cut to their middle.
        seed: Which clips hang where, how far away, and where in each of them time begins.

    Raises:
        SourceError: The folder has no clip that is large enough.

    """

    def __init__(self, folder: Path, seed: int) -> None:
        rng = np.random.default_rng(seed)
        found = [clip for clip in (_opened(p) for p in sorted(folder.iterdir())) if clip is not None]
        if not found:
            raise SourceError(f"{folder}: holds no clip of {PANEL[0]}x{PANEL[1]} or more")
        order = rng.permutation(len(found))
        self._clips = found
        self._panels = [found[order[k % len(found)]] for k in range(9)]
        self._starts = rng.integers(0, 1000, 9)
        self.inverse_depth = rng.uniform(1 / FARTHEST_M, 1 / NEAREST_M, 9)
        self.tilt = rng.uniform(-0.05, 0.05, (9, 2))
        self._kept: OrderedDict[int, Picture] = OrderedDict()

    @property
    def names(self) -> list[str]:
        """Files of the nine panels, row by row."""
        return [clip.path.stem for clip in self._panels]

    def frame(self, number: int) -> Picture:
        """The wall at `number` / 240 s."""
        if number not in self._kept:
            wall = np.empty((HSR_SIZE[1], HSR_SIZE[0], 3), np.uint8)
            for k, clip in enumerate(self._panels):
                last = clip.info.frame_count - 1
                place = (number + int(self._starts[k])) % (2 * last)
                image = clip.read(min(place, 2 * last - place)).image
                top, left = (image.shape[0] - PANEL[1]) // 2, (image.shape[1] - PANEL[0]) // 2
                row, column = k // 3 * PANEL[1], k % 3 * PANEL[0]
                wall[row : row + PANEL[1], column : column + PANEL[0]] = image[
                    top : top + PANEL[1], left : left + PANEL[0]
                ]
            self._kept[number] = wall
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return self._kept[number]

    def close(self) -> None:
        """Release the clips."""
        for clip in self._clips:
            clip.close()


def _opened(path: Path) -> VideoClip | None:
    try:
        clip = open_clip(path, Role.HSR)
    except SourceError:
        return None
    if clip.info.width >= PANEL[0] and clip.info.height >= PANEL[1] and clip.info.frame_count > 1:
        return clip
    clip.close()
    return None


def second_view(wall: Wall, baseline_m: float, seed: int) -> npt.NDArray[np.float32]:
    """Place on the wall that every HSR pixel sees, (2160, 3840, 2) [px]."""
    rng = np.random.default_rng(seed + 100)
    width, height = HSR_SIZE
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    depth = np.empty((height, width), np.float32)
    for k in range(9):
        row, column = k // 3 * PANEL[1], k % 3 * PANEL[0]
        tilt = wall.tilt[k]
        across = np.linspace(-1, 1, PANEL[0]) * tilt[0] + np.linspace(-1, 1, PANEL[1])[:, None] * tilt[1]
        depth[row : row + PANEL[1], column : column + PANEL[0]] = wall.inverse_depth[k] + across
    shift = FOCAL_PX * baseline_m * depth
    turn, zoom = np.deg2rad(rng.uniform(-0.6, 0.6)), rng.uniform(0.98, 1.02)
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    c, s = zoom * np.cos(turn), zoom * np.sin(turn)
    aim = np.array([FOCAL_PX * baseline_m * float(wall.inverse_depth.mean()), rng.uniform(-12, 12)])
    dx, dy = x - middle[0], y - middle[1]
    seen_x = middle[0] + c * dx - s * dy + shift - aim[0]
    seen_y = middle[1] + s * dx + c * dy - aim[1]
    return np.stack([seen_x, seen_y], axis=-1).astype(np.float32)


def author_pair(
    wall: Wall,
    out: Path,
    *,
    seconds: float,
    first: int = FIRST,
    baseline_m: float = 0.03,
    noise: float = 2.0,
    sound: Sound | None = None,
    seed: int = 0,
) -> PhonePair:
    """Film the wall with both phones.

    Args:
        wall: What there is to see.
        out: Folder for the two clips.
        seconds: Length of the LSR clip [s].
        first: LSR frame that shows what the first HSR frame shows.
        baseline_m: Distance between both phones [m].
        noise: Of the LSR phone, standard deviation [0..255]; the HSR phone has half of it.
        sound: At `SOUND_RATE` from the first LSR frame on; None films without.
        seed: Of noise and pose.

    """
    rng = np.random.default_rng(seed)
    count = round(seconds * LSR_FPS)
    view = second_view(wall, baseline_m, seed)
    gain = np.array([0.90, 0.94, 1.0])
    curve = [np.clip(np.arange(256) * g + 3, 0, 255) for g in gain]
    table = np.rint(np.stack(curve, axis=-1)).astype(np.uint8)[None]
    grain = rng.standard_normal((7, HSR_SIZE[1], HSR_SIZE[0]), dtype=np.float32)

    def lsr_frame(number: int) -> Picture:
        small = cv2.resize(wall.frame(number), LSR_SIZE, interpolation=cv2.INTER_AREA)
        top, left = rng.integers(0, HSR_SIZE[1] - LSR_SIZE[1]), rng.integers(0, HSR_SIZE[0] - LSR_SIZE[0])
        specks = grain[number % 7, top : top + LSR_SIZE[1], left : left + LSR_SIZE[0], None]
        return np.clip(np.rint(small + noise * specks), 0, 255).astype(np.uint8)

    def hsr_frame(number: int) -> Picture:
        seen = cv2.remap(wall.frame(number), view, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
        toned = cv2.LUT(seen, table)
        return np.clip(np.rint(toned + 0.5 * noise * grain[number % 7, ..., None]), 0, 255).astype(np.uint8)

    # Both clips take the same moment from the clips behind the wall, so that each is decoded once.
    lsr = _Writer(out / "lsr.mov", LSR_SIZE, LSR_FPS, sound is not None)
    hsr = _Writer(out / "hsr.mov", HSR_SIZE, LSR_FPS // RATIO, sound is not None)
    for number in range(count):
        lsr.write(lsr_frame(number))
        if number >= first and (number - first) % RATIO == 0:
            hsr.write(hsr_frame(number))
    lsr.close(sound)
    hsr.close(None if sound is None else sound[round(first / LSR_FPS * SOUND_RATE) :])
    return PhonePair(
        lsr=out / "lsr.mov", hsr=out / "hsr.mov", offset_ms=first * 1e3 / LSR_FPS, seconds=seconds
    )


class _Writer:
    """Writes one clip as a phone does: H.264 with B-frames, ticks of 1/600 s, AAC."""

    def __init__(self, path: Path, size: tuple[int, int], fps: int, sound: bool) -> None:
        options = {"movflags": "use_metadata_tags", "video_track_timescale": "600"}
        self._container = av.open(str(path), "w", options=options)
        self._container.metadata["com.apple.quicktime.creationdate"] = "2026-11-22T18:30:00+0100"
        self._stream = self._container.add_stream(
            "libx264", rate=fps, options={"crf": "17", "preset": "veryfast"}
        )
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = "yuv420p"
        self._stream.gop_size = fps // 2
        self._stream.codec_context.time_base = Fraction(1, 600)
        context = self._stream.codec_context
        context.color_primaries = context.color_trc = context.colorspace = context.color_range = 1
        self._sound = self._container.add_stream("aac", rate=SOUND_RATE, layout="mono") if sound else None
        self._fps, self._count = fps, 0

    def write(self, image: Picture) -> None:
        """Append one RGB frame."""
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace=1, dst_color_range=1)
        frame.pts, frame.time_base = round(600 / self._fps * self._count), Fraction(1, 600)
        self._container.mux(self._stream.encode(frame))
        self._count += 1

    def close(self, sound: Sound | None) -> None:
        """Finish the file, with mono `sound` from its first frame on."""
        self._container.mux(self._stream.encode(None))
        if self._sound is not None and sound is not None:
            length = round(self._count / self._fps * SOUND_RATE)
            for start in range(0, min(length, len(sound)), 1024):
                piece = av.AudioFrame.from_ndarray(
                    np.ascontiguousarray(sound[None, start : start + 1024]), format="fltp", layout="mono"
                )
                piece.rate, piece.pts, piece.time_base = SOUND_RATE, start, Fraction(1, SOUND_RATE)
                self._container.mux(self._sound.encode(piece))
            self._container.mux(self._sound.encode(None))
        self._container.close()


def sound_of(folder: Path, seconds: float) -> Sound | None:
    """Sound of the folder's clips, one after the other, as loud as each other; None where all are silent."""
    pieces = []
    for path in sorted(folder.iterdir()):
        try:
            with open_clip(path, Role.HSR) as clip:
                found = clip.read_audio(SOUND_RATE)
        except SourceError:
            continue
        if found is not None and found.samples.std() > 0.005:
            pieces.append(found.samples / found.samples.std() * np.float32(0.1))
    if not pieces:
        return None
    whole: Sequence[np.float32] = np.concatenate(pieces)
    repeats = int(np.ceil(seconds * SOUND_RATE / len(whole)))
    return np.clip(np.tile(whole, repeats)[: round(seconds * SOUND_RATE)], -1, 1).astype(np.float32)
