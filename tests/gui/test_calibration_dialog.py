"""Calibration by a board through its dialog, on pictures rendered from a known rig."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QFileDialog, QLabel, QMessageBox
from pytestqt.qtbot import QtBot

from app.gui.alignment_lock import LockState
from app.gui.board_calibration import look
from app.gui.calibration_dialog import CalibrationDialog
from app.gui.main_window import MainWindow
from app.gui.messages import Messages
from app.gui.tasks import Tasks
from calibration import Board, CameraId, Rig, load_rig
from drivers import Frame, PixelFormat, Role
from pictures import RgbImage

COLUMNS, ROWS, SQUARE = 7, 5, 30.0
BASELINE = 60.0
HSR = (640, 512), np.array([[1400.0, 0, 319.5], [0, 1400, 255.5], [0, 0, 1]])
LSR = (320, 256), np.array([[560.0, 0, 159.5], [0, 560, 127.5], [0, 0, 1]])
POSES = [
    (0.0, 0.0, 0.0, 0, 0, 900), (0.35, 0.0, 0.05, -40, 10, 950), (-0.35, 0.05, 0.0, 40, -10, 950),
    (0.0, 0.35, -0.05, 0, 30, 1000), (0.05, -0.35, 0.1, 10, -30, 1000), (0.3, 0.3, 0.0, -50, -30, 1100),
    (-0.3, 0.3, 0.2, 50, 30, 1050), (0.25, -0.3, -0.2, 30, 40, 1000), (-0.2, -0.25, 0.1, -60, 20, 1100),
]  # fmt: skip


def board_texture() -> RgbImage:
    """A chessboard with a white margin, 20 px a square."""
    squares = np.indices((ROWS + 1, COLUMNS + 1)).sum(axis=0) % 2
    board = np.kron(squares, np.ones((20, 20))) * 200 + 30
    framed = np.pad(board, 20, constant_values=230).astype(np.uint8)
    return np.repeat(framed[:, :, None], 3, axis=2)


def seen(size: tuple[int, int], k: np.ndarray, shift: float, pose: tuple[float, ...]) -> RgbImage:
    """The board as a camera `shift` mm along the rail sees it."""
    rotation = cv2.Rodrigues(np.array(pose[:3]))[0]
    middle = np.array([(COLUMNS - 1) * SQUARE / 2, (ROWS - 1) * SQUARE / 2, 0.0])
    place = np.array(pose[3:]) - rotation @ middle - np.array([shift, 0, 0])
    to_image = k @ np.column_stack([rotation[:, 0], rotation[:, 1], place])
    # Corner (0, 0) lies between texture squares, two squares from the texture's edge.
    to_board = np.array(
        [[SQUARE / 20, 0, -(39.5) * SQUARE / 20], [0, SQUARE / 20, -(39.5) * SQUARE / 20], [0, 0, 1]]
    )
    fine = np.diag([4.0, 4.0, 1.0])
    fine[0, 2] = fine[1, 2] = 1.5
    big = cv2.warpPerspective(
        board_texture(), fine @ to_image @ to_board, (4 * size[0], 4 * size[1]), borderValue=(120, 120, 120)
    )
    return np.asarray(cv2.resize(big, size, interpolation=cv2.INTER_AREA), np.uint8)


def frames(pose: tuple[float, ...]) -> tuple[Frame, Frame]:
    return (
        Frame(seen(HSR[0], HSR[1], BASELINE, pose), PixelFormat.RGB8, Role.HSR, 0, 0),
        Frame(seen(LSR[0], LSR[1], 0.0, pose), PixelFormat.RGB8, Role.LSR, 0, 0),
    )


def identify() -> tuple[CameraId, CameraId]:
    return CameraId(width=640, height=512, serial="1"), CameraId(width=320, height=256, serial="2")


def test_a_board_is_found_in_the_dark() -> None:
    dark = [replace(frame, image=frame.image // 12) for frame in frames(POSES[0])]
    pair = look("view 1", *dark, Board(COLUMNS, ROWS, SQUARE))
    assert len(pair.hsr.corners) == len(pair.lsr.corners) == COLUMNS * ROWS


# The work runs at low priority, so that live views go on; a busy machine lets it wait.
@pytest.mark.timeout(300)
def test_board_views_give_the_true_baseline(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = Messages()
    tasks = Tasks(messages.error)
    waiting = list(POSES)
    dialog = CalibrationDialog(lambda: frames(waiting.pop(0)), identify, tasks, messages)
    qtbot.addWidget(dialog)
    dialog.show()
    dialog.columns.setValue(COLUMNS)
    dialog.rows.setValue(ROWS)
    dialog.square.setValue(SQUARE)
    assert not dialog.run.isEnabled()
    for number in range(len(POSES)):
        dialog.add.click()
        qtbot.waitUntil(lambda n=number: dialog.list.count() == n + 1, timeout=20000)  # type: ignore[misc]
    last = dialog.list.item(len(POSES) - 1)
    assert last is not None
    last.setCheckState(Qt.CheckState.Unchecked)
    assert len(dialog.pairs) == len(POSES) - 1
    dialog.run.click()
    qtbot.waitUntil(lambda: dialog.save.isEnabled(), timeout=200000)
    target = tmp_path / "rig.json"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    dialog.save.click()
    qtbot.waitUntil(target.is_file, timeout=10000)
    rig = load_rig(target)
    assert rig.baseline_mm == pytest.approx(BASELINE, rel=0.05)
    assert rig.hsr.id.serial == "1"
    with qtbot.waitSignal(dialog.used):
        dialog.use.click()
    tasks.close()


def test_views_stay_until_another_board_is_agreed_to(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    """The side of a square only scales the result; other counts make other corners."""
    messages = Messages()
    tasks = Tasks(messages.error)
    dialog = CalibrationDialog(lambda: frames(POSES[0]), identify, tasks, messages)
    qtbot.addWidget(dialog)
    dialog.show()
    dialog.columns.setValue(COLUMNS)
    dialog.rows.setValue(ROWS)
    dialog.add.click()
    qtbot.waitUntil(lambda: dialog.list.count() == 1, timeout=20000)
    dialog.square.setValue(25.0)
    assert dialog.list.count() == 1
    answers = [QMessageBox.StandardButton.Cancel, QMessageBox.StandardButton.Yes]
    monkeypatch.setattr(QMessageBox, "question", lambda *_: answers.pop(0))
    dialog.columns.setValue(COLUMNS + 1)
    assert (dialog.list.count(), dialog.columns.value()) == (1, COLUMNS)
    dialog.columns.setValue(COLUMNS + 1)
    assert (dialog.list.count(), dialog.columns.value()) == (0, COLUMNS + 1)
    assert not answers
    dialog.close()
    tasks.close()


def test_views_of_another_region_are_not_calibrated(qtbot: QtBot) -> None:
    """Corners in pixels are worth nothing once the region has moved."""
    messages = Messages()
    tasks = Tasks(messages.error)
    cameras = list(identify())
    dialog = CalibrationDialog(lambda: frames(POSES[0]), lambda: (cameras[0], cameras[1]), tasks, messages)
    qtbot.addWidget(dialog)
    dialog.show()
    dialog.columns.setValue(COLUMNS)
    dialog.rows.setValue(ROWS)
    dialog.add.click()
    qtbot.waitUntil(lambda: dialog.list.count() == 1, timeout=20000)
    cameras[0] = cameras[0].model_copy(update={"offset_x": 64, "offset_y": 0})
    dialog.run.click()
    assert "view 1: of other cameras or regions" in dialog.text.text()
    tasks.close()


def test_a_view_that_was_looked_for_with_another_board_is_not_kept(qtbot: QtBot) -> None:
    messages = Messages()
    tasks = Tasks(messages.error)
    go = threading.Event()

    def grab() -> tuple[Frame, Frame]:
        go.wait(20)
        return frames(POSES[0])

    dialog = CalibrationDialog(grab, identify, tasks, messages)
    qtbot.addWidget(dialog)
    dialog.show()
    dialog.columns.setValue(COLUMNS)
    dialog.rows.setValue(ROWS)
    dialog.add.click()
    dialog.columns.setValue(COLUMNS + 1)
    go.set()
    qtbot.waitUntil(lambda: dialog.add.isEnabled(), timeout=20000)
    assert dialog.list.count() == 0
    assert "changed meanwhile" in dialog.text.text()
    tasks.close()


def test_missing_board_is_named(qtbot: QtBot) -> None:
    messages = Messages()
    tasks = Tasks(messages.error)
    hsr, lsr = frames(POSES[0])
    blank = Frame(np.full_like(lsr.image, 90), PixelFormat.RGB8, Role.LSR, 0, 0)
    dialog = CalibrationDialog(lambda: (hsr, blank), identify, tasks, messages)
    qtbot.addWidget(dialog)
    dialog.show()
    dialog.columns.setValue(COLUMNS)
    dialog.rows.setValue(ROWS)
    dialog.add.click()
    text = dialog.findChild(QLabel, "board_text")
    assert text is not None
    qtbot.waitUntil(lambda: "LSR camera does not see" in text.text(), timeout=20000)
    assert dialog.add.isEnabled()
    assert dialog.list.count() == 0
    tasks.close()


def test_rig_of_other_cameras_is_refused(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{}")
    window.baseline.open_rig(tmp_path / "broken.json")
    qtbot.waitUntil(lambda: any("not a rig file" in m.text for m in window.messages.log), timeout=10000)
    assert window.baseline.state is LockState.NONE


def test_a_rig_file_that_was_judged_redo_is_used_with_a_warning(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    qtbot.waitUntil(lambda: window.baseline.cameras() is not None, timeout=10000)
    cameras = window.baseline.cameras()
    assert cameras is not None
    assert [camera.binning for camera in cameras] == [1, 1]

    def model(camera: CameraId) -> dict[str, object]:
        focal, (width, height) = 3.0 * camera.width, camera.size
        k = ((focal, 0, (width - 1) / 2), (0, focal, (height - 1) / 2), (0, 0, 1))
        return {"id": camera, "matrix": k, "distortion": (0.0,) * 5}

    rig = {"hsr": model(cameras[0]), "lsr": model(cameras[1]), "rotation": np.eye(3).tolist()}
    path = tmp_path / "rig.json"
    Rig.model_validate({**rig, "direction": (1, 0, 0), "baseline_mm": 50, "verdict": "redo"}).save(path)
    window.baseline.open_rig(path)
    qtbot.waitUntil(lambda: any("judged 'redo'" in m.text for m in window.messages.log), timeout=10000)
    assert window.baseline.lock is not None
