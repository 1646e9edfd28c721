"""A take that waits for its first pulse."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from app.session import Session, SessionError, State
from drivers import Role, Take, TakeError
from emulated import until


def test_armed_take_begins_with_the_first_pulse_of_both_cameras(session: Session, tmp_path: Path) -> None:
    session.start_recording(tmp_path / "take", wait=True)
    assert session.state is State.ARMED
    assert session.counters(Role.LSR).received == 0
    session.fire()
    assert session.state is State.RECORDING
    until(lambda: session.counters(Role.LSR).received > 16)
    report = session.stop_recording()
    assert report.frames_lost == 0
    with Take.open(tmp_path / "take") as take:
        assert [take.stream(role).read(0).frame_id for role in Role] == [0, 0]


def test_armed_take_can_be_given_up(session: Session, tmp_path: Path) -> None:
    session.start_live()
    until(lambda: session.counters(Role.LSR).received > 16)
    session.stop_live()
    session.start_recording(tmp_path / "take", wait=True)
    report = session.stop_recording()
    assert session.state is State.IDLE
    assert [report.frames(role) for role in Role] == [0, 0]
    assert report.frames_lost == 0
    assert not report.kept
    assert not (tmp_path / "take").exists()
    with pytest.raises(SessionError, match="Armed"):
        session.fire()
    session.start_recording(tmp_path / "next", wait=True)
    (tmp_path / "next" / "notes.txt").write_text("the operator's own")
    session.close()
    assert (tmp_path / "next" / "done.json").is_file()


def test_a_take_that_cannot_begin_leaves_the_cameras_at_rest(session: Session, tmp_path: Path) -> None:
    with pytest.raises(TakeError, match="name too long"):
        session.start_recording(tmp_path / ("a" * 300))
    assert session.state is State.IDLE
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("grab")]


def test_a_session_that_cannot_close_its_take_still_ends_its_threads(
    session: Session, tmp_path: Path
) -> None:
    session.start_live()
    until(lambda: session.counters(Role.LSR).received > 16)
    session.start_recording(tmp_path / "take")
    until(lambda: session.counters(Role.LSR).received > 40)
    (tmp_path / "take").rename(tmp_path / "elsewhere")
    with pytest.raises(TakeError, match="moved or deleted"):
        session.close()
    assert session.state is State.DISCONNECTED
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("grab")]
