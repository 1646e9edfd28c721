"""Keys in number fields: those of the window still work there, and Enter ends a number, not a dialog."""

from __future__ import annotations

from PyQt6.QtCore import QEvent, QObject, Qt
from PyQt6.QtGui import QKeyEvent, QKeySequence
from PyQt6.QtWidgets import QAbstractSpinBox, QLineEdit, QWidget

_USED = "0123456789.,+-"


class _FieldKeys(QObject):
    """Looks at the keys of all number fields in a widget, which also owns it."""

    def __init__(self, panel: QWidget) -> None:
        super().__init__(panel)
        for field in panel.findChildren(QAbstractSpinBox):
            field.installEventFilter(self)


class NumberKeys(_FieldKeys):
    """Lets what is no part of a number, and Ctrl+Z after a finished entry, through to the window."""

    def eventFilter(self, field: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Refuse the keys that the field would swallow."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.ShortcutOverride:
            line = field.findChild(QLineEdit) if field is not None else None
            finished = line is not None and not line.isModified()
            undo = event.matches(QKeySequence.StandardKey.Undo) or event.matches(
                QKeySequence.StandardKey.Redo
            )
            plain = not event.modifiers() & ~Qt.KeyboardModifier.ShiftModifier
            letter = plain and event.text().isprintable() and event.text() not in _USED
            if (undo and finished) or letter:
                event.ignore()
                return True
        return super().eventFilter(field, event)


class EnterEndsNumbers(_FieldKeys):
    """Lets Enter in a dialog's number field take the number, as it does in the window, and nothing more."""

    def eventFilter(self, field: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Keep Enter from the dialog's default button."""
        if (
            isinstance(field, QAbstractSpinBox)
            and isinstance(event, QKeyEvent)
            and event.type() == QEvent.Type.KeyPress
            and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        ):
            field.interpretText()
            field.selectAll()
            return True
        return super().eventFilter(field, event)
