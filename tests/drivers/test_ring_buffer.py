"""The ring buffer: absolute indices, no torn reads, a writer that never waits."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import Frame, OverwrittenError, PixelFormat, Role
from drivers.ring_buffer import RingBuffer


def make_frame(number: int, shape: tuple[int, ...] = (4, 6), fmt: PixelFormat = PixelFormat.MONO8) -> Frame:
    image = np.full(shape, number % 251, fmt.dtype)
    return Frame(image, fmt, Role.LSR, frame_id=number, mid_exposure_ns=number * 1000, exposure_us=2.0)


@settings(deadline=None)
@given(capacity=st.integers(2, 7), count=st.integers(0, 40))
def test_holds_the_newest_frames_and_refuses_the_others(capacity: int, count: int) -> None:
    ring = RingBuffer(capacity, 4, 6, PixelFormat.MONO8)
    indices = [ring.append(make_frame(number)) for number in range(count)]
    assert indices == list(range(count))
    assert ring.latest() == (count - 1 if count else None)
    assert ring.oldest() == (max(0, count - capacity) if count else None)
    for index in range(count):
        if index < count - capacity:
            with pytest.raises(OverwrittenError, match="larger ring"):
                ring.read(index)
            with pytest.raises(OverwrittenError):
                ring.head(index)
        else:
            frame = ring.read(index)
            assert frame.frame_id == index
            assert frame.mid_exposure_ns == index * 1000
            assert (frame.image == index % 251).all()
            assert ring.head(index).frame_id == index
    with pytest.raises(IndexError):
        ring.read(count)
    with pytest.raises(IndexError):
        ring.read(-1)


@pytest.mark.parametrize("fmt", list(PixelFormat))
def test_every_pixel_format_comes_back_unchanged(fmt: PixelFormat) -> None:
    rng = np.random.default_rng(3)
    ring = RingBuffer(3, 5, 8, fmt)
    image = rng.integers(0, np.iinfo(fmt.dtype).max, ring.stored_shape, fmt.dtype)
    ring.append(Frame(image, fmt, Role.HSR, 1, 2))
    out = np.empty_like(image)
    frame = ring.read_stored(0, out=out)
    assert frame.image is out
    np.testing.assert_array_equal(out, image)


def test_a_read_frame_outlives_the_slot() -> None:
    ring = RingBuffer(2, 4, 6, PixelFormat.MONO8)
    ring.append(make_frame(7))
    frame = ring.read(0)
    for number in range(8, 14):
        ring.append(make_frame(number))
    assert (frame.image == 7).all()


def test_memory_never_grows() -> None:
    ring = RingBuffer(4, 8, 8, PixelFormat.BAYER_RG16)
    before = ring.nbytes
    for number in range(20):
        ring.append(make_frame(number, (8, 8), PixelFormat.BAYER_RG16))
    assert ring.nbytes == before == 4 * 8 * 8 * 2


@pytest.mark.parametrize(
    "frame",
    [
        make_frame(0, (6, 4)),
        make_frame(0, (4, 6), PixelFormat.BAYER_RG8),
        Frame(np.zeros((4, 6), np.uint16), PixelFormat.MONO8, Role.LSR, 0, 0),
    ],
)
def test_a_frame_of_another_kind_is_refused(frame: Frame) -> None:
    ring = RingBuffer(2, 4, 6, PixelFormat.MONO8)
    with pytest.raises(ValueError, match="Mono8"):
        ring.append(frame)
    assert ring.latest() is None


def test_wrong_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        RingBuffer(1, 4, 6, PixelFormat.MONO8)
    with pytest.raises(ValueError, match="positive"):
        RingBuffer(2, 0, 6, PixelFormat.MONO8)
    ring = RingBuffer(2, 4, 6, PixelFormat.MONO8)
    ring.append(make_frame(0))
    with pytest.raises(ValueError, match="out"):
        ring.read(0, out=np.empty((4, 5), np.uint8))


def test_wait_returns_when_the_frame_comes_or_the_writer_ends() -> None:
    ring = RingBuffer(4, 4, 6, PixelFormat.MONO8)
    assert not ring.wait(0, timeout=0.01)
    answers: list[bool] = []
    waiter = threading.Thread(target=lambda: answers.append(ring.wait(1, timeout=30)))
    waiter.start()
    ring.append(make_frame(0))
    ring.append(make_frame(1))
    waiter.join(30)
    assert answers == [True]
    late = threading.Thread(target=lambda: answers.append(ring.wait(9, timeout=30)))
    late.start()
    ring.close()
    late.join(30)
    assert answers == [True, False]
    assert ring.closed


def test_no_reader_ever_sees_a_mixture_of_two_frames() -> None:
    """One writer at full speed, three readers at both ends of the ring: each read is whole or refused."""
    ring = RingBuffer(3, 96, 128, PixelFormat.MONO8)
    total = 3000
    torn: list[int] = []
    outcomes = {"read": 0, "refused": 0}
    lock = threading.Lock()
    pictures = [make_frame(number, (96, 128)) for number in range(251)]

    def write() -> None:
        for number in range(total):
            source = pictures[number % 251]
            ring.append(Frame(source.image, source.pixel_format, source.role, number, number))
        ring.close()

    def read() -> None:
        done = {"read": 0, "refused": 0}
        out = np.empty((96, 128), np.uint8)
        turn = 0
        while not ring.closed:
            turn += 1
            wanted = ring.oldest() if turn % 2 else ring.latest()
            if wanted is None:
                continue
            try:
                frame = ring.read(wanted, out=out)
            except OverwrittenError:
                done["refused"] += 1
                continue
            done["read"] += 1
            if frame.frame_id != wanted or not (frame.image == wanted % 251).all():
                torn.append(wanted)
        with lock:
            for key, value in done.items():
                outcomes[key] += value

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=read) for _ in range(3)] + [threading.Thread(target=write)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    finally:
        sys.setswitchinterval(interval)
    assert torn == []
    assert outcomes["read"] > 0
    assert ring.latest() == total - 1


def test_guarded_frames_are_not_overwritten() -> None:
    ring = RingBuffer(4, 4, 6, PixelFormat.MONO8)
    for number in range(4):
        ring.append(make_frame(number))
    ring.protect(1)
    assert ring.append(make_frame(4)) == 4
    assert ring.append(make_frame(5)) is None
    assert (ring.read(1).image == 1).all()
    ring.protect(2)
    assert ring.append(make_frame(6)) == 5
    ring.protect(None)
    assert [ring.append(make_frame(n)) for n in (7, 8, 9)] == [6, 7, 8]


def test_frames_of_another_numbering_are_forgotten() -> None:
    ring = RingBuffer(4, 2, 4, PixelFormat.MONO8)
    for number in range(3):
        ring.append(make_frame(number, (2, 4)))
    ring.forget(3)
    assert ring.oldest() is None
    assert ring.latest() == 2
    ring.append(make_frame(3, (2, 4)))
    assert ring.oldest() == 3
    for number in range(4, 9):
        ring.append(make_frame(number, (2, 4)))
    assert ring.oldest() == 5


def test_an_heir_takes_the_memory_and_the_old_ring_forgets() -> None:
    old = RingBuffer(4, 4, 6, PixelFormat.MONO8)
    old.append(make_frame(1))
    other = RingBuffer(3, 4, 6, PixelFormat.MONO8, heir_of=old)
    assert (old.read(0).image == 1).all()
    assert other.latest() is None
    heir = RingBuffer(4, 4, 6, PixelFormat.MONO8, heir_of=old)
    heir.append(make_frame(2))
    with pytest.raises(OverwrittenError):
        old.read(0)
    assert (heir.read(0).image == 2).all()
