"""One picture with its exact time: the value that everything else passes along."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntFlag

import numpy as np
import numpy.typing as npt


class Role(str, Enum):
    """Which of the two streams a frame belongs to."""

    HSR = "hsr"
    """High spatial resolution, low frame rate."""
    LSR = "lsr"
    """Low spatial resolution, high frame rate."""

    @property
    def other(self) -> Role:
        """The other stream of the pair."""
        return Role.LSR if self is Role.HSR else Role.HSR

    def __str__(self) -> str:
        return self.value


class PixelFormat(str, Enum):
    """Pixel formats by their GenICam PFNC names."""

    MONO8 = "Mono8"
    MONO12P = "Mono12p"
    MONO12_PACKED = "Mono12Packed"
    MONO16 = "Mono16"
    BAYER_RG8 = "BayerRG8"
    BAYER_RG12P = "BayerRG12p"
    BAYER_RG12_PACKED = "BayerRG12Packed"
    BAYER_RG16 = "BayerRG16"
    RGB8 = "RGB8"
    RGB16 = "RGB16"

    def __str__(self) -> str:
        return self.value

    @property
    def dtype(self) -> np.dtype[np.uint8] | np.dtype[np.uint16]:
        """Element type: uint8, also for packed formats, or uint16 scaled to the full 16 bits."""
        return np.dtype(np.uint16) if self.value.endswith("16") else np.dtype(np.uint8)

    @property
    def deep(self) -> bool:
        """Whether samples have more than 8 bits."""
        return self.unpacked.dtype == np.uint16

    @property
    def bayer(self) -> bool:
        """Whether it is a colour mosaic."""
        return self.value.startswith("Bayer")

    @property
    def packed(self) -> bool:
        """Whether two 12-bit samples share three bytes; see `drivers.packing`."""
        return "12" in self.value

    @property
    def unpacked(self) -> PixelFormat:
        """The 16-bit format of the same samples for a packed one, itself for any other."""
        if not self.packed:
            return self
        return PixelFormat.BAYER_RG16 if self.bayer else PixelFormat.MONO16

    @property
    def channels(self) -> int:
        """Samples per pixel: 3 for RGB, 1 for mono and for a Bayer mosaic."""
        return 3 if self.value.startswith("RGB") else 1

    @property
    def bits_per_pixel(self) -> int:
        """Bits of one pixel in memory and on disk."""
        return 12 if self.packed else 8 * self.channels * self.dtype.itemsize

    def shape(self, height: int, width: int) -> tuple[int, ...]:
        """Shape of a picture's array: (H, W), (H, W, 3) for RGB, (H, W * 3 / 2) bytes for packed formats.

        Raises:
            ValueError: The format is packed and the width is odd.

        """
        if self.packed:
            if width % 2:
                raise ValueError(f"{self} holds pairs of pixels, a width of {width} is odd")
            return (height, width // 2 * 3)
        return (height, width) if self.channels == 1 else (height, width, self.channels)

    def frame_bytes(self, height: int, width: int) -> int:
        """Bytes of a whole picture in memory and on disk."""
        return height * width * self.bits_per_pixel // 8


class FrameFlag(IntFlag):
    """What is known to be unusual about a frame; stored in the take's index."""

    NONE = 0
    INCOMPLETE = 1
    """The transfer lost data: the row is kept, the picture must not be used."""
    GAP_BEFORE = 2
    """The camera's frame id jumped: at least one frame before this one is missing."""
    SETTINGS_CHANGED = 4
    """Exposure or gain differ from the frame before."""
    SIMULATED = 8
    """Made by the emulated rig."""


Image = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
"""A picture as it was stored, see `Frame.image`."""
RgbImage = npt.NDArray[np.uint8]
"""A picture to look at, (H, W, 3)."""
DeepImage = npt.NDArray[np.uint16]
"""A picture (H, W, 3) of values in 0..65535."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of one stream.

    Attributes:
        image: Shape and dtype as `pixel_format` says: (H, W) for mono and Bayer, (H, W, 3) for RGB, rows of
            bytes for packed formats, which only cameras deliver: ring buffers and takes unpack them.
            Frames read from a ring buffer or a take may be views: copy what must outlive the reader.
        pixel_format: How to read `image`.
        role: The stream.
        frame_id: The camera's own counter, unwrapped; index in the file for clips.
        mid_exposure_ns: Middle of the exposure on the stream's own clock [ns].
        exposure_us: Exposure time [us]; 0 where a clip does not say.
        gain_db: Gain [dB]; 0 where a clip does not say.
        host_ns: Host clock when the frame arrived [ns]: `time.perf_counter_ns`, since on Windows the one
            called monotonic counts in steps of 16 ms before Python 3.13. 0 for clips and where an emulated
            rig waits for its reader.
        flags: What is unusual about this frame.

    """

    image: Image
    pixel_format: PixelFormat
    role: Role
    frame_id: int
    mid_exposure_ns: int
    exposure_us: float = 0.0
    gain_db: float = 0.0
    host_ns: int = 0
    flags: FrameFlag = FrameFlag.NONE


def with_image(frame: Frame, image: Image, pixel_format: PixelFormat) -> Frame:
    """The same frame with other pixels: `dataclasses.replace`, at a third of its cost on the grab path."""
    return Frame(
        image,
        pixel_format,
        frame.role,
        frame.frame_id,
        frame.mid_exposure_ns,
        frame.exposure_us,
        frame.gain_db,
        frame.host_ns,
        frame.flags,
    )
