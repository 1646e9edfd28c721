"""Recording from rings to takes: nothing lost, pre-trigger, slow and full disks, the end-of-take report."""

from __future__ import annotations

import shutil
import threading
import time
from collections import namedtuple
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from drivers import Frame, FrameFlag, PixelFormat, Role, TakeError
from drivers.disk import disk_free_bytes, disk_seconds_left
from drivers.recorder import Recorder, bytes_per_second
from drivers.ring_buffer import RingBuffer
from drivers.take import Take, TakeMetadata, TakeWriter

SIZE = {Role.HSR: (16, 24), Role.LSR: (4, 6)}
PERIOD_NS = {Role.HSR: 33_333_333, Role.LSR: 4_166_667}
RATIO = 8


@pytest.fixture
def metadata() -> TakeMetadata:
    return TakeMetadata.model_validate(
        {
            "hsr": {"width": 24, "height": 16, "pixel_format": "Mono8", "frame_rate": 30},
            "lsr": {"width": 6, "height": 4, "pixel_format": "Mono8", "frame_rate": 240},
            "trigger": {"hsr_rate": 30, "ratio": RATIO},
        }
    )


@pytest.fixture
def rings() -> dict[Role, RingBuffer]:
    return {
        Role.HSR: RingBuffer(60, 16, 24, PixelFormat.MONO8),
        Role.LSR: RingBuffer(480, 4, 6, PixelFormat.MONO8),
    }


def make_frame(role: Role, pulse: int, flags: FrameFlag = FrameFlag.NONE) -> Frame:
    image = np.full(SIZE[role], (pulse * 7 + 3) % 251, np.uint8)
    exposure_us = 2000.0
    mid = 10**12 + pulse * PERIOD_NS[role] + 1_000_000
    return Frame(image, PixelFormat.MONO8, role, pulse, mid, exposure_us, flags=flags)


def feed(
    rings: dict[Role, RingBuffer],
    pulses: Iterable[int],
    *,
    skip: dict[Role, set[int]] | None = None,
    incomplete: dict[Role, set[int]] | None = None,
) -> None:
    """LSR pulses in order, with the HSR frame of every eighth."""
    for pulse in pulses:
        for role in Role:
            if role is Role.HSR and pulse % RATIO:
                continue
            number = pulse // RATIO if role is Role.HSR else pulse
            if number in (skip or {}).get(role, set()):
                continue
            bad = number in (incomplete or {}).get(role, set())
            rings[role].append(make_frame(role, number, FrameFlag.INCOMPLETE if bad else FrameFlag.NONE))


def assert_intact(take: Take) -> None:
    for role in Role:
        for frame in take.stream(role).frames():
            np.testing.assert_array_equal(frame.image, make_frame(role, frame.frame_id).image)


def test_every_frame_between_start_and_stop_is_on_disk(
    tmp_path: Path, metadata: TakeMetadata, rings: dict[Role, RingBuffer]
) -> None:
    recorder = Recorder(rings)
    feed(rings, range(80))
    recorder.start(tmp_path / "t", metadata)
    assert recorder.recording
    feed(rings, range(80, 320))
    report = recorder.stop()
    assert not recorder.recording
    assert report.ok
    assert report.warnings == ()
    assert (report.hsr.expected, report.hsr.received, report.hsr.missing) == (30, 30, 0)
    assert (report.lsr.expected, report.lsr.received, report.lsr.missing) == (240, 240, 0)
    assert report.sync_residual_us == pytest.approx(0, abs=0.01)
    assert report.drift_ppm == pytest.approx(0, abs=0.1)
    assert report.seconds == pytest.approx(239 / 240, rel=1e-3)
    take = Take.open(tmp_path / "t")
    assert take.report["ok"] is True
    assert take.lsr.frame_ids[0] == 80
    assert_intact(take)


def test_the_past_can_be_saved(tmp_path: Path, metadata: TakeMetadata, rings: dict[Role, RingBuffer]) -> None:
    feed(rings, range(481))
    recorder = Recorder(rings)
    recorder.start(tmp_path / "t", metadata, pre_seconds=1.0)
    report = recorder.stop()
    assert report.lsr.received == 240
    assert report.hsr.received == 30
    take = Take.open(tmp_path / "t")
    assert take.lsr.frame_ids[-1] == 480
    assert_intact(take)


def test_more_past_than_the_rings_may_give_is_cut(
    tmp_path: Path, metadata: TakeMetadata, rings: dict[Role, RingBuffer]
) -> None:
    feed(rings, range(2000))
    recorder = Recorder(rings)
    recorder.start(tmp_path / "t", metadata, pre_seconds=60.0)
    report = recorder.stop()
    assert report.lsr.received == 360
    assert report.hsr.received == 45


@pytest.mark.parametrize("before", [0, 100])
def test_a_recording_of_given_length_has_exactly_that_many_frames(
    tmp_path: Path, metadata: TakeMetadata, rings: dict[Role, RingBuffer], before: int
) -> None:
    recorder = Recorder(rings)
    feed(rings, range(before))
    recorder.start(tmp_path / "t", metadata, seconds=0.5)
    feed(rings, range(before, before + 300))
    assert recorder.wait(30)
    assert not recorder.status().recording
    report = recorder.stop()
    assert report.lsr.received == 120
    assert report.hsr.received == 15
    assert report.ok


def test_the_report_names_every_loss(
    tmp_path: Path, metadata: TakeMetadata, rings: dict[Role, RingBuffer]
) -> None:
    recorder = Recorder(rings)
    recorder.start(tmp_path / "t", metadata)
    feed(
        rings,
        range(240),
        skip={Role.LSR: {17, 100, 101, 102}, Role.HSR: {5}},
        incomplete={Role.LSR: {50}},
    )
    report = recorder.stop()
    assert not report.ok
    assert (report.lsr.expected, report.lsr.received, report.lsr.missing) == (240, 235, 5)
    assert report.lsr.incomplete == 1
    assert [(g.after_id, g.count) for g in report.lsr.gaps] == [(16, 1), (99, 3)]
    assert [(g.after_id, g.count) for g in report.hsr.gaps] == [(4, 1)]
    assert "LSR: 5 of 240 frames are missing" in report.warnings
    assert Take.open(tmp_path / "t").report["ok"] is False


def test_a_silent_camera_is_reported(
    tmp_path: Path, metadata: TakeMetadata, rings: dict[Role, RingBuffer]
) -> None:
    recorder = Recorder(rings)
    recorder.start(tmp_path / "t", metadata)
    for pulse in range(10):
        rings[Role.LSR].append(make_frame(Role.LSR, pulse))
    report = recorder.stop()
    assert "HSR: no frames were recorded; check its trigger line" in report.warnings
    assert report.lsr.received == 10
    assert report.sync_residual_us is None


def test_a_slow_disk_ends_in_order_with_everything_before_it(
    tmp_path: Path, metadata: TakeMetadata, rings: dict[Role, RingBuffer], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = TakeWriter.append

    def slow(self: TakeWriter, frame: Frame) -> None:
        if frame.role is Role.LSR:
            time.sleep(0.01)
        plain(self, frame)

    monkeypatch.setattr(TakeWriter, "append", slow)
    recorder = Recorder(rings)
    recorder.start(tmp_path / "t", metadata)
    fills = []
    for pulse in range(4000):
        feed(rings, [pulse])
        fills.append(recorder.status().queue_fill)
        if recorder.status().stop_reason is not None:
            break
        time.sleep(0.0005)
    queued = rings[Role.LSR].capacity // 2 + recorder.status().lsr_frames
    # The cameras go on: what waits in the ring is worth more than what comes now.
    feed(rings, range(pulse + 1, pulse + 1 + 2 * rings[Role.LSR].capacity))
    assert max(fills) > 0.9
    assert recorder.wait(60)
    report = recorder.stop()
    assert report.stop_reason is not None
    assert "too slow for LSR" in report.stop_reason
    assert not report.ok
    take = Take.open(tmp_path / "t")
    assert not take.recovered
    assert take.lsr.info.frame_count > queued
    np.testing.assert_array_equal(take.lsr.frame_ids, np.arange(take.lsr.info.frame_count))
    assert_intact(take)


def test_a_disk_that_stalls_loses_no_frame_of_a_small_ring_in_the_middle(
    tmp_path: Path, metadata: TakeMetadata, rings: dict[Role, RingBuffer], monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = threading.Event()
    plain = TakeWriter.append

    def stalled(self: TakeWriter, frame: Frame) -> None:
        goes_on.wait(30)
        plain(self, frame)

    monkeypatch.setattr(TakeWriter, "append", stalled)
    height, width = rings[Role.HSR].frame_shape
    rings[Role.HSR] = RingBuffer(8, height, width, rings[Role.HSR].pixel_format)
    recorder = Recorder(rings)
    recorder.start(tmp_path / "t", metadata)
    feed(rings, range(16 * 8))
    goes_on.set()
    assert recorder.wait(60)
    report = recorder.stop()
    assert report.stop_reason is not None
    assert "too slow for HSR" in report.stop_reason
    with Take.open(tmp_path / "t") as take:
        np.testing.assert_array_equal(take.hsr.frame_ids, np.arange(take.hsr.info.frame_count))


def test_a_disk_that_fills_up_ends_the_recording_in_order(
    tmp_path: Path, metadata: TakeMetadata, rings: dict[Role, RingBuffer], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    free = [10 * 1024**3]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(100, 0, free[0]))
    monkeypatch.setattr("drivers.recorder._SYNC_EVERY_S", 0.01)
    recorder = Recorder(rings)
    recorder.start(tmp_path / "t", metadata)
    rate = bytes_per_second(metadata)
    assert rate == pytest.approx(16 * 24 * 30 + 4 * 6 * 240)
    assert recorder.status().seconds_left == pytest.approx(9 * 1024**3 / rate)
    feed(rings, range(40))
    free[0] = 1024**3 - 1
    assert recorder.wait(30)
    feed(rings, range(40, 80))
    report = recorder.stop()
    assert report.stop_reason is not None
    assert "GB is free" in report.stop_reason
    assert report.lsr.received == 40
    with pytest.raises(TakeError, match="free space before recording"):
        recorder.start(tmp_path / "u", metadata)


def test_a_write_error_ends_both_streams_and_is_told(
    tmp_path: Path, metadata: TakeMetadata, rings: dict[Role, RingBuffer], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = TakeWriter.append

    def failing(self: TakeWriter, frame: Frame) -> None:
        if frame.role is Role.HSR and frame.frame_id == 3:
            raise TakeError("hsr: the disk is full; everything before this frame is kept")
        plain(self, frame)

    monkeypatch.setattr(TakeWriter, "append", failing)
    recorder = Recorder(rings)
    recorder.start(tmp_path / "t", metadata)
    feed(rings, range(64))
    assert recorder.wait(30)
    report = recorder.stop()
    assert report.stop_reason is not None
    assert "disk is full" in report.stop_reason
    assert report.hsr.received == 3
    assert_intact(Take.open(tmp_path / "t"))


def test_wrong_calls_are_told(tmp_path: Path, metadata: TakeMetadata, rings: dict[Role, RingBuffer]) -> None:
    recorder = Recorder(rings)
    with pytest.raises(TakeError, match="nothing is being recorded"):
        recorder.stop()
    with pytest.raises(TakeError, match="nothing is being recorded"):
        recorder.status()
    recorder.start(tmp_path / "t", metadata)
    with pytest.raises(TakeError, match="still being recorded"):
        recorder.start(tmp_path / "u", metadata)
    recorder.stop()
    with pytest.raises(TakeError, match="already exists"):
        recorder.start(tmp_path / "t", metadata)
    assert not recorder.recording
    assert disk_seconds_left(tmp_path / "not" / "yet", 1e6) > 0
    assert disk_seconds_left(tmp_path, 0.0) == float("inf")
    assert disk_free_bytes(tmp_path / "not" / "yet") > 0


def test_live_cameras_lose_nothing(
    tmp_path: Path, metadata: TakeMetadata, rings: dict[Role, RingBuffer]
) -> None:
    """Both rings are fed by threads of their own while takes are started and stopped."""
    recorder = Recorder(rings)
    ended = threading.Event()

    def run(role: Role) -> None:
        pulse = 0
        while not ended.is_set():
            rings[role].append(make_frame(role, pulse))
            pulse += 1
            time.sleep(0.001 if role is Role.LSR else 0.008)

    cameras = [threading.Thread(target=run, args=(role,)) for role in Role]
    for camera in cameras:
        camera.start()
    try:
        for number in range(4):
            recorder.start(tmp_path / f"t{number}", metadata, pre_seconds=0.1)
            time.sleep(0.1)
            report = recorder.stop()
            assert report.stop_reason is None
            take = Take.open(tmp_path / f"t{number}")
            assert take.lsr.info.frame_count > 24
            for role in Role:
                assert set(np.diff(take.stream(role).frame_ids)) == {1}
            assert_intact(take)
    finally:
        ended.set()
        for camera in cameras:
            camera.join()
