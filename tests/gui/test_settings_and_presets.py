"""What is remembered, and what happens when the memory is damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PyQt6.QtWidgets import QDoubleSpinBox, QInputDialog
from pytestqt.qtbot import QtBot

from app.gui.main_window import MainWindow, WindowOptions
from app.gui.messages import Messages
from app.gui.theme import Theme
from app.session import State
from app.settings import Preset, Settings, load_settings, save_settings
from drivers import Role

PRESET = Preset(hsr_exposure_us=5000, lsr_exposure_us=2500, hsr_fps=15, ratio=4)


def test_settings_come_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "settings.json"
    settings = Settings(theme="light", serials=("1", "2"), presets={"bench": PRESET})
    save_settings(settings, path)
    loaded = load_settings(path)
    assert loaded.settings == settings
    assert not loaded.warnings


def test_no_file_means_the_usual_settings(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "none.json") == load_settings(tmp_path / "none either.json")


def test_bad_entries_are_dropped_and_named(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    good = json.loads(Settings(presets={"bench": PRESET}).model_dump_json())
    good["presets"]["broken"] = {"hsr_exposure_us": -1}
    good["theme"] = "pink"
    good["from the future"] = 1
    good["lens_mm"] = 35.0
    path.write_text(json.dumps(good))
    loaded = load_settings(path)
    assert loaded.settings.theme == "dark"
    assert loaded.settings.lens_mm == 35.0
    assert list(loaded.settings.presets) == ["bench"]
    text = "\n".join(loaded.warnings)
    for word in ("theme", "broken", "from the future"):
        assert word in text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"version": 99}',
        b'{"presets": 3}',
        b'{"window": [99999999999, 800]}',
        pytest.param(b"[" * 100_000, id="nested"),
    ],
)
def test_damaged_files_never_stop_the_window(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(content)
    loaded = load_settings(path)
    assert loaded.settings == Settings()
    assert loaded.warnings


TYPO = '{"version": 1, "presets": {"bench": {"hsr_exposure_us": 2000},}}'


@pytest.mark.parametrize("content", [TYPO, '{"version": 2, "presets": {"a": {}}}', '{"theme": "pink"}'])
def test_a_file_that_was_not_understood_is_kept(tmp_path: Path, content: str) -> None:
    path = tmp_path / "settings.json"
    for _ in range(2):
        path.write_text(content)
        save_settings(Settings(theme="light"), path)
        save_settings(Settings(lens_mm=35.0), path)
    assert load_settings(path).settings == Settings(lens_mm=35.0)
    kept = [entry for entry in tmp_path.iterdir() if entry != path]
    assert sorted(entry.name for entry in kept) == ["settings.json.bad", "settings.json.bad.2"]
    assert {entry.read_text() for entry in kept} == {content}


def test_preset_is_saved_and_applied(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QInputDialog, "getText", lambda *_, **__: ("bench day", True))
    spin = window.findChild(QDoubleSpinBox, "lsr_ExposureTime_field")
    assert spin is not None
    spin.setValue(3.0)
    qtbot.waitUntil(
        lambda: (
            window.controller.settings is not None
            and window.controller.settings.lsr.exposure_us == pytest.approx(3000, abs=5)
        )
    )
    window.presets.save.click()
    spin.setValue(1.0)
    with qtbot.waitSignal(window.controller.configured, timeout=10000):
        window.actions_table["preset_1"].trigger()
    assert spin.value() == pytest.approx(3.0, abs=0.01)
    qtbot.waitUntil(lambda: window.controller.state is State.LIVE, timeout=10000)
    settings = window.controller.settings
    assert settings is not None
    assert settings.camera(Role.LSR).exposure_us == pytest.approx(3000, abs=5)
    path = window.recording.folder.parent / "settings" / "settings.json"
    qtbot.waitUntil(path.is_file, timeout=5000)
    assert "bench day" in load_settings(path).settings.presets


def test_a_preset_is_one_step_back(window: MainWindow, qtbot: QtBot) -> None:
    spin = window.findChild(QDoubleSpinBox, "hsr_ExposureTime_field")
    assert spin is not None
    window.memory.set_preset("bench", PRESET)
    spin.setValue(3.0)

    def exposed_us() -> float:
        settings = window.controller.settings
        return settings.hsr.exposure_us if settings is not None else 0.0

    qtbot.waitUntil(lambda: exposed_us() == pytest.approx(3000, abs=5), timeout=10000)
    window.presets.apply("bench")
    qtbot.waitUntil(lambda: exposed_us() == pytest.approx(5000, abs=5), timeout=10000)
    window.undo.undo()
    qtbot.waitUntil(lambda: exposed_us() == pytest.approx(3000, abs=5), timeout=10000)
    qtbot.waitUntil(lambda: spin.value() == pytest.approx(3.0, abs=0.01), timeout=10000)
    window.undo.redo()
    qtbot.waitUntil(lambda: exposed_us() == pytest.approx(5000, abs=5), timeout=10000)


def test_look_and_geometry_are_remembered(idle_window: MainWindow, qtbot: QtBot) -> None:
    idle_window.actions_table["dark"].trigger()
    idle_window.baseline_panel.baseline.setValue(77.0)
    idle_window.recording_panel.set_folder(idle_window.recording.folder.with_name("elsewhere"))
    idle_window.windowHandle().resize(1290, 810)
    idle_window.close()
    path = idle_window.recording.folder.parent / "settings" / "settings.json"
    settings = load_settings(path).settings
    assert settings.theme == "light"
    assert settings.baseline_mm == 77.0
    assert settings.take_folder == idle_window.recording.folder
    assert settings.window == (idle_window.width(), idle_window.height())


def test_nothing_is_written_where_nothing_was_changed(idle_window: MainWindow) -> None:
    idle_window.close()
    assert not (idle_window.recording.folder.parent / "settings").exists()


def test_what_was_asked_for_this_time_only_is_not_remembered(qtbot: QtBot, tmp_path: Path) -> None:
    """Theme, folder and size of the command line stay out of what the operator changes."""
    path = tmp_path / "settings.json"
    kept = Settings(theme="light", folder=str(tmp_path / "usual"), window=(1300, 820))
    save_settings(kept, path)
    options = WindowOptions(
        open_rig=lambda _: pytest.fail("no cameras are needed here"),
        folder=tmp_path / "once",
        log_file=tmp_path / "window.log",
        settings=kept,
        settings_path=path,
        theme=Theme.DARK,
        connect=False,
    )
    window = MainWindow(options, Messages())
    qtbot.addWidget(window, before_close_func=MainWindow.shut_down)
    window.resize(1280, 800)
    window.show()
    window.resize(1310, 790)
    assert window.actions_table["dark"].isChecked()
    window.baseline_panel.baseline.setValue(77.0)
    window.close()
    assert load_settings(path).settings == kept.model_copy(update={"baseline_mm": 77.0})
