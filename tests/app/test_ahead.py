"""Parts of a fusion done side by side: same frames, same order, and nothing lost when one fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from app.ahead import in_order, parts_at_once
from app.errors import CancelledError
from app.fusion_options import FusionOptions
from app.pipeline import Pipeline
from drivers import open_clip_pair
from fusion import FusedFrame, Fuser
from pictures import RgbImage
from synthetic import make_pair, make_two_views, shrink


def numbers(first: int, length: int, until: threading.Event | None = None) -> Callable[[], Iterator[int]]:
    def part() -> Iterator[int]:
        for number in range(first, first + length):
            if until is not None:
                assert until.wait(20)
            yield number

    return part


@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_results_come_in_the_order_of_their_parts(at_once: int) -> None:
    """Also where the first part is the last one done."""
    others_done = threading.Event()

    def last() -> Iterator[int]:
        yield 9
        others_done.set()

    parts = [numbers(0, 3, others_done if at_once == 5 else None), numbers(3, 0), numbers(3, 6), last]
    assert list(in_order(parts, at_once, threading.Event())) == list(range(10))


def test_no_more_parts_are_asked_for_than_are_at_work() -> None:
    asked: list[int] = []

    def parts() -> Iterator[Callable[[], Iterator[int]]]:
        for number in range(6):
            asked.append(number)
            yield numbers(10 * number, 2)

    results = in_order(parts(), 3, threading.Event())
    assert [next(results) for _ in range(2)] == [0, 1]
    assert asked == [0, 1, 2]
    assert next(results) == 10
    assert asked == [0, 1, 2, 3]
    results.close()


def endless(stop: threading.Event, ended: list[int]) -> Iterator[int]:
    for number in count():
        if stop.is_set():
            ended.append(number)
            return
        yield number


@pytest.mark.parametrize("where", ["working", "asking"])
def test_what_fails_comes_after_the_results_before_it_and_ends_the_rest(where: str) -> None:
    stop, ended = threading.Event(), list[int]()

    def broken() -> Iterator[int]:
        yield 3
        raise ValueError("torn")

    def parts() -> Iterator[Callable[[], Iterator[int]]]:
        yield numbers(0, 3)
        if where == "asking":
            raise ValueError("torn")
        yield broken
        yield lambda: endless(stop, ended)

    results = in_order(parts(), 3, stop)
    sure = [0, 1, 2, 3] if where == "working" else [0, 1, 2]
    assert [next(results) for _ in sure] == sure
    with pytest.raises(ValueError, match="torn"):
        next(results)
    assert len(ended) == (where == "working")


def test_who_goes_away_leaves_no_work_behind() -> None:
    stop, ended = threading.Event(), list[int]()
    results = in_order([lambda: endless(stop, ended)] * 3, 3, stop)
    assert [next(results) for _ in range(4)] == [0, 1, 2, 3]
    results.close()
    assert len(ended) == 3
    assert not [thread for thread in threading.enumerate() if thread.name == "part"]


def test_a_machine_without_room_makes_one_frame_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(64)), raising=False)
    room = psutil.virtual_memory().available
    assert parts_at_once(room // 10**4) > 1
    assert parts_at_once(room) == 1
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1}, raising=False)
    assert parts_at_once(room // 10**4) == 1


@pytest.mark.parametrize("options", [{"method": "live"}, {"method": "classical", "recursion": "recurrent"}])
def test_frames_made_side_by_side_are_those_made_one_by_one(tmp_path: Path, options: dict[str, str]) -> None:
    """Of two views, whose colours are averaged from GoP to GoP, and beginning in the middle of one."""
    streams = make_two_views(tmp_path, 24)
    how = FusionOptions(device="cpu", **options)  # type: ignore[arg-type]
    one, three = (list(Pipeline(streams, how, at_once=n).frames(skip=6)) for n in (1, 3))
    assert len(one) == len(three) == 18
    assert [frame.record for frame in one] == [frame.record for frame in three]
    for alone, beside in zip(one, three, strict=True):
        np.testing.assert_array_equal(alone.image, beside.image)
        np.testing.assert_array_equal(alone.lsr, beside.lsr)

    enough = threading.Event()
    frames = Pipeline(streams, how, at_once=3).frames(cancelled=enough.is_set)
    next(frames)
    enough.set()
    with pytest.raises(CancelledError):
        list(frames)
    streams.hsr.close()
    streams.lsr.close()


@pytest.mark.parametrize("recursion", ["direct", "recurrent"])
def test_groups_of_many_frames_come_whole_and_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recursion: str
) -> None:
    """A sharp frame for 24: what is made ahead of its turn is a few frames, as long as each stands alone."""
    lengths = []
    whole = Fuser.fuse_gop

    def look(self: Fuser, lsr: Sequence[RgbImage], *given: Any, **named: Any) -> Iterator[FusedFrame]:
        lengths.append(len(lsr))
        return whole(self, lsr, *given, **named)

    monkeypatch.setattr(Fuser, "fuse_gop", look)
    pair = make_pair(tmp_path, 60, ratio=24, first_hsr=11)
    streams = open_clip_pair(pair.hsr, pair.lsr, offset_ms=pair.offset_ms)
    how = FusionOptions(align="none", method="bicubic", recursion=recursion)
    frames = list(Pipeline(streams, how, at_once=2).frames())
    assert [frame.record.lsr_index for frame in frames] == list(range(60))
    for frame, true in zip(frames, pair.truth, strict=True):
        np.testing.assert_array_equal(frame.lsr, shrink(true, 4))
    assert sum(lengths) == 60
    assert (max(lengths) <= 8) == (recursion == "direct")
    streams.hsr.close()
    streams.lsr.close()
