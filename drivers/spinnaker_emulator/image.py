"""PySpin images: views of stream buffers that must be released."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from drivers.frame import Image as Pixels
from drivers.frame import PixelFormat
from drivers.packing import unpack
from drivers.spinnaker_emulator.errors import ErrorCode, SpinnakerException
from drivers.spinnaker_emulator.gs3 import PIXEL_FORMATS
from drivers.spinnaker_emulator.nodemap import NodeState

# PySpin's spelling (N802) is the interface emulated here; docstrings stay with the idea of each class.
# ruff: noqa: N802, D102

_NUMBERS = dict(PIXEL_FORMATS)
_STATUS_TEXT = {
    0: "Image is complete.",
    1: "CRC check failed.",
    3: "Image has missing packets.",
    9: "Image data is incomplete.",
}
STATUS_OK = 0
STATUS_MISSING_PACKETS = 3


@dataclass(frozen=True, slots=True)
class Header:
    """What travels with the pixels.

    Attributes:
        frame_id: Counter since the start of acquisition.
        timestamp_ns: Camera clock at the start of exposure [ns].
        exposure_us: Exposure time [us].
        gain_db: Gain [dB].
        black_level_percent: Black level [%].
        offset_x: OffsetX.
        offset_y: OffsetY.
        pixel_format: Format of the pixels.
        status: Image status; 0 is complete.
        chunks: Names of the chunks that were enabled; None while ChunkModeActive is off.
        chunks_readable: False where they cannot be parsed.

    """

    frame_id: int
    timestamp_ns: int
    exposure_us: float
    gain_db: float
    black_level_percent: float
    offset_x: int
    offset_y: int
    pixel_format: PixelFormat
    status: int
    chunks: frozenset[str] | None
    chunks_readable: bool = True

    @property
    def complete(self) -> bool:
        """Whether nothing was lost on the way."""
        return self.status == STATUS_OK


def enabled_chunks(nodes: NodeState) -> frozenset[str] | None:
    """Names of the chunks that the camera adds to its images; None where it adds none."""
    if not nodes.raw("ChunkModeActive"):
        return None
    numbers = nodes.entries("ChunkSelector")
    return frozenset(name for name, number in numbers.items() if nodes.raw("ChunkEnable", number))


class ChunkData:
    """What image.GetChunkData() returns; a chunk that was not enabled raises -1014."""

    def __init__(self, header: Header, width: int, height: int) -> None:
        self._header = header
        self._size = (width, height)

    def _need(self, name: str) -> Header:
        if not self._header.chunks_readable:
            raise SpinnakerException("Failed to parse chunk data.", ErrorCode.PARSING_CHUNK_DATA)
        if self._header.chunks is None or name not in self._header.chunks:
            raise SpinnakerException(f"Chunk data {name} is not available", ErrorCode.NOT_AVAILABLE)
        return self._header

    def GetFrameID(self) -> int:
        return self._need("FrameCounter").frame_id

    def GetTimestamp(self) -> int:
        return self._need("Timestamp").timestamp_ns

    def GetExposureTime(self) -> float:
        return self._need("ExposureTime").exposure_us

    def GetGain(self) -> float:
        return self._need("Gain").gain_db

    def GetBlackLevel(self) -> float:
        return self._need("BlackLevel").black_level_percent

    def GetWidth(self) -> int:
        self._need("Width")
        return self._size[0]

    def GetHeight(self) -> int:
        self._need("Height")
        return self._size[1]

    def GetOffsetX(self) -> int:
        return self._need("OffsetX").offset_x

    def GetOffsetY(self) -> int:
        return self._need("OffsetY").offset_y


class ImagePtr:
    """One image. Its array is a view of the stream buffer, which is reused after Release()."""

    def __init__(
        self, pixels: Pixels, header: Header, slot: int, release: Callable[[int], None] | None
    ) -> None:
        self._pixels: Pixels | None = pixels
        self._header = header
        self._slot = slot
        # simple_pyspin never calls Release: the buffer also returns when the object dies.
        self._finalizer = None if release is None else weakref.finalize(self, release, slot)

    def _here(self) -> Pixels:
        if self._pixels is None:
            raise SpinnakerException("Image has been released.", ErrorCode.INVALID_BUFFER)
        return self._pixels

    def _valid(self) -> Pixels:
        pixels = self._here()
        if not len(pixels):
            raise SpinnakerException("Image has no data.", ErrorCode.NO_DATA)
        return pixels

    def GetNDArray(self) -> Pixels:
        if self._header.pixel_format.packed:
            # Two samples in three bytes are no array of samples: clients take GetData or convert first.
            raise SpinnakerException(
                f"{self._header.pixel_format} cannot be represented as an array", ErrorCode.NOT_IMPLEMENTED
            )
        return self._valid()

    def GetData(self) -> npt.NDArray[Any]:
        return self._valid().reshape(-1)

    def GetWidth(self) -> int:
        columns = int(self._valid().shape[1])
        return columns // 3 * 2 if self._header.pixel_format.packed else columns

    def GetHeight(self) -> int:
        return int(self._valid().shape[0])

    def GetXOffset(self) -> int:
        return self._header.offset_x

    def GetYOffset(self) -> int:
        return self._header.offset_y

    def GetStride(self) -> int:
        return int(self._valid().strides[0])

    def GetBitsPerPixel(self) -> int:
        return self._header.pixel_format.bits_per_pixel

    def GetImageSize(self) -> int:
        return int(self._valid().nbytes)

    def GetNumChannels(self) -> int:
        return self._header.pixel_format.channels

    def GetPixelFormat(self) -> int:
        return _NUMBERS[str(self._header.pixel_format)]

    def GetPixelFormatName(self) -> str:
        return str(self._header.pixel_format)

    def GetFrameID(self) -> int:
        return self._header.frame_id

    def GetTimeStamp(self) -> int:
        return self._header.timestamp_ns

    def GetID(self) -> int:
        return self._slot

    def IsValid(self) -> bool:
        return self._pixels is not None

    def IsIncomplete(self) -> bool:
        return not self._header.complete

    def GetImageStatus(self) -> int:
        return self._header.status

    def HasChunkData(self) -> bool:
        return self._header.chunks is not None

    def GetChunkData(self) -> ChunkData:
        pixels = self._valid()
        if self._header.chunks is None:
            raise SpinnakerException("Image has no chunk data.", ErrorCode.NOT_AVAILABLE)
        return ChunkData(self._header, self.GetWidth(), int(pixels.shape[0]))

    def HasCRC(self) -> bool:
        return False

    def IsInUse(self) -> bool:
        return self._finalizer is not None and self._finalizer.alive

    def Release(self) -> None:
        self._here()
        self._pixels = None
        if self._finalizer is not None:
            self._finalizer()

    def DeepCopy(self, source: ImagePtr) -> None:
        self._pixels = source._valid().copy()
        self._header = source._header

    def Save(self, path: str, image_format: int = -1) -> None:
        del image_format
        pixels = self.GetNDArray()
        ordered = pixels[..., ::-1] if pixels.ndim == 3 else pixels
        if not Path(path).parent.is_dir() or not cv2.imwrite(path, ordered):
            raise SpinnakerException(f"Could not save image to {path}", ErrorCode.IO)

    @staticmethod
    def GetImageStatusDescription(status: int) -> str:
        return _STATUS_TEXT.get(status, "Unknown image status.")

    @staticmethod
    def Create(*arguments: Any) -> ImagePtr:
        """Make an empty image, a copy, or one of (width, height, xoffset, yoffset, pixelFormat, data)."""
        if len(arguments) == 1 and isinstance(arguments[0], ImagePtr):
            source = arguments[0]
            return ImagePtr(source._valid().copy(), source._header, 0, None)
        header = Header(0, 0, 0.0, 0.0, 0.0, 0, 0, PixelFormat.MONO8, STATUS_OK, None)
        if not arguments:
            return ImagePtr(np.zeros((1, 1), np.uint8), header, 0, None)
        width, height, x, y, number, data = arguments
        name = next((n for n, v in PIXEL_FORMATS if v == number), None)
        if name is None:
            raise SpinnakerException("Pixel format is not supported", ErrorCode.INVALID_PARAMETER)
        pixel_format = PixelFormat(name)
        pixels = np.empty(pixel_format.shape(height, width), pixel_format.dtype)
        pixels.reshape(-1)[:] = np.frombuffer(bytes(data), pixel_format.dtype)
        return ImagePtr(pixels, replace(header, offset_x=x, offset_y=y, pixel_format=pixel_format), 0, None)


class ImageProcessor:
    """Colour conversion outside the camera."""

    def __init__(self) -> None:
        self._algorithm = 0

    def SetColorProcessing(self, algorithm: int) -> None:
        self._algorithm = algorithm

    def GetColorProcessing(self) -> int:
        return self._algorithm

    def Convert(self, source: ImagePtr, pixel_format: int) -> ImagePtr:
        """Bayer to RGB8 or Mono8, packed to 16 bits; the same format is copied."""
        pixels, header = source._valid(), source._header
        name = next((n for n, v in PIXEL_FORMATS if v == pixel_format), None)
        if name is None:
            raise SpinnakerException(
                "Conversion to this pixel format is not supported", ErrorCode.INVALID_PARAMETER
            )
        target = PixelFormat(name)
        if target is header.pixel_format:
            return ImagePtr(pixels.copy(), header, 0, None)
        if header.pixel_format.packed and target is header.pixel_format.unpacked:
            samples = unpack(np.asarray(pixels, np.uint8), header.pixel_format)
            return ImagePtr(samples, replace(header, pixel_format=target), 0, None)
        if header.pixel_format is PixelFormat.BAYER_RG8 and target in (PixelFormat.RGB8, PixelFormat.MONO8):
            code = cv2.COLOR_BayerBG2RGB if target is PixelFormat.RGB8 else cv2.COLOR_BayerBG2GRAY
            converted = np.asarray(cv2.cvtColor(pixels, code), np.uint8)
            return ImagePtr(converted, replace(header, pixel_format=target), 0, None)
        raise SpinnakerException(
            "Conversion to this pixel format is not supported", ErrorCode.INVALID_PARAMETER
        )
