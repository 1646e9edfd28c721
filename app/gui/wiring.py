"""The wiring dialog: how the trigger plan wants the cameras connected, as a picture and in words."""

from __future__ import annotations

from PyQt6.QtCore import QByteArray, Qt
from PyQt6.QtSvgWidgets import QSvgWidget
from PyQt6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QVBoxLayout, QWidget

from drivers.trigger import TriggerPlan
from drivers.trigger_wiring import wiring_svg


class WiringDialog(QDialog):
    """Picture and words."""

    def __init__(self, plan: TriggerPlan, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Wiring")
        self.picture = QSvgWidget()
        self.picture.load(QByteArray(wiring_svg(plan).encode()))
        self.picture.setFixedSize(self.picture.sizeHint())
        self.words = QLabel(plan.wiring())
        self.words.setWordWrap(True)
        self.words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout = QVBoxLayout(self)
        layout.addWidget(self.picture, 0, Qt.AlignmentFlag.AlignCenter)
        layout.addWidget(self.words)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout.addWidget(buttons)
