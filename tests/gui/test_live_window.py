"""The window on the emulated rig: live views, exposure, states."""

from __future__ import annotations

import cv2
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QDoubleSpinBox, QLabel, QPushButton, QSlider
from pytestqt.qtbot import QtBot

from app.gui.actions import ACTIONS
from app.gui.auto_exposure import TARGET, brightness
from app.gui.checks import Check
from app.gui.help_page import HelpPage
from app.gui.main_window import MainWindow
from app.session import State
from drivers import Role


def field(window: MainWindow, role: Role, name: str) -> QDoubleSpinBox:
    found = window.findChild(QDoubleSpinBox, f"{role}_{name}_field")
    assert found is not None
    return found


def applied(window: MainWindow, role: Role, name: str) -> str:
    found = window.findChild(QLabel, f"{role}_{name}_applied")
    assert found is not None
    return found.text()


def test_both_views_show_pictures_and_say_simulated(window: MainWindow, qtbot: QtBot) -> None:
    for pane in window.panes.values():
        qtbot.waitUntil(lambda pane=pane: pane.shown_rate > 3, timeout=15000)  # type: ignore[misc]
        assert any(label.text() == "SIMULATED" and label.isVisible() for label in pane.findChildren(QLabel))
        assert pane.state_chip.text() == "LIVE"
    assert "SIMULATED" in window.windowTitle()


def test_exposure_of_one_camera_leaves_the_other(window: MainWindow, qtbot: QtBot) -> None:
    before = field(window, Role.HSR, "ExposureTime").value()
    spin = field(window, Role.LSR, "ExposureTime")
    spin.setValue(3.5)
    qtbot.waitUntil(lambda: applied(window, Role.LSR, "ExposureTime") == "set 3.500", timeout=5000)
    assert field(window, Role.HSR, "ExposureTime").value() == before
    assert applied(window, Role.HSR, "ExposureTime") == f"set {before:.3f}"
    ring = window.controller.ring(Role.LSR)
    assert ring is not None
    qtbot.waitUntil(lambda: ring.head(ring.latest() or 0).exposure_us == pytest.approx(3500, abs=5))


def test_keys_work_after_a_number_was_typed(window: MainWindow, qtbot: QtBot) -> None:
    hsr, lsr = (field(window, role, "ExposureTime") for role in (Role.HSR, Role.LSR))
    start = hsr.value(), lsr.value()
    window.activateWindow()
    lsr.setFocus()
    qtbot.waitUntil(lsr.hasFocus)
    lsr.selectAll()
    QTest.keyClicks(lsr, "1.5")
    QTest.keyClick(lsr, Qt.Key.Key_Return)
    assert lsr.value() == 1.5
    QTest.keyClick(lsr, Qt.Key.Key_BracketRight)
    assert hsr.value() == pytest.approx(start[0] * 2 ** (1 / 3), rel=1e-3), "a third of a stop"
    assert lsr.value() == 1.5, "the key acts on the chosen camera, not on the field"
    QTest.keyClick(lsr, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert hsr.value() == pytest.approx(start[0], rel=1e-3)
    QTest.keyClick(lsr, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert lsr.value() == pytest.approx(start[1], rel=1e-3)


def test_linked_exposures_keep_their_ratio_and_undo_together(window: MainWindow, qtbot: QtBot) -> None:
    hsr, lsr = (field(window, role, "ExposureTime") for role in (Role.HSR, Role.LSR))
    start = hsr.value(), lsr.value()
    window.exposure_panel.link.click()
    hsr.setValue(start[0] * 1.5)
    assert lsr.value() == pytest.approx(start[1] * 1.5, rel=1e-3)
    window.undo.undo()
    assert (hsr.value(), lsr.value()) == pytest.approx(start, rel=1e-3)
    qtbot.waitUntil(lambda: applied(window, Role.LSR, "ExposureTime") == f"set {start[1]:.3f}")


def test_linked_exposures_stop_together_where_one_ends(window: MainWindow) -> None:
    hsr, lsr = (field(window, role, "ExposureTime") for role in (Role.HSR, Role.LSR))
    ratio = hsr.value() / lsr.value()
    window.exposure_panel.link.click()
    for action in ["exposure_up"] * 20 + ["exposure_down"] * 6:
        window.actions_table[action].trigger()
        assert hsr.value() / lsr.value() == pytest.approx(ratio, rel=2e-3)
    lsr.setValue(lsr.maximum())
    assert hsr.value() / lsr.value() == pytest.approx(ratio, rel=2e-3)
    kept = hsr.value()
    hsr.setValue(kept * 1.5)
    assert hsr.value() == pytest.approx(kept, rel=1e-3), "the LSR camera's is at its end"
    assert any("unlink" in message.text for message in window.messages.log)


def test_exposure_cannot_reach_into_the_next_pulse(window: MainWindow) -> None:
    settings = window.controller.settings
    assert settings is not None
    longest = settings.plan.max_exposure_us(Role.LSR) / 1000
    spin = field(window, Role.LSR, "ExposureTime")
    spin.setValue(1000.0)
    assert spin.value() <= longest + 1e-3
    slider = window.findChild(QSlider, "lsr_ExposureTime_slider")
    assert slider is not None
    assert slider.value() == slider.maximum()


def test_the_longest_exposure_of_a_master_is_one_that_it_takes(window: MainWindow, qtbot: QtBot) -> None:
    window.trigger_panel.maker.setCurrentIndex(1)
    with qtbot.waitSignal(window.controller.configured, timeout=10000):
        window.trigger_panel.apply.click()
    settings = window.controller.settings
    assert settings is not None
    longest = settings.plan.max_exposure_us(Role.LSR)
    spin = field(window, Role.LSR, "ExposureTime")
    assert spin.maximum() == pytest.approx(longest / 1000, abs=1e-3)
    spin.setValue(1000.0)

    def taken() -> float:
        now = window.controller.settings
        assert now is not None
        return now.lsr.exposure_us

    qtbot.waitUntil(lambda: taken() == pytest.approx(longest, abs=20), timeout=10000)


def test_keys_act_on_the_chosen_camera(window: MainWindow, qtbot: QtBot) -> None:
    before = field(window, Role.LSR, "ExposureTime").value()
    QTest.mouseClick(window.panes[Role.LSR], Qt.MouseButton.LeftButton)
    assert window.exposure.selected is Role.LSR
    window.actions_table["exposure_down"].trigger()
    assert field(window, Role.LSR, "ExposureTime").value() == pytest.approx(before / 2 ** (1 / 3), rel=1e-3)


def test_live_stops_and_starts(window: MainWindow, qtbot: QtBot) -> None:
    window.actions_table["live"].trigger()
    qtbot.waitUntil(lambda: window.controller.state is State.IDLE, timeout=10000)
    assert not window.actions_table["live"].isChecked()
    window.actions_table["live"].trigger()
    qtbot.waitUntil(lambda: window.controller.state is State.LIVE, timeout=10000)
    window.actions_table["live"].trigger()
    qtbot.waitUntil(lambda: window.controller.state is State.IDLE, timeout=10000)
    window.actions_table["disconnect"].trigger()
    qtbot.waitUntil(lambda: window.controller.state is State.DISCONNECTED, timeout=10000)
    assert not window.actions_table["record"].isEnabled()


def test_black_level_is_written_and_live_goes_on(window: MainWindow, qtbot: QtBot) -> None:
    field(window, Role.HSR, "BlackLevel").setValue(2.0)

    def done() -> bool:
        settings = window.controller.settings
        return (
            settings is not None
            and settings.hsr.black_level_percent == pytest.approx(2.0)
            and window.controller.state is State.LIVE
        )

    qtbot.waitUntil(done, timeout=10000)


def test_every_action_is_on_the_help_page(qtbot: QtBot) -> None:
    page = HelpPage()
    qtbot.addWidget(page)
    text = page.text.toPlainText()
    for info in ACTIONS:
        assert info.text in text
        assert info.help in text


def test_auto_exposure_finds_the_target_and_stops(window: MainWindow, qtbot: QtBot) -> None:
    spin = field(window, Role.LSR, "ExposureTime")
    spin.setValue(0.2)
    button = window.findChild(QPushButton, "lsr_auto")
    assert button is not None

    def dark() -> bool:
        newest = window.panes[Role.LSR].newest
        return newest is not None and newest.exposure_us < 250

    qtbot.waitUntil(dark, timeout=10000)
    button.click()

    def good() -> bool:
        newest = window.panes[Role.LSR].newest
        return (
            newest is not None
            and newest.histogram is not None
            and newest.exposure_us > 400
            and abs(brightness(newest.histogram) - TARGET) < 0.1
        )

    qtbot.waitUntil(good, timeout=20000)
    found = spin.value()
    qtbot.wait(400)
    assert spin.value() == found
    window.undo.undo()
    assert spin.value() == pytest.approx(0.2, abs=1e-3)


def test_a_typed_exposure_ends_the_automatic_one(window: MainWindow, qtbot: QtBot) -> None:
    spin, pane = field(window, Role.LSR, "ExposureTime"), window.panes[Role.LSR]
    spin.setValue(0.2)
    qtbot.waitUntil(lambda: pane.newest is not None and pane.newest.exposure_us < 250, timeout=10000)
    window.exposure.auto(Role.LSR)
    spin.setValue(0.3)
    reached = window.controller.numbers(Role.LSR).received + 20
    qtbot.waitUntil(lambda: window.controller.numbers(Role.LSR).received > reached, timeout=10000)
    assert spin.value() == pytest.approx(0.3, abs=1e-3)


def test_figures_of_a_narrow_pane_are_not_cut_off(window: MainWindow, qtbot: QtBot) -> None:
    pane = window.panes[Role.HSR]
    window.resize(window.minimumSizeHint())
    qtbot.wait(50)
    for chip in (pane.fps_chip, pane.missing_chip, pane.incomplete_chip, pane.saturated_chip):
        assert chip.width() >= chip.sizeHint().width()
        assert pane.rect().contains(chip.geometry().translated(chip.parentWidget().pos()))  # type: ignore[union-attr]


def test_a_long_take_name_does_not_widen_the_window(window: MainWindow) -> None:
    before = window.minimumSizeHint().width()
    window.status.show_take("a_very_long_name_" * 8, 1.0)
    assert window.minimumSizeHint().width() <= max(before, 1280)
    assert window.status.take.toolTip().startswith("a_very_long_name_a")


def test_snapshot_writes_both_cameras(window: MainWindow, qtbot: QtBot) -> None:
    window.actions_table["snapshot"].trigger()
    folder = window.recording.folder / "snapshots"
    qtbot.waitUntil(lambda: len(list(folder.glob("*.png"))) == 2, timeout=10000)
    sizes = {cv2.imread(str(path)).shape[:2] for path in folder.glob("*.png")}
    assert sizes == {(320, 384), (80, 96)}


def test_check_list_names_what_is_missing(window: MainWindow, qtbot: QtBot) -> None:
    button = window.findChild(QPushButton, "run_checks")
    verdict = window.findChild(QLabel, "checks_verdict")
    assert button is not None
    assert verdict is not None
    qtbot.waitUntil(lambda: window.controller.numbers(Role.HSR).received > 8, timeout=10000)
    with qtbot.waitSignal(window.checklist.done, timeout=10000) as blocker:
        button.click()
    checks = {check.name: check for check in blocker.args[0]}
    assert checks["sync"].level == "good"
    assert checks["disk"].level in ("good", "warn")
    assert checks["views"].level == "warn"
    assert verdict.text() == "look here"
    window.actions_table["disconnect"].trigger()
    qtbot.waitUntil(lambda: window.controller.state is State.DISCONNECTED, timeout=10000)
    button.click()
    assert verdict.text() == "not ready"


def test_checks_name_what_record_refuses_and_forget_what_has_changed(
    window: MainWindow, qtbot: QtBot
) -> None:
    verdicts = window.recording_panel.checks.verdict, window.trigger_panel.verdict
    qtbot.waitUntil(lambda: window.controller.numbers(Role.HSR).received > 8, timeout=10000)

    def check() -> Check:
        with qtbot.waitSignals([window.checklist.done, window.trigger.checked], timeout=10000) as blocker:
            window.recording_panel.checks.button.click()
            window.trigger_panel.check.click()
        return next(got.args[0][0] for got in blocker.all_signals_and_args if isinstance(got.args[0], list))

    assert check().level == "good"
    window.trigger_panel.free.click()
    qtbot.waitUntil(lambda: [v.text() for v in verdicts] == ["not checked"] * 2, timeout=10000)
    qtbot.waitUntil(lambda: window.controller.state is State.LIVE, timeout=10000)
    qtbot.waitUntil(lambda: window.controller.numbers(Role.HSR).received > 3, timeout=10000)
    found = check()
    assert (found.level, "free run is on" in found.text) == ("bad", True)
    assert [v.text() for v in verdicts] == ["not ready", "free run is on"]


def test_pictures_go_round_and_are_not_made_anew(window: MainWindow, qtbot: QtBot) -> None:
    places: dict[Role, list[int]] = {role: [] for role in Role}
    window.views.previewed.connect(
        lambda role, _: places[role].append(window.panes[role].newest.rgb.ctypes.data)
    )
    qtbot.waitUntil(lambda: all(len(seen) > 40 for seen in places.values()), timeout=20000)
    for seen in places.values():
        # After the first ones, which the window's layout makes smaller or larger.
        assert len(set(seen[-30:])) <= 5
