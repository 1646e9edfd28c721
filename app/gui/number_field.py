"""A field for a decimal number, which reads and shows the same whatever country the computer is set to."""

from __future__ import annotations

from PyQt6.QtCore import QLocale
from PyQt6.QtGui import QValidator
from PyQt6.QtWidgets import QDoubleSpinBox, QWidget


class NumberField(QDoubleSpinBox):
    """Shows a point, as all texts of the window do; a comma that is typed or pasted becomes one at once.

    Qt takes the country's other sign for one between thousands: 1.5 would be 15 in some, 1,5 in the others.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setLocale(QLocale.c())

    def validate(self, text: str | None, position: int) -> tuple[QValidator.State, str, int]:
        """What Qt thinks of the text, with points for commas."""
        return super().validate((text or "").replace(",", "."), position)
