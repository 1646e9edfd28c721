"""Calls to a camera while its grab thread runs, ends, or has no time."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from app.capture import emulated_session
from app.session import Session
from drivers import Applied, CameraError, Role
from drivers.spinnaker_emulator import install
from emulated import SETUP, until


def test_a_call_while_the_grab_thread_ends_is_answered(session: Session) -> None:
    session.start_live()
    assert until(lambda: session.counters(Role.LSR).received > 3)
    channel = session._crew.channels[Role.LSR]
    told, found = channel._on_change, list[Applied]()

    def ask_at_the_end() -> None:
        # After the last turn of the queue, while the thread is still alive.
        asker = threading.Thread(target=lambda: found.append(channel.set_exposure_us(800.0)))
        asker.start()
        asker.join(3.0)
        told()

    channel._on_change = ask_at_the_end
    session.stop_live()
    assert [applied.applied for applied in found] == [800.0]


def test_a_call_that_takes_too_long_is_an_error_of_the_camera(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.session.channel._CALL_TIMEOUT_S", 0.05)
    session.start_live()
    channel = session._crew.channels[Role.LSR]
    begun, go_on, late = threading.Event(), threading.Event(), list[str]()

    def block() -> None:
        with suppress(CameraError):
            channel.call(lambda: (begun.set(), go_on.wait()))

    blocker = threading.Thread(target=block)
    blocker.start()
    assert begun.wait(20)
    with pytest.raises(CameraError, match="did not answer within"):
        channel.call(lambda: late.append("happened after all"))
    assert session.latch() is None
    go_on.set()
    blocker.join()
    seen = channel.counters.received
    assert until(lambda: channel.counters.received > seen + 3)
    assert late == []


def test_a_long_exposure_that_has_begun_is_not_thrown_away(tmp_path: Path) -> None:
    rig = install(real_time=True)
    job = replace(SETUP, hsr_fps=5.0, ratio=8, hsr_exposure_us=180_000.0)
    try:
        with emulated_session(rig) as session:
            session.connect(rig.serials)
            session.configure(job.settings())
            session.start_recording(tmp_path / "take")
            # The third HSR pulse comes with the 17th LSR pulse.
            assert until(lambda: session.counters(Role.LSR).received > 18)
            report = session.stop_recording()
    finally:
        rig.uninstall()
    assert report.recording.warnings == ()
    assert report.frames(Role.HSR) == report.expected(Role.HSR) >= 3
