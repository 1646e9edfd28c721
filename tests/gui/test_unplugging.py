"""Cables that are pulled: the window, the other camera and the take survive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.capture import CaptureJob
from app.gui.main_window import MainWindow, WindowOptions
from app.gui.messages import Messages, Severity
from app.gui.rigs import Rig, open_rig
from app.session import State
from app.settings import Settings
from drivers import Role, Take
from drivers.spinnaker_emulator import VirtualRig


@pytest.fixture
def bench(qtbot: QtBot, tmp_path: Path) -> Iterator[tuple[MainWindow, VirtualRig]]:
    """A live window and the emulated rig behind it."""
    job = CaptureJob(
        Path("t"), 1.0, real_time=True, hsr_size=(384, 320), lsr_size=(96, 80), hsr_fps=15.0, ratio=4
    )
    opened: list[Rig] = []

    def factory(_: object) -> Rig:
        opened.append(open_rig(job, emulate=True))
        return opened[-1]

    options = WindowOptions(
        factory, tmp_path / "takes", tmp_path / "window.log", Settings(), tmp_path / "settings.json"
    )
    window = MainWindow(options, Messages())
    qtbot.addWidget(window)
    window.show()
    qtbot.waitUntil(lambda: window.controller.numbers(Role.LSR).received > 5, timeout=20000)
    virtual = opened[0].virtual
    assert virtual is not None
    yield window, virtual
    window.shut_down()
    window.close()


@pytest.mark.parametrize("role", list(Role))
def test_camera_that_comes_back_is_live_again(
    bench: tuple[MainWindow, VirtualRig], qtbot: QtBot, role: Role
) -> None:
    window, rig = bench
    rig.unplug(role)
    pane = window.panes[role]
    qtbot.waitUntil(lambda: window.controller.state is State.DISCONNECTED, timeout=15000)
    qtbot.waitUntil(lambda: pane.state_chip.text() == "no camera", timeout=5000)
    assert pane.alarm_chip.isVisible()
    other = window.panes[Role.LSR if role is Role.HSR else Role.HSR]
    qtbot.waitUntil(lambda: other.state_chip.text() == "waiting", timeout=5000)
    assert not other.alarm_chip.isVisible()
    assert window.messages.count(Severity.WARNING) >= 1
    rig.replug(role)
    qtbot.waitUntil(lambda: window.controller.state is State.LIVE, timeout=20000)
    before = pane.newest
    qtbot.waitUntil(lambda: pane.newest is not before, timeout=10000)
    assert not pane.alarm_chip.isVisible()


def test_take_survives_a_pulled_cable(bench: tuple[MainWindow, VirtualRig], qtbot: QtBot) -> None:
    window, rig = bench
    window.actions_table["record"].trigger()
    qtbot.waitUntil(lambda: window.controller.state is State.RECORDING, timeout=10000)
    qtbot.wait(700)
    with qtbot.waitSignal(window.recording.finished, timeout=20000):
        rig.unplug(Role.LSR)
    with Take.open(window.recording.folder / "take_001") as take:
        assert take.lsr.info.frame_count > 5
        assert take.hsr.info.frame_count > 2
    assert any("ended by itself" in m.text and "cable" in m.text for m in window.messages.log)
    assert window.isVisible()
    assert window.recording_panel.card.isVisible()
    rig.replug(Role.LSR)
    qtbot.waitUntil(lambda: window.controller.state is State.LIVE, timeout=20000)
