"""Cables that are pulled: the window, the other camera and the take survive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtWidgets import QDoubleSpinBox
from pytestqt.qtbot import QtBot

from app.gui.camera_rig import CameraRig, open_rig
from app.gui.main_window import MainWindow, WindowOptions
from app.gui.messages import Messages, Severity
from app.session import RigSetup, State
from app.settings import Settings
from drivers import Role, Take, pair_streams
from drivers.spinnaker_emulator import VirtualRig


@pytest.fixture
def bench(qtbot: QtBot, tmp_path: Path) -> Iterator[tuple[MainWindow, VirtualRig]]:
    """A live window and the emulated rig behind it."""
    setup = RigSetup(
        emulate=True, real_time=True, hsr_size=(384, 320), lsr_size=(96, 80), hsr_fps=15.0, ratio=4
    )
    opened: list[CameraRig] = []

    def factory(_: object) -> CameraRig:
        opened.append(open_rig(setup))
        return opened[-1]

    options = WindowOptions(
        factory, tmp_path / "takes", tmp_path / "window.log", Settings(), tmp_path / "settings.json"
    )
    window = MainWindow(options, Messages())
    qtbot.addWidget(window, before_close_func=MainWindow.shut_down)
    window.show()
    qtbot.waitUntil(lambda: window.controller.numbers(Role.LSR).received > 5, timeout=20000)
    virtual = opened[0].virtual
    assert virtual is not None
    yield window, virtual
    window.shut_down()
    window.close()


def more_frames(window: MainWindow, qtbot: QtBot, count: int) -> None:
    """Wait until so many more frames of each camera have come."""
    for role in Role:
        goal = window.controller.numbers(role).received + count
        qtbot.waitUntil(
            lambda role=role, goal=goal: window.controller.numbers(role).received >= goal,  # type: ignore[misc]
            timeout=20000,
        )


def pull(window: MainWindow, rig: VirtualRig, qtbot: QtBot, role: Role) -> None:
    """Unplug a camera and wait until its pane says so."""
    rig.unplug(role)
    qtbot.waitUntil(lambda: window.panes[role].state_chip.text() == "no camera", timeout=15000)


@pytest.mark.parametrize("role", list(Role))
def test_the_other_camera_stays_live_and_the_lost_one_comes_back(
    bench: tuple[MainWindow, VirtualRig], qtbot: QtBot, role: Role
) -> None:
    window, rig = bench
    rig.unplug(role)
    pane, other = window.panes[role], window.panes[role.other]
    qtbot.waitUntil(lambda: pane.state_chip.text() == "no camera", timeout=15000)
    assert pane.alarm_chip.isVisible()
    assert window.controller.state is State.LIVE
    assert other.state_chip.text() == "LIVE"
    assert not other.alarm_chip.isVisible()
    before = other.newest
    qtbot.waitUntil(lambda: other.newest is not before, timeout=10000)
    assert window.messages.count(Severity.WARNING) >= 1
    rig.replug(role)
    qtbot.waitUntil(lambda: pane.state_chip.text() == "LIVE", timeout=20000)
    before = pane.newest
    qtbot.waitUntil(lambda: pane.newest is not before, timeout=10000)
    assert not pane.alarm_chip.isVisible()


def test_both_cables_pulled_and_put_back(bench: tuple[MainWindow, VirtualRig], qtbot: QtBot) -> None:
    window, rig = bench
    for role in Role:
        rig.unplug(role)
    qtbot.waitUntil(lambda: window.controller.state is State.DISCONNECTED, timeout=15000)
    qtbot.waitUntil(
        lambda: all(p.state_chip.text() == "no camera" for p in window.panes.values()), timeout=5000
    )
    for role in Role:
        rig.replug(role)
    qtbot.waitUntil(lambda: window.controller.state is State.LIVE, timeout=20000)
    shown = {role: pane.newest for role, pane in window.panes.items()}
    for role, pane in window.panes.items():
        qtbot.waitUntil(lambda pane=pane, role=role: pane.newest is not shown[role], timeout=10000)  # type: ignore[misc]


@pytest.mark.parametrize("role", list(Role))
def test_take_goes_on_without_a_camera_and_takes_it_back(
    bench: tuple[MainWindow, VirtualRig], qtbot: QtBot, role: Role
) -> None:
    window, rig = bench
    window.actions_table["record"].trigger()
    qtbot.waitUntil(lambda: window.controller.state is State.RECORDING, timeout=10000)
    more_frames(window, qtbot, 15)
    pane, other = window.panes[role], window.panes[role.other]
    rig.unplug(role)
    qtbot.waitUntil(lambda: pane.state_chip.text() == "no camera", timeout=15000)
    assert window.controller.state is State.RECORDING
    assert other.state_chip.text() == "REC"
    seen = window.controller.numbers(role.other).received
    qtbot.waitUntil(lambda: window.controller.numbers(role.other).received > seen + 5, timeout=10000)
    rig.replug(role)
    qtbot.waitUntil(lambda: pane.state_chip.text() == "REC", timeout=20000)
    goal = window.controller.numbers(role).received + 10
    qtbot.waitUntil(lambda: window.controller.numbers(role).received > goal, timeout=10000)
    with qtbot.waitSignal(window.recording.finished, timeout=20000):
        window.actions_table["record"].trigger()
    qtbot.waitUntil(lambda: window.controller.state is State.LIVE, timeout=20000)
    with Take.open(window.recording.folder / "take_001") as take:
        gaps = {r: int(np.diff(take.stream(r).frame_ids).max()) for r in Role}
        assert gaps[role] > 1
        assert gaps[role.other] == 1
        assert pair_streams(take.pair()).gops
    assert window.recording_panel.card.isVisible()
    assert "was away from" in window.recording_panel.card.findings.text()
    assert any("is part of the take again" in m.text for m in window.messages.log)


def test_take_of_one_camera_when_the_other_stays_away(
    bench: tuple[MainWindow, VirtualRig], qtbot: QtBot
) -> None:
    window, rig = bench
    window.actions_table["record"].trigger()
    qtbot.waitUntil(lambda: window.controller.state is State.RECORDING, timeout=10000)
    more_frames(window, qtbot, 8)
    pull(window, rig, qtbot, Role.LSR)
    with qtbot.waitSignal(window.recording.finished, timeout=20000):
        window.actions_table["record"].trigger()
    with Take.open(window.recording.folder / "take_001") as take:
        assert take.lsr.info.frame_count > 5
        assert take.hsr.info.frame_count > 2
    assert "did not come back" in window.recording_panel.card.findings.text()
    assert window.isVisible()
    rig.replug(Role.LSR)
    qtbot.waitUntil(lambda: window.panes[Role.LSR].state_chip.text() == "LIVE", timeout=20000)


def test_arming_without_one_camera_is_refused_and_leaves_the_other_live(
    bench: tuple[MainWindow, VirtualRig], qtbot: QtBot
) -> None:
    window, rig = bench
    pull(window, rig, qtbot, Role.HSR)
    window.actions_table["arm"].trigger()
    qtbot.waitUntil(lambda: any("before the take" in m.text for m in window.messages.log), timeout=10000)
    assert window.controller.state is State.LIVE
    before = window.panes[Role.LSR].newest
    qtbot.waitUntil(lambda: window.panes[Role.LSR].newest is not before, timeout=10000)
    rig.replug(Role.HSR)
    qtbot.waitUntil(lambda: window.panes[Role.HSR].state_chip.text() == "LIVE", timeout=20000)


@pytest.mark.parametrize("role", list(Role))
def test_an_armed_take_begins_with_the_camera_that_is_left_when_the_operator_says_so(
    bench: tuple[MainWindow, VirtualRig], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, role: Role
) -> None:
    answers, asked = [False, True], []

    def question(_: object, title: str, text: str) -> bool:
        asked.append(text)
        return answers.pop(0)

    monkeypatch.setattr("app.gui.main_window.confirmed", question)
    window, rig = bench
    window.actions_table["arm"].trigger()
    qtbot.waitUntil(lambda: window.controller.state is State.ARMED, timeout=10000)
    pull(window, rig, qtbot, role)
    window.actions_table["record"].trigger()
    qtbot.wait(300)
    assert window.controller.state is State.ARMED
    window.actions_table["record"].trigger()
    qtbot.waitUntil(lambda: window.controller.numbers(role.other).received > 20, timeout=10000)
    with qtbot.waitSignal(window.recording.finished, timeout=15000) as blocker:
        window.actions_table["record"].trigger()
    assert len(asked) == 2
    assert f"the {role.name} camera" in asked[0]
    report = blocker.args[0]
    assert report.frames(role) == 0
    # The browser shows the stream that there is.
    window.pages.show_take(report.path)
    page = window.take_page
    qtbot.waitUntil(lambda: page.moment is not None, timeout=10000)
    assert page.slider.maximum() == report.frames(role.other) - 1
    assert "id " in page.labels[role.other].text()
    assert "no frame" in page.labels[role].text()
    assert page.export.isEnabled()
    assert not page.fuse.isEnabled()
    assert not window.messages.count(Severity.ERROR)


def test_checks_and_snapshot_name_the_camera_that_has_left(
    bench: tuple[MainWindow, VirtualRig], qtbot: QtBot
) -> None:
    window, rig = bench
    qtbot.waitUntil(lambda: window.controller.numbers(Role.HSR).received > 8, timeout=10000)
    checks, sync = window.recording_panel.checks, window.trigger_panel
    with qtbot.waitSignals([window.checklist.done, window.trigger.checked], timeout=10000):
        checks.button.click()
        sync.check.click()
    assert sync.verdict.text() == "in step"
    pull(window, rig, qtbot, Role.LSR)
    assert checks.verdict.text() == sync.verdict.text() == "not checked"
    serial = window.controller.left[Role.LSR]
    with qtbot.waitSignal(window.checklist.done, timeout=10000) as blocker:
        checks.button.click()
    assert f"camera {serial} has left" in blocker.args[0][0].text
    sync.check.click()
    assert sync.verdict.text() == f"camera {serial} has left"
    for key in ("snapshot", "align"):
        before = len(window.messages.log)
        window.actions_table[key].trigger()
        qtbot.waitUntil(lambda before=before: len(window.messages.log) > before, timeout=10000)  # type: ignore[misc]
        assert f"camera {serial} has left" in window.messages.log[-1].text


def test_an_armed_take_has_both_cameras_when_the_lost_one_is_back_in_time(
    bench: tuple[MainWindow, VirtualRig], qtbot: QtBot
) -> None:
    window, rig = bench
    window.actions_table["arm"].trigger()
    qtbot.waitUntil(lambda: window.controller.state is State.ARMED, timeout=10000)
    pull(window, rig, qtbot, Role.LSR)
    rig.replug(Role.LSR)
    qtbot.waitUntil(lambda: not window.controller.left, timeout=20000)
    window.actions_table["record"].trigger()
    qtbot.waitUntil(lambda: window.controller.numbers(Role.LSR).received > 20, timeout=10000)
    with qtbot.waitSignal(window.recording.finished, timeout=15000) as blocker:
        window.actions_table["record"].trigger()
    assert all(blocker.args[0].frames(role) > 4 for role in Role)


def test_changing_a_camera_that_has_left_says_so(bench: tuple[MainWindow, VirtualRig], qtbot: QtBot) -> None:
    window, rig = bench
    pull(window, rig, qtbot, Role.LSR)
    window.controller.set_exposure(Role.LSR, 1000.0)
    qtbot.waitUntil(lambda: window.messages.count(Severity.ERROR) == 1, timeout=10000)
    assert "has left" in window.messages.log[-1].text


def test_panels_show_what_is_set_when_a_camera_is_away(
    bench: tuple[MainWindow, VirtualRig], qtbot: QtBot
) -> None:
    window, rig = bench
    pull(window, rig, qtbot, Role.LSR)
    black = window.findChild(QDoubleSpinBox, "hsr_BlackLevel_field")
    assert black is not None
    black.setValue(3.0)
    qtbot.waitUntil(lambda: black.value() == 0.0, timeout=10000)
    exposure = window.findChild(QDoubleSpinBox, "lsr_ExposureTime_field")
    assert exposure is not None
    asked = exposure.value()
    qtbot.waitUntil(
        lambda: window.exposure.auto(Role.LSR) or any("no pictures" in m.text for m in window.messages.log),
        timeout=10000,
    )
    rig.replug(Role.LSR)
    pane = window.panes[Role.LSR]
    qtbot.waitUntil(lambda: pane.state_chip.text() == "LIVE", timeout=20000)
    before = window.controller.numbers(Role.LSR).received
    qtbot.waitUntil(lambda: window.controller.numbers(Role.LSR).received > before + 20, timeout=10000)
    assert exposure.value() == asked


def test_undo_waits_for_the_camera_that_has_left(bench: tuple[MainWindow, VirtualRig], qtbot: QtBot) -> None:
    window, rig = bench
    gain = window.findChild(QDoubleSpinBox, "hsr_Gain_field")
    assert gain is not None
    with qtbot.waitSignal(window.controller.applied, timeout=10000):
        gain.setValue(3.0)
    pull(window, rig, qtbot, Role.HSR)
    window.actions_table["undo"].trigger()
    assert (window.undo.index(), gain.value()) == (1, 3.0)
    assert "the HSR camera has left" in window.messages.log[-1].text
    rig.replug(Role.HSR)
    qtbot.waitUntil(lambda: window.panes[Role.HSR].state_chip.text() == "LIVE", timeout=20000)
    window.actions_table["undo"].trigger()
    assert (window.undo.index(), gain.value()) == (0, 0.0)
