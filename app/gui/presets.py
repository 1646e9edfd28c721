"""Presets and everything else that is remembered: kept in memory, written on a worker thread."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import QObject, pyqtSignal
from PyQt6.QtGui import QUndoStack
from PyQt6.QtWidgets import QComboBox, QHBoxLayout, QInputDialog, QLabel, QPushButton, QWidget

from app.gui.controller import SessionController
from app.gui.lane import Lane
from app.gui.messages import Messages, Severity
from app.gui.undo import CameraStep
from app.settings import Preset, Settings, keep_settings
from drivers import Role

_LONGEST_NAME = 40


class Memory(QObject):
    """The settings of this user.

    Args:
        settings: As read at the start.
        path: Where they are written; None forgets them with this window.
        messages: For failures.

    """

    presets_changed = pyqtSignal()

    def __init__(
        self, settings: Settings, path: Path | None, messages: Messages, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._settings, self._path = settings, path
        self._changed: frozenset[str] = frozenset()
        self._presets: dict[str, Preset | None] = {}
        self._lane = Lane("settings", messages.error)

    @property
    def settings(self) -> Settings:
        """As they are now."""
        return self._settings

    def change(self, **values: object) -> None:
        """Remember other values; the file is written soon."""
        changed = self._settings.model_copy(update=values)
        if changed == self._settings:
            return
        # What stays as it was is not this window's: another one may have changed it.
        self._changed |= {name for name, value in values.items() if value != getattr(self._settings, name)}
        self._settings = changed
        path, names, presets = self._path, self._changed, dict(self._presets)
        if path is not None:
            # Another window may have written its own meanwhile.
            self._lane.submit(lambda: keep_settings(changed, path, names, presets), latest="settings")

    def set_preset(self, name: str, preset: Preset | None) -> None:
        """Remember a preset; None forgets it."""
        presets = dict(self._settings.presets)
        presets.pop(name, None)
        if preset is not None:
            presets[name] = preset
        self._presets[name] = preset
        self.change(presets=dict(sorted(presets.items())))
        self.presets_changed.emit()

    def close(self) -> None:
        """Write what is left to write."""
        self._lane.close()


class _ApplyPreset(CameraStep):
    """Both cameras as a preset says, and back as they were before."""

    def __init__(self, controller: SessionController, name: str, before: Preset, after: Preset) -> None:
        super().__init__(f"preset {name}", controller, frozenset(Role), "preset")
        self._before, self._after = before, after

    def redo(self) -> None:
        """Set the cameras as the preset says."""
        self._controller.reconfigure(self._after.apply_to)

    def undo(self) -> None:
        """Set the cameras as they were."""
        self._controller.reconfigure(self._before.apply_to)


class PresetBar(QWidget):
    """Choose, save and forget presets.

    Args:
        memory: Where presets are kept.
        controller: What they are applied to.
        undo: The window's undo stack.
        messages: For what was done.

    """

    def __init__(
        self,
        memory: Memory,
        controller: SessionController,
        undo: QUndoStack,
        messages: Messages,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._memory, self._controller, self._undo, self._messages = memory, controller, undo, messages
        self.names = QComboBox()
        self.names.setObjectName("presets")
        self.names.setAccessibleName("Preset")
        self.names.setPlaceholderText("none")
        self.save = QPushButton("Save ...")
        self.save.setObjectName("preset_save")
        self.forget = QPushButton("Forget")
        self.forget.setObjectName("preset_forget")
        self.forget.setEnabled(False)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(4, 2, 4, 2)
        layout.addWidget(QLabel("Preset"))
        layout.addWidget(self.names, 1)
        layout.addWidget(self.save)
        layout.addWidget(self.forget)
        self.names.currentIndexChanged.connect(lambda chosen: self.forget.setEnabled(chosen >= 0))
        self.names.activated.connect(lambda _: self.apply(self.names.currentText()))
        self.save.clicked.connect(self._save)
        self.forget.clicked.connect(self._forget)
        memory.presets_changed.connect(self._fill)
        self._fill()

    def apply(self, name: str) -> None:
        """Set both cameras as the preset says."""
        preset = self._memory.settings.presets.get(name)
        settings = self._controller.settings
        if preset is not None and settings is not None:
            self._undo.push(_ApplyPreset(self._controller, name, Preset.of(settings), preset))

    def apply_number(self, number: int) -> None:
        """Apply the first, second ... preset of the list."""
        names = list(self._memory.settings.presets)
        if number <= len(names):
            self.names.setCurrentText(names[number - 1])
            self.apply(names[number - 1])
        else:
            self._messages.post(Severity.INFO, f"there is no preset {number}; save one in Exposure")

    def set_allowed(self, *, apply: bool, save: bool) -> None:
        """What the session's state allows."""
        self.names.setEnabled(apply)
        self.save.setEnabled(save)

    def _fill(self) -> None:
        shown = self.names.currentText()
        self.names.clear()
        self.names.addItems(list(self._memory.settings.presets))
        self.names.setCurrentIndex(self.names.findText(shown))

    def _save(self) -> None:
        settings = self._controller.settings
        if settings is None:
            return
        name, agreed = QInputDialog.getText(
            self, "Save preset", "Name of the preset", text=self.names.currentText()
        )
        name = name.strip()[:_LONGEST_NAME]
        if agreed and name:
            self._memory.set_preset(name, Preset.of(settings))
            self.names.setCurrentText(name)
            self._messages.info(f"preset {name} saved")

    def _forget(self) -> None:
        name = self.names.currentText()
        if name:
            self._memory.set_preset(name, None)
            self.names.setCurrentIndex(-1)
