"""Trigger plan from the window, and the one-click check of both cameras."""

from __future__ import annotations

import numpy as np
import pytest
from PyQt6.QtWidgets import QLabel, QPushButton, QSpinBox
from pytestqt.qtbot import QtBot

from app.gui.main_window import MainWindow
from app.gui.sync_check import Pulses, check_sync
from app.gui.wiring import WiringDialog
from app.session import State
from drivers import ClockLatch, Role
from drivers.trigger import plan_trigger

PLAN = plan_trigger(30, hsr_rows=1920, lsr_rows=480, ratio=8)


def test_new_ratio_is_applied_and_limits_follow(window: MainWindow, qtbot: QtBot) -> None:
    panel = window.trigger_panel
    ratio = window.findChild(QSpinBox, "trigger_ratio")
    apply = window.findChild(QPushButton, "trigger_apply")
    assert ratio is not None
    assert apply is not None
    assert not apply.isEnabled()
    ratio.setValue(8)
    assert apply.isEnabled()
    with qtbot.waitSignal(window.controller.configured, timeout=10000):
        apply.click()
    qtbot.waitUntil(lambda: window.controller.state is State.LIVE, timeout=10000)
    settings = window.controller.settings
    assert settings is not None
    assert settings.plan.ratio == 8
    assert settings.lsr.exposure_us <= settings.plan.max_exposure_us(Role.LSR)
    assert not panel.apply.isEnabled()


def test_a_rate_not_yet_applied_survives_other_changes(window: MainWindow, qtbot: QtBot) -> None:
    panel = window.trigger_panel
    panel.hsr_fps.setValue(10)
    with qtbot.waitSignal(window.controller.configured, timeout=10000):
        window.controller.set_black_level(Role.HSR, 2.0)
    assert panel.hsr_fps.value() == 10
    assert panel.apply.isEnabled()


def test_impossible_rates_say_what_is_possible(window: MainWindow) -> None:
    panel = window.trigger_panel
    panel.ratio.setValue(64)
    panel.hsr_fps.setValue(100)
    result = window.findChild(QLabel, "trigger_result")
    assert result is not None
    assert "at most" in result.text()
    assert not panel.apply.isEnabled()


def test_check_finds_the_emulated_cameras_in_step(window: MainWindow, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: window.controller.numbers(Role.HSR).received > 12, timeout=10000)
    with qtbot.waitSignal(window.trigger.checked, timeout=10000):
        window.trigger_panel.check.click()
    verdict = window.findChild(QLabel, "sync_verdict")
    assert verdict is not None
    assert "in step" in verdict.text()


def test_the_fast_camera_can_make_the_pulses(window: MainWindow, qtbot: QtBot) -> None:
    panel = window.trigger_panel
    panel.maker.setCurrentIndex(1)
    with qtbot.waitSignal(window.controller.configured, timeout=10000):
        panel.apply.click()
    settings = window.controller.settings
    assert settings is not None
    assert settings.plan.master
    qtbot.waitUntil(lambda: window.controller.numbers(Role.HSR).received > 12, timeout=20000)
    with qtbot.waitSignal(window.trigger.checked, timeout=10000):
        panel.check.click()
    assert "in step" in panel.verdict.text()
    assert panel.maker.currentText() == "LSR camera, through a divider"


def test_wiring_shows_the_pins(qtbot: QtBot) -> None:
    dialog = WiringDialog(PLAN)
    qtbot.addWidget(dialog)
    dialog.show()
    assert "pin 1" in dialog.words.text()
    image = dialog.grab().toImage()
    assert not image.isNull()


def pulses(rate: float, count: int, *, clock_ns: int, jitter_us: float = 0.0, skip: int = -1) -> Pulses:
    rng = np.random.default_rng(4)
    ids = np.delete(np.arange(count), skip) if skip >= 0 else np.arange(count)
    times = clock_ns + ids * 1e9 / rate + rng.normal(0, 1, len(ids)) * jitter_us * 1000
    return Pulses(ids.astype(np.int64), times.astype(np.int64))


def test_good_pulses_are_in_step_and_their_clocks_found() -> None:
    verdict = check_sync(pulses(30, 60, clock_ns=10**9), pulses(240, 480, clock_ns=7 * 10**9), PLAN)
    assert verdict.level == "good"
    assert verdict.fit is not None
    assert verdict.fit.offset_ns == pytest.approx(6e9, abs=1e3)


def test_a_missed_first_pulse_shows_in_the_clocks() -> None:
    hsr, lsr = pulses(30, 60, clock_ns=10**9), pulses(240, 480, clock_ns=7 * 10**9)
    verdict = check_sync(hsr, lsr, PLAN, ClockLatch(0, 6 * 10**9, 100.0))
    assert (verdict.level, verdict.lines[-1]) == (
        "good",
        "both cameras count from the same pulse, their clocks say so",
    )
    late = check_sync(hsr, lsr, PLAN, ClockLatch(0, 6 * 10**9 - 4_166_667, 100.0))
    assert (late.level, late.headline) == ("warn", "first pulse missed")
    assert any("1 LSR pulse came" in line for line in late.lines)
    rough = check_sync(hsr, lsr, PLAN, ClockLatch(0, 6 * 10**9, 5000.0))
    assert rough.level == "good"
    assert "could not be seen" in rough.lines[-1]


@pytest.mark.parametrize(
    ("hsr", "lsr", "level", "word"),
    [
        (pulses(30, 1, clock_ns=0), pulses(240, 480, clock_ns=0), "bad", "HSR"),
        (pulses(30, 60, clock_ns=0), pulses(120, 240, clock_ns=0), "bad", "ratio"),
        (pulses(30, 60, clock_ns=0), pulses(240, 480, clock_ns=0, skip=100), "warn", "lost"),
        (pulses(30, 60, clock_ns=0), pulses(240, 480, clock_ns=0, jitter_us=200), "warn", "jitter"),
        (pulses(30, 3, clock_ns=0), pulses(240, 24, clock_ns=0), "warn", "early"),
    ],
)
def test_verdicts(hsr: Pulses, lsr: Pulses, level: str, word: str) -> None:
    verdict = check_sync(hsr, lsr, PLAN)
    assert verdict.level == level
    assert word in verdict.headline
