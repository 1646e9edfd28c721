"""Dark and light look: one palette and one small style sheet, made from the same table of colours."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import pyqtgraph as pg
from PyQt6.QtGui import QColor, QPalette
from PyQt6.QtWidgets import QApplication, QWidget


class Theme(str, Enum):
    """The looks to choose from."""

    DARK = "dark"
    LIGHT = "light"


@dataclass(frozen=True, slots=True)
class Colors:
    """Colours of one look, as #rrggbb."""

    window: str
    base: str
    raised: str
    text: str
    dim: str
    border: str
    accent: str
    picture: str
    good: str
    warn: str
    bad: str
    on_state: str


COLORS = {
    Theme.DARK: Colors(
        window="#23262b",
        base="#1b1d21",
        raised="#30343b",
        text="#e6e8eb",
        dim="#9aa1ab",
        border="#41464e",
        accent="#4c9be8",
        picture="#101114",
        good="#3fb56b",
        warn="#e0a32e",
        bad="#e5564f",
        on_state="#14161a",
    ),
    Theme.LIGHT: Colors(
        window="#f2f3f5",
        base="#ffffff",
        raised="#e4e6ea",
        text="#1d2024",
        dim="#5b626b",
        border="#c3c8cf",
        accent="#1f6fc4",
        picture="#2b2d31",
        good="#1d8a48",
        warn="#a86b00",
        bad="#c62f28",
        on_state="#ffffff",
    ),
}

_CHECK = (Path(__file__).parent / "icons" / "check.svg").as_posix()
_SHEET = """
QToolTip {{ color: {text}; background: {raised}; border: 1px solid {border}; }}
QToolBar {{ border: 0; spacing: 4px; padding: 3px; }}
QToolBar QToolButton {{ padding: 4px 9px; border-radius: 4px; }}
QToolBar QToolButton:hover {{ background: {raised}; }}
QToolBar QToolButton:checked {{ background: {accent}; color: {on_state}; }}
QToolBar QToolButton:disabled {{ color: {dim}; background: transparent; }}
QToolBar QToolButton:checked:disabled {{ background: {raised}; }}
QToolButton[section="true"] {{ border: 0; font-weight: bold; padding: 3px 2px; }}
QToolButton[danger="true"] {{ color: {bad}; font-weight: bold; }}
QToolButton[danger="true"]:disabled {{ color: {dim}; }}
QToolButton[danger="true"][on="true"] {{ background: {bad}; color: {on_state}; }}
QGroupBox {{ border: 1px solid {border}; border-radius: 5px; margin-top: 17px; padding: 5px; }}
QGroupBox::title {{ subcontrol-origin: margin; left: 6px; font-weight: bold; }}
QLabel[chip="plain"], QLabel[chip="good"], QLabel[chip="warn"], QLabel[chip="bad"], QLabel[chip="info"] {{
    border-radius: 4px; padding: 1px 6px; }}
QLabel[chip="plain"] {{ background: {raised}; color: {text}; }}
QLabel[chip="good"] {{ background: {good}; color: {on_state}; }}
QLabel[chip="warn"] {{ background: {warn}; color: {on_state}; }}
QLabel[chip="bad"] {{ background: {bad}; color: {on_state}; }}
QLabel[chip="info"] {{ background: {accent}; color: {on_state}; }}
QLabel[onpicture="true"] {{ color: #9aa1ab; padding: 12px; }}
QLabel[dim="true"] {{ color: {dim}; }}
QLabel[heading="true"] {{ font-weight: bold; }}
QFrame[pane="true"] {{ border: 1px solid {border}; border-radius: 5px; }}
QFrame[pane="true"][selected="true"] {{ border: 1px solid {accent}; }}
QDialogButtonBox {{ dialogbuttonbox-buttons-have-icons: 0; }}
QStatusBar QLabel {{ margin-right: 4px; }}
QCheckBox::indicator {{ width: 14px; height: 14px; border: 1px solid {dim}; border-radius: 3px;
    background: {base}; }}
QCheckBox::indicator:checked {{ background: {accent}; border-color: {accent}; image: url({check}); }}
QCheckBox::indicator:disabled {{ border-color: {border}; }}
QPushButton[danger="true"] {{ background: {bad}; color: {on_state}; font-weight: bold; }}
"""


def apply_theme(app: QApplication, theme: Theme) -> Colors:
    """Give the whole program one look; every open window follows at once."""
    colors = COLORS[theme]
    app.setStyle("Fusion")
    palette = QPalette()
    roles = QPalette.ColorRole
    for role, value in (
        (roles.Window, colors.window),
        (roles.WindowText, colors.text),
        (roles.Base, colors.base),
        (roles.AlternateBase, colors.raised),
        (roles.Text, colors.text),
        (roles.Button, colors.raised),
        (roles.ButtonText, colors.text),
        (roles.BrightText, colors.bad),
        (roles.Highlight, colors.accent),
        (roles.HighlightedText, colors.on_state),
        (roles.Link, colors.accent),
        (roles.ToolTipBase, colors.raised),
        (roles.ToolTipText, colors.text),
        (roles.PlaceholderText, colors.dim),
        (roles.Mid, colors.border),
        (roles.Dark, colors.border),
        (roles.Midlight, colors.raised),
        (roles.Light, colors.raised),
    ):
        palette.setColor(role, QColor(value))
    for role in (roles.WindowText, roles.Text, roles.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, QColor(colors.dim))
    app.setPalette(palette)
    values = {name: getattr(colors, name) for name in Colors.__slots__}
    app.setStyleSheet(_SHEET.format(check=_CHECK, **values))
    pg.setConfigOptions(background=colors.picture, foreground=colors.dim, imageAxisOrder="row-major")
    return colors


def set_chip(label: QWidget, level: str) -> None:
    """Colour a label as a chip: plain, good, warn, bad or info."""
    set_flag(label, "chip", level)


def set_flag(widget: QWidget, name: str, value: object) -> None:
    """Set a style property and let the style sheet notice, only when it changed."""
    if widget.property(name) == value:
        return
    widget.setProperty(name, value)
    style = widget.style()
    if style is not None:
        style.unpolish(widget)
        style.polish(widget)
    # Without a new text nothing else has it painted anew.
    widget.update()
