"""What a take, a clip and any later recording have in common: frames by index, with exact times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from drivers.errors import PairingError
from drivers.frame import Frame, PixelFormat, Role


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What is known about a stream without decoding it.

    Attributes:
        name: File or take the stream comes from, for messages.
        role: The stream.
        width: Upright width [px].
        height: Upright height [px].
        pixel_format: Format of the frames that `read` returns.
        frame_count: Frames that can be read; 0 only for a stream that recorded none.
        fps: Mean frame rate over the whole stream [1/s].

    """

    name: str
    role: Role
    width: int
    height: int
    pixel_format: PixelFormat
    frame_count: int
    fps: float


class FrameSource(Protocol):
    """A recorded stream. Reading in ascending order is cheap; any other order may seek."""

    @property
    def info(self) -> SourceInfo:
        """Geometry, rate and length."""
        ...

    @property
    def frame_ids(self) -> npt.NDArray[np.int64]:
        """Frame id of each frame that can be read, ascending, shape (frame_count,)."""
        ...

    @property
    def mid_exposure_ns(self) -> npt.NDArray[np.int64]:
        """Mid-exposure time of each frame on the stream's own clock [ns], ascending, shape (frame_count,)."""
        ...

    def read(self, index: int) -> Frame:
        """Frame at `index` (0..frame_count-1).

        Raises:
            SourceError: The index is outside the stream or the frame is damaged.

        """
        ...

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[Frame]:
        """Frames start..stop-1 in order, with bounded memory."""
        ...

    def close(self) -> None:
        """Release files and threads; reading afterwards raises SourceError."""
        ...


@dataclass(frozen=True, slots=True)
class StreamPair:
    """The two streams of one recording, whatever they were recorded with.

    Attributes:
        hsr: Sharp and slow.
        lsr: Coarse and fast.
        clock_offset_ns: What to add to an HSR time to put it on the LSR clock [ns]; None when unknown
            (then `pairing` or `calibration.sync` must find it). Where the clocks drift apart, this holds for
            the first HSR frame.
        drift_ppm: How much faster the LSR clock runs [ppm]; 0 for streams on one clock.
        findings: What the operator should know about the recording, one sentence each.
        rig_hash: SHA-256 of the rig file in use when it was recorded; None when nobody knows.

    """

    hsr: FrameSource
    lsr: FrameSource
    clock_offset_ns: int | None
    drift_ppm: float = 0.0
    findings: tuple[str, ...] = ()
    rig_hash: str | None = None

    def at_offset(self, offset_ms: float, drift_ppm: float = 0.0) -> StreamPair:
        """The same streams, put on one clock; each has a frame.

        Args:
            offset_ms: Time of the first HSR frame's mid-exposure minus that of the first LSR frame [ms].
            drift_ppm: How much faster the LSR clock runs [ppm].

        """
        first = int(self.lsr.mid_exposure_ns[0]) - int(self.hsr.mid_exposure_ns[0])
        return replace(self, clock_offset_ns=first + round(offset_ms * 1e6), drift_ppm=drift_ppm)

    @property
    def offset_ms(self) -> float | None:
        """Time of the first HSR frame minus that of the first LSR frame [ms]; None when unknown."""
        if self.clock_offset_ns is None:
            return None
        first = int(self.hsr.mid_exposure_ns[0]) - int(self.lsr.mid_exposure_ns[0])
        return (first + self.clock_offset_ns) / 1e6

    @property
    def deep(self) -> bool:
        """Whether a stream has samples of more than 8 bits."""
        return any(source.info.pixel_format.deep for source in (self.hsr, self.lsr))

    @property
    def hsr_on_lsr_clock(self) -> npt.NDArray[np.int64]:
        """Mid-exposure times of the HSR frames on the LSR clock, shape (frame_count,) [ns].

        Raises:
            PairingError: The offset is not known.

        """
        if self.clock_offset_ns is None:
            raise PairingError(
                f"{self.hsr.info.name} and {self.lsr.info.name} have no common clock; find their offset with "
                "`twinrate sync` or give it with --offset-ms"
            )
        times = self.hsr.mid_exposure_ns
        drifted = np.rint((times - times[:1]) * (self.drift_ppm * 1e-6)).astype(np.int64)
        there: npt.NDArray[np.int64] = times + self.clock_offset_ns + drifted
        return there
