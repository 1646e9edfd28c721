"""The list of actions and keys, made from the action table."""

from __future__ import annotations

from html import escape

from PyQt6.QtWidgets import QDialog, QDialogButtonBox, QTextBrowser, QVBoxLayout, QWidget

from app.gui.actions import ACTIONS, MENUS


def help_html() -> str:
    """Every action with its key and what it does, by menu."""
    parts = ["<h2>Keys and actions</h2>"]
    for menu in MENUS:
        rows = "".join(
            f"<tr><td><b>{escape(info.text)}</b></td>"
            f"<td><code>{escape(info.shortcut) or '&nbsp;'}</code></td><td>{escape(info.help)}</td></tr>"
            for info in ACTIONS
            if info.menu == menu
        )
        if rows:
            parts.append(f"<h3>{menu}</h3><table cellpadding='4'>{rows}</table>")
    parts.append(
        "<h3>In the views</h3><p>Wheel: zoom at the pointer. Drag: pan. Double-click: whole picture. "
        "Click: choose the camera that keys act on.</p>"
    )
    return "".join(parts)


class HelpPage(QDialog):
    """A window with the list."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keys and actions")
        self.resize(720, 560)
        self.text = QTextBrowser()
        self.text.setHtml(help_html())
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(self.text)
        layout.addWidget(buttons)
