"""The list of fusion methods, the same wherever one is chosen; it says which cannot run here, and why."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QStandardItemModel
from PyQt6.QtWidgets import QComboBox, QWidget

from app.gui.messages import sentence
from fusion import METHODS, FusionError
from fusion.cards import runnable

_WORDS = {
    "awnet": ("AWnet", "The paper's network: the slowest"),
    "live": ("Fast network", "A small network: for a GPU, or for time to wait"),
    "classical": (
        "Classical",
        "Motion, and the sharp picture's detail along it: the fastest that sharpens",
    ),
    "bicubic": ("Bicubic", "Only the enlarged LSR frame, for comparison"),
}


@cache
def not_runnable() -> Mapping[str, str]:
    """Why a method cannot run in this installation, by its name; those that can are not in it."""
    simple = {"classical", "bicubic"}
    try:
        there = simple | set(runnable(1)) | set(runnable(2))
        why = "has no trained weights in this installation"
    except FusionError as error:
        there, why = simple, f"cannot run: {sentence(error)}"
    return {name: f"{_WORDS[name][0]} {why}" for name in METHODS if name not in there}


class MethodBox(QComboBox):
    """Methods by their names, what cannot run greyed out with the reason in its tool tip.

    Args:
        automatic: Words for leaving the choice to the program; none for no such entry.

    """

    def __init__(self, automatic: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        if automatic:
            self.addItem(automatic, None)
        missing = not_runnable()
        for name in METHODS:
            words, help_text = _WORDS[name]
            self.addItem(words, name)
            self.setItemData(self.count() - 1, missing.get(name, help_text), Qt.ItemDataRole.ToolTipRole)
        model = self.model()
        if isinstance(model, QStandardItemModel):
            for name in missing:
                item = model.item(self.findData(name))
                if item is not None:
                    item.setEnabled(False)
        self.setToolTip("\n".join(missing.values()))

    @property
    def method(self) -> str | None:
        """The chosen method's name in `fusion.METHODS`; None leaves the choice to the program."""
        name = self.currentData()
        return name if isinstance(name, str) else None

    def choose(self, method: str) -> None:
        """Choose a method by its name."""
        self.setCurrentIndex(self.findData(method))
