"""Which of the connected cameras is the sharp one and which the fast one? Asked once, then remembered."""

from __future__ import annotations

from PyQt6.QtWidgets import QComboBox, QDialog, QDialogButtonBox, QFormLayout, QLabel, QVBoxLayout, QWidget

from app.gui.raw_pane import TITLES
from app.gui.theme import set_flag
from drivers import CameraIdentity, Role

_WORDS = {Role.HSR: "sharp and slow", Role.LSR: "fast and coarse"}


class CameraDialog(QDialog):
    """One box a camera.

    Args:
        cameras: What is connected; at least two.
        saved: Serial numbers of the HSR and the LSR camera of last time; None when there is none.

    """

    def __init__(
        self,
        cameras: tuple[CameraIdentity, ...],
        saved: tuple[str, str] | None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Which camera is which?")
        self.boxes = {role: QComboBox() for role in Role}
        form = QFormLayout()
        for place, (role, box) in enumerate(self.boxes.items()):
            box.setObjectName(f"camera_{role}")
            for camera in cameras:
                box.addItem(f"{camera.model}  #{camera.serial}", camera.serial)
            remembered = box.findData(saved[place]) if saved else -1
            box.setCurrentIndex(remembered if remembered >= 0 else place)
            form.addRow(f"{TITLES[role]}, {_WORDS[role]}", box)
        words = QLabel(
            f"The cameras of last time, {' and '.join(saved)}, are not both connected."
            if saved
            else f"{len(cameras)} cameras are connected."
        )
        self.problem = QLabel("")
        set_flag(self.problem, "dim", "true")
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        self.go = buttons.button(QDialogButtonBox.StandardButton.Ok)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(words)
        layout.addLayout(form)
        layout.addWidget(self.problem)
        layout.addWidget(buttons)
        for box in self.boxes.values():
            box.currentIndexChanged.connect(self._review)
        self._review()

    @property
    def serials(self) -> tuple[str, str]:
        """Serial numbers of the HSR and the LSR camera."""
        return self.boxes[Role.HSR].currentData(), self.boxes[Role.LSR].currentData()

    def _review(self, *_: object) -> None:
        hsr, lsr = self.serials
        self.problem.setText("Both are the same camera: choose two." if hsr == lsr else "")
        if self.go is not None:
            self.go.setEnabled(hsr != lsr)
