"""Frames of one live stream in preallocated memory, addressed by absolute index.

One thread writes, any number read. The writer never waits for a reader: it overwrites the oldest slot, and a
reader that was too slow is told so instead of being handed a mixture of two pictures.
"""

from __future__ import annotations

import threading
import time

import numpy as np

from drivers.errors import OverwrittenError
from drivers.frame import Frame, Image, PixelFormat, with_image
from drivers.packing import unpack

_BEING_WRITTEN = -1


class RingBuffer:
    """The newest `capacity` frames of one stream.

    Torn reads are impossible: each slot carries the absolute index of the frame that it holds, the writer
    takes the mark away before it touches the pixels and sets it afterwards, and a reader compares the mark
    before and after its copy (a sequence lock per slot).

    Args:
        capacity: Frames kept, at least 2.
        height: Rows [px].
        width: Columns [px].
        pixel_format: Format of the frames that `append` takes. Packed ones stay packed in memory; `read`
            hands out their samples with 16 bits.
        heir_of: A ring whose memory may be taken over; if its pictures fit, it is empty from then on. Fresh
            memory for some seconds of film takes the kernel a second.

    Raises:
        ValueError: A size is not positive, or the capacity is below 2.

    """

    def __init__(
        self,
        capacity: int,
        height: int,
        width: int,
        pixel_format: PixelFormat,
        *,
        heir_of: RingBuffer | None = None,
    ) -> None:
        if capacity < 2:
            raise ValueError(f"a ring buffer needs room for at least 2 frames, got {capacity}")
        if height < 1 or width < 1:
            raise ValueError(f"a frame needs a positive size, got {width}x{height}")
        self._capacity = capacity
        self._stored_format, self._format = pixel_format, pixel_format.unpacked
        shape = self._stored_shape = pixel_format.shape(height, width)
        self._shape = self._format.shape(height, width)
        self._pixels = _memory((capacity, *shape), pixel_format, heir_of)
        self._slots = list(self._pixels)
        self._marks = [_BEING_WRITTEN] * capacity
        self._heads: list[Frame | None] = [None] * capacity
        self._count = 0
        self._closed = False
        self._grown = threading.Condition()
        self._waited_for: list[int] = []
        self._guarded: int | None = None
        self._floor = 0

    @property
    def capacity(self) -> int:
        """Frames that the ring keeps."""
        return self._capacity

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Shape of the pictures that `read` hands out: (H, W) for mono and Bayer, (H, W, 3) for RGB."""
        return self._shape

    @property
    def pixel_format(self) -> PixelFormat:
        """Format of the frames that `read` hands out, never a packed one."""
        return self._format

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """Shape of the pictures as the camera sent them."""
        return self._stored_shape

    @property
    def stored_format(self) -> PixelFormat:
        """Format of the frames as the camera sent them."""
        return self._stored_format

    @property
    def nbytes(self) -> int:
        """Memory that the pictures take [bytes]; it never grows."""
        return int(self._pixels.nbytes)

    def latest(self) -> int | None:
        """Absolute index of the newest frame, None before the first."""
        count = self._count
        return count - 1 if count else None

    def oldest(self) -> int | None:
        """Absolute index of the oldest frame that can still be read, None without one.

        The writer may reuse that slot at any moment: a reader that needs time starts a few frames later.
        """
        count = self._count
        oldest = max(self._floor, count - self._capacity)
        return oldest if oldest < count else None

    def forget(self, index: int) -> None:
        """Let the stream begin with frame `index`: those before are of another numbering.

        They stay readable for whoever holds their index, but `oldest` no longer leads to them.
        """
        self._floor = index

    def protect(self, index: int | None) -> None:
        """Guard frame `index` and all after it from being overwritten, for a reader that must have them all.

        Args:
            index: Absolute index of the oldest frame still wanted; None ends the guard.

        """
        self._guarded = index

    def append(self, frame: Frame) -> int | None:
        """Copy `frame` into the next slot and return its absolute index. Only the writer's thread calls this.

        The frame is left out, and None returned, where it would overwrite one that `protect` guards.

        Raises:
            ValueError: Shape, dtype or pixel format differ from the ring's.

        """
        image = frame.image
        if image.shape != self._stored_shape or frame.pixel_format is not self._stored_format:
            raise ValueError(
                f"the ring holds {self._stored_format} frames of shape {self._stored_shape}, "
                f"got {frame.pixel_format} of shape {image.shape}"
            )
        if image.dtype != self._pixels.dtype:
            raise ValueError(f"{self._stored_format} needs {self._pixels.dtype} samples, got {image.dtype}")
        index = self._count
        slot = index % self._capacity
        guarded = self._guarded
        if guarded is not None and index - self._capacity >= guarded:
            return None
        self._marks[slot] = _BEING_WRITTEN
        pixels = self._slots[slot]
        np.copyto(pixels, image)
        self._heads[slot] = with_image(frame, pixels, self._stored_format)
        self._marks[slot] = index
        self._count = index + 1
        # Nobody is woken before the frame he waits for is there.
        if self._waited_for and index >= min(self._waited_for, default=index + 1):
            with self._grown:
                self._grown.notify_all()
        return index

    def read(self, index: int, out: Image | None = None) -> Frame:
        """Copy of the frame with absolute index `index`, unpacked.

        Args:
            index: Absolute index, as `append` returned it.
            out: Contiguous array of `frame_shape` and the dtype of `pixel_format` to copy into; a new one
                when None.

        Raises:
            OverwrittenError: The writer has reused the slot, before or during the copy.
            IndexError: No frame with this index has been written yet.
            ValueError: `out` has another shape or dtype.

        """
        return self._copy(index, out, self._shape, self._format)

    def read_stored(self, index: int, out: Image | None = None) -> Frame:
        """Like `read`, but as the camera sent it: of `stored_shape` and `stored_format`."""
        return self._copy(index, out, self._stored_shape, self._stored_format)

    def _copy(self, index: int, out: Image | None, shape: tuple[int, ...], wanted: PixelFormat) -> Frame:
        if index < 0 or index >= self._count:
            raise IndexError(f"frame {index} has not been written yet; {self._count} frames so far")
        slot = index % self._capacity
        if self._marks[slot] != index:
            raise self._overwritten(index)
        head = self._heads[slot]
        source = self._slots[slot]
        if out is None:
            out = np.empty(shape, wanted.dtype)
        elif out.shape != shape or out.dtype != wanted.dtype:
            raise ValueError(f"`out` must be {wanted.dtype} of shape {shape}")
        if wanted is self._stored_format:
            np.copyto(out, source)
        else:
            unpack(np.asarray(source, np.uint8), self._stored_format, np.asarray(out, np.uint16))
        if head is None or self._marks[slot] != index:
            raise self._overwritten(index)
        return with_image(head, out, wanted)

    def head(self, index: int) -> Frame:
        """Everything about a frame but its picture: `image` has no pixels. Cheap, for times and ids.

        Raises:
            OverwrittenError: The writer has reused the slot.
            IndexError: No frame with this index has been written yet.

        """
        if index < 0 or index >= self._count:
            raise IndexError(f"frame {index} has not been written yet; {self._count} frames so far")
        slot = index % self._capacity
        head = self._heads[slot]
        if head is None or self._marks[slot] != index:
            raise self._overwritten(index)
        return with_image(head, self._slots[slot][:0], self._stored_format)

    def wait(self, index: int, timeout: float) -> bool:
        """Wait until frame `index` has been written.

        Args:
            index: Absolute index.
            timeout: Longest wait [s].

        Returns:
            True when the frame is there (it may already be overwritten), False after the time or when the
            ring was closed first.

        """
        if index < self._count:
            return True
        deadline = time.monotonic() + timeout
        with self._grown:
            # Entered before the count is read: the writer does both the other way round and misses nobody.
            self._waited_for.append(index)
            try:
                while index >= self._count and not self._closed:
                    left = deadline - time.monotonic()
                    if left <= 0:
                        break
                    self._grown.wait(left)
            finally:
                self._waited_for.remove(index)
        return index < self._count

    def close(self) -> None:
        """Say that no frame will follow and wake everybody who waits. What is in the ring stays readable."""
        with self._grown:
            self._closed = True
            self._grown.notify_all()

    @property
    def closed(self) -> bool:
        """Whether the writer has ended."""
        return self._closed

    def _bequeath(self) -> Image:
        """Give the memory away: from now on every frame reads as overwritten."""
        self._marks[:] = [_BEING_WRITTEN] * self._capacity
        return self._pixels

    def _overwritten(self, index: int) -> OverwrittenError:
        oldest = max(0, self._count - self._capacity)
        return OverwrittenError(
            f"frame {index} is no longer in the ring buffer, the oldest is {oldest}; read sooner or use a "
            "larger ring"
        )


def _memory(shape: tuple[int, ...], pixel_format: PixelFormat, heir_of: RingBuffer | None) -> Image:
    fits = heir_of is not None and (heir_of.capacity, *heir_of.stored_shape) == shape
    if heir_of is not None and fits and heir_of.stored_format is pixel_format:
        return heir_of._bequeath()
    pixels: Image = np.empty(shape, pixel_format.dtype)
    # Zeroed page by page, so that the first pass over the ring meets no page faults.
    pixels.fill(0)
    return pixels
