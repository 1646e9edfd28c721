"""Importing two clips through the dialog."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from PyQt6.QtWidgets import QLabel, QLineEdit
from pytestqt.qtbot import QtBot

from app.codecs import CODECS
from app.export import open_sink
from app.gui.import_dialog import ImportDialog
from app.gui.main_window import MainWindow
from drivers import is_take
from pictures import RgbImage


@pytest.fixture
def clips(tmp_path: Path, moving_texture: list[RgbImage]) -> tuple[Path, Path]:
    """An HSR clip at 15 and an LSR clip at 60 frames/s of the same motion."""
    frames = moving_texture[:96]
    hsr, lsr = tmp_path / "hsr.mp4", tmp_path / "lsr.mp4"
    height, width = frames[0].shape[:2]
    sharp = open_sink(hsr, CODECS["h264"], 2 * width, 2 * height, Fraction(15))
    coarse = open_sink(lsr, CODECS["h264"], width, height, Fraction(60))
    for number, frame in enumerate(frames):
        coarse.write(frame)
        if number % 4 == 0:
            sharp.write(np.asarray(cv2.resize(frame, (2 * width, 2 * height)), np.uint8))
    sharp.finish()
    coarse.finish()
    return hsr, lsr


def dialog_of(window: MainWindow) -> ImportDialog:
    window.actions_table["import"].trigger()
    found = window.findChild(ImportDialog)
    assert found is not None
    return found


def test_two_clips_become_a_take_in_the_browser(
    idle_window: MainWindow, qtbot: QtBot, clips: tuple[Path, Path]
) -> None:
    dialog = dialog_of(idle_window)
    dialog.findChild(QLineEdit, "import_hsr").setText(str(clips[0]))
    dialog.findChild(QLineEdit, "import_lsr").setText(str(clips[1]))
    dialog.find_offset.setChecked(False)
    dialog.find_factor.setChecked(False)
    with qtbot.waitSignal(dialog.imported, timeout=60000):
        dialog.go.click()
    path = idle_window.recording.folder / "import_001"
    assert is_take(path)
    page = idle_window.take_page
    qtbot.waitUntil(lambda: page.moment is not None and page.moment.hsr is not None, timeout=15000)
    dialog.close()


def test_missing_clip_is_said_in_the_dialog(
    idle_window: MainWindow, qtbot: QtBot, clips: tuple[Path, Path]
) -> None:
    dialog = dialog_of(idle_window)
    dialog.go.click()
    text = dialog.findChild(QLabel, "import_text")
    assert "both clips" in text.text()
    dialog.hsr.setText(str(clips[0]))
    dialog.lsr.setText(str(clips[1].with_name("none.mp4")))
    dialog.go.click()
    qtbot.waitUntil(lambda: "none.mp4" in text.text(), timeout=20000)
    assert dialog.go.isEnabled()
    dialog.close()
