"""The third picture: aligning, overlay, baseline, live fusion."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from PyQt6.QtCore import QEvent, QPointF, Qt
from PyQt6.QtGui import QMouseEvent
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QComboBox, QDoubleSpinBox, QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from app.gui.alignment_lock import Geometry, Lock, LockState, make_lock
from app.gui.fused_pane import Show, compose
from app.gui.live_fusion import Fused
from app.gui.live_region import REGIONS, LiveView, lsr_noise, match_moments
from app.gui.main_window import MainWindow
from app.gui.messages import Severity
from app.gui.method_box import MethodBox, not_runnable
from app.gui.overlay_worker import OverlayMode, lay_over, residual_shift
from calibration import CalibrationError, identity_alignment
from drivers import Frame, PixelFormat, Role
from fusion import METHODS
from pictures import textured


def choose(window: MainWindow, show: Show) -> None:
    box = window.findChild(QComboBox, "third_view")
    assert box is not None
    box.setCurrentIndex(box.findData(show))


def drag(widget: QWidget, start: float, end: float) -> None:
    """Draw a rectangle with the mouse, between these shares of both sides."""
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    kinds = QEvent.Type
    for kind, share, button, held in (
        (kinds.MouseButtonPress, start, left, left),
        *((kinds.MouseMove, start + (end - start) * step, none, left) for step in (0.2, 0.6, 1.0)),
        (kinds.MouseButtonRelease, end, left, none),
    ):
        place = QPointF(widget.width() * share, widget.height() * share)
        event = QMouseEvent(kind, place, widget.mapToGlobal(place), button, held, Qt.KeyboardModifier(0))
        QApplication.sendEvent(widget, event)
        QTest.qWait(30)


def align(window: MainWindow, qtbot: QtBot) -> None:
    button = window.findChild(QPushButton, "relock")
    assert button is not None
    qtbot.waitUntil(lambda: window.controller.numbers(Role.HSR).received > 3, timeout=10000)
    with qtbot.waitSignal(window.baseline.locked, timeout=20000):
        button.click()


def test_overlay_follows_the_baseline_field(window: MainWindow, qtbot: QtBot) -> None:
    align(window, qtbot)
    assert window.baseline.state is LockState.OK
    choose(window, Show.ANAGLYPH)
    qtbot.waitUntil(lambda: window.baseline.measured_shift_px is not None, timeout=10000)
    matrix = window.baseline.matrix
    field = window.findChild(QDoubleSpinBox, "baseline_mm")
    assert matrix is not None
    assert field is not None
    before = window.baseline.geometry.shift_px
    field.setValue(field.value() + 10)
    moved = window.baseline.matrix
    assert moved is not None
    change = window.baseline.geometry.shift_px - before
    assert (matrix[0, 2] - moved[0, 2]) == pytest.approx(change * matrix[2, 2], rel=1e-6)
    # The rail stands where it stood, so the overlay falls apart and says so.
    label = window.findChild(QLabel, "lock_state")
    assert label is not None
    qtbot.waitUntil(lambda: label.text() == LockState.STALE.value, timeout=10000)
    field.setValue(field.value() - 10)
    qtbot.waitUntil(lambda: label.text() == LockState.OK.value, timeout=10000)


def test_a_head_that_was_pushed_across_the_rail_makes_the_alignment_stale(
    window: MainWindow, qtbot: QtBot
) -> None:
    align(window, qtbot)
    label, measured = window.findChild(QLabel, "lock_state"), window.findChild(QLabel, "measured_shift")
    assert label is not None
    assert measured is not None
    for _ in range(3):
        window.baseline.take_residual((0.1, 5.0))
    assert window.baseline.state is LockState.STALE
    assert label.text() == LockState.STALE.value
    assert "px down" in measured.text()


def test_keys_of_overlay_and_fusion_show_what_is_on_and_switch_it_off(window: MainWindow) -> None:
    table, pane = window.actions_table, window.fused_pane

    def lit() -> tuple[bool, bool]:
        return table["show_overlay"].isChecked(), table["show_fused"].isChecked()

    assert lit() == (False, False)
    table["show_fused"].trigger()
    assert (pane.shown, lit()) == (Show.FUSED, (False, True))
    table["show_overlay"].trigger()
    assert (pane.shown, lit()) == (Show.ANAGLYPH, (True, False))
    table["show_overlay"].trigger()
    assert (pane.shown, lit()) == (Show.OFF, (False, False))
    choose(window, Show.WIPE)
    assert lit() == (False, True)
    # On, but behind the takes: the key brings it to the front first.
    window.pages.show_takes(True)
    table["show_fused"].trigger()
    assert (pane.shown, pane.isVisible(), lit()) == (Show.WIPE, True, (False, True))
    table["show_fused"].trigger()
    assert (pane.shown, lit()) == (Show.OFF, (False, False))


@pytest.mark.parametrize("show", [Show.FUSED, Show.WIPE, Show.DIFFERENCE])
def test_live_fusion_shows_pictures_and_figures(window: MainWindow, qtbot: QtBot, show: Show) -> None:
    align(window, qtbot)
    choose(window, show)
    pane = window.fused_pane
    qtbot.waitUntil(lambda: "ms on cpu" in pane.rate.text(), timeout=20000)
    assert "age" in pane.age.text()
    choose(window, Show.OFF)


def test_live_fusion_of_a_dark_scene_is_as_sharp_as_of_a_bright_one_and_as_dark_as_filmed(
    window: MainWindow, qtbot: QtBot
) -> None:
    align(window, qtbot)
    choose(window, Show.FUSED)
    pane = window.fused_pane
    pane.region.setCurrentText("Whole view")
    pane.distance.setValue(2)
    seen: list[Fused] = []

    def detail() -> list[float]:
        """What fusion adds to the enlarged LSR frame, as a share of its contrast; of the last pictures."""
        newest = pane.newest_fused
        if newest is not None and newest.distance == 2 and newest not in seen[-1:]:
            seen.append(newest)
        last = seen[-8:] if len(seen) >= 8 else []
        return [(f.image - f.upscaled.astype(np.float32)).std() / f.upscaled.std() for f in last]

    qtbot.waitUntil(lambda: bool(detail()), timeout=30000)
    bright = float(np.median(detail()))
    for role in Role:
        window.controller.set_exposure(role, 300.0)
    # Frames of both exposures, fused with each other, are sharper than any.
    qtbot.waitUntil(
        lambda: (
            all(0.92 * bright < share < 1.15 * bright for share in detail()) and seen[-8].upscaled.mean() < 30
        ),
        timeout=30000,
    )
    for fused in seen[-8:]:
        assert fused.image.mean() == pytest.approx(fused.upscaled.mean(), rel=0.03)
    assert not window.messages.count(Severity.ERROR)


def test_live_fusion_with_two_sharp_frames_recursion_and_flow(window: MainWindow, qtbot: QtBot) -> None:
    align(window, qtbot)
    pane = window.fused_pane
    choose(window, Show.FLOW)
    pane.distance.setValue(3)
    for box in ("live_references", "live_recursion"):
        found = window.findChild(QComboBox, box)
        assert found is not None
        found.setCurrentIndex(1)

    def arrived() -> bool:
        return pane.newest_fused is not None and pane.newest_fused.distance == 3

    qtbot.waitUntil(arrived, timeout=30000)
    assert pane.newest_fused is not None
    assert pane.newest_fused.flow is not None
    assert pane.newest_fused.flow.shape == (*pane.newest_fused.image.shape[:2], 2)
    assert not window.messages.count(Severity.ERROR)


def test_region_drawn_on_the_lsr_view_is_what_coincides(window: MainWindow, qtbot: QtBot) -> None:
    align(window, qtbot)
    before = window.baseline.matrix
    button = window.findChild(QPushButton, "lock_region")
    assert button is not None
    button.click()
    port = window.panes[Role.LSR].view.viewport()
    assert port is not None
    with qtbot.waitSignal(window.baseline.locked, timeout=20000):
        drag(port, 0.3, 0.7)
    assert window.baseline.matrix is not None
    assert not np.array_equal(window.baseline.matrix, before)
    button.click()
    with qtbot.waitSignal(window.baseline.locked, timeout=20000):
        window.actions_table["align"].trigger()


def test_the_box_chooses_which_depth_coincides() -> None:
    far, near = 0, 14
    scene = textured(480, 640, seed=3, cell=12)
    hsr = scene.copy()
    hsr[:, : 320 - near] = scene[:, near:320]
    lsr = np.asarray(cv2.resize(scene, (160, 120), interpolation=cv2.INTER_AREA), np.uint8)
    frames = Frame(hsr, PixelFormat.RGB8, Role.HSR, 0, 0), Frame(lsr, PixelFormat.RGB8, Role.LSR, 0, 0)
    for box, place, moved in (((0.05, 0.1, 0.35, 0.8), 30.0, near), ((0.55, 0.1, 0.4, 0.8), 120.0, far)):
        lock = make_lock(*frames, Geometry(), box)
        x, y, w = lock.lsr_to_hsr @ np.array([place, 60.0, 1.0])
        assert (x / w, y / w) == pytest.approx((4 * place + 1.5 - moved, 241.5), abs=2.5)
    with pytest.raises(CalibrationError, match="points of both views"):
        make_lock(*frames, Geometry(), (0.0, 0.0, 0.01, 0.01))


def test_disconnecting_forgets_the_alignment(window: MainWindow, qtbot: QtBot) -> None:
    align(window, qtbot)
    with qtbot.waitSignal(window.baseline.locked, timeout=10000):
        window.actions_table["disconnect"].trigger()
    assert window.baseline.state is LockState.NONE
    assert not window.findChildren(QPushButton, "relock")[0].isEnabled()


def test_recording_outranks_fusion(window: MainWindow) -> None:
    from app.gui.status import Status

    def status(fill: float | None) -> Status:
        return Status(0, None, 0.0, fill, None, 0.0, 0.0)

    loads = []
    for fill in (None, 0.1, 0.3, 0.6, 0.1):
        window.combined.make_way(status(fill))
        loads.append(window.combined.fusion.load)
    assert loads == [1.0, 1.0, 0.5, 0.0, 1.0]


def _frames(shift: int = 0) -> tuple[Frame, Frame]:
    scene = textured(480, 640, seed=3, cell=12)
    hsr = np.ascontiguousarray(np.roll(scene, -shift, axis=1))
    lsr = np.asarray(cv2.resize(scene, (160, 120), interpolation=cv2.INTER_AREA), np.uint8)
    return (
        Frame(hsr, PixelFormat.RGB8, Role.HSR, 0, 0),
        Frame(lsr, PixelFormat.RGB8, Role.LSR, 0, 0),
    )


def test_lock_moves_with_baseline_and_distance() -> None:
    hsr, lsr = _frames()
    lock = make_lock(hsr, lsr, Geometry(50.0, 2.0, 20.0))
    same = lock.moved(Geometry(50.0, 2.0, 20.0))
    assert same == pytest.approx(lock.lsr_to_hsr)
    # Twice the baseline at twice the distance is the same parallax.
    assert lock.moved(Geometry(100.0, 4.0, 20.0)) == pytest.approx(lock.lsr_to_hsr, abs=1e-6)
    nearer = lock.moved(Geometry(50.0, 1.0, 20.0))
    assert lock.lsr_to_hsr[0, 2] - nearer[0, 2] == pytest.approx(Geometry().shift_px, rel=1e-6)


@pytest.mark.parametrize("box", [None, (0.1, 0.1, 0.8, 0.8)])
def test_dark_views_are_aligned_as_if_they_were_bright(
    box: tuple[float, float, float, float] | None,
) -> None:
    dark = [replace(frame, image=frame.image // 20) for frame in _frames()]
    x, y, w = make_lock(*dark, Geometry(), box).lsr_to_hsr @ np.array([80.0, 60.0, 1.0])
    assert (x / w, y / w) == pytest.approx((321.5, 241.5), abs=0.5)


def test_live_view_takes_the_right_part_of_the_sharp_frame() -> None:
    hsr, lsr = _frames()
    lock = make_lock(hsr, lsr, Geometry())
    view = LiveView(lock, REGIONS["Centre, half"], hsr.image.shape, lsr.image.shape)
    reference, part = view.reference(hsr), view.crop(lsr)
    assert reference.shape[0] == pytest.approx(part.shape[0] * view.scale, abs=2)
    small = cv2.resize(reference, (part.shape[1], part.shape[0]), interpolation=cv2.INTER_AREA)
    assert np.abs(np.asarray(small, int) - part).mean() < 6
    assert view.valid.all()


def test_residual_is_the_way_the_picture_must_move() -> None:
    picture = textured(120, 160, seed=5, cell=10)[:, :, 1]
    moved = np.ascontiguousarray(np.roll(picture, -7, axis=1))
    residual = residual_shift(picture, moved)
    assert residual is not None
    assert residual == pytest.approx((7.0, 0.0), abs=0.3)


@pytest.mark.parametrize("mosaic", [False, True])
def test_aligned_views_lie_on_each_other(mosaic: bool) -> None:
    grey = np.repeat(textured(480, 640, seed=3, cell=48)[:, :, 1:2], 3, axis=2)
    small = np.asarray(cv2.resize(grey, (160, 120), interpolation=cv2.INTER_AREA), np.uint8)
    kind = PixelFormat.BAYER_RG8 if mosaic else PixelFormat.RGB8
    hsr, lsr = (
        Frame(np.ascontiguousarray(picture[:, :, 0]) if mosaic else picture, kind, role, 0, 0)
        for role, picture in ((Role.HSR, grey), (Role.LSR, small))
    )
    # Pixel centres at whole numbers: LSR px 0 is the mean of HSR px 0..3.
    to_hsr = np.array([[4.0, 0, 1.5], [0, 4.0, 1.5], [0, 0, 1]])
    inner = np.s_[4:-4, 4:-4]
    anaglyph = lay_over(hsr, lsr, to_hsr, OverlayMode.ANAGLYPH)[inner].astype(int)
    assert np.abs(anaglyph[:, :, 0] - anaglyph[:, :, 1]).mean() < 4
    assert (anaglyph[:, :, 1] == anaglyph[:, :, 2]).all()
    blend = lay_over(hsr, lsr, to_hsr, OverlayMode.BLEND)[inner].astype(int)
    assert np.abs(blend - small[inner]).mean() < 4
    shifted = to_hsr @ np.array([[1.0, 0, 3], [0, 1, 0], [0, 0, 1]])
    assert np.abs(np.diff(lay_over(hsr, lsr, shifted, OverlayMode.ANAGLYPH)[:, :, :2].astype(int))).mean() > 8


@pytest.mark.parametrize(("sigma", "shift"), [(0.0, 0), (6.0, 0), (6.0, 5)])
def test_fusion_is_told_the_noise_that_both_pictures_agree_on(sigma: float, shift: int) -> None:
    """Texture or parallax alone would pass for noise."""
    sharp = textured(192, 240, cell=24)
    small = cv2.resize(np.roll(sharp, shift, axis=1), (60, 48), interpolation=cv2.INTER_AREA)
    noise = np.random.default_rng(1).normal(0.0, 1.0, small.shape) * sigma
    lsr = np.clip(np.rint(small + noise), 0, 255).astype(np.uint8)
    lock = Lock(identity_alignment((192, 240), (48, 60)), np.diag([4.0, 4.0, 1.0]), Geometry())
    view = LiveView(lock, REGIONS["Whole view"], (192, 240), (48, 60))
    assert max(1.0, 0.5 * sigma) <= lsr_noise(lsr, sharp, view) < 1.5 * sigma + 2.0


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_moments_are_matched(depth: type[np.uint8] | type[np.uint16]) -> None:
    lsr = textured(60, 80, cell=10)
    reference = cv2.resize((lsr * 0.5 + 30).astype(np.uint8), (320, 240), interpolation=cv2.INTER_CUBIC)
    levels = depth(np.iinfo(depth).max // 255)
    matched = match_moments(reference.astype(depth) * levels, lsr.astype(depth) * levels) / levels
    assert matched.mean() == pytest.approx(lsr.mean(), abs=2)
    assert matched.std() == pytest.approx(lsr.std(), rel=0.1)


def test_wipe_shows_both_pictures() -> None:
    dark, bright = np.zeros((20, 40, 3), np.uint8), np.full((20, 40, 3), 200, np.uint8)
    fused = Fused(bright, dark, None, None, 1, 0, REGIONS["Whole view"], "classical", "cpu", 0.1, 1.0, 0)
    wiped = compose(fused, Show.WIPE, 0.5, flicker=False)
    assert (wiped[:, :18] == 0).all()
    assert (wiped[:, 22:] == 200).all()
    assert (compose(fused, Show.FLICKER, 0.5, flicker=True) == 0).all()
    assert (compose(fused, Show.FLICKER, 0.5, flicker=False) == 200).all()


def test_only_methods_that_can_run_can_be_chosen_live(window: MainWindow, qtbot: QtBot) -> None:
    align(window, qtbot)
    choose(window, Show.FUSED)
    methods = window.findChild(MethodBox, "live_method")
    references = window.findChild(QComboBox, "live_references")
    assert methods is not None
    assert references is not None
    missing = not_runnable()
    for index, name in enumerate(METHODS):
        flags = methods.model().flags(methods.model().index(index, 0))
        assert bool(flags & Qt.ItemFlag.ItemIsEnabled) == (name not in missing)
        assert missing.get(name, "") in methods.itemData(index, Qt.ItemDataRole.ToolTipRole)
    for count in (1, 2):
        references.setCurrentIndex(references.findData(count))
        for name in (n for n in METHODS if n not in missing):
            methods.choose(name)
            qtbot.waitUntil(lambda name=name: _fused_by(window, name), timeout=20000)
    assert not references.isEnabled(), "bicubic uses no sharp frame"
    assert not window.messages.count(Severity.ERROR)


def _fused_by(window: MainWindow, method: str) -> bool:
    fused = window.fused_pane.newest_fused
    return fused is not None and fused.method == method
