"""Panels under keys and wheel: what is typed stays, what only lies under the pointer is left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from PyQt6.QtCore import QPoint, QPointF, Qt
from PyQt6.QtGui import QWheelEvent
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import (
    QAbstractButton,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QCheckBox,
    QComboBox,
    QDialog,
    QDoubleSpinBox,
    QLabel,
    QPushButton,
    QScrollArea,
    QScrollBar,
    QSlider,
    QSpinBox,
    QWidget,
)
from pytestqt.qtbot import QtBot

from app.gui.exposure import Control, Quantity
from app.gui.fused_pane import Show
from app.gui.help_page import HelpPage
from app.gui.main_window import MainWindow
from app.gui.messages import Severity
from app.session import State
from app.settings import Preset
from drivers import Role

PRESET = Preset(hsr_exposure_us=5000, lsr_exposure_us=2500, hsr_fps=15, ratio=4)


def field(window: MainWindow, name: str) -> QDoubleSpinBox:
    found = window.findChild(QDoubleSpinBox, name)
    assert found is not None
    return found


def reach(window: MainWindow, qtbot: QtBot, state: State) -> None:
    qtbot.waitUntil(lambda: window.controller.state is state, timeout=15000)


# -- typing -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "typed"), [("baseline_mm", "85.5"), ("distance_m", "1.25"), ("lens_mm", "12.5")]
)
def test_a_number_can_be_typed_while_measurements_come(
    idle_window: MainWindow, name: str, typed: str
) -> None:
    number = field(idle_window, name)
    idle_window.baseline.set_baseline(50.25)
    assert field(idle_window, "baseline_mm").value() == pytest.approx(50.25, abs=0.051)
    number.selectAll()
    for key in typed:
        QTest.keyClicks(number, key)
        idle_window.baseline.changed.emit()
    QTest.keyClick(number, Qt.Key.Key_Return)
    assert number.value() == float(typed)
    geometry = idle_window.baseline.geometry
    assert float(typed) in (geometry.baseline_mm, geometry.distance_m, geometry.lens_mm)


def test_a_factor_can_be_typed_while_the_camera_is_set_anew(window: MainWindow, qtbot: QtBot) -> None:
    exposure, control = window.exposure, Control(Role.HSR, Quantity.RED)
    number = field(window, "hsr_BalanceRatioRed_field")
    qtbot.waitUntil(lambda: number.maximum() > 2, timeout=10000)
    before = number.value()
    number.selectAll()
    for key in "1.75":
        QTest.keyClicks(number, key)
        exposure.requested.emit(control, before)
    assert number.cleanText() == "1.75"
    QTest.keyClick(number, Qt.Key.Key_Return)
    assert number.value() == 1.75
    reach(window, qtbot, State.LIVE)


def test_keys_of_the_window_work_in_the_number_field_of_live_fusion(window: MainWindow) -> None:
    exposure = field(window, "hsr_ExposureTime_field")
    before = exposure.value()
    window.fused_pane.set_shown(Show.FUSED)
    QTest.keyClick(window.fused_pane.distance, Qt.Key.Key_BracketRight)
    assert exposure.value() == pytest.approx(before * 2 ** (1 / 3), rel=1e-3)


# -- the wheel ----------------------------------------------------------------------------------------


def roll(under: QWidget, down: bool = True) -> None:
    """One step of the wheel with the pointer on the middle of a widget.

    Qt hands on only wheel events of real mice: the way up through the parents is gone here.
    """
    middle = under.mapToGlobal(under.rect().center())
    target: QWidget | None = under.childAt(under.rect().center()) or under
    while target is not None:
        event = QWheelEvent(
            QPointF(target.mapFromGlobal(middle)),
            QPointF(middle),
            QPoint(0, 0),
            QPoint(0, -120 if down else 120),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        if QApplication.sendEvent(target, event) and event.isAccepted():
            return
        target = target.parentWidget()


def column_bar(window: MainWindow) -> QScrollBar:
    area = window.side.widget()
    assert isinstance(area, QScrollArea)
    bar = area.verticalScrollBar()
    assert bar is not None
    return bar


def turned(window: MainWindow) -> list[QSpinBox | QDoubleSpinBox | QSlider | QComboBox]:
    """Everything in the column that a wheel could turn."""
    return [
        widget
        for widget in window.side.findChildren(QWidget)
        if isinstance(widget, QSpinBox | QDoubleSpinBox | QSlider | QComboBox) and widget.isVisible()
    ]


def reading(widget: QWidget) -> float:
    if isinstance(widget, QComboBox):
        return widget.currentIndex()
    assert isinstance(widget, QSpinBox | QDoubleSpinBox | QAbstractSlider)
    return widget.value()


def test_the_wheel_over_the_column_scrolls_it_and_changes_nothing(window: MainWindow, qtbot: QtBot) -> None:
    for name in ("bench", "field"):
        window.memory.set_preset(name, PRESET)
    window.setFocus()
    widgets, bar = turned(window), column_bar(window)
    assert len(widgets) > 20
    assert bar.maximum() > 0
    before, settings = [reading(widget) for widget in widgets], window.controller.settings
    for widget in widgets:
        for down in (True, False):
            bar.setValue(bar.maximum() // 2)
            roll(widget, down)
            assert (bar.value() > bar.maximum() // 2) is down, widget.objectName()
    assert [reading(widget) for widget in widgets] == before
    qtbot.wait(200)
    assert window.controller.settings == settings
    assert not any(widget.hasFocus() for widget in widgets)


def test_the_wheel_turns_the_field_that_was_chosen(window: MainWindow, qtbot: QtBot) -> None:
    window.activateWindow()
    gain = field(window, "hsr_Gain_field")
    gain.setFocus()
    qtbot.waitUntil(gain.hasFocus, timeout=5000)
    before = gain.value()
    roll(gain, down=False)
    assert gain.value() > before


def test_the_wheel_leaves_a_field_alone_that_was_added_later(idle_window: MainWindow, qtbot: QtBot) -> None:
    box = QWidget()
    late = QSpinBox(box)
    late.setValue(5)
    idle_window.exposure_panel.add(box)
    box.setMinimumHeight(late.sizeHint().height())
    qtbot.waitUntil(late.isVisible, timeout=5000)
    roll(late)
    assert late.value() == 5
    assert column_bar(idle_window).value() > 0


# -- undo ---------------------------------------------------------------------------------------------


def change(window: MainWindow, what: str) -> None:
    if what == "preset":
        window.memory.set_preset("bench", PRESET)
        window.presets.apply("bench")
    else:
        field(window, what).setValue(2.0)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("hsr_BlackLevel_field", "the black level is fixed until the take has ended"),
        ("lsr_BalanceRatioRed_field", "the white balance is fixed until the take has ended"),
        ("preset", "the preset is fixed until the take has ended"),
    ],
)
def test_undo_and_redo_wait_for_the_end_of_a_take(
    window: MainWindow, qtbot: QtBot, what: str, said: str
) -> None:
    start = window.controller.settings
    window.exposure.begin_gesture()
    change(window, what)
    qtbot.waitUntil(lambda: window.controller.settings != start, timeout=10000)
    reach(window, qtbot, State.LIVE)
    changed = window.controller.settings
    window.actions_table["record"].trigger()
    reach(window, qtbot, State.RECORDING)
    window.actions_table["undo"].trigger()
    assert window.undo.index() == 1
    assert window.messages.log[-1].text == f"cannot be undone now: {said}"
    window.actions_table["record"].trigger()
    reach(window, qtbot, State.LIVE)
    assert window.controller.settings == changed
    window.actions_table["undo"].trigger()
    assert window.undo.index() == 0
    qtbot.waitUntil(lambda: window.controller.settings == start, timeout=10000)
    reach(window, qtbot, State.LIVE)
    window.actions_table["arm"].trigger()
    reach(window, qtbot, State.ARMED)
    window.actions_table["redo"].trigger()
    assert window.undo.index() == 0
    assert window.messages.log[-1].text == f"cannot be redone now: {said}"
    window.actions_table["arm"].trigger()
    reach(window, qtbot, State.LIVE)
    assert window.messages.count(Severity.ERROR) == 0


def test_undo_of_light_works_during_a_take_and_waits_for_cameras(window: MainWindow, qtbot: QtBot) -> None:
    gain = field(window, "lsr_Gain_field")
    for value in (3.0, 6.0):
        gain.setValue(value)
    window.actions_table["record"].trigger()
    reach(window, qtbot, State.RECORDING)
    window.actions_table["undo"].trigger()
    assert gain.value() == 3.0
    window.actions_table["record"].trigger()
    reach(window, qtbot, State.LIVE)
    window.actions_table["live"].trigger()
    reach(window, qtbot, State.IDLE)
    window.actions_table["disconnect"].trigger()
    reach(window, qtbot, State.DISCONNECTED)
    window.actions_table["undo"].trigger()
    assert (window.undo.index(), gain.value()) == (1, 3.0)
    assert window.messages.log[-1].text == "cannot be undone now: no camera is connected, press Connect first"


def test_undo_of_a_free_rate_waits_for_free_running_cameras(window: MainWindow, qtbot: QtBot) -> None:
    free = window.findChild(QCheckBox, "free_run")
    assert free is not None
    with qtbot.waitSignal(window.controller.configured, timeout=10000):
        free.click()
    reach(window, qtbot, State.LIVE)
    field(window, "hsr_AcquisitionFrameRate_field").setValue(20.0)
    qtbot.waitUntil(
        lambda: (
            (settings := window.controller.settings) is not None
            and settings.fps(Role.HSR) == pytest.approx(20.0, abs=0.1)
        ),
        timeout=10000,
    )
    with qtbot.waitSignal(window.controller.configured, timeout=10000):
        free.click()
    reach(window, qtbot, State.LIVE)
    window.actions_table["undo"].trigger()
    assert window.undo.index() == 1
    assert "switch Free run on first" in window.messages.log[-1].text
    assert window.messages.count(Severity.ERROR) == 0


# -- keys of a take -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "state"), [(Qt.Key.Key_F9, State.RECORDING), (Qt.Key.Key_F6, State.ARMED)])
def test_a_take_begins_and_ends_by_key_while_help_is_in_front(
    window: MainWindow, qtbot: QtBot, key: Qt.Key, state: State
) -> None:
    window.actions_table["help"].trigger()
    page = window.findChild(HelpPage)
    assert page is not None
    page.activateWindow()
    qtbot.waitUntil(page.isActiveWindow, timeout=5000)
    QTest.keyClick(page, key)
    reach(window, qtbot, state)
    qtbot.wait(200)
    QTest.keyClick(page, key)
    reach(window, qtbot, State.LIVE)
    page.close()
    question = QDialog(window)
    question.open()
    qtbot.waitUntil(question.isActiveWindow, timeout=5000)
    QTest.keyClick(question, key)
    qtbot.wait(200)
    assert window.controller.state is State.LIVE, "what is asked is answered first"
    question.close()


# -- width --------------------------------------------------------------------------------------------


@pytest.fixture
def enlarge(qapp: QApplication) -> Iterator[Callable[[float], None]]:
    """Gives the whole program texts of another size [pt]; in the end the usual one."""
    usual = qapp.font()

    def enlarge(points: float) -> None:
        font = qapp.font()
        font.setPointSizeF(points)
        qapp.setFont(font)

    yield enlarge
    qapp.setFont(usual)


@pytest.fixture
def large_font(enlarge: Callable[[float], None]) -> None:
    """Texts a good deal larger than usual, from the start."""
    enlarge(13.0)


def cut_off(window: MainWindow) -> list[str]:
    """Texts of the column that stand outside of what is seen, or on a button too small for them."""
    area = window.side.widget()
    assert isinstance(area, QScrollArea)
    viewport, inside = area.viewport(), area.widget()
    assert viewport is not None
    assert inside is not None
    found = ["everything"] if inside.width() < inside.minimumSizeHint().width() else []
    for widget in area.findChildren(QWidget):
        if isinstance(widget, QLabel | QAbstractButton | QAbstractSpinBox | QComboBox) and widget.isVisible():
            end = widget.mapTo(viewport, widget.rect().topRight()).x()
            text = widget.text() if isinstance(widget, QPushButton) else ""
            if end >= viewport.width() or widget.width() < widget.fontMetrics().horizontalAdvance(text) + 8:
                found.append(f"{type(widget).__name__} {widget.objectName()} {text}")
    return found


@pytest.mark.usefixtures("large_font")
def test_the_column_has_room_for_a_larger_font(window: MainWindow, qtbot: QtBot) -> None:
    qtbot.wait(100)
    assert cut_off(window) == []
    assert (window.width(), window.height()) == (1280, 800)
    assert all(pane.isVisible() and pane.width() > 250 for pane in window.panes.values())


def test_the_column_follows_another_look(
    idle_window: MainWindow, qtbot: QtBot, enlarge: Callable[[float], None]
) -> None:
    # Twinrate never runs without a look, and Qt has windows follow a font when their look changes.
    look = idle_window.actions_table["dark"]
    look.trigger()
    usual = idle_window.side.width()
    enlarge(13.0)
    look.trigger()
    qtbot.waitUntil(lambda: idle_window.side.width() > usual, timeout=5000)
    qtbot.wait(50)
    assert cut_off(idle_window) == []
    enlarge(9.0)
    look.trigger()
    qtbot.waitUntil(lambda: idle_window.side.width() == usual, timeout=5000)


# -- presets ------------------------------------------------------------------------------------------


def test_only_a_chosen_preset_can_be_forgotten(window: MainWindow) -> None:
    forget, names = window.presets.forget, window.presets.names
    assert not forget.isEnabled()
    for name in ("bench", "field"):
        window.memory.set_preset(name, PRESET)
    assert names.currentText() == ""
    assert not forget.isEnabled()
    window.actions_table["preset_2"].trigger()
    assert forget.isEnabled()
    forget.click()
    assert list(window.memory.settings.presets) == ["bench"]
    assert not forget.isEnabled()
