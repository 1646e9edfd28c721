"""The figure beside each camera's picture that goes up and down with the focus ring."""

from __future__ import annotations

import re

import cv2
import numpy as np
import pytest
from PyQt6.QtCore import QRectF
from pytestqt.qtbot import QtBot

from app.gui.focus import REMEMBERED_S, Best, sharpness
from app.gui.main_window import MainWindow
from app.gui.preview_worker import make_preview
from app.gui.raw_pane import RawPane
from drivers import Frame, PixelFormat, Role
from drivers.spinnaker_emulator.sensor import mosaic
from pictures import RgbImage, textured


def scene(blur: float = 0.0) -> RgbImage:
    squares = cv2.resize(textured(64, 80, cell=2), (640, 512), interpolation=cv2.INTER_NEAREST)
    return np.asarray(cv2.GaussianBlur(squares, (0, 0), blur) if blur else squares, np.uint8)


def frame(
    picture: RgbImage, pixel_format: PixelFormat = PixelFormat.BAYER_RG8, *, noise: float = 0.0
) -> Frame:
    image = picture.astype(np.float32)
    if pixel_format.bayer:
        image = mosaic(image)
    elif pixel_format.channels == 1:
        image = image.mean(axis=2)
    image = np.clip(image + noise * np.random.default_rng(1).standard_normal(image.shape) + 0.5, 0, 255)
    return Frame(
        image.astype(np.uint8).astype(pixel_format.dtype) * (257 if pixel_format.deep else 1),
        pixel_format,
        Role.HSR,
        0,
        0,
    )


@pytest.mark.parametrize(
    "pixel_format", [PixelFormat.BAYER_RG8, PixelFormat.BAYER_RG16, PixelFormat.MONO8, PixelFormat.RGB8]
)
@pytest.mark.parametrize("noise", [0.0, 4.0])
def test_it_falls_with_every_bit_of_blur(pixel_format: PixelFormat, noise: float) -> None:
    found = [sharpness(frame(scene(blur), pixel_format, noise=noise)) for blur in (0.0, 0.5, 1.0, 2.0, 4.0)]
    assert all(value is not None for value in found)
    figures = np.array(found, float)
    assert (np.diff(figures) < 0).all()
    assert 0.3 < figures[2] / figures[0] < 0.8
    assert figures[4] < 0.3 * figures[0]


def test_exposure_and_noise_make_hardly_a_difference() -> None:
    full = sharpness(frame(scene(1.0)))
    half = sharpness(frame(scene(1.0) // 2))
    noisy = sharpness(frame(scene(1.0), noise=6.0))
    assert full is not None
    assert half == pytest.approx(full, rel=0.05)
    assert noisy == pytest.approx(full, rel=0.1)


def test_where_nothing_can_be_judged_nothing_is_said() -> None:
    flat = np.full((512, 640, 3), 90, np.uint8)
    assert sharpness(frame(flat)) is None
    assert sharpness(frame(flat, noise=8.0)) is None
    assert sharpness(frame(scene() // 255)) is None
    assert sharpness(frame(scene()), (0.5, 0.5, 0.01, 0.01)) is None


def test_it_is_measured_in_the_part_that_is_shown() -> None:
    picture = scene(3.0)
    picture[:, 320:] = scene()[:, 320:]
    left, right = (sharpness(frame(picture), (x, 0.0, 0.45, 1.0)) for x in (0.0, 0.55))
    assert left is not None
    assert right is not None
    assert right > 2 * left
    sticking_out = sharpness(frame(picture), (0.7, 0.7, 0.6, 0.6))
    assert sticking_out is not None


def test_the_best_is_forgotten_in_time() -> None:
    now = [0.0]
    best = Best(lambda: now[0])
    assert best.share(2.0) == 1
    now[0] = 1.0
    assert best.share(1.0) == pytest.approx(0.5)
    now[0] = REMEMBERED_S - 1
    assert best.share(1.5) == pytest.approx(0.75)
    now[0] = REMEMBERED_S + 0.5
    assert best.share(1.2) == pytest.approx(1.2 / 1.5)
    best.forget()
    assert best.share(0.3) == 1


def show(pane: RawPane, picture: RgbImage) -> str:
    pane.show_preview(
        make_preview(frame(picture), 640, mark=False, with_statistics=True, part=pane.view.shown_part)
    )
    return pane.focus_chip.text()


def test_a_hand_at_the_ring_sees_where_the_sharpest_place_was(qtbot: QtBot) -> None:
    pane = RawPane(Role.HSR)
    qtbot.addWidget(pane)
    pane.resize(500, 500)
    pane.show()
    shown = [show(pane, scene(blur)) for blur in (4.0, 2.0, 1.0, 0.0, 1.0, 0.0)]
    assert shown[:4] == ["focus 100%"] * 4
    percent = re.fullmatch(r"focus (\d+)%", shown[4])
    assert percent is not None
    assert 30 < int(percent[1]) < 80
    assert shown[5] == "focus 100%"
    show(pane, scene(1.0))
    pane.view.show_field(QRectF(200, 200, 300, 300))
    assert show(pane, scene(1.0)) == "focus 100%"
    assert show(pane, np.full((512, 640, 3), 90, np.uint8)) == "focus -"


def test_live_pictures_have_it(window: MainWindow, qtbot: QtBot) -> None:
    for pane in window.live_page.panes.values():
        qtbot.waitUntil(
            lambda pane=pane: re.fullmatch(r"focus \d+%", pane.focus_chip.text()) is not None, timeout=8000
        )  # type: ignore[misc]
