"""Widgets side by side in a dialog."""

from __future__ import annotations

from PyQt6.QtWidgets import QHBoxLayout, QLineEdit, QWidget


def row(*widgets: QWidget, fill: bool = False) -> QHBoxLayout:
    """Widgets from left to right; a text field takes what room there is, else it stays free on the right.

    Args:
        widgets: What to put there.
        fill: Share the whole width out among them.

    """
    line = QHBoxLayout()
    for widget in widgets:
        line.addWidget(widget, 1 if isinstance(widget, QLineEdit) else 0)
    if not fill and not any(isinstance(widget, QLineEdit) for widget in widgets):
        line.addStretch(1)
    return line
