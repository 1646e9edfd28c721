"""HDR pictures of phones -> BT.709 display colours.

Inverse HLG or PQ to light (ITU-R BT.2100), BT.2020 to BT.709 primaries (BT.2087), highlights rolled off above
reference white (BT.2408: 203 cd/m2), then the inverse of the BT.1886 display. The chain is one 3-D table.
"""

from __future__ import annotations

import os
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
from av.filter import Graph
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from drivers.errors import DriverError

FloatArray = npt.NDArray[np.float64]

HLG = 18
"""Transfer characteristic of hybrid log-gamma (ITU-T H.273)."""
PQ = 16
"""Transfer characteristic of the perceptual quantiser (ITU-T H.273)."""

_NODES = 33
_REFERENCE_WHITE = 203.0
_PEAK = 1000.0
_SYSTEM_GAMMA = 1.2
_KNEE = 0.7
_TO_709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float64
)
_LUMINANCE_2020 = np.array([0.2627, 0.6780, 0.0593])
_WORKING_FORMAT, _DEEP_FORMAT = "gbrp10le", "gbrp16le"

WHITE_OF_16_BITS = 65280 / 65535
"""What FFmpeg makes of white, of 1, where it converts between YUV and 16 bits a channel."""


def hlg_to_light(signal: FloatArray) -> FloatArray:
    """HLG signal to light on a 1000 cd/m2 display.

    Args:
        signal: Non-linear R, G, B, 0..1, shape (..., 3).

    Returns:
        Linear R, G, B [cd/m2], same shape.

    """
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    luminance = np.maximum(scene @ _LUMINANCE_2020, 1e-9)[..., None]
    light: FloatArray = _PEAK * luminance ** (_SYSTEM_GAMMA - 1) * scene
    return light


def pq_to_light(signal: FloatArray) -> FloatArray:
    """PQ signal to light; arguments and result as in `hlg_to_light`."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    power = np.maximum(signal, 0.0) ** (1 / m2)
    light: FloatArray = 10000 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)
    return light


def light_to_display(light: FloatArray) -> FloatArray:
    """BT.2020 light to a BT.709 signal.

    Hue is kept: all three channels are scaled by what the largest one is rolled off.

    Args:
        light: Linear R, G, B [cd/m2], shape (..., 3).

    Returns:
        Non-linear R, G, B, 0..1.

    """
    linear = np.maximum(light / _REFERENCE_WHITE @ _TO_709.T, 0.0)
    largest = linear.max(axis=-1, keepdims=True)
    over = np.maximum(largest - _KNEE, 0.0)
    rolled = np.where(largest > _KNEE, _KNEE + (1 - _KNEE) * (1 - np.exp(-over / (1 - _KNEE))), largest)
    mapped = linear * (rolled / np.maximum(largest, 1e-9))
    signal: FloatArray = np.clip(mapped, 0.0, 1.0) ** (1 / 2.4)
    return signal


def display_table(transfer: int, white: float = 1.0) -> FloatArray:
    """The whole chain at the nodes of a cube, red fastest, shape (33^3, 3), 0..1.

    Args:
        transfer: `HLG` or `PQ`.
        white: Where along an axis of the cube, 0..1, the signal is 1.

    """
    axis = np.linspace(0.0, 1.0 / white, _NODES)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")
    signal = np.stack([red, green, blue], axis=-1).reshape(-1, 3)
    return light_to_display(hlg_to_light(signal) if transfer == HLG else pq_to_light(signal))


class HdrConverter:
    """Converts decoded HDR pictures of one size; made anew where size or transfer change.

    Args:
        deep: With 16 bits a channel, not 10.

    """

    def __init__(self, *, deep: bool) -> None:
        self._deep = deep
        self._format = _DEEP_FORMAT if deep else _WORKING_FORMAT
        self._key: tuple[int, int, int] | None = None
        self._graph: Graph | None = None
        self._reformatter = VideoReformatter()

    def to_display(self, frame: VideoFrame, interpolation: int) -> VideoFrame:
        """BT.709 version of an HDR picture, planar RGB.

        Args:
            frame: Decoded picture with the transfer `HLG` or `PQ`.
            interpolation: swscale flags for the conversion to RGB.

        """
        key = (frame.width, frame.height, int(frame.color_trc))
        if key != self._key or self._graph is None:
            white = WHITE_OF_16_BITS if self._deep else 1.0
            self._graph = _make_graph(*key, self._format, white)
            self._key = key
        rgb = self._reformatter.reformat(frame, format=self._format, interpolation=interpolation)
        rgb.pts, rgb.time_base = 0, Fraction(1, 1)
        self._graph.vpush(rgb)
        return self._graph.vpull()


def _make_graph(width: int, height: int, transfer: int, pixels: str, white: float) -> Graph:
    lines = [f"LUT_3D_SIZE {_NODES}"]
    lines += [f"{r:.6f} {g:.6f} {b:.6f}" for r, g, b in display_table(transfer, white)]
    name = _write_table("\n".join(lines) + "\n")
    try:
        graph = Graph()
        source = graph.add_buffer(
            width=width, height=height, format=VideoFormat(pixels), time_base=Fraction(1, 1)
        )
        # Options by name: a path inside an argument string would need two levels of quoting.
        table = graph.add("lut3d", file=name, interp="tetrahedral")
        sink = graph.add("buffersink")
        source.link_to(table)
        table.link_to(sink)
        graph.configure()
    finally:
        Path(name).unlink()
    return graph


def _write_table(text: str) -> str:
    """A file for the filter, which takes its table in no other way; the caller removes it."""
    place = "the folder for temporary files"
    try:
        place = tempfile.gettempdir()
        handle, name = tempfile.mkstemp(suffix=".cube")
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(text)
        except OSError:
            Path(name).unlink()
            raise
    except OSError as error:
        # Not the clip's fault: no other frame of it could be read either.
        raise DriverError(
            f"{place}: a file of 1 MB with the colours of HDR clips cannot be written there "
            f"({error.strerror or error}); free some space, or name another folder in TMPDIR"
        ) from error
    return name
