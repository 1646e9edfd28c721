"""Which files Twinrate writes: codecs by their usual names, their containers and pixel formats."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from app.errors import OutputError


@dataclass(frozen=True, slots=True)
class Codec:
    """How one `--codec` is written.

    Attributes:
        name: The `--codec` word.
        encoder: FFmpeg encoder, or "" for a folder of numbered pictures.
        pix_fmt: FFmpeg pixel format handed to the encoder.
        deep_pix_fmt: The same for frames of 16 bits; "" where it takes none.
        deep_bits: How many of those a file keeps.
        suffixes: File name endings that can hold it, the usual one first.
        options: Encoder options.
        lossless: True when RGB comes back bit for bit.
        tag: Sample entry for MP4/MOV where players insist on one.
        threads: Encoder threads; fixed, because the count changes the bytes that some encoders write.
        reorder: How many frames decoding runs ahead of display (B-frame pyramid of the encoder's preset).
        lower: Encoder options that replace those of `options` for a lower quality, by its name.

    """

    name: str
    encoder: str
    pix_fmt: str
    suffixes: tuple[str, ...]
    options: dict[str, str] = field(default_factory=dict)
    lossless: bool = False
    tag: str = ""
    threads: int = 4
    reorder: int = 0
    lower: dict[str, dict[str, str]] = field(default_factory=dict)
    deep_pix_fmt: str = ""
    deep_bits: int = 8

    @property
    def is_sequence(self) -> bool:
        """True for a folder of numbered pictures."""
        return not self.encoder

    @property
    def takes_16_bits(self) -> bool:
        """True where frames may also be uint16, of which `deep_bits` are kept."""
        return bool(self.deep_pix_fmt)

    def bits(self, *, deep: bool) -> int:
        """Bits of a colour in a file of frames that are uint16, or not."""
        return self.deep_bits if deep else 8

    @property
    def says_aspect(self) -> bool:
        """True where the coded frames themselves say how wide their pixels are, whatever holds them."""
        return self.name in ("h264", "hevc")

    @property
    def needs_even_size(self) -> bool:
        """True where colour is stored at half size."""
        return "420" in self.pix_fmt or "422" in self.pix_fmt


QUALITIES = ("high", "medium", "small")
"""From hardly distinguishable from the original to small files; lossless codecs know no difference."""

CODECS: dict[str, Codec] = {
    c.name: c
    for c in (
        Codec(
            "h264",
            "libx264",
            "yuv420p",
            (".mp4", ".mov", ".mkv"),
            # Without mbtree, whose AVX-512 code writes other bytes from run to run.
            {"crf": "16", "preset": "medium", "x264-params": "no-mbtree=1"},
            reorder=2,
            lower={"medium": {"crf": "20"}, "small": {"crf": "26"}},
        ),
        Codec(
            "hevc",
            "libx265",
            "yuv420p",
            (".mp4", ".mov", ".mkv"),
            {"crf": "18", "preset": "medium", "x265-params": "log-level=error:pools=2:frame-threads=2"},
            tag="hvc1",
            reorder=2,
            lower={"medium": {"crf": "22"}, "small": {"crf": "28"}},
            deep_pix_fmt="yuv420p10le",
            deep_bits=10,
        ),
        Codec(
            "ffv1",
            "ffv1",
            "bgr0",
            (".mkv", ".avi"),
            {"level": "3", "slices": "16", "slicecrc": "1"},
            lossless=True,
            deep_pix_fmt="gbrp16le",
            deep_bits=16,
        ),
        # FFmpeg's ProRes encoder writes different bytes from run to run with more than one thread.
        Codec(
            "prores",
            "prores_ks",
            "yuv422p10le",
            (".mov", ".mkv"),
            {"profile": "3", "vendor": "apl0"},
            threads=1,
            lower={"medium": {"profile": "2"}, "small": {"profile": "1"}},
            deep_pix_fmt="yuv422p10le",
            deep_bits=10,
        ),
        Codec("png", "", "rgb24", ("",), lossless=True, deep_pix_fmt="rgb48le", deep_bits=16),
        Codec("tiff", "", "rgb24", ("",), lossless=True, deep_pix_fmt="rgb48le", deep_bits=16),
    )
}


def codec_for(name: str | None, path: Path, quality: str = "high") -> Codec:
    """The codec called `name`, checked against the ending of `path`; H.264 (or FFV1 in .avi) when None.

    Args:
        name: A name from `CODECS`.
        path: The file to write.
        quality: A name from `QUALITIES`.

    Raises:
        OutputError: Codec or quality is unknown, or the file's ending cannot hold it.

    """
    if quality not in QUALITIES:
        raise OutputError(f"there is no quality {quality!r}; choose one of {', '.join(QUALITIES)}")
    if name is None:
        name = "ffv1" if path.suffix.lower() == ".avi" else "h264" if path.suffix else "png"
    codec = CODECS.get(name)
    if codec is None:
        raise OutputError(f"there is no codec {name!r}; choose one of {', '.join(CODECS)}")
    if path.suffix.lower() not in codec.suffixes:
        if codec.is_sequence:
            raise OutputError(
                f"{path}: --codec {name} writes a folder of pictures; give a name without {path.suffix}"
            )
        raise OutputError(f"{path}: --codec {name} needs a file ending in {' or '.join(codec.suffixes)}")
    return replace(codec, options={**codec.options, **codec.lower.get(quality, {})})
